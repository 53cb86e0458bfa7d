"""The kill switch's history as the audit chain tells it, beside the table it is loaded from.

Every trip is written to both in one transaction. The chain cannot be changed without a trace, the
table can: rows that vanish from it would re-arm the switch. So the chain has the last word, at
every start and in every verification, and where both differ the stricter of the two is in force.
Only what the chain itself tells was cleared is over, whatever the table says. A clearing whose
record does not say which kill it was about clears none.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.errors import NotCanonicalError
from risk_receivers.audit.payload import parse_payload
from risk_receivers.audit.record import readable
from risk_receivers.database.connection import Connection
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import EventKind, KillEvent, Trigger
from risk_receivers.store.writer import Transaction

#: Canonical JSON sorts its keys, so every such header begins like this.
_PREFIX: Final = b'{"event_type":"KILL_SWITCH_'
_ROWS: Final = (
    "SELECT audit_seq, kind, kill_id, trigger_key, mode, cause, level, {scope} FROM kill_event "
    "{join}WHERE kind NOT IN (?, ?) ORDER BY n"
)
#: An older database has no scopes beside its events.
_WITH_SCOPES: Final = {
    "scope": "coalesce(scope, '*')",
    "join": "LEFT JOIN kill_event_scope USING (n) ",
}
_WITHOUT: Final = {"scope": "'*'", "join": ""}
_KINDS: Final = {
    **{
        event_type.value: kind
        for kind, event_type in {**journal.AUDITED, **journal.CHANGES}.items()
    },
    EventType.KILL_SWITCH_FLAT_CONFIRMED.value: EventKind.FLAT_CONFIRMED,
}
#: What reports of the runtime tell of, and no record of the switch's own.
_UNTOLD: Final = (EventKind.CLOSING_STARTED.value, EventKind.ACCOUNT_CONCERNED.value)
_TRIPS: Final = frozenset(journal.AUDITED)
#: What is about the one kill that it names, beside those.
_NAMING: Final = (EventKind.CLEARED, EventKind.FLAT_CONFIRMED)


@dataclass(frozen=True, slots=True)
class Told:
    """What one record tells of the switch.

    Attributes:
        trigger: None if the payload, which named it, is gone or cannot be read.
        kill_id: of a confirmation that an account is flat, or of what was cleared.
        account: which is flat, or which the alert was about that tripped the switch.
        scope: of what is no trip; None if the payload is gone or cannot be read.
    """

    seq: int
    kind: EventKind
    at: datetime
    trigger: Trigger | None = None
    kill_id: str = ""
    account: str = ""
    scope: Scope | None = None

    def agrees_with(self, row: tuple[object, ...]) -> bool:
        """Whether the table's row for this record says the same."""
        trigger = self.trigger
        if trigger is None:
            names_other = self.kind in _NAMING and self.scope and row[1] != self.kill_id
            is_elsewhere = self.scope is not None and row[-1] != str(self.scope)
            return row[0] == self.kind.value and not (names_other or is_elsewhere)
        return row == (
            *(self.kind.value, trigger.kill_id, trigger.key),
            *(trigger.mode.value, trigger.cause, trigger.level, str(trigger.scope)),
        )

    def happened_to(self, state: KillBoard) -> KillEvent | None:
        """What it means for a switch in this state."""
        match self.kind:
            case EventKind.CLEARED:
                return state.on_clear(self.kill_id, self.at)
            case EventKind.DISARMED:
                return state.on_disarm(self.at)
            case EventKind.ARMED:
                return state.on_arm(self.at)
            case EventKind.FLAT_CONFIRMED:
                held = state.with_id(self.kill_id)
                return held.on_flat(self.kill_id, self.account, self.at) if held else None
        # Whoever tripped it was heeded then.
        heeded = self.kind is not EventKind.TRIGGER_RECORDED
        return state.on_trigger(replace(self._pulled_again(), by_person=heeded))

    def _pulled_again(self) -> Trigger:
        """The trigger, in the loosest mode if nobody can tell: nothing is closed on a guess."""
        return self.trigger or Trigger(
            key=f"record:{self.seq}",
            kill_id=f"record-{self.seq}",
            mode=KillMode.PAUSE,
            cause="a trip whose record cannot be read",
            level=Severity.EMERGENCY.value,
            at=self.at,
        )


