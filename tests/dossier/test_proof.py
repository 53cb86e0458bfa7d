"""A record is proven to be in the log as it was signed, or it is not said to be."""

from __future__ import annotations

from hashlib import sha256

from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.merkle import Tree, check_inclusion, hash_ranges, inclusion_ranges
from risk_receivers.audit.note import SigningKey, sign
from riskwarden.dossier.proof import prove

KEY = SigningKey("test", bytes(32))


def leaves(count: int) -> list[bytes]:
    return [sha256(str(number).encode()).digest() for number in range(count)]


def note_over(checksums: list[bytes]) -> tuple[bytes, bytes]:
    tree = Tree()
    tree.extend(checksums)
    checkpoint = Checkpoint("test", TreeHead(tree.size, tree.root), 0)
    return sign(checkpoint.text, KEY).encode(), tree.root


@given(st.integers(1, 200), st.integers(0, 40), st.data())
def test_every_record_below_the_signed_size_is_proven(
    size: int, more: int, data: st.DataObject
) -> None:
    checksums = leaves(size + more)
    note, root = note_over(checksums[:size])
    seqs = data.draw(st.lists(st.integers(1, size + more), max_size=5))
    found = prove(note, checksums, seqs)
    assert (found.size, found.problem) == (size, "")
    assert set(found.paths) == {seq for seq in seqs if seq <= size}
    for seq, path in found.paths.items():
        check_inclusion(checksums[seq - 1], seq - 1, size, root, path)
        assert path == hash_ranges(checksums[:size], inclusion_ranges(seq - 1, size))


def test_what_was_signed_over_other_records_proves_nothing() -> None:
    note, _ = note_over(leaves(9))
    changed = leaves(9)
    changed[7] = bytes(32)
    found = prove(note, changed, [2])
    assert found.paths == {}
    assert "does not lead to the tree's root" in found.problem
    assert "over 9 records, and 5 are there" in prove(note, leaves(5), [2]).problem
    assert "the newest checkpoint" in prove(b"nonsense", leaves(5), [2]).problem
