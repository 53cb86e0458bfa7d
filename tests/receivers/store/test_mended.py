"""Whether a store can be written again is found out without changing what is on record."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from no_room import no_larger_than

from risk_receivers.audit.query import events
from risk_receivers.database.place import Place, path_of
from risk_receivers.store import head_file
from risk_receivers.store.errors import StoreError
from risk_receivers.store.mended import require_mended
from risk_receivers.store.writer import Writer
from risk_receivers.verification import verify_store

MakeWriter = Callable[..., Writer]


@pytest.mark.parametrize("path", ["sqlite", "jsonl"], indirect=True)
def test_one_that_can_be_written_is_found_so_and_stays_as_it_was(
    three: Place, make_writer: MakeWriter, alert: Any
) -> None:
    before, head = events(three), head_file.read(path_of(three))
    require_mended(three, path_of(three).parent)
    assert events(three) == before
    assert head_file.read(path_of(three)) == head
    assert {p.name for p in path_of(three).parent.iterdir()}.isdisjoint({"room.probe"})
    writer = make_writer()
    writer.start()
    assert writer.run(alert("d"), timeout=30) == 4
    assert verify_store(three).ok


def test_one_that_is_gone_is_not_made_anew(three: Path) -> None:
    three.rename(three.with_name("aside"))
    with pytest.raises(StoreError, match="is gone"):
        require_mended(three, three.parent)
    assert not three.exists()


def test_one_that_lost_what_was_acknowledged_is_not_taken_up(
    three: Path, make_writer: MakeWriter, alert: Any, tmp_path: Path
) -> None:
    older = three.read_bytes()
    writer = make_writer()
    writer.start()
    writer.run(alert("d"), timeout=30)
    writer.stop()
    three.write_bytes(older)
    with pytest.raises(StoreError, match="records were lost"):
        require_mended(three, tmp_path)


def test_one_that_lost_what_only_the_process_knows_of_is_not_taken_up(
    three: Path, make_writer: MakeWriter, alert: Any, tmp_path: Path
) -> None:
    noted = head_file.path_beside(three)
    older = three.read_bytes(), noted.read_bytes()
    writer = make_writer()
    writer.start()
    writer.run(alert("d"), timeout=30)
    acknowledged = writer.head
    writer.stop()
    require_mended(three, tmp_path, acknowledged)
    three.write_bytes(older[0])
    noted.write_bytes(older[1])  # both on the same disk, which went back in time
    with pytest.raises(StoreError, match="record 4 is gone"):
        require_mended(three, tmp_path, acknowledged)


def test_a_disk_that_does_not_even_say_what_is_there_is_found_out_too(
    three: Path, tmp_path: Path
) -> None:
    folder = tmp_path / ("x" * 300)  # stat fails, as it does with EIO
    with pytest.raises(StoreError, match="cannot be read"):
        require_mended(three, folder)


@pytest.mark.parametrize("size", [0, 100_000])
def test_without_room_it_is_said_where_and_nothing_is_left_behind(three: Path, size: int) -> None:
    names = {p.name for p in three.parent.iterdir()}
    with no_larger_than(size), pytest.raises(StoreError, match=str(three.parent)):
        require_mended(three, three.parent)
    assert {p.name for p in three.parent.iterdir()} == names
