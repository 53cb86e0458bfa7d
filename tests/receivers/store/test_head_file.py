"""The noted head: never ahead of the chain, and at most one damaged slot behind it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.store import head_file


def head(size: int) -> Head:
    return Head(size, f"{size:064x}")


def noting(folder: Path, *sizes: int) -> Path:
    database = folder / "audit.db"
    file = head_file.HeadFile(database)
    for size in sizes:
        file.note(head(size))
    file.sync(now=True)
    file.close()
    return database


def test_without_a_note_nothing_is_known(tmp_path: Path) -> None:
    assert head_file.read(tmp_path / "audit.db") is None
    assert head_file.read(noting(tmp_path)) is None


@given(st.lists(st.integers(0, 2**53), min_size=1).map(sorted))
def test_the_latest_note_is_read(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int]
) -> None:
    assert head_file.read(noting(tmp_path_factory.mktemp("head"), *sizes)) == head(sizes[-1])


def test_an_empty_chain_can_be_noted(tmp_path: Path) -> None:
    database = tmp_path / "audit.db"
    file = head_file.HeadFile(database)
    file.note(EMPTY)
    file.close()
    assert head_file.read(database) == EMPTY


@given(st.integers(0, 1), st.integers(0, 511), st.binary(min_size=1, max_size=200))
def test_one_damaged_slot_costs_one_note(
    tmp_path_factory: pytest.TempPathFactory, slot: int, begin: int, left: bytes
) -> None:
    database = noting(tmp_path_factory.mktemp("head"), 3, 4)
    path = head_file.path_beside(database)
    data = bytearray(path.read_bytes())
    end = min(begin + len(left), 512)
    data[slot * 512 + begin : slot * 512 + end] = left[: end - begin]
    path.write_bytes(data)
    found = head_file.read(database)
    assert found in (head(3), head(4))
    assert slot == 1 or found == head(4)


@pytest.mark.parametrize("content", [b"x", b"x" * 1024, b"riskwarden-head-1 5 " + b"0" * 64])
def test_what_cannot_be_read_is_no_missing_note(tmp_path: Path, content: bytes) -> None:
    database = tmp_path / "audit.db"
    head_file.path_beside(database).write_bytes(content)
    with pytest.raises(head_file.NotedHeadError, match="damaged"):
        head_file.read(database)
