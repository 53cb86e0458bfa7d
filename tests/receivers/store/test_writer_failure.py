"""When durability cannot be promised any more: stop, say so, and let nothing half-done stay."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import events
from risk_receivers.audit.verify import verify_database
from risk_receivers.store.errors import StoreClosedError, StoreFailedError
from risk_receivers.store.writer import Transaction, Writer

Alert = Callable[[str], Callable[[Transaction], int]]
Executing = Callable[[str], Callable[[Transaction], None]]
MakeWriter = Callable[..., Writer]

#: Appends until the file system refuses to let a file grow, then tells what it was told.
FILL_THE_DISK = """
import json, resource, sys
from pathlib import Path
from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.store.errors import StoreFailedError
from risk_receivers.store.writer import Writer

writer = Writer(Path(sys.argv[1]), origin="full", retention=AuditRetention(), batch=20,
                queue_depth=1000)
writer.start()
limit = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
event = AuditEvent(EventType.ALERT_CREATED, "x" * 500)
acknowledged, failed = [], 0
while not failed:
    try:
        futures = [writer.submit(lambda transaction: transaction.append(event))
                   for _ in range(50)]
    except StoreFailedError:
        failed += 1
        break
    for future in futures:
        try:
            acknowledged.append(future.result(30))
        except StoreFailedError:
            failed += 1
print(json.dumps({"acknowledged": acknowledged, "failed": failed, "healthy": writer.takes_work}))
writer.stop()
"""


def fill_the_pages(transaction: Transaction) -> None:
    """Takes the rest of a database that must not grow: SQLite's own "disk full"."""
    (pages,) = transaction.connection.execute("PRAGMA page_count").fetchone()
    transaction.connection.execute(f"PRAGMA max_page_count = {pages}")


@pytest.fixture
def full(writer: Writer, alert: Alert) -> Writer:
    """A writer whose database holds ten records and cannot grow."""
    for number in range(10):
        writer.run(alert(str(number)), timeout=30)
    writer.run(fill_the_pages, timeout=30)
    return writer


def big(transaction: Transaction) -> int:
    return transaction.append(AuditEvent(EventType.ALERT_CREATED, "x" * 100_000))


def test_a_full_disk_fails_all_that_waits_and_stops_the_writer(
    full: Writer, alert: Alert, gate: Any
) -> None:
    full.submit(gate)
    assert gate.entered.wait(30)
    futures = [full.submit(work) for work in (alert("small"), big, alert("after"))]
    waiting = [full.submit(alert("later")) for _ in range(150)]
    gate.let_go.set()
    for future in [*futures, *waiting]:
        with pytest.raises(StoreFailedError, match="full"):
            future.result(30)
    assert not full.takes_work
    with pytest.raises(StoreFailedError, match="full"):
        full.submit(alert("too late"))


def test_after_a_full_disk_the_next_writer_continues_from_what_was_acknowledged(
    full: Writer, make_writer: MakeWriter, path: Path, alert: Alert
) -> None:
    noted = full.head
    with pytest.raises(StoreFailedError):
        full.run(big, timeout=30)
    full.stop()
    found = verify_database(path, expected=noted)
    assert (found.problems, found.events) == ((), 10)
    restarted = make_writer()
    restarted.start()
    assert restarted.head == noted
    assert restarted.run(big, timeout=30) == 11
    assert verify_database(path).ok


def test_a_work_that_hides_a_full_disk_does_not_get_half_a_record_committed(
    full: Writer, path: Path
) -> None:
    def shrugs(transaction: Transaction) -> str:
        try:
            big(transaction)
        except sqlite3.Error:
            return "never mind"
        return "stored"

    with pytest.raises(StoreFailedError):
        full.run(shrugs, timeout=30)
    assert not full.takes_work
    full.stop()
    assert verify_database(path).events == 10


