"""Resetting an account's high-water mark: in two steps and on record, as all that loosens.

An account that has lost what trips goes on firing while it is flat, for a drawdown is measured from
the mark. So whoever is to trade on with what is left has the mark reset, and clears the kill then.
A kill is in force as long as it is: nothing here touches it.

What is recorded becomes true at the exporter, which owns the mark and looks for itself whether the
account is flat. Whoever confirmed brings it there. Should that fail in between, the very same
second step is answered as it was the first time, and adds nothing to the record.

Runs in the store's writer thread.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from uuid import uuid4

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.high_water_mark import MarkChange, Reset
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import Connection
from risk_receivers.facts import fact, keep_fact
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import Codes, LooseningRefusedError, Request, Sight, What
from risk_receivers.kill.loosening import Step
from risk_receivers.kill.second_factor import WRONG_CODE, SecondFactor
from risk_receivers.kill.switch import KillSwitch
from risk_receivers.store.writer import Transaction

#: Name of the stored fact that says what the latest reset of an account was.
_LATEST: Final = "high_water_mark:"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a step.

    Attributes:
        refusal: why it was refused; empty if it was not.
        code: with which the second step can be taken, after the first.
        reset: what the exporter is to be told, after the second.
        messages: how many became due.
    """

    refusal: str = ""
    code: str = ""
    reset: Reset | None = None
    messages: int = 0


def request_of(change: MarkChange, actor: str, reason: str) -> Request:
    """What somebody wants, so that the second step can be held against the first."""
    about = f"{change.account} {change.before} {change.after} {change.currency}"
    return Request(What.RESET_MARK, about, actor, reason)


class MarkResets:
    """Decides and records."""

    def __init__(self, outbox: Outbox, codes: Codes, second_factor: SecondFactor) -> None:
        self._outbox = outbox
        self._codes = codes
        self._second_factor = second_factor

    def ask(
        self, transaction: Transaction, step: Step, change: MarkChange, *, unrecorded: bool
    ) -> Outcome:
        """The first step."""
        state = journal.load(transaction.connection)
        if refusal := _obstacle(change, state, unrecorded=unrecorded):
            return _refused(transaction, step, change, refusal)
        text = f"{step.request.actor} asked to {_words(change)}: {step.request.reason}"
        done = "a confirmation is awaited"
        _append(transaction, EventType.HIGH_WATER_MARK_RESET_ASKED, text, step, change, done)
        return Outcome(code=self._codes.give(step.request, _sight(state, change), step.by))

    def confirm(
        self, transaction: Transaction, step: Step, change: MarkChange, *, unrecorded: bool
    ) -> Outcome:
        """The second step."""
        if known := _confirmed_before(transaction.connection, step, change):
            return Outcome(reset=known)
        state = journal.load(transaction.connection)
        try:
            self._codes.check(step.code, step.request, _sight(state, change), step.by)
        except LooseningRefusedError as error:
            return _refused(transaction, step, change, str(error))
        if refusal := _obstacle(change, state, unrecorded=unrecorded):
            return _refused(transaction, step, change, refusal)
        if not self._second_factor.take(transaction, step.person, step.totp):
            self._codes.fail(step.code)
            return _refused(transaction, step, change, WRONG_CODE)
        self._codes.use(step.code)
        text = (
            f"operator {step.request.actor} may {_words(change)}, which the exporter does if the "
            f"account still is so: {step.request.reason}"
        )
        reset_id = str(uuid4())
        seq = _append(
            transaction,
            EventType.HIGH_WATER_MARK_RESET,
            text,
            step,
            change,
            "to be carried out by the exporter",
            {"reset_id": reset_id},
        )
        reset = Reset(**change.model_dump(), id=reset_id, audit_seq=seq)
        latest = {"code": step.code, "reason": step.request.reason, "reset": reset.model_dump()}
        keep_fact(transaction.connection, _LATEST + change.account, json.dumps(latest))
        message = Message(
            subject=f"high_water_mark:{reset_id}",
            kind=Kind.KILL_SWITCH_CHANGED,
            severity=Severity.WARNING,
            title="HIGH-WATER MARK RESET",
            text=text,
            at=transaction.now,
            audit_seq=seq,
            about=EventType.HIGH_WATER_MARK_RESET.value,
        )
        told = self._outbox.owe(transaction.connection, message)
        return Outcome(reset=reset, messages=told)


def _obstacle(change: MarkChange, state: KillBoard, *, unrecorded: bool) -> str:
    """Why it cannot be done now, whoever asks; empty if it can."""
    if unrecorded:
        return "a trip is not on record yet: mend the store, or try again in a moment"
    if Decimal(change.after) >= Decimal(change.before):
        return "a mark is reset downwards only; upwards it goes by itself"
    for kill in _covering(state, change):
        if change.account not in kill.flat:
            return (
                f"account {change.account} has not confirmed that it is flat for kill "
                f"{kill.kill_id}: riskwarden status"
            )
    return ""


def _covering(state: KillBoard, change: MarkChange) -> tuple[KillSwitch, ...]:
    """The kills in force that cover all of the account."""
    account = Scope(account=change.account)
    return tuple(one for one in state.in_force if one.scope.includes(account))


def _sight(state: KillBoard, change: MarkChange) -> tuple[Sight, ...]:
    """What whoever asks can see of them."""
    return tuple(Sight.of(state, one.kill_id) for one in _covering(state, change))


def _confirmed_before(connection: Connection, step: Step, change: MarkChange) -> Reset | None:
    """The reset that this very step was answered with already."""
    kept = fact(connection, _LATEST + change.account)
    if kept is None:
        return None
    latest = json.loads(kept)
    reset = Reset.model_validate(latest["reset"])
    same = (latest["code"], latest["reason"]) == (step.code, step.request.reason)
    is_it = same and MarkChange.model_validate(
        reset.model_dump(include=set(MarkChange.model_fields))
    )
    return reset if is_it == change else None


def _words(change: MarkChange) -> str:
    return (
        f"reset the high-water mark of account {change.account} from {change.before} to "
        f"{change.after} {change.currency}"
    )


def _refused(transaction: Transaction, step: Step, change: MarkChange, why: str) -> Outcome:
    _append(
        transaction,
        EventType.HIGH_WATER_MARK_RESET_REFUSED,
        f"{step.request.actor} was refused to {_words(change)}: {why}",
        step,
        change,
        "refused",
        {"refusal": why, "confirming": bool(step.code)},
    )
    return Outcome(refusal=why)


def _append(
    transaction: Transaction,
    event_type: EventType,
    text: str,
    step: Step,
    change: MarkChange,
    done: str,
    more: Mapping[str, JsonValue] | None = None,
) -> int:
    details: dict[str, JsonValue] = {
        **change.model_dump(),
        "address": step.address,
        "token": step.by,
        **(more or {}),
    }
    return transaction.append(
        AuditEvent(
            event_type,
            text,
            severity=Severity.WARNING,
            category=Category.DRAWDOWN,
            details=details,
            action_taken=done,
            action_reason=step.request.reason,
            actor_type=ActorType.USER,
            actor_id=step.request.actor,
        )
    )
