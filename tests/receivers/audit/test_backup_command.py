"""`riskwarden audit backup`: a good copy, of one moment, whatever the store is kept in."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import psycopg
import pytest
from copied_store import audit, told
from stores import in_every_backend

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import query, tables
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place, Segmented, Server, path_of, segments_of
from risk_receivers.facts import fact, keep_fact
from risk_receivers.schema import SCHEMA
from risk_receivers.store import backup as backups
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.verification import verify_store


@in_every_backend("database")
def test_a_copy_is_verified_stands_alone_and_is_on_record(store: Place, copy: Path) -> None:
    beside = [copy.with_name(f"copy.db{suffix}") for suffix in ("", ".head", ".receipt")]
    assert sorted(copy.parent.glob("*copy.db*")) == beside
    assert {path.stat().st_mode & 0o777 for path in beside} == {0o600}
    found = verify_store(copy)
    assert (found.ok, found.events, found.warning_count) == (True, 12, 0)
    event = told(store)
    assert event.event_type == "AUDIT_BACKED_UP"
    assert event.payload is not None
    assert event.payload.details["head"] == str(found.head)
    assert event.payload.details["file_sha256"] == sha256(copy.read_bytes()).hexdigest()
    assert verify_store(store).ok


def test_a_backup_replaces_nothing(data: Path, copy: Path, store: Path) -> None:
    before = copy.read_bytes()
    done = audit("backup", copy, "--data", data)
    assert done.exit_code == 2
    assert "never replaces" in done.stderr
    assert copy.read_bytes() == before
    done = audit("backup", copy.parent / "gone" / "copy.db", "--data", data)
    assert done.exit_code == 2
    assert "no such folder" in done.stderr
    assert query.head(store).size == 13


@in_every_backend("database")
def test_it_is_taken_while_writers_write(
    data: Path, store: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(backups, "_PAGES", 1)
    writer = Writer(
        *(store,), origin="test", retention=AuditRetention(), schema=SCHEMA, batch=50, queue_depth=9
    )
    writer.start()
    over = threading.Event()
    written = 0

    def work(transaction: Transaction) -> None:
        seq = transaction.append(AuditEvent(EventType.ALERT_CREATED, "more" * 500))
        keep_fact(transaction.connection, "written", str(seq))

    def write() -> None:
        nonlocal written
        while not over.is_set():
            writer.run(work, timeout=30)
            written += 1

    thread = threading.Thread(target=write)
    thread.start()
    copies = [tmp_path / f"{number}.db" for number in range(3)]
    try:
        for path in copies:
            done = audit("backup", path, "--data", data)
            assert done.exit_code == 0, done.stderr
    finally:
        over.set()
        thread.join()
        writer.stop()
    assert written > 3
    sizes = [verify_store(path).head.size for path in copies]
    assert sizes == sorted(set(sizes))
    for path, size in zip(copies, sizes, strict=True):  # state and chain of one moment
        written_last = tables.read(path, lambda connection: fact(connection, "written"))
        own = [
            event.event_type != "AUDIT_BACKED_UP"
            for event in query.events(path, int(written_last or 12), 100)
        ]
        assert not any(own), (written_last, size)
    assert verify_store(store).ok


@in_every_backend("database")
def test_a_broken_store_gives_no_backup(
    data: Path, store: Place, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    statement = "UPDATE audit_payload SET salt = {} WHERE seq = 9"
    match store:
        case Server(dsn=dsn):
            with psycopg.connect(dsn) as connection:
                connection.execute("SET search_path = riskwarden")
                connection.execute(statement.format("decode(repeat('00', 16), 'hex')").encode())
        case Segmented(path=path):
            (file,) = segments_of(path).iterdir()
            lines = file.read_bytes().splitlines(keepends=True)
            lines[8] = re.sub(rb'"salt":"[^"]+"', b'"salt":"' + b"0" * 32 + b'"', lines[8])
            file.write_bytes(b"".join(lines))
        case path:
            tamper(path, statement.format("zeroblob(16)"))
    done = audit("backup", tmp_path / "copy.db", "--data", data)
    assert done.exit_code == 1
    assert "record 9" in done.stderr
    assert not list(tmp_path.glob("*copy*"))
    assert query.head(store).size == 12


@pytest.mark.parametrize("database", ["jsonl", "postgresql"], indirect=True)
def test_what_another_version_added_is_not_left_out_silently(
    data: Path, store: Place, tmp_path: Path, tamper: Callable[..., None]
) -> None:
    statement = "CREATE TABLE of_tomorrow(x INTEGER)"
    if isinstance(store, Server):
        with psycopg.connect(store.dsn) as connection:
            connection.execute("SET search_path = riskwarden")
            connection.execute(statement.encode())
    else:
        tamper(path_of(store), statement)
    done = audit("backup", tmp_path / "copy.db", "--data", data)
    assert done.exit_code == 2
    assert "the table of_tomorrow is not what this version has" in " ".join(done.stderr.split())
    assert not list(tmp_path.glob("*copy*"))


def test_what_a_killed_backup_left_goes_with_the_next(data: Path, copy: Path) -> None:
    (copy.parent / f".again.db.{2**22 + 1}.part").write_text("left")  # no process has that number
    mine = copy.parent / f".again.db.{os.getppid()}.part"
    mine.write_text("still written")
    assert audit("backup", copy.with_name("again.db"), "--data", data).exit_code == 0
    assert list(copy.parent.glob(".again.db*")) == [mine]
