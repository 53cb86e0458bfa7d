"""The signer dies, or a call of its fails, at any write, sync or rename that it makes.

Whatever the moment: it remembers all that it has told, its key is the one that has signed last, a
rotation has happened or has not, and it goes on.

A sample of the moments is tried each time, all of them with RISKWARDEN_CRASH_POINTS=all.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import signer_crash
from signer_crash import CALLS, NAME, labour, tree_of
from traced_child import answering

from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.note import VerifierKey
from risk_receivers.signer.files import public_path
from risk_receivers.signer.signer import KeptSigner

STEP = 1 if os.environ.get("RISKWARDEN_CRASH_POINTS") == "all" else 6
Attempt = Callable[[str, int, str], tuple[Path, dict[str, Any]]]

pytestmark = pytest.mark.skipif(
    shutil.which("strace") is None, reason="strace is not installed: ./dev setup installs it"
)


@pytest.fixture(scope="module")
def attempt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Attempt]:
    """Makes tries, each in a folder of its own."""
    folder = tmp_path_factory.mktemp("tries")
    with answering(signer_crash.__file__) as ask:

        def make(call: str, number: int, ending: str) -> tuple[Path, dict[str, Any]]:
            place = folder / f"{call}.{number}.{ending}"
            return place / "key", json.loads(ask(f"{place} {call} {number} {ending}"))

        yield make


@pytest.mark.parametrize("ending", ["SIGKILL", "EIO"])
def test_whenever_it_ends_it_remembers_all_that_it_told_and_goes_on(
    attempt: Attempt, ending: str
) -> None:
    _, whole = attempt("write", 0, f"never-{ending}")
    assert [size for size, _ in whole["told"]] == [1, 2, 3, 4, 5, 6, 7]
    moments = [(call, n) for call in CALLS for n in range(1, whole["calls"].get(call, 0) + 1)]
    assert len(moments) > 40
    for call, number in moments[ending == "EIO" :: STEP]:
        key, outcome = attempt(call, number, ending)
        try:
            take_stock(key, outcome["told"])
        except BaseException as error:
            error.add_note(f"{ending} at {call} number {number}")
            raise


def take_stock(key: Path, told: list[tuple[int, str]]) -> None:
    signer = KeptSigner(key, NAME)
    kept, now = signer.latest(), signer.key
    last, note = told[-1] if told else (0, "")
    assert kept.size in (last, last + 1)
    assert kept.size != last or kept.note.decode() == note
    assert VerifierKey.parse(public_path(key).read_text()) == now
    if kept.note:
        checkpoint, signed = Checkpoint.of(kept.note)
        assert checkpoint.head.root == tree_of(kept.size).root
        assert signed.signed_by([now]) == [now], "the key is the one that signed last"
        assert not [path for path in key.parent.iterdir() if path.name.startswith(".")]
    signer.close()
    further: list[int] = []
    labour(key, lambda size, _: further.append(size))
    assert further[-1] >= kept.size + 6
