"""The kill switch's history on record: each event beside the audit event that tells of it.

Both are written in the caller's transaction, so the switch is never tripped without a record,
nor a record written of a trip that did not happen.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.connection import Connection
from risk_receivers.kill.board import KillBoard, fold
from risk_receivers.kill.switch import BEGINS_ANEW, EventKind, KillEvent, Trigger
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction

#: What people do to it beside tripping it, and the audit event that tells of each.
CHANGES: Final = {
    EventKind.CLEARED: EventType.KILL_SWITCH_CLEARED,
    EventKind.DISARMED: EventType.KILL_SWITCH_DISARMED,
    EventKind.ARMED: EventType.KILL_SWITCH_ARMED,
}
#: The trips, and the audit event that tells of each.
AUDITED: Final = {
    EventKind.TRIPPED: EventType.KILL_SWITCH_ACTIVATED,
    EventKind.TIGHTENED: EventType.KILL_SWITCH_TIGHTENED,
    EventKind.TRIGGER_RECORDED: EventType.KILL_SWITCH_TRIGGER_RECORDED,
}
_TOLD: Final = {
    EventKind.TRIPPED: "tripped",
    EventKind.TIGHTENED: "tightened",
    EventKind.TRIGGER_RECORDED: "triggered again",
}


@dataclass(frozen=True, slots=True)
class Witness:
    """Who or what pulled the trigger, for the record.

    Attributes:
        account: whom it is about: the switch is not flat before that account is.
    """

    actor_type: ActorType = ActorType.SYSTEM
    actor_id: str | None = None
    reason: str = ""
    alert_id: str | None = None
    details: Mapping[str, JsonValue] = field(default_factory=dict, hash=False)
    account: str = ""


@dataclass(frozen=True, slots=True)
class Pulled:
    """What a trigger did.

    Attributes:
        event: None if this trigger had been recorded before.
    """

    state: KillBoard
    event: KillEvent | None
    message: str = ""
    audit_seq: int = 0


def load(connection: Connection) -> KillBoard:
    """The recorded state."""
    rows = connection.execute(
        "SELECT kind, kill_id, at, trigger_key, mode, cause, level, account, scope FROM kill_event "
        "LEFT JOIN kill_event_account USING (n) LEFT JOIN kill_event_scope USING (n) "
        "WHERE kind != ? ORDER BY n",
        (EventKind.TRIGGER_RECORDED.value,),
    )
    board = fold(
        KillEvent(
            kind=EventKind(kind),
            kill_id=kill_id,
            at=from_text(at),
            key=key or "",
            mode=KillMode(mode) if mode else None,
            cause=cause,
            level=level,
            account=account or "",
            scope=_scope(scope),
        )
        for kind, kill_id, at, key, mode, cause, level, account, scope in rows
    )
    # Of further triggers, which may be many, nothing but the key matters, and which clearing or
    # arming came after it.
    anew = {
        _scope(scope): n
        for scope, n in connection.execute(
            "SELECT scope, max(n) FROM kill_event LEFT JOIN kill_event_scope USING (n) "
            "WHERE kind IN (?, ?) GROUP BY scope",
            sorted(kind.value for kind in BEGINS_ANEW),
        )
    }
    keys: dict[Scope, dict[str, int]] = {scope: {} for scope in (EVERYTHING, *board.narrower)}
    for n, key, scope in connection.execute(
        "SELECT n, trigger_key, scope FROM kill_event LEFT JOIN kill_event_scope USING (n) "
        "WHERE trigger_key IS NOT NULL"
    ):
        keys.setdefault(_scope(scope), {})[key] = n
    for of, by_key in keys.items():
        since = max(anew.get(of, 0), anew.get(EVERYTHING, 0))
        settled = frozenset(key for key, n in by_key.items() if n <= since)
        board = board.holding(replace(board.of(of), seen=frozenset(by_key), settled=settled))
    return board


@lru_cache(maxsize=1024)
def _scope(text: str | None) -> Scope:
    """A scope as it is kept; one that cannot be read is the widest."""
    try:
        return Scope.parse(text or str(EVERYTHING))
    except ValueError:
        return EVERYTHING


def pull(transaction: Transaction, trigger: Trigger, witness: Witness) -> Pulled:
    """Pull a trigger and record what came of it."""
    state = load(transaction.connection)
    event = state.on_trigger(trigger)
    if event is None:
        return Pulled(state, None)
    after = state.after(event)
    one = after.of(event.scope)
    mode = one.mode or trigger.mode
    by_person = witness.actor_type is ActorType.USER and witness.actor_id
    who = f"operator {witness.actor_id}" if by_person else trigger.cause
    told, done = _TOLD[event.kind], "gate stays closed"
    where = "" if event.scope.is_everything else f" for {event.scope}"
    if not one.is_tripped:
        told, done = "triggered, although it is disarmed,", "nothing: it is disarmed"
    elif event.kind is EventKind.TRIPPED:
        done = f"gate closed{where}"
    message = (
        f"kill switch {told}{where} in mode {mode.value} by {who}"
        f"{': ' + witness.reason if witness.reason else ''}"
    )
    seq = transaction.append(
        AuditEvent(
            AUDITED[event.kind],
            message,
            severity=Severity.EMERGENCY,
            category=Category.KILL_SWITCH,
            alert_id=witness.alert_id,
            details={
                "kill_id": event.kill_id,
                "scope": str(event.scope),
                "mode": mode.value,
                "requested_mode": trigger.mode.value,
                "trigger": event.key,
                "cause": trigger.cause,
                "level": trigger.level,
                **witness.details,
            },
            action_taken=done,
            action_reason=witness.reason or trigger.cause,
            actor_type=witness.actor_type,
            actor_id=witness.actor_id,
        )
    )
    write(transaction.connection, event, seq)
    if concerned := one.on_account(witness.account or one.scope.account, trigger.at):
        write(transaction.connection, concerned, seq)
        after = after.after(concerned)
    return Pulled(after, event, message, seq)


def write(connection: Connection, event: KillEvent, audit_seq: int) -> None:
    """Add an event to the history."""
    (number,) = connection.execute(
        "INSERT INTO kill_event (kind, kill_id, at, trigger_key, mode, cause, level, audit_seq) "
        "VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING n",
        (
            event.kind.value,
            event.kill_id,
            to_text(event.at),
            event.key or None,
            event.mode.value if event.mode else None,
            event.cause,
            event.level,
            audit_seq,
        ),
    ).fetchone()
    if event.account:
        connection.execute(
            "INSERT INTO kill_event_account (n, account) VALUES (?, ?) "
            "ON CONFLICT (n) DO UPDATE SET account = excluded.account",
            (number, event.account),
        )
    if not event.scope.is_everything:
        connection.execute(
            "INSERT INTO kill_event_scope (n, scope) VALUES (?, ?) "
            "ON CONFLICT (n) DO UPDATE SET scope = excluded.scope",
            (number, str(event.scope)),
        )
