"""A person resumes trading that a restriction holds back: in two steps, always on record.

Only what no alert asks for any more can be resumed: a latched one, or one whose alert expired. The
first step is answered with a code (:mod:`..kill.clearing`), which is good for the same restriction
alone, and only as long as it is what was seen.
"""

from __future__ import annotations

from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.kill.clearing import Change, Codes, LooseningRefusedError
from risk_receivers.kill.loosening import Step
from risk_receivers.kill.second_factor import WRONG_CODE, SecondFactor
from risk_receivers.restrictions import table
from risk_receivers.restrictions.held import Held, Standing
from risk_receivers.restrictions.recording import event_of, in_force
from risk_receivers.store.writer import Transaction

#: Longer ones are nobody's.
_LONGEST_ID: Final = 40


class Resuming:
    """Decides and records."""

    def __init__(self, outbox: Outbox, codes: Codes, second_factor: SecondFactor) -> None:
        self._outbox = outbox
        self._codes = codes
        self._second_factor = second_factor

    def ask(
        self,
        transaction: Transaction,
        step: Step,
        *,
        blind: str,
        unrecorded: bool,  # noqa: ARG002 - what waits there is about the kill switch
    ) -> tuple[Change, str]:
        """The first step; what became of it, and the code for the second."""
        held = table.by_id(transaction.connection, step.request.kill_id)
        if held is None:
            return _unknown(transaction, step), ""
        if refusal := _obstacle(held, blind):
            return _refused(transaction, step, held, refusal), ""
        text = f"{step.request.actor} asked to resume {held.restriction}: {step.request.reason}"
        _record(
            transaction,
            EventType.RESTRICTION_RESUME_ASKED,
            step,
            held,
            text,
            "a confirmation is awaited",
        )
        return Change(), self._codes.give(step.request, held, step.by)

    def confirm(
        self,
        transaction: Transaction,
        step: Step,
        *,
        blind: str,
        unrecorded: bool,  # noqa: ARG002 - as above
    ) -> Change:
        """The second step."""
        held = table.by_id(transaction.connection, step.request.kill_id)
        if held is None:
            return _unknown(transaction, step)
        try:
            self._codes.check(step.code, step.request, held, step.by)
        except LooseningRefusedError as error:
            return _refused(transaction, step, held, str(error))
        if refusal := _obstacle(held, blind):
            return _refused(transaction, step, held, refusal)
        if not self._second_factor.take(transaction, step.person, step.totp):
            self._codes.fail(step.code)
            return _refused(transaction, step, held, WRONG_CODE)
        self._codes.use(step.code)
        request = step.request
        table.remove(transaction.connection, held)
        text = (
            f"the gate no longer holds {held.restriction}: resumed by operator {request.actor}: "
            f"{request.reason}"
        )
        seq = _record(
            transaction, EventType.RESTRICTION_RESUMED, step, held, text, "lifted at the gate"
        )
        told = self._outbox.owe(
            transaction.connection,
            Message(
                subject=held.id,
                kind=Kind.RESTRICTION,
                severity=max(held.level, Severity.WARNING, key=lambda level: level.rank),
                title="TRADING RESUMED",
                text=text,
                at=transaction.now,
                audit_seq=seq,
                risk_id=held.risk_id,
                about="resumed",
            ),
        )
        return Change(messages=told, in_force=transaction.at_end(in_force))


def _obstacle(held: Held, blind: str) -> str:
    if blind:
        return f"nobody can tell whether {held.cause} still fires: {blind}"
    if held.standing is Standing.FIRING:
        return (
            f"{held.cause} {held.risk_id} is not over: it would be imposed again at once. Until "
            "then orders that reduce risk are allowed"
        )
    return ""


def _unknown(transaction: Transaction, step: Step) -> Change:
    request = step.request
    restriction = request.kill_id[:_LONGEST_ID]
    why = f"there is no restriction {restriction}: look with riskwarden restrictions"
    event = AuditEvent(
        EventType.RESTRICTION_RESUME_REFUSED,
        f"{request.actor} was refused to resume: {why}",
        severity=Severity.WARNING,
        category=Category.PORTFOLIO,
        details={"restriction": restriction, "address": step.address, "token": step.by},
        action_taken="refused",
        action_reason=request.reason,
        actor_type=ActorType.USER,
        actor_id=request.actor,
    )
    transaction.append(event)
    return Change(refusal=why)


def _refused(transaction: Transaction, step: Step, held: Held, why: str) -> Change:
    text = f"{step.request.actor} was refused to resume {held.restriction}: {why}"
    _record(transaction, EventType.RESTRICTION_RESUME_REFUSED, step, held, text, "refused")
    return Change(refusal=why)


def _record(
    transaction: Transaction, event_type: EventType, step: Step, held: Held, text: str, done: str
) -> int:
    request = step.request
    event = event_of(
        event_type,
        held,
        text,
        done,
        request.reason,
        actor=request.actor,
        address=step.address,
        by=step.by,
    )
    return transaction.append(event)