@dataclass(frozen=True, slots=True)
class Restored:
    """What the switch was by its table, and what was wrong with that."""

    before: KillBoard
    problems: tuple[str, ...]


def disagreements(connection: Connection) -> list[str]:
    """How the table differs from the chain; empty if it does not."""
    with _one_moment(connection):
        records = {told.seq: told for told in _records(connection)}
        found = tables.names(connection)
        scopes = _WITH_SCOPES if "kill_event_scope" in found else _WITHOUT
        query = _ROWS.format(**scopes)
        rows = connection.execute(query, _UNTOLD) if "kill_event" in found else ()
        by_seq = {row[0]: row[1:] for row in rows}
    problems = []
    for seq, told in records.items():
        if (row := by_seq.get(seq)) is None:
            # A second confirmation that all is flat changes nothing and has no row.
            if told.kind is not EventKind.FLAT_CONFIRMED:
                what = "a trip" if told.kind in _TRIPS else "an order"
                problems.append(
                    f"record {seq} tells of {what} ({told.kind.value}) that was removed from the "
                    "kill switch's table"
                )
        elif not told.agrees_with(row):
            problems.append(f"what record {seq} tells was changed in the kill switch's table")
    problems += [
        f"the kill switch's table holds what record {seq} does not tell"
        for seq in by_seq
        if seq not in records
    ]
    return problems


def restore(transaction: Transaction) -> Restored | None:
    """Make the table what the chain tells; None if it is that already."""
    connection = transaction.connection
    if not (problems := disagreements(connection)):
        return None
    before = journal.load(connection)
    connection.execute("DELETE FROM kill_event")
    connection.execute("DELETE FROM kill_event_account")
    connection.execute("DELETE FROM kill_event_scope")
    state = KillBoard()
    for told in _records(connection):
        if event := told.happened_to(state):
            journal.write(connection, event, told.seq)
            state = state.after(event)
        if told.kind in _TRIPS and (concerned := _concerned(state, told)):
            journal.write(connection, concerned, told.seq)
            state = state.after(concerned)
    return Restored(before, tuple(problems))


def _concerned(state: KillBoard, told: Told) -> KillEvent | None:
    """Whom a trip is about."""
    one = state.of(told.trigger.scope if told.trigger else EVERYTHING)
    return one.on_account(told.account or one.scope.account, told.at)


def _records(connection: Connection) -> list[Told]:
    found = []
    for seq, head, payload in readable(tables.rows_beginning(connection, _PREFIX)):
        if kind := _KINDS.get(str(head.event_type)):
            found.append(_told(seq, kind, head.recorded_at, payload))
    return found


def _told(seq: int, kind: EventKind, at: datetime, payload: bytes | None) -> Told:
    try:
        details = {} if payload is None else parse_payload(payload).details
        # A record from before there were scopes is about everything.
        scope = Scope.parse(str(details.get("scope", EVERYTHING)))
        if kind in journal.CHANGES:
            return Told(seq, kind, at, kill_id=str(details["kill_id"]), scope=scope)
        if kind not in _TRIPS:
            kill_id, flat = str(details["kill_id"]), str(details["account"])
            return Told(seq, kind, at, kill_id=kill_id, account=flat, scope=scope)
        trigger = Trigger(
            key=str(details["trigger"]),
            kill_id=str(details["kill_id"]),
            mode=KillMode(str(details["requested_mode"])),
            cause=str(details["cause"]),
            level=str(details["level"]),
            at=at,
            scope=scope,
        )
    except (NotCanonicalError, KeyError, ValueError):
        return Told(seq, kind, at)
    labels = details.get("labels")
    account = labels.get("account") if isinstance(labels, dict) else None
    return Told(seq, kind, at, trigger, account=str(account or ""))


@contextmanager
def _one_moment(connection: Connection) -> Iterator[None]:
    """Several questions, one answer: a trip in between would look like a difference."""
    if connection.in_transaction:
        yield
        return
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("ROLLBACK")
