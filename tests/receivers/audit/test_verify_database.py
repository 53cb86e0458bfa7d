"""Verifying a real database: at rest, while it is written, and after somebody was at it."""

from __future__ import annotations

import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from stores import in_every_backend
from writers import started

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import head
from risk_receivers.audit.record import Link, StoredRow
from risk_receivers.audit.side_by_side import prechecked
from risk_receivers.audit.verify import verify_database
from risk_receivers.database.place import Place
from risk_receivers.store.head_file import path_beside
from risk_receivers.verification import verify_store

Tamper = Callable[..., None]


def test_reading_a_database_at_rest_leaves_everything_as_it_was(database: Path) -> None:
    before = {path.name: path.read_bytes() for path in database.parent.iterdir()}
    found = verify_database(database, expected=head(database))
    assert (found.ok, found.events) == (True, 12)
    assert {path.name: path.read_bytes() for path in database.parent.iterdir()} == before


@in_every_backend("database")
def test_a_database_is_verified_while_it_is_written(database: Place) -> None:
    writer = started(database)
    stop = threading.Event()
    busy = AuditEvent(EventType.ALERT_CREATED, "busy")

    def write() -> None:
        while not stop.is_set():
            writer.run(lambda transaction: transaction.append(busy), timeout=30)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        sizes = [0]
        while len(sizes) < 6:
            known = writer.head
            found = verify_database(database, expected=known)
            assert found.problems == ()
            assert found.events >= known.size
            if found.events > sizes[-1]:
                sizes.append(found.events)
    finally:
        stop.set()
        thread.join()
        writer.stop()
    assert sizes == sorted(sizes)


@in_every_backend("database")
def test_progress_counts_up_to_all_records(database: Place) -> None:
    seen: list[tuple[int, int]] = []
    verify_database(database, progress=lambda done, total: seen.append((done, total)))
    assert seen[-1] == (12, 12)


def test_an_edited_row_is_found_by_its_number(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "UPDATE audit_payload SET payload = "
        "CAST(replace(CAST(payload AS TEXT), 'alert 6', 'alert 9') AS BLOB) WHERE seq = 7",
    )
    found = verify_database(database)
    assert [problem.seq for problem in found.problems] == [7]


def test_records_deleted_with_their_payloads_are_found(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "DELETE FROM audit_payload WHERE seq = 5",
        "DELETE FROM audit_header WHERE seq = 5",
    )
    assert verify_database(database).problems[0].seq == 6


def test_a_header_deleted_alone_leaves_an_orphan_that_is_found(
    database: Path, tamper: Tamper
) -> None:
    tamper(database, "DELETE FROM audit_header WHERE seq = 12")
    found = verify_database(database)
    assert [str(problem) for problem in found.problems] == [
        "record 12: a payload without a header: its header was removed"
    ]


def test_a_cut_off_end_is_found_with_the_head_noted_before(database: Path, tamper: Tamper) -> None:
    noted = head(database)
    tamper(
        database,
        "DELETE FROM audit_payload WHERE seq > 8",
        "DELETE FROM audit_header WHERE seq > 8",
    )
    assert verify_database(database).ok
    assert not verify_database(database, expected=noted).ok


def test_a_record_below_the_first_is_found(database: Path, tamper: Tamper) -> None:
    tamper(database, "INSERT INTO audit_header VALUES (-5, x'7b7d', x'00')")
    assert verify_database(database).problems[0].seq == -5


def test_tables_rebuilt_with_loose_types_are_found(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "ALTER TABLE audit_payload RENAME TO strict_one",
        "CREATE TABLE audit_payload(seq INTEGER PRIMARY KEY, salt, payload)",
        "INSERT INTO audit_payload SELECT seq, salt, CAST(payload AS TEXT) FROM strict_one",
        "DROP TABLE strict_one",
    )
    found = verify_database(database)
    assert "types differ" in found.problems[0].message
    assert "the payload is str, not bytes" in found.problems[1].message


def test_text_that_is_no_text_is_a_finding_and_no_crash(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "DROP TABLE audit_payload",
        "CREATE TABLE audit_payload(seq INTEGER PRIMARY KEY, salt, payload)",
        "INSERT INTO audit_payload SELECT seq, x'00', CAST(x'ff' AS TEXT) FROM audit_header",
    )
    found = verify_database(database)
    assert (found.ok, found.events) == (False, 12)


def test_a_trigger_on_the_chain_is_found(database: Path, tamper: Tamper) -> None:
    tamper(
        database,
        "CREATE TRIGGER quiet AFTER INSERT ON audit_header"
        " BEGIN DELETE FROM audit_payload WHERE seq = new.seq; END",
    )
    assert "trigger quiet" in verify_database(database).problems[0].message


def test_a_dropped_table_is_a_finding(database: Path, tamper: Tamper) -> None:
    tamper(database, "DROP TABLE audit_payload")
    found = verify_database(database)
    assert [problem.message for problem in found.problems][:1] == [
        "the table audit_payload is missing"
    ]