def test_a_full_disk_met_by_a_works_own_table_stops_the_writer_too(
    full: Writer, executing: Executing
) -> None:
    insert = "INSERT INTO note(text) VALUES (hex(zeroblob(100000)))"
    with pytest.raises(StoreFailedError, match="full"):
        full.run(executing(insert), 30)
    assert not full.takes_work


def test_half_a_record_is_not_committed_even_if_its_work_says_that_all_is_well(
    writer: Writer, path: Path, alert: Alert
) -> None:
    writer.run(alert("a"), timeout=30)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("INSERT INTO audit_payload(seq) VALUES (2)")

    def shrugs(transaction: Transaction) -> None:
        with suppress(sqlite3.IntegrityError):
            alert("b")(transaction)

    with pytest.raises(StoreFailedError, match="UNIQUE"):
        writer.run(shrugs, timeout=30)
    assert [event.seq for event in events(path)] == [1]


@pytest.mark.parametrize("limit", [150_000, 200_001, 262_144])
def test_when_the_file_system_is_full_everything_acknowledged_is_there_after_a_restart(
    make_writer: MakeWriter, path: Path, alert: Alert, limit: int
) -> None:
    shown = subprocess.run(
        [sys.executable, "-c", FILL_THE_DISK, str(path), str(limit)],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    told = json.loads(shown.stdout)
    assert told["acknowledged"]
    assert told["failed"] > 0
    assert told["healthy"] is False
    found = verify_database(path)
    assert found.problems == ()
    stored = {event.seq for event in events(path, limit=10_000)}
    assert set(told["acknowledged"]) <= stored
    restarted = make_writer()
    restarted.start()
    assert restarted.run(alert("on we go"), timeout=30) == max(stored) + 1
    assert verify_database(path).ok


def test_a_database_deleted_beneath_the_writer_is_noticed(
    writer: Writer, path: Path, alert: Alert
) -> None:
    writer.run(alert("a"), timeout=30)
    path.unlink()
    with pytest.raises(StoreFailedError, match="the file is gone"):
        writer.run(alert("b"), timeout=30)
    assert not writer.takes_work


def test_a_database_replaced_beneath_the_writer_is_noticed(
    writer: Writer, path: Path, alert: Alert
) -> None:
    writer.run(alert("a"), timeout=30)
    copy = path.with_name("copy")
    copy.write_bytes(path.read_bytes())
    copy.replace(path)
    with pytest.raises(StoreFailedError, match="replaced"):
        writer.run(alert("b"), timeout=30)


@pytest.mark.parametrize(
    "statements",
    [
        ["DELETE FROM audit_payload WHERE seq = 3", "DELETE FROM audit_header WHERE seq = 3"],
        ["DELETE FROM audit_payload", "DELETE FROM audit_header"],
        ["UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 3"],
    ],
)
def test_a_chain_rewritten_beneath_the_writer_is_not_continued(
    writer: Writer, path: Path, alert: Alert, statements: list[str]
) -> None:
    for text in "abc":
        writer.run(alert(text), timeout=30)
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)
    with pytest.raises(StoreFailedError, match="record 3 is gone or was changed"):
        writer.run(alert("d"), timeout=30)
    assert not writer.takes_work


@pytest.mark.parametrize("ending", ["COMMIT", "ROLLBACK"])
def test_a_work_that_ends_the_transaction_is_stopped_loudly(
    writer: Writer, alert: Alert, ending: str, executing: Executing
) -> None:
    with pytest.raises(StoreFailedError, match="must not commit"):
        writer.run(executing(ending), 30)
    with pytest.raises(StoreClosedError):
        writer.submit(alert("x"))


def test_whatever_ends_the_writers_thread_nobody_is_left_waiting(
    writer: Writer, alert: Alert, gate: Any
) -> None:
    def leaves(_: Transaction) -> None:
        raise SystemExit

    writer.submit(gate)
    assert gate.entered.wait(30)
    futures = [writer.submit(work) for work in (alert("a"), leaves, alert("b"))]
    gate.let_go.set()
    for future in futures:
        with pytest.raises(StoreFailedError):
            future.result(30)
    assert not writer.takes_work
