"""Segment files: whatever a crash leaves of them is made whole, and what was changed is found."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from chain_archive import DAY, Archive

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import Audit
from risk_receivers.audit import tables
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import events, head
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.segments import Segments, decode, encode, name_of
from risk_receivers.audit.table_chain import TableChain
from risk_receivers.database.place import Place, Segmented, segments_of
from risk_receivers.errors import StartError
from risk_receivers.store import segment_files
from risk_receivers.store.errors import StoreError, StoreFailedError
from risk_receivers.store.moment import held
from risk_receivers.store.places import place_of
from risk_receivers.store.segment_files import SegmentFiles
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.verification import verify_store

Alert = Callable[[str], Callable[[Transaction], int]]
MakeWriter = Callable[..., Writer]


@pytest.fixture
def place(tmp_path: Path) -> Segmented:
    """Where the store is to be."""
    return Segmented(tmp_path / "audit" / "audit.db")


@pytest.fixture
def written(make_writer: MakeWriter, place: Segmented, alert: Alert) -> Segmented:
    """A store at rest with nine records, the last three of which are staged still."""
    write(make_writer, place, [alert("before"), *[_several] * 2, alert('ä \u2028 "quoted"')])
    write(make_writer, place, [_several])
    return place


def write(make_writer: MakeWriter, place: Place, works: list[Any], **changes: Any) -> None:
    writer = make_writer(database=place, **changes)
    writer.start()
    try:
        for work in works:
            writer.run(work, 30)
    finally:
        writer.stop()


def _several(transaction: Transaction) -> int:
    for number in range(2):
        transaction.append(AuditEvent(EventType.ALERT_CREATED, f"one of {number}"))
    return transaction.append(AuditEvent(EventType.ALERT_RESOLVED, "the last"))


def segments(place: Segmented) -> list[Path]:
    return [path for _, path in Segments(segments_of(place.path)).listed()]


def last(place: Segmented) -> Path:
    return segments(place)[-1]


def problems(place: Segmented) -> str:
    return "\n".join(map(str, verify_store(place).problems))


def test_a_line_is_a_record_in_the_form_of_an_export(written: Segmented) -> None:
    lines = last(written).read_bytes().splitlines()
    assert len(lines) == verify_store(written).events == 11
    for seq, line in enumerate(lines, 1):
        assert re.fullmatch(
            rb'\{"seq":%d,"header":".*","checksum":"[0-9a-f]{64}","salt":"[0-9a-f]{32}",'
            rb'"payload":".*"\}' % seq,
            line,
        )
        row = decode(line)
        assert row is not None
        assert encode(row) == line + b"\n"
        assert tables.read(written, lambda c, n=seq: tables.row_at(c, n)) == row  # type: ignore[misc]


def test_the_last_batch_torn_at_any_byte_is_completed(written: Segmented, tmp_path: Path) -> None:
    whole = last(written).read_bytes()
    rows = tables.read(written, lambda c: list(TableChain(c).rows()))
    assert [row.seq for row in rows] == [9, 10, 11]
    begin = 9
    durable = sum(len(line) for line in whole.splitlines(keepends=True)[: begin - 1])
    memory = Path("/dev/shm")  # noqa: S108 - what is synchronised there costs nothing
    with TemporaryDirectory(dir=memory if memory.is_dir() else tmp_path) as quick:
        folder = Path(quick) / "audit.db.chain"
        folder.mkdir()
        file = folder / last(written).name
        for cut in range(durable, len(whole) + 1):
            # What a file system makes of a write that did not end: nothing, or zeros in its place.
            zeros = bytes(len(whole) - cut if cut % 7 == 0 else 0)
            file.write_bytes(whole[:cut] + zeros)
            SegmentFiles(folder).complete(rows)
            assert file.read_bytes() == whole, cut
    assert cut == len(whole)


def test_a_torn_end_is_never_read_as_a_record_and_verifies_as_what_is_staged(
    written: Segmented, make_writer: MakeWriter, alert: Alert
) -> None:
    noted = head(written)
    whole = last(written).read_bytes()
    last(written).write_bytes(whole[:-40])
    assert head(written) == noted
    assert [event.seq for event in events(written)] == list(range(1, 12))
    assert verify_store(written).ok
    write(make_writer, written, [alert("next")])
    assert last(written).read_bytes().startswith(whole)
    assert verify_store(written).events == 12


def test_records_that_a_crash_left_staged_alone_are_appended_once(
    written: Segmented, make_writer: MakeWriter
) -> None:
    whole = last(written).read_bytes()
    last(written).write_bytes(b"".join(whole.splitlines(keepends=True)[:8]))
    for _ in range(2):
        write(make_writer, written, [])
        assert last(written).read_bytes() == whole
    assert verify_store(written).ok


def test_what_was_synchronised_and_is_gone_is_not_made_up_for(
    written: Segmented, make_writer: MakeWriter
) -> None:
    whole = last(written).read_bytes()
    last(written).write_bytes(b"".join(whole.splitlines(keepends=True)[:5]))
    assert "missing before it" in problems(written)
    with pytest.raises(StoreError, match="do not reach it"):
        write(make_writer, written, [])
    shutil.rmtree(segments_of(written.path))
    with pytest.raises(StoreError, match="do not reach it"):
        write(make_writer, written, [])


def test_a_record_that_somebody_staged_is_refused(
    written: Segmented, make_writer: MakeWriter, tmp_path: Path, alert: Alert
) -> None:
    other = Segmented(tmp_path / "other" / "audit.db")
    write(make_writer, other, [_several] * 4)
    rows = tables.read(other, lambda c: tables.rows_after(c, 11, 1))
    writer = make_writer(database=written)
    writer.start()
    stage(writer, rows[0])
    writer.stop()
    assert "does not follow" in problems(written)
    with pytest.raises(StoreError, match="does not follow"):
        write(make_writer, written, [alert("never")])


def stage(writer: Writer, row: StoredRow) -> None:
    """As somebody would who can write the database, and nothing else."""

    def work(transaction: Transaction) -> None:
        connection = transaction.connection
        connection.execute("INSERT INTO audit_header VALUES (?, ?, ?)", row[:3])
        connection.execute("INSERT INTO audit_payload VALUES (?, ?, ?)", (row[0], *row[3:]))

    writer.run(work, 30)  # what it staged it does not put into the files: see the head it has


def test_a_staged_record_that_was_exchanged_is_refused(
    written: Segmented, make_writer: MakeWriter, tmp_path: Path
) -> None:
    other = Segmented(tmp_path / "other" / "audit.db")
    write(make_writer, other, [_several] * 4)
    row = tables.read(other, lambda c: tables.row_at(c, 10))
    assert row is not None
    last(written).write_bytes(last(written).read_bytes())
    lines = last(written).read_bytes().splitlines(keepends=True)
    lines[9] = encode(row)
    last(written).write_bytes(b"".join(lines))
    assert "staged as something else" in problems(written)
    with pytest.raises(StoreError, match="holds another record 10"):
        write(make_writer, written, [])


def behind_a_torn_line(place: Segmented, line: bytes) -> list[bytes]:
    """Make the last line but one no record, as a power cut may, and add one behind the last."""
    lines = last(place).read_bytes().splitlines(keepends=True)
    lines[-2] = bytes(30) + lines[-2][30:]
    last(place).write_bytes(b"".join([*lines, line]))
    return lines


def test_what_came_in_parts_verifies_and_is_made_whole(
    written: Segmented, make_writer: MakeWriter
) -> None:
    whole = last(written).read_bytes()
    behind_a_torn_line(written, b"")
    assert (verify_store(written).ok, verify_store(written).events) == (True, 11)
    write(make_writer, written, [])
    assert last(written).read_bytes() == whole


def test_what_somebody_put_behind_a_torn_line_is_seen_and_not_written_over(
    written: Segmented, make_writer: MakeWriter, tmp_path: Path
) -> None:
    other = Segmented(tmp_path / "other" / "audit.db")
    write(make_writer, other, [_several] * 4)
    row = tables.read(other, lambda c: tables.row_at(c, 12))
    assert row is not None
    behind_a_torn_line(written, encode(row))
    held = last(written).read_bytes()
    assert "record 12" in problems(written)
    with pytest.raises(StoreError, match="a record 12 that was never staged"):
        write(make_writer, written, [])
    assert last(written).read_bytes() == held


def test_what_is_behind_the_last_line_and_nobody_staged_is_found(
    written: Segmented, make_writer: MakeWriter
) -> None:
    write(make_writer, written, [lambda _: None])  # nothing is staged any more
    assert verify_store(written).ok
    with last(written).open("ab") as file:
        file.write(b"not a line")
    assert "ends with what is no record" in problems(written)
    with pytest.raises(StoreError, match="ends with what is no record"):
        write(make_writer, written, [])


def test_a_segment_that_was_renamed_is_found(
    place: Segmented, make_writer: MakeWriter, alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 1500)
    write(make_writer, place, [alert(f"{number}") for number in range(10)])
    _, second, *_ = segments(place)
    begin = int(second.stem)
    second.rename(second.with_name(name_of(begin - 1)))
    assert tables.read(place, lambda c: tables.row_at(c, begin - 1)) is None
    assert f"begins with record {begin}; the file was renamed" in problems(place)


def test_segments_that_cannot_be_read_are_named(written: Segmented) -> None:
    (segments_of(written.path) / name_of(99)).mkdir()
    assert name_of(99) in problems(written)
    with pytest.raises(UnreadableDatabaseError, match=name_of(99)):
        events(written)


LINES: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "a payload": lambda s: [*s[:4], s[4].replace(b"one of", b"two of"), *s[5:]],
    "a header": lambda s: [*s[:4], s[4].replace(b"ALERT_CREATED", b"CONFIG_CHANGE", 1), *s[5:]],
    "a key twice": lambda s: [*s[:4], s[4].replace(b'{"seq":5', b'{"seq":5,"seq":5'), *s[5:]],
    "a space": lambda s: [*s[:4], s[4].replace(b'{"seq":5,', b'{"seq":5, '), *s[5:]],
    "a checksum": lambda s: [*s[:4], s[4].replace(b'"checksum":"', b'"checksum":"0'), *s[5:]],
    "a swap": lambda s: [*s[:3], s[4], s[3], *s[5:]],
    "one gone": lambda s: [*s[:3], *s[4:]],
    "one twice": lambda s: [*s[:4], *s[3:]],
    "no record": lambda s: [*s[:4], b"not a record\n", *s[5:]],
    "an end within": lambda s: [*s[:4], s[4][:50] + b"\n" + s[4][50:], *s[5:]],
    "a payload gone": lambda s: [
        *s[:4],
        re.sub(rb'"payload":".*"', b'"payload":null', s[4]),
        *s[5:],
    ],
    "another first": lambda s: [s[0].replace(b'{"seq":1', b'{"seq":0'), *s[1:]],
}


@pytest.mark.parametrize("change", LINES)
def test_a_changed_line_is_found_by_its_number(written: Segmented, change: str) -> None:
    lines = last(written).read_bytes().splitlines(keepends=True)
    changed = LINES[change](lines)
    assert changed != lines
    last(written).write_bytes(b"".join(changed))
    found = verify_store(written)
    assert not found.ok
    first = found.problems[0].seq
    assert first is not None
    assert first <= 6


def test_an_end_that_was_cut_off_is_found_by_the_noted_head(
    written: Segmented, make_writer: MakeWriter
) -> None:
    write(make_writer, written, [lambda _: None])  # nothing is staged any more
    lines = last(written).read_bytes().splitlines(keepends=True)
    last(written).write_bytes(b"".join(lines[:-2]))
    assert "its end was cut off" in problems(written)
    with pytest.raises(StoreError, match="records were lost"):
        write(make_writer, written, [])


def test_a_segment_is_followed_by_the_next_and_none_is_forgotten(
    place: Segmented, make_writer: MakeWriter, alert: Alert, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(segment_files, "SEGMENT_BYTES", 1500)
    for life in range(3):
        write(make_writer, place, [alert(f"{life}-{number}") for number in range(5)])
    assert len(segments(place)) > 4
    found = verify_store(place)
    assert (found.ok, found.events) == (True, 15)
    said = [event.payload.message for event in events(place) if event.payload]
    assert said == [f"{life}-{number}" for life in range(3) for number in range(5)]
    for seq in range(16):
        assert [event.seq for event in events(place, seq, 2)] == [*range(seq + 1, 16)][:2]
    last(place).write_bytes(b"")  # made, and nothing written, as a crash may leave it
    write(make_writer, place, [alert("next")])
    assert verify_store(place).events == 16
    segments(place)[1].unlink()
    assert "missing before it" in problems(place)


def test_forgotten_payloads_go_from_the_files_and_headers_stay(
    written: Segmented, make_writer: MakeWriter, alert: Alert
) -> None:
    def forget(transaction: Transaction) -> int:
        return tables.delete_payloads(transaction.connection, [2, 3, 10, 99])

    writer = make_writer(database=written)
    writer.start()
    assert writer.run(forget, 30) == 3
    assert writer.run(forget, 30) == 0
    assert writer.run(alert("next"), 30) == 12
    writer.stop()
    rows = tables.read(written, lambda c: list(tables.rows(c)))
    assert [row.seq for row in rows if row.payload is None] == [2, 3, 10]
    assert [row.seq for row in rows if row.salt is None] == [2, 3, 10]
    assert [row.seq for row in rows] == list(range(1, 13))
    assert b"one of 0" not in last(written).read_bytes().splitlines()[1]


def test_a_database_moves_from_sqlite_to_segments_with_all_it_has(
    place: Segmented, make_writer: MakeWriter, alert: Alert
) -> None:
    write(make_writer, place.path, [alert(str(number)) for number in range(7)])
    before = list(events(place.path))
    write(make_writer, place, [alert("next")])
    assert list(events(place))[:7] == before
    assert verify_store(place).events == 8
    write(make_writer, place.path, [alert("by the path alone")])
    assert verify_store(place).events == 9
    with pytest.raises(StartError, match='storage_backend = "jsonl"'):
        place_of(Audit(database_path=place.path.name), place.path.parent)


def test_what_the_files_do_not_take_is_not_acknowledged_and_comes_with_the_next_start(
    place: Segmented, make_writer: MakeWriter, alert: Alert
) -> None:
    full_folder = segments_of(place.path)
    writer = make_writer(database=place)
    writer.start()
    assert writer.run(alert("a"), 30) == 1
    aside = full_folder.with_name("aside")
    full_folder.rename(aside)
    full_folder.touch()
    with pytest.raises(StoreFailedError):
        writer.run(alert("b"), 30)
    assert not writer.takes_work
    full_folder.unlink()
    aside.rename(full_folder)
    write(make_writer, place, [alert("c")])
    said = [event.payload.message for event in events(place) if event.payload]
    assert said in (["a", "b", "c"], ["a", "c"])
    assert verify_store(place).ok


def test_what_is_held_of_one_moment_stays_whatever_retention_deletes_meanwhile(
    place: Segmented,
) -> None:
    archive = Archive(place)
    archive.add(count=3)
    archive.come_to(archive.now + 100 * DAY)
    with held(place) as moment:
        assert archive.prune() == 3
        archive.add(count=2)
        rows = list(moment.rows())
    archive.writer.stop(30)
    assert len(rows) == moment.end.size < head(place).size
    assert all(row.payload is not None for row in rows)
    assert archive.gone() == [1, 2, 3]