def test_a_database_with_overwritten_pages_is_a_finding(database: Path) -> None:
    data = bytearray(database.read_bytes())
    for page in range(1, len(data) // 4096):
        data[page * 4096 : page * 4096 + 200] = b"\xde" * 200
    database.write_bytes(bytes(data))
    found = verify_database(database)
    assert not found.ok
    assert "cannot be read" in found.problems[-1].message


def test_a_record_that_is_hidden_from_whoever_looks_it_up_is_found(database: Path) -> None:
    """One byte of the tree's inner page: going through all records comes by it as before."""
    with closing(sqlite3.connect(database)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'audit_header'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    data = bytearray(database.read_bytes())
    page = (root - 1) * size
    inner, first_cell = data[page], page + int.from_bytes(data[page + 12 : page + 14])
    assert inner == 5, "a page of keys and children"
    hidden = data[first_cell + 4]
    data[first_cell + 4] -= 1
    database.write_bytes(data)
    assert tables.read(database, lambda found: tables.row_at(found, hidden)) is None
    found = verify_database(database)
    assert "the table audit_header is damaged" in str(found.problems[0])


def test_a_noted_head_that_is_not_for_this_reader_is_a_warning(database: Path) -> None:
    """As for an auditor with an account of his own on the machine."""
    with TemporaryDirectory(dir="/tmp") as folder:
        Path(folder).chmod(0o755)
        copy = Path(shutil.copy(database, folder))
        copy.chmod(0o644)
        noted = path_beside(copy)
        shutil.copy(path_beside(database), noted)
        noted.chmod(0)
        user = os.geteuid()
        try:
            os.seteuid(user or 65534)  # root may read everything
            found = verify_store(copy)
        finally:
            os.seteuid(user)
    assert found.ok, found.problems
    assert "the noted head cannot be read" in str(found.warnings[0])


def test_checkpoints_that_cannot_be_read_are_a_finding(database: Path, tamper: Tamper) -> None:
    with closing(sqlite3.connect(database)) as connection:
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_master WHERE name = 'audit_checkpoint'"
        ).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    tamper(database, "INSERT INTO audit_checkpoint VALUES (7, x'00', x'')")
    data = bytearray(database.read_bytes())
    data[(root - 1) * size : (root - 1) * size + 8] = b"\xde" * 8
    database.write_bytes(data)
    for last, says in (
        (9, "the checkpoint at 9 has no signature lines"),
        (200, "a checkpoint over 200 records was signed, but the chain ends at 12"),
        (2**62 + 1, f"a checkpoint over {2**62 + 1} records was signed, but the chain ends at 12"),
    ):
        found = verify_database(database, last=StoredCheckpoint(last, b""))
        told = [problem.message for problem in found.problems]
        assert any("the table audit_checkpoint is damaged" in message for message in told)
        assert sum("the checkpoints beyond 0 cannot be read" in message for message in told) == 1
        assert sum(says in message for message in told) == 1
        assert sum("records was signed" in message for message in told) == (last > 12)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableDatabaseError, match=r"nowhere\.db: no such file"):
        verify_database(tmp_path / "nowhere.db")


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database " * 1000)
    with pytest.raises(UnreadableDatabaseError, match=r"notes\.txt"):
        verify_database(path)


def test_a_database_of_another_program_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE t(x)")
    with pytest.raises(UnreadableDatabaseError, match="another program"):
        verify_database(path)


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(UnreadableDatabaseError, match="is empty"):
        verify_database(path)


def test_a_database_of_a_newer_version_is_refused(database: Path, tamper: Tamper) -> None:
    tamper(database, "PRAGMA user_version = 2")
    with pytest.raises(UnreadableDatabaseError, match=r"schema version 2.*newer program"):
        verify_database(database)


@in_every_backend("database")
def test_the_head_is_hashed_from_the_bytes_that_stand_there(database: Place) -> None:
    found = verify_database(database)
    assert found.head == head(database)
    assert found.head != Head(12, "0" * 64)


def test_the_first_ten_problems_are_kept_and_all_are_counted(
    database: Path, tamper: Tamper
) -> None:
    tamper(database, "UPDATE audit_payload SET payload = x'7b7d'")
    found = verify_database(database)
    assert (len(found.problems), found.problem_count) == (10, 24)
    assert len(verify_database(database, keep=3).problems) == 3


def test_a_database_is_verified_without_helpers_unless_they_are_asked_for(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def noted(rows: Iterator[StoredRow], processes: int) -> Iterator[StoredRow | Link]:
        asked.append(processes)
        return prechecked(rows, processes)

    monkeypatch.setattr("risk_receivers.audit.verify.prechecked", noted)
    assert verify_database(database).ok
    assert verify_database(database, processes=3).ok
    assert asked == [1, 3]
