"""Group commit: order, isolation, durability before the answer, and honest refusals."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest
from stores import in_every_backend

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import events, head
from risk_receivers.audit.verify import verify_database
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.store.errors import (
    QueueFullError,
    StoreClosedError,
    StoreError,
    StoreTimeoutError,
)
from risk_receivers.store.writer import Transaction, Writer

Alert = Callable[[str], Callable[[Transaction], int]]
Executing = Callable[[str], Callable[[Transaction], None]]
MakeWriter = Callable[..., Writer]
pytestmark = in_every_backend("path")


def test_an_event_is_recorded_and_numbered_from_one(
    writer: Writer, path: Place, alert: Alert
) -> None:
    assert writer.head == EMPTY
    assert [writer.run(alert(text), timeout=30) for text in "abc"] == [1, 2, 3]
    assert [event.payload.message for event in events(path) if event.payload] == ["a", "b", "c"]
    assert writer.head == head(path)


def test_works_run_in_the_order_they_were_submitted(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    writer.submit(gate)
    futures = [writer.submit(alert(str(number))) for number in range(250)]
    gate.let_go.set()
    assert [future.result(30) for future in futures] == list(range(1, 251))
    found = events(path, limit=1000)
    assert [event.payload.message for event in found if event.payload] == [
        str(number) for number in range(250)
    ]
    assert verify_database(path, expected=writer.head).ok


def test_works_that_wait_together_share_commits_up_to_the_batch(
    make_writer: MakeWriter, path: Place, alert: Alert, gate: Any
) -> None:
    writer = make_writer(batch=10)
    writer.start()
    writer.submit(gate)
    assert gate.entered.wait(30)
    futures = [writer.submit(alert(str(number))) for number in range(25)]
    gate.let_go.set()
    for future in futures:
        future.result(30)
    times = [event.recorded_at for event in events(path, limit=100)]
    assert [times.count(time) for time in sorted(set(times))] == [10, 10, 5]


def test_one_commit_has_one_time(make_writer: MakeWriter, path: Place) -> None:
    moment = datetime(2030, 1, 31, 12, tzinfo=UTC)
    writer = make_writer(clock=lambda: moment)
    writer.start()
    event = AuditEvent(EventType.ALERT_CREATED, "x")
    seen = writer.run(lambda transaction: (transaction.now, transaction.append(event)), timeout=30)
    assert seen == (moment, 1)
    assert events(path)[0].recorded_at == moment


def test_when_a_future_resolves_its_record_can_be_read_by_others(
    writer: Writer, path: Place, alert: Alert
) -> None:
    seen: list[tuple[int, int]] = []
    answered = threading.Event()
    future = writer.submit(alert("x"))

    def look(_: object) -> None:
        seen.append((future.result(), head(path).size))
        answered.set()

    future.add_done_callback(look)
    assert answered.wait(30)
    assert seen == [(1, 1)]


def test_nothing_is_seen_or_answered_before_the_commit(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    def work(transaction: Transaction) -> int:
        seq = alert("x")(transaction)
        gate(transaction)
        return seq

    future = writer.submit(work)
    assert gate.entered.wait(30)
    assert head(path) == EMPTY
    assert not future.done()
    assert writer.head == EMPTY
    gate.let_go.set()
    assert future.result(30) == 1


def test_a_work_that_raises_leaves_no_trace_and_harms_no_neighbour(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    def broken(transaction: Transaction) -> None:
        transaction.connection.execute("INSERT INTO note(text) VALUES ('lost')")
        transaction.append(AuditEvent(EventType.CONFIG_CHANGED, "lost"))
        raise LookupError("its own fault")

    writer.submit(gate)
    before, failed, after = (writer.submit(work) for work in (alert("a"), broken, alert("b")))
    gate.let_go.set()
    assert (before.result(30), after.result(30)) == (1, 2)
    with pytest.raises(LookupError, match="its own fault"):
        failed.result(30)
    assert [event.event_type for event in events(path)] == [EventType.ALERT_CREATED] * 2
    notes = writer.run(
        lambda transaction: transaction.connection.execute("SELECT * FROM note").fetchall(), 30
    )
    assert notes == []
    assert verify_database(path).ok
    assert writer.takes_work


def test_of_works_that_may_run_again_one_that_raises_harms_no_neighbour_either(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    def noting(text: str) -> Callable[[Transaction], int]:
        def work(transaction: Transaction) -> int:
            transaction.connection.execute("INSERT INTO note(text) VALUES (?)", (text,))
            return alert(text)(transaction)

        return work

    def broken(transaction: Transaction) -> None:
        noting("lost")(transaction)
        raise LookupError("its own fault")

    writer.submit(gate)
    works: list[Callable[[Transaction], Any]] = [noting("a"), noting("b"), broken, noting("c")]
    futures = [writer.submit(work, may_run_again=True) for work in works]
    apart = writer.submit(noting("d"))
    last = writer.submit(noting("e"), may_run_again=True)
    gate.let_go.set()
    with pytest.raises(LookupError, match="its own fault"):
        futures.pop(2).result(30)
    assert [one.result(30) for one in (*futures, apart, last)] == [1, 2, 3, 4, 5]
    assert [event.payload.message for event in events(path) if event.payload] == [*"abcde"]
    notes = tables.read(path, lambda c: c.execute("SELECT text FROM note ORDER BY id").fetchall())
    assert notes == [(text,) for text in "abcde"]
    assert verify_database(path, expected=writer.head).ok


def test_works_that_may_run_again_run_once_if_all_is_well(
    writer: Writer, alert: Alert, gate: Any
) -> None:
    ran: list[int] = []

    def counted(number: int) -> Callable[[Transaction], int]:
        def work(transaction: Transaction) -> int:
            ran.append(number)
            return alert(str(number))(transaction)

        return work

    writer.submit(gate)
    futures = [writer.submit(counted(number), may_run_again=True) for number in range(20)]
    gate.let_go.set()
    assert [one.result(30) for one in futures] == list(range(1, 21))
    assert ran == list(range(20))


def test_a_broken_statement_is_its_works_own_fault(
    writer: Writer, alert: Alert, executing: Executing
) -> None:
    with pytest.raises(DATABASE_ERRORS, match="gone"):
        writer.run(lambda transaction: transaction.connection.execute("SELECT 1 FROM gone"), 30)
    twice = "INSERT INTO note(text) VALUES ('once')"
    writer.run(executing(twice), 30)
    with pytest.raises(DATABASE_ERRORS):
        writer.run(executing(twice), 30)
    assert writer.run(alert("x"), 30) == 1
    assert writer.takes_work


def test_a_works_tables_and_its_events_are_one_commit(writer: Writer, path: Place) -> None:
    def work(transaction: Transaction) -> int:
        seq = transaction.append(AuditEvent(EventType.ALERT_CREATED, "x"))
        transaction.connection.execute("INSERT INTO note(id, text) VALUES (?, 'x')", (seq,))
        return seq

    assert writer.run(work, timeout=30) == 1
    found = tables.read(path, lambda c: c.execute("SELECT id FROM note").fetchall())
    assert found == [(1,)]


def test_several_events_of_one_work_are_neighbours(writer: Writer, path: Place) -> None:
    def work(transaction: Transaction) -> list[int]:
        kinds = (EventType.KILL_SWITCH_ACTIVATED, EventType.ORDERS_CANCELLED)
        return [transaction.append(AuditEvent(kind, "x")) for kind in kinds]

    assert writer.run(work, timeout=30) == [1, 2]
    assert verify_database(path).ok


def test_a_full_queue_refuses_at_once_and_says_that_it_may_be_tried_again(
    make_writer: MakeWriter, alert: Alert, gate: Any
) -> None:
    writer = make_writer(queue_depth=3)
    writer.start()
    writer.submit(gate)
    assert gate.entered.wait(30)
    futures = [writer.submit(alert("x")) for _ in range(3)]
    with pytest.raises(QueueFullError) as caught:
        writer.submit(alert("x"))
    assert caught.value.temporary
    gate.let_go.set()
    assert [future.result(30) for future in futures] == [1, 2, 3]
    assert writer.run(alert("x"), timeout=30) == 4


def test_who_waits_for_its_work_waits_for_room_as_well(
    make_writer: MakeWriter, alert: Alert, gate: Any
) -> None:
    writer = make_writer(queue_depth=1)
    writer.start()
    writer.submit(gate)
    assert gate.entered.wait(30)
    first = writer.submit(alert("first"))
    with pytest.raises(QueueFullError):
        writer.run(alert("impatient"), timeout=0.01)
    with ThreadPoolExecutor(1) as threads:
        patient = threads.submit(writer.run, alert("patient"), 30.0)
        gate.let_go.set()
        assert (first.result(30), patient.result(30)) == (1, 2)


def test_a_wait_that_ends_before_its_work_began_withdraws_it(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    writer.submit(gate)
    assert gate.entered.wait(30)
    with pytest.raises(StoreTimeoutError, match="not recorded"):
        writer.run(alert("late"), timeout=0.01)
    gate.let_go.set()
    assert writer.run(alert("next"), timeout=30) == 1
    assert [event.payload.message for event in events(path) if event.payload] == ["next"]


def test_a_wait_that_ends_during_its_work_does_not_claim_to_know(writer: Writer, gate: Any) -> None:
    with pytest.raises(StoreTimeoutError, match="may still become"):
        writer.run(gate, timeout=0.05)


def test_a_works_own_timeout_is_not_the_writers(writer: Writer) -> None:
    def work(_: Transaction) -> None:
        raise TimeoutError("of the work")

    with pytest.raises(TimeoutError, match="of the work"):
        writer.run(work, timeout=30)


def test_a_work_cannot_wait_for_another_work(writer: Writer, alert: Alert) -> None:
    with pytest.raises(StoreError, match="submit it instead"):
        writer.run(lambda _: writer.run(alert("x"), timeout=30), timeout=30)


def test_a_transaction_is_of_no_use_after_its_work(writer: Writer, alert: Alert) -> None:
    kept = writer.run(lambda transaction: transaction, timeout=30)
    with pytest.raises(StoreError, match="is over"):
        kept.append(AuditEvent(EventType.ALERT_CREATED, "late"))


def test_before_its_start_a_writer_takes_nothing(make_writer: MakeWriter, alert: Alert) -> None:
    writer = make_writer()
    assert not writer.takes_work
    with pytest.raises(StoreClosedError, match="not started"):
        writer.submit(alert("x"))


def test_that_the_chain_has_grown_is_told_and_nothing_else(
    make_writer: MakeWriter, alert: Alert
) -> None:
    told: list[list[str]] = []
    writer = make_writer(recorded=lambda types: told.append(list(types)))
    writer.start()
    for work in (alert("mine"), _nothing, _nothing):
        writer.run(work, 30)
    assert told == [["ALERT_CREATED"]]
    other = make_writer()
    other.start()
    other.run(alert("another's"), 30)
    writer.run(_nothing, 30)
    assert told == [["ALERT_CREATED"], []]


def _nothing(_: Transaction) -> None:
    """Asks for a commit, as whoever wants to know that there can be one."""


def test_stopping_commits_what_waits_and_takes_nothing_more(
    writer: Writer, path: Place, alert: Alert, gate: Any
) -> None:
    writer.submit(gate)
    futures = [writer.submit(alert("x")) for _ in range(300)]
    gate.let_go.set()
    writer.stop()
    assert [future.result(0) for future in futures] == list(range(1, 301))
    assert not writer.takes_work
    with pytest.raises(StoreClosedError, match="was stopped"):
        writer.submit(alert("x"))
    assert verify_database(path, expected=writer.head).events == 300
    writer.stop()


def test_a_stop_that_takes_too_long_says_so(writer: Writer, gate: Any) -> None:
    writer.submit(gate)
    assert gate.entered.wait(30)
    with pytest.raises(StoreError, match="still committing"):
        writer.stop(timeout=0.01)


def test_a_writer_is_started_once(writer: Writer) -> None:
    with pytest.raises(StoreError, match="started once"):
        writer.start()


def test_the_next_writer_continues_the_chain(
    writer: Writer, make_writer: MakeWriter, path: Place, alert: Alert
) -> None:
    writer.run(alert("a"), timeout=30)
    writer.stop()
    second = make_writer(origin="second")
    second.start()
    assert second.head == writer.head
    assert second.run(alert("b"), timeout=30) == 2
    assert [event.origin for event in events(path)] == ["test", "second"]
    assert verify_database(path).ok


def test_two_writers_at_once_make_one_chain(
    writer: Writer, make_writer: MakeWriter, path: Place, alert: Alert
) -> None:
    other = make_writer(origin="other")
    other.start()
    futures = [w.submit(alert("x")) for _ in range(100) for w in (writer, other)]
    assert sorted(future.result(30) for future in futures) == list(range(1, 201))
    found = verify_database(path, expected=max(writer.head, other.head, key=_size))
    assert (found.ok, found.events) == (True, 200)


def _size(head: Head) -> int:
    return head.size


def test_an_origin_without_a_name_is_refused(make_writer: MakeWriter) -> None:
    with pytest.raises(StoreError, match="origin"):
        make_writer(origin="")


def test_what_is_found_at_the_end_is_found_once_after_the_last_work_of_a_commit(
    writer: Writer, alert: Alert, gate: Any
) -> None:
    looked: list[int] = []

    def length(transaction: Transaction) -> int:
        looked.append(transaction.head.size)
        return transaction.head.size

    def work(transaction: Transaction) -> Any:
        alert("one more")(transaction)
        return transaction.at_end(length)

    def refused(transaction: Transaction) -> None:
        work(transaction)
        raise ValueError

    writer.submit(gate)
    assert gate.entered.wait(30)
    asked = [writer.submit(work) for _ in range(20)]
    undone = writer.submit(refused)
    gate.let_go.set()
    assert {one.result(30).found for one in asked} == {20}
    assert isinstance(undone.exception(30), ValueError)
    assert looked == [20]
