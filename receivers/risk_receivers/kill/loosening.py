"""Loosening and arming the kill switch on record: every attempt, the refused ones too.

Runs in the store's writer thread. A refusal is recorded like anything else, so it is an answer here
and no error.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import Connection
from risk_receivers.intake.alert import TRIPPING
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import (
    Change,
    Codes,
    LooseningRefusedError,
    Request,
    Sight,
    What,
    obstacle,
)
from risk_receivers.kill.second_factor import WRONG_CODE, SecondFactor
from risk_receivers.kill.switch import EventKind, KillEvent
from risk_receivers.store.writer import Transaction

_TITLES: Final = {
    EventKind.CLEARED: "KILL SWITCH CLEARED",
    EventKind.DISARMED: "KILL SWITCH DISARMED",
    EventKind.ARMED: "KILL SWITCH ARMED",
}
_DONE: Final = {
    EventKind.CLEARED: "cleared: it is armed, and the gate opens if nothing else keeps it closed",
    EventKind.DISARMED: "disarmed: nothing trips it but people",
    EventKind.ARMED: "armed",
}
#: Open incidents that ask for the switch by their action, or that pulled it, as Prometheus itself
#: tells. The states are spelt as their index has them.
_KEY: Final = (
    "('incident:' || i.risk_id || ':' || coalesce(nullif(i.tier, ''), 'none') || ':' "
    "|| i.episode || ':')"
)
_FIRING: Final = (
    "SELECT alertname, risk_id, labels FROM incident AS i "  # noqa: S608 - constants
    "WHERE state IN ('CREATED', 'DISPATCHED') AND EXISTS (SELECT 1 FROM alert WHERE "
    "alert.risk_id = i.risk_id AND alert.tier = i.tier AND alert.episode = i.episode "
    f"AND alert.feed = 'alerts') AND (action IN ({', '.join(map(repr, sorted(TRIPPING)))}) "
    f"OR EXISTS (SELECT 1 FROM kill_event WHERE substr(trigger_key, 1, length({_KEY})) = {_KEY}))"
)


@dataclass(frozen=True, slots=True)
class Step:
    """One step of somebody's.

    Attributes:
        code: that of the first step; empty for the first step itself.
        address: from where it was asked.
        by: whose token came with it.
        totp: a code of an authenticator.
        person: who is logged in; empty for whoever brought a token.
    """

    request: Request
    code: str
    address: str
    by: str = ""
    totp: str = ""
    person: str = ""


def firing(connection: Connection, covered: Scope = EVERYTHING) -> list[str]:
    """What asks for the switch at this moment, by name and risk_id.

    Of an alert that names another account than a kill covers, nothing trips again there.
    """
    return [
        f"{alertname} {risk_id}"
        for alertname, risk_id, labels in connection.execute(_FIRING)
        if json.loads(labels).get("account", "") in ("", covered.account) or not covered.account
    ]


class Loosening:
    """Decides and records."""

    def __init__(self, outbox: Outbox, codes: Codes, second_factor: SecondFactor) -> None:
        self._outbox = outbox
        self._codes = codes
        self._second_factor = second_factor

    def ask(
        self, transaction: Transaction, step: Step, *, blind: str, unrecorded: bool
    ) -> tuple[Change, str]:
        """The first step; what became of it, and the code for the second."""
        state = journal.load(transaction.connection)
        if refusal := self._obstacle(transaction, step, state, blind, unrecorded=unrecorded):
            return self._refused(transaction, step, state, refusal), ""
        transaction.append(
            _event(
                EventType.KILL_SWITCH_LOOSENING_ASKED,
                f"{step.request.actor} asked to {_wanted(step, state)}: {step.request.reason}",
                step,
                state,
                "a confirmation is awaited",
            )
        )
        return Change(), self._codes.give(
            step.request, Sight.of(state, step.request.kill_id), step.by
        )

    def confirm(
        self, transaction: Transaction, step: Step, *, blind: str, unrecorded: bool
    ) -> Change:
        """The second step."""
        state = journal.load(transaction.connection)
        try:
            self._codes.check(
                step.code, step.request, Sight.of(state, step.request.kill_id), step.by
            )
        except LooseningRefusedError as error:
            return self._refused(transaction, step, state, str(error))
        if refusal := self._obstacle(transaction, step, state, blind, unrecorded=unrecorded):
            return self._refused(transaction, step, state, refusal)
        if not self._second_factor.take(transaction, step.person, step.totp):
            self._codes.fail(step.code)
            return self._refused(transaction, step, state, WRONG_CODE)
        self._codes.use(step.code)
        if step.request.what is What.CLEAR:
            event = state.on_clear(step.request.kill_id, transaction.now)
        else:
            event = state.on_disarm(transaction.now)
        assert event is not None
        return self._happened(transaction, step, state, event)

    def arm(self, transaction: Transaction, step: Step) -> Change:
        """Arm it again, which takes one step: it is no loosening."""
        state = journal.load(transaction.connection)
        event = state.on_arm(transaction.now)
        if event is None:
            return self._refused(
                transaction, step, state, "the kill switch is not disarmed", "arm the kill switch"
            )
        return self._happened(transaction, step, state, event)

    def _obstacle(
        self,
        transaction: Transaction,
        step: Step,
        state: KillBoard,
        blind: str,
        *,
        unrecorded: bool,
    ) -> str:
        kill = state.with_id(step.request.kill_id)
        return obstacle(
            step.request,
            state,
            firing=firing(transaction.connection, kill.scope if kill else EVERYTHING),
            blind=blind,
            unrecorded=unrecorded,
        )

    def _refused(
        self, transaction: Transaction, step: Step, state: KillBoard, why: str, wanted: str = ""
    ) -> Change:
        transaction.append(
            _event(
                EventType.KILL_SWITCH_LOOSENING_REFUSED,
                f"{step.request.actor} was refused to {wanted or _wanted(step, state)}: {why}",
                step,
                state,
                "refused",
                {"refusal": why, "confirming": bool(step.code)},
            )
        )
        return Change(refusal=why)

    def _happened(
        self, transaction: Transaction, step: Step, state: KillBoard, event: KillEvent
    ) -> Change:
        request = step.request
        where = "" if event.scope.is_everything else f" for {event.scope}"
        text = (
            f"kill switch{where} {_DONE[event.kind]}, by operator {request.actor}: {request.reason}"
        )
        seq = transaction.append(
            _event(journal.CHANGES[event.kind], text, step, state, event.kind.value.lower())
        )
        journal.write(transaction.connection, event, seq)
        message = Message(
            subject=event.kill_id or f"kill_switch:{seq}",
            kind=Kind.KILL_SWITCH_CHANGED,
            severity=Severity.WARNING,
            title=_TITLES[event.kind],
            text=text,
            at=transaction.now,
            audit_seq=seq,
            about=event.kind.value,
        )
        told = self._outbox.owe(transaction.connection, message)
        return Change(state.after(event), messages=told)


def _wanted(step: Step, state: KillBoard) -> str:
    request = step.request
    if request.what is What.DISARM:
        return "disarm the kill switch"
    kill = state.with_id(request.kill_id)
    where = f" (covers {kill.scope})" if kill else ""
    return f"clear kill {request.kill_id or '(none)'}{where}"


def _event(
    event_type: EventType,
    text: str,
    step: Step,
    state: KillBoard,
    done: str,
    more: Mapping[str, JsonValue] | None = None,
) -> AuditEvent:
    request = step.request
    kill = state.with_id(request.kill_id) or state.everything
    details: dict[str, JsonValue] = {
        "kill_id": request.kill_id,
        "scope": str(kill.scope),
        "address": step.address,
        "token": step.by,
        "state": kill.phase.value,
        "mode": kill.mode.value if kill.mode else "",
        "waiting_for_accounts": [*sorted(kill.waiting)],
        **(more or {}),
    }
    return AuditEvent(
        event_type,
        text,
        severity=Severity.WARNING,
        category=Category.KILL_SWITCH,
        details=details,
        action_taken=done,
        action_reason=request.reason,
        actor_type=ActorType.USER,
        actor_id=request.actor,
    )
