"""Opening: what is set, what is created, and which files are refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from risk_receivers.audit.query import head
from risk_receivers.store.errors import StoreBusyError, StoreClosedError, StoreError
from risk_receivers.store.writer import Transaction, Writer

Alert = Callable[[str], Callable[[Transaction], int]]
MakeWriter = Callable[..., Writer]


def change(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def size(transaction: Transaction, table: str) -> int:
    query = f"SELECT count(*) FROM {table}"  # noqa: S608 - names of the test's own tables
    (rows,) = transaction.connection.execute(query).fetchone()
    return int(rows)


@pytest.mark.parametrize(
    ("pragma", "value"),
    [
        ("journal_mode", "wal"),
        ("synchronous", 2),
        ("foreign_keys", 1),
        ("secure_delete", 1),
        ("temp_store", 2),  # in memory
    ],
)
def test_the_writer_works_under_these_pragmas(writer: Writer, pragma: str, value: object) -> None:
    found = writer.run(
        lambda transaction: transaction.connection.execute(f"PRAGMA {pragma}").fetchone(), 30
    )
    assert found == (value,)


def test_missing_folders_are_created(make_writer: MakeWriter, tmp_path: Path) -> None:
    deep = tmp_path / "a" / "b" / "c" / "audit.db"
    make_writer(database=deep).start()
    assert deep.is_file()


def test_the_schema_is_run_at_every_start(make_writer: MakeWriter) -> None:
    for _ in range(2):
        writer = make_writer(schema=["CREATE TABLE IF NOT EXISTS extra(x INTEGER) STRICT"])
        writer.start()
        writer.stop()
    # One that was added later finds its way into a database that is there already.
    writer = make_writer(schema=["CREATE TABLE IF NOT EXISTS later(x INTEGER) STRICT"])
    writer.start()
    for table in ("extra", "later"):
        assert writer.run(partial(size, table=table), 30) == 0


def test_a_broken_schema_statement_changes_nothing(make_writer: MakeWriter, path: Path) -> None:
    writer = make_writer(schema=["CREATE TABLE fine(x INTEGER) STRICT", "CREATE TABEL broken(x)"])
    with pytest.raises(StoreError, match=r"audit\.db.*syntax error"):
        writer.start()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == []


def test_a_failed_start_leaves_a_writer_that_takes_nothing(
    make_writer: MakeWriter, path: Path, alert: Alert
) -> None:
    path.parent.mkdir()
    path.write_text("this is no database " * 100)
    writer = make_writer()
    with pytest.raises(StoreError, match=r"audit\.db"):
        writer.start()
    assert not writer.takes_work
    with pytest.raises(StoreClosedError):
        writer.submit(alert("x"))


def test_a_folder_that_cannot_be_made_is_named(make_writer: MakeWriter, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreError, match=r"file/audit\.db"):
        make_writer(database=tmp_path / "file" / "audit.db").start()


def test_a_database_of_a_newer_version_is_refused(make_writer: MakeWriter, three: Path) -> None:
    change(three, "PRAGMA user_version = 2")
    with pytest.raises(StoreError, match=r"audit\.db.*schema version 2.*knows 1"):
        make_writer().start()


def test_a_database_of_another_program_is_refused_untouched(
    make_writer: MakeWriter, path: Path
) -> None:
    path.parent.mkdir()
    change(path, "CREATE TABLE theirs(x)")
    with pytest.raises(StoreError, match="another program"):
        make_writer().start()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_master").fetchall() == [("theirs",)]


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 3",
        "UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 3",
        "UPDATE audit_header SET header = CAST('{}' AS BLOB) WHERE seq = 3",
        "UPDATE audit_header SET header = CAST(header || ' ' AS BLOB) WHERE seq = 2",
        "DELETE FROM audit_payload WHERE seq = 3",
        "DELETE FROM audit_header WHERE seq = 2",
        "UPDATE audit_header SET seq = 4 WHERE seq = 3",
        "INSERT INTO audit_header VALUES (-1, x'00', x'00')",
    ],
)
def test_a_chain_with_a_damaged_end_is_not_continued(
    make_writer: MakeWriter, three: Path, damage: str
) -> None:
    if "-1" in damage:
        change(three, "DELETE FROM audit_payload", "DELETE FROM audit_header")
    change(three, damage)
    with pytest.raises(StoreError, match=r"audit\.db.*end is damaged"):
        make_writer().start()


def test_a_program_that_ignores_the_lock_makes_work_wait_and_then_fail_for_now(
    make_writer: MakeWriter, path: Path, alert: Alert
) -> None:
    writer = make_writer(busy_timeout_seconds=0.05)
    writer.start()
    with closing(sqlite3.connect(path, isolation_level=None)) as rude:
        rude.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreBusyError, match="try again") as caught:
            writer.run(alert("x"), timeout=30)
        assert caught.value.temporary
        rude.execute("ROLLBACK")
    assert writer.takes_work
    assert writer.run(alert("x"), timeout=30) == 1
    assert head(path).size == 1
