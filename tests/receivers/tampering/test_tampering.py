"""Every attack of the table is known by the layers that the table names, and by no other."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tampering import story
from tampering.case import Case, Layer
from tampering.forger import Forger
from tampering.table import CASES, PAGE, README, page, readme
from typer.testing import CliRunner

from risk_receivers.store.errors import StoreError
from riskwarden.app import application
from riskwarden.auditor import riskwarden_verify as auditor

_RECORD = re.compile(r"record (\d+): ")
(DELETED_CHECKPOINT,) = [case for case in CASES if case.name == "delete checkpoints"]
_ALONE = ((Layer.PINNED,), (Layer.WITNESS,))


@dataclass(frozen=True)
class Found:
    """What the verifier found."""

    exit_code: int
    layers: frozenset[Layer]
    at: tuple[int, ...]


NOTHING = Found(0, frozenset(), ())


def verify(data: Path, *arguments: str) -> Found:
    given = ["audit", "verify", "--json", "--data", str(data), *arguments]
    done = CliRunner().invoke(application(given), given)
    problems = json.loads(done.stdout)["problems"]
    named = [_RECORD.match(problem) for problem in problems]
    return Found(
        done.exit_code,
        frozenset(layer_of(problem) for problem in problems),
        tuple(int(found[1]) for found in named if found),
    )


def layer_of(problem: str) -> Layer:
    found = [layer for layer in Layer if re.search(layer.words, problem)]
    assert len(found) == 1, f"this is said by {found or 'no layer'}: {problem}"
    return found[0]


def named(case: Case) -> str:
    return case.name


@pytest.mark.parametrize("case", [case for case in CASES if not case.in_files], ids=named)
def test_an_attack_is_known_by_the_layers_that_are_meant_for_it(
    case: Case, forger: Forger, told: Any
) -> None:
    case.attack(forger)
    by_itself = verify(forger.data)
    if case.caught not in _ALONE:
        assert by_itself == Found(1, frozenset(case.caught), case.at)
        return
    assert by_itself == NOTHING
    with_the_key = verify(forger.data, "--key", str(told.key))
    if case.caught == (Layer.PINNED,):
        assert Layer.PINNED in with_the_key.layers
        assert with_the_key.layers <= {Layer.PINNED, Layer.SIGNATURE}
    else:
        assert with_the_key == NOTHING
        assert verify(forger.data, "--head", told.head) == Found(1, frozenset({Layer.NOTED}), ())


@pytest.mark.parametrize("case", [case for case in CASES if case.in_files], ids=named)
def test_an_attack_on_segment_files_is_known_and_nothing_is_written_after_it(
    case: Case, forger_of_files: Forger
) -> None:
    assert verify(forger_of_files.data) == NOTHING
    case.attack(forger_of_files)
    assert case.caught[0] is Layer.START
    assert verify(forger_of_files.data) == Found(1, frozenset(case.caught[1:]), case.at)
    with pytest.raises(StoreError, match="was changed or put there"):
        story.go_on(forger_of_files.data, "on we go", in_files=True)
    assert verify(forger_of_files.data) == Found(1, frozenset(case.caught[1:]), case.at)


def audited(forger: Forger, told: Any, folder: Path) -> int:
    """What an auditor says who was handed an export, and has kept the key and a head."""
    forger.export(folder / "export.jsonl")
    return auditor.main(
        [str(folder / "export.jsonl"), "--key", str(told.key), "--head", told.head, "--json"]
    )


def test_an_honest_export_convinces_an_auditor(forger: Forger, told: Any, tmp_path: Path) -> None:
    assert audited(forger, told, tmp_path) == 0


@pytest.mark.parametrize("case", [case for case in CASES if not case.in_files], ids=named)
def test_no_attack_convinces_an_auditor_who_is_handed_an_export(
    case: Case, forger: Forger, told: Any, tmp_path: Path
) -> None:
    before = [forger.row(seq) for seq in range(1, forger.last + 1)]
    case.attack(forger)
    if case is DELETED_CHECKPOINT:  # an export holds but the newest, and no record was changed
        assert [forger.row(seq) for seq in range(1, forger.last + 1)] == before
        assert audited(forger, told, tmp_path) == 0
    else:
        assert audited(forger, told, tmp_path) != 0


def verify_as_everybody(forger: Forger, told: Any) -> set[Found]:
    return {
        verify(forger.data),
        verify(forger.data, "--key", str(told.key), "--head", told.head),
        verify(forger.data, "--key", forger.public_key),
    }


def test_an_untouched_chain_is_not_blamed(forger: Forger, told: Any) -> None:
    assert verify_as_everybody(forger, told) == {NOTHING}


def test_a_chain_that_went_on_is_not_blamed(forger: Forger, told: Any) -> None:
    story.go_on(forger.data, "spread of ETH-EUR is 35 bp")
    assert verify_as_everybody(forger, told) == {NOTHING}


def test_a_chain_that_went_on_with_an_older_memory_of_the_signer_is_not_blamed(
    forger: Forger, told: Any
) -> None:
    """As it was restored from a backup; the store is not older."""
    shutil.copyfile(told.old / forger.memory.relative_to(forger.data), forger.memory)
    story.go_on(forger.data, "spread of ETH-EUR is 35 bp", "and 33 bp")
    assert verify_as_everybody(forger, told) == {NOTHING}


def test_a_chain_whose_payloads_were_deleted_when_they_were_due_is_not_blamed(
    forger: Forger, told: Any
) -> None:
    assert story.prune(forger.data) > 5
    assert verify_as_everybody(forger, told) == {NOTHING}


def test_a_chain_that_is_held_is_not_blamed_and_keeps_what_is_held(
    forger: Forger, told: Any
) -> None:
    story.hold(forger.data)
    assert story.prune(forger.data) < 4
    assert verify_as_everybody(forger, told) == {NOTHING}


def test_no_two_cases_have_one_name() -> None:
    assert len({case.name for case in CASES}) == len(CASES)


def test_the_page_and_the_readmes_table_are_what_the_cases_say() -> None:
    anew = "run python -m tampering.table in tests/support"
    assert PAGE.read_text(encoding="utf-8") == page(), anew
    said = README.read_text(encoding="utf-8")
    assert said == readme(said), anew
