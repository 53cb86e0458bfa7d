"""Checkpoints: C2SP's text, with a line of ours that names the one before."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.note import NoteError, SigningKey, sign

ROOT = "CsUYapGGPo4dkMgIAUqom/Xajj7h2fB2MPA3j2jxq2I="


def test_it_is_written_as_the_specification_has_it() -> None:
    written = f"example.com/behind-the-sofa\n20852163\n{ROOT}\n"
    found = Checkpoint.parse(written)
    assert (found.origin, found.head.size) == ("example.com/behind-the-sofa", 20852163)
    assert str(found.head) == (
        "20852163:0ac5186a91863e8e1d90c808014aa89bf5da8e3ee1d9f07630f0378f68f1ab62"
    )
    assert found.text == written


@given(
    st.integers(0, 10**12), st.none() | st.integers(0, 10**12), st.binary(min_size=32, max_size=32)
)
def test_it_is_read_back_from_its_note(size: int, previous: int | None, root: bytes) -> None:
    key = SigningKey.generate("log")
    made = Checkpoint("log", TreeHead(size, root), previous, ("of others",))
    found, note = Checkpoint.of(sign(made.text, key).encode())
    assert found == made
    assert note.signed_by([key.verifier]) == [key.verifier]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "origin\n",
        "origin\n5\n",
        f"origin\n05\n{ROOT}\n",
        f"origin\n-5\n{ROOT}\n",
        f"origin\n5 \n{ROOT}\n",
        f"origin\n٥\n{ROOT}\n",
        f"\n5\n{ROOT}\n",
        f"origin\n5\n{ROOT}\n\nmore\n",
        f"origin\n5\n{ROOT[:-1]}\n",
        "origin\n5\nAAAA\n",
        f"origin\n5\n{ROOT[:-2]}J=\n",  # the same bytes, written in another way
        f"origin\n5\n{ROOT[:9]}!{ROOT[9:]}\n",
        f"origin\n5\n{ROOT}\nprevious five\n",
    ],
)
def test_what_is_no_checkpoint_is_refused(text: str) -> None:
    with pytest.raises(NoteError):
        Checkpoint.parse(text)


def test_five_floats_hold_a_root_exactly() -> None:
    for number in range(50):
        head = TreeHead(number, sha256(bytes([number])).digest())
        words = [float(word) for word in head.words]
        assert len(words) == 5
        assert sum(int(word) << 52 * n for n, word in enumerate(words)) == int.from_bytes(head.root)
