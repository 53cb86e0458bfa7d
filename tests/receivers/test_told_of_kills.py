"""The kill switch's table held against the chain, row by row, and made again from it.

Straight at the store, without a service around it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from writers import writing

from risk_policy.contracts.audit import EventType
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import Category, KillMode
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.outbox import Outbox
from risk_receivers.kill import chain, journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import Codes, Request, What
from risk_receivers.kill.journal import Witness
from risk_receivers.kill.loosening import Loosening, Step
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.switch import Trigger
from risk_receivers.store.writer import Transaction, Writer

MAIN, BTC = Scope(account="main"), Scope(symbol="BTC-EUR")


class Story:
    """What happened to a switch, each in a commit of its own."""

    def __init__(self, writer: Writer) -> None:
        self.writer = writer
        self.loosening = Loosening(Outbox({}), Codes(60), SecondFactor())

    def do(self, work: Callable[[Transaction], Any]) -> Any:
        return self.writer.run(work, 10)

    def sql(self, statement: str, *values: object) -> None:
        self.do(lambda transaction: transaction.connection.execute(statement, values))

    def trip(
        self,
        kill_id: str,
        scope: Scope = EVERYTHING,
        mode: KillMode = KillMode.IMMEDIATE,
        witness: Witness | None = None,
        *,
        by_person: bool = True,
    ) -> int:
        def work(transaction: Transaction) -> int:
            key, level = f"operator:{kill_id}", "operator"
            trigger = Trigger(
                *(key, kill_id, mode, f"why {kill_id}", level),
                *(transaction.now,),
                by_person=by_person,
                scope=scope,
            )
            return journal.pull(transaction, trigger, witness or Witness()).audit_seq

        return int(self.do(work))

    def loosen(self, what: What, kill_id: str = "") -> int:
        def work(transaction: Transaction) -> int:
            step = Step(Request(what, kill_id, "ann", "why"), "", "here")
            _, code = self.loosening.ask(transaction, step, blind="", unrecorded=False)
            again = Step(step.request, code, "here")
            done = self.loosening.confirm(transaction, again, blind="", unrecorded=False)
            assert not done.refusal
            return transaction.head.size

        return int(self.do(work))

    def arm(self) -> None:
        step = Step(Request(What.CLEAR, "", "ann", "why"), "", "here")
        assert not self.do(lambda transaction: self.loosening.arm(transaction, step)).refusal

    def flat(self, kill_id: str, account: str, scope: Scope = EVERYTHING) -> int:
        """As a report of the runtime is recorded."""

        def work(transaction: Transaction) -> int:
            said = {"kill_id": kill_id, "account": account, "scope": str(scope)}
            seq = self.tell(transaction, EventType.KILL_SWITCH_FLAT_CONFIRMED, said)
            one = journal.load(transaction.connection).with_id(kill_id)
            assert one is not None
            if event := one.on_flat(kill_id, account, transaction.now):
                journal.write(transaction.connection, event, seq)
            return seq

        return int(self.do(work))

    @staticmethod
    def tell(transaction: Transaction, what: EventType, said: dict[str, Any]) -> int:
        event = AuditEvent(what, "it is told", category=Category.KILL_SWITCH, details=said)
        return transaction.append(event)

    @property
    def board(self) -> KillBoard:
        board: KillBoard = self.do(lambda transaction: journal.load(transaction.connection))
        return board

    @property
    def problems(self) -> list[str]:
        found: list[str] = self.do(lambda one: chain.disagreements(one.connection))
        return found

    def restored(self) -> chain.Restored | None:
        found: chain.Restored | None = self.do(chain.restore)
        return found


@pytest.fixture
def story(tmp_path: Path) -> Iterator[Story]:
    with writing(tmp_path / "audit.db") as writer:
        yield Story(writer)


def changed(seq: int) -> list[str]:
    return [f"what record {seq} tells was changed in the kill switch's table"]


_SCOPED = "kill_event_scope SET scope = 'account=other'"


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE kill_event SET kind = 'CLEARED' WHERE n = 1",
        "UPDATE kill_event SET kill_id = 'k2' WHERE n = 1",
        "UPDATE kill_event SET trigger_key = 'operator:k2' WHERE n = 1",
        "UPDATE kill_event SET mode = 'pause' WHERE n = 1",
        "UPDATE kill_event SET cause = 'nothing' WHERE n = 1",
        "UPDATE kill_event SET level = 'info' WHERE n = 1",
        f"UPDATE {_SCOPED} WHERE n = 1",
    ],
)
def test_a_trip_of_which_anything_was_changed_is_found(story: Story, statement: str) -> None:
    seq = story.trip("k1", MAIN)
    assert (story.problems, story.restored()) == ([], None)
    before = story.board
    story.sql(statement)
    assert story.problems == changed(seq)
    found = story.restored()
    assert found is not None
    assert found.problems == tuple(changed(seq))
    assert (story.problems, story.board) == ([], before)


@pytest.mark.parametrize("change", ["kill_event SET kill_id = 'k2'", _SCOPED])
def test_a_clearing_or_a_flat_account_of_another_kill_is_found(story: Story, change: str) -> None:
    story.trip("k1", MAIN)
    seq = story.flat("k1", "main", MAIN)
    row = "(SELECT max(n) FROM kill_event)"
    story.sql(f"UPDATE {change} WHERE n = {row}")
    assert story.problems == changed(seq)
    story.restored()
    assert story.problems == []
    seq = story.loosen(What.CLEAR, "k1")
    story.sql(f"UPDATE {change} WHERE n = {row}")
    assert story.problems == changed(seq)


def test_rows_that_are_missing_or_too_many_are_told_of_one_by_one(story: Story) -> None:
    trip, order = story.trip("k1"), story.loosen(What.CLEAR, "k1")
    story.sql("DELETE FROM kill_event")
    story.sql(
        "INSERT INTO kill_event (kind, kill_id, at, trigger_key, mode, cause, level, audit_seq) "
        "VALUES ('TRIPPED', 'k', '2026-01-01T00:00:00+00:00', 'x', 'graceful', 'c', 'l', 99)"
    )
    gone = "that was removed from the kill switch's table"
    assert story.problems == [
        f"record {trip} tells of a trip (TRIPPED) {gone}",
        f"record {order} tells of an order (CLEARED) {gone}",
        "the kill switch's table holds what record 99 does not tell",
    ]
    found = story.restored()
    assert found is not None
    assert [one.kill_id for one in found.before.in_force] == ["k"]
    assert not story.board.in_force


def test_tables_that_are_not_there_are_as_if_they_were_empty(story: Story) -> None:
    story.trip("k1")
    story.sql("DROP TABLE kill_event_scope")
    assert story.problems == [], "an older store has none, and all is about everything"
    story.sql("DROP TABLE kill_event")
    assert [one.partition(" (")[0] for one in story.problems] == ["record 1 tells of a trip"]


def test_the_whole_story_is_the_same_from_the_chain_alone(story: Story) -> None:
    about = Witness(account="third", details={"labels": {"account": "third"}})
    story.trip("k1", witness=about)
    story.flat("k1", "first")
    story.flat("k1", "first")  # once more, which is on record and changes nothing
    story.trip("k2", MAIN, KillMode.GRACEFUL)
    story.trip("k3", BTC, KillMode.PAUSE, Witness(details={"labels": "none"}))
    story.trip("k4", MAIN, KillMode.IMMEDIATE, Witness(details={"labels": {"account": None}}))
    story.flat("k2", "main", MAIN)
    story.loosen(What.CLEAR, "k3")
    before = story.board
    assert [one.kill_id for one in before.in_force] == ["k1", "k2"]
    assert before.everything.waiting == {"third"}
    assert set(before.everything.flat) == {"first"}
    assert story.problems == []
    story.sql("DELETE FROM kill_event")
    story.sql("DELETE FROM kill_event_account")
    story.sql("DELETE FROM kill_event_scope")
    assert story.restored() is not None
    assert story.board == before
    story.loosen(What.CLEAR, "k1")
    story.loosen(What.CLEAR, "k2")
    story.loosen(What.DISARM, "k1")  # which is about none
    assert story.problems == []
    story.trip("k5", by_person=False)
    assert story.board.is_disarmed
    story.arm()
    before = story.board
    story.sql("DELETE FROM kill_event")
    assert story.restored() is not None
    assert story.board == before


@pytest.mark.parametrize("payload", [None, b"\0", b"{}"])
def test_a_trip_that_nobody_can_read_halts_and_a_clearing_clears_nothing(
    story: Story, payload: bytes | None
) -> None:
    story.trip("k1", MAIN)
    cleared = story.loosen(What.CLEAR, "k1")
    trip = story.trip("k2", MAIN)
    for seq in (cleared, trip):
        story.sql("UPDATE audit_payload SET payload = ? WHERE seq = ?", payload, seq)
    assert story.problems == [], "what is left of both is no other than the rows"
    story.sql("UPDATE kill_event SET kind = 'DISARMED' WHERE audit_seq = ?", cleared)
    assert story.problems == changed(cleared)
    story.sql("DELETE FROM kill_event")
    assert story.restored() is not None
    board = story.board
    whole = board.everything
    assert (whole.kill_id, whole.mode) == (f"record-{trip}", KillMode.PAUSE)
    assert (whole.cause, whole.level) == ("a trip whose record cannot be read", "emergency")
    assert whole.seen == {f"record:{trip}"}
    assert whole.since is not None
    assert [one.kill_id for one in board.in_force] == [f"record-{trip}", "k1"]


@pytest.mark.parametrize("key", ["trigger", "kill_id", "requested_mode", "cause", "level"])
def test_a_trip_whose_record_lacks_something_halts(story: Story, key: str) -> None:
    told = {
        "trigger": "t", "kill_id": "k", "requested_mode": "pause", "cause": "c", "level": "l",
    }  # fmt: skip
    del told[key]
    event = EventType.KILL_SWITCH_ACTIVATED
    story.do(lambda transaction: story.tell(transaction, event, told))
    assert story.restored() is not None
    assert story.board.everything.kill_id == "record-1"


def test_a_store_at_rest_is_asked_in_one_transaction_that_is_over_then(
    story: Story, tmp_path: Path
) -> None:
    story.trip("k1")
    with closing(sqlite3.connect(tmp_path / "audit.db", isolation_level=None)) as connection:
        for _ in range(2):
            assert chain.disagreements(connection) == []
            assert not connection.in_transaction
