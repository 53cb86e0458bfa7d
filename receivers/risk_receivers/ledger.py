"""What one transaction writes: incidents, audit events, messages and the kill switch together.

Every function here runs in the store's writer thread, inside one durable transaction: either
all of it is on record or none. Nothing here talks to anybody; what has to happen after the
commit is returned as an :class:`Outcome`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Final

from msgspec import Struct, structs

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.incidents.lifecycle import Change, Step
from risk_receivers.incidents.recording import record_alert, record_expiry
from risk_receivers.incidents.table import Breach
from risk_receivers.intake.alert import Alert, Batch
from risk_receivers.intake.quarantine import quarantine
from risk_receivers.kill import chain as kill_chain
from risk_receivers.kill import doubt
from risk_receivers.kill import journal as kill_journal
from risk_receivers.kill.alert_keys import alert_key, is_repeat, request_key
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import KillBoard, own_id
from risk_receivers.kill.journal import Pulled, Witness
from risk_receivers.kill.switch import EventKind, KillSwitch, Trigger, timeout_of
from risk_receivers.kill.trip import (
    AlertKill,
    OperatorKill,
    SilenceKill,
    SpooledTrip,
    TimeoutKill,
    UnknownKill,
)
from risk_receivers.quiet.telling import Teller
from risk_receivers.restrictions.held import InForce
from risk_receivers.restrictions.recording import Restricting, in_force
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.transaction import AtEnd, Transaction

_TELLS_PEOPLE: Final = {
    EventKind.TRIPPED: Kind.KILL_SWITCH,
    EventKind.TIGHTENED: Kind.KILL_SWITCH_TIGHTENED,
}


class Outcome(Struct, frozen=True):
    """What is on record once the transaction has been committed, and what follows from it.

    Attributes:
        kill: the kill switch's state, if any of it is tripped and this transaction touched it.
        tripped: whether this transaction tripped or tightened it.
        messages: how many messages became due.
        merged: spooled trips that are now in the store.
        counts: alerts by what became of them; ``began`` are those whose incidents are new.
        escalations: of each incident that came to count as worse, why.
        doubted: whether Alertmanager asked for a kill that Prometheus has not asked for yet.
        restricted: whether what the gate holds beside the kill switch has changed.
        in_force: what it is then, once all works of the commit are done.
        looser: why a kill was refused that asked for less than is in force; empty if none was.
    """

    kill: KillBoard | None = None
    tripped: bool = False
    messages: int = 0
    merged: tuple[SpooledTrip, ...] = ()
    counts: Mapping[str, int] = {}
    began: tuple[Alert, ...] = ()
    escalations: tuple[str, ...] = ()
    doubted: bool = False
    restricted: bool = False
    in_force: AtEnd[InForce] | None = None
    looser: str = ""


class Ledger:
    """Writes on behalf of the service."""

    def __init__(self, teller: Teller, automatic: Automatic, restricting: Restricting) -> None:
        self._teller = teller
        self.restricting: Final = restricting
        self._outbox = teller.outbox  # for what never waits
        self._automatic = automatic

    def take_batch(
        self, transaction: Transaction, batch: Batch, received_at: datetime, kill_id: str
    ) -> Outcome:
        """Record one request of a feed."""
        outcome = Outcome()
        counts: dict[str, int] = {}
        began = []
        for alert in batch.alerts:
            step, outcome = self._take_alert(transaction, alert, received_at, kill_id, outcome)
            became = _outcome_of(step)
            counts[became] = counts.get(became, 0) + 1
            if Change.CREATED in step.changes:
                began.append(alert)
        for malformed in batch.malformed:
            told = quarantine(transaction, self._outbox, batch.feed, malformed, received_at)
            outcome = structs.replace(outcome, messages=outcome.messages + told)
        outcome = structs.replace(outcome, counts=counts, began=tuple(began))
        return _with_what_is_in_force(transaction, outcome)

    def take_operator_kill(self, transaction: Transaction, trip: SpooledTrip) -> Outcome:
        """Record an operator's kill, or that it asked for less than is in force."""
        kill = trip.kill
        assert isinstance(kill, OperatorKill)
        state = kill_journal.load(transaction.connection).of(Scope.parse(kill.scope))
        if state.would_loosen(kill.mode) and state.mode is not None:
            where = "" if state.scope.is_everything else f" for {state.scope}"
            why = (
                f"the kill switch is tripped{where} in mode {state.mode.value} and can only be "
                f"tightened; {kill.mode.value} would loosen it"
            )
            transaction.append(_looser(kill, state.kill_id, why))
            return Outcome(looser=why)
        return self._merge(transaction, trip)

    def merge_spool(self, transaction: Transaction, trips: Sequence[SpooledTrip]) -> Outcome:
        """Take spooled trips in, each once."""
        outcome = Outcome()
        for trip in trips:
            merged = self._merge(transaction, trip)
            outcome = structs.replace(
                outcome,
                kill=merged.kill or outcome.kill,
                tripped=outcome.tripped or merged.tripped,
                messages=outcome.messages + merged.messages,
                escalations=outcome.escalations + merged.escalations,
                restricted=outcome.restricted or merged.restricted,
            )
        return _with_what_is_in_force(transaction, structs.replace(outcome, merged=tuple(trips)))

    def merge_held(
        self, transaction: Transaction, trips: Sequence[SpooledTrip], board: KillBoard
    ) -> Outcome:
        """The same, and whatever else is in force although the record does not say so.

        A trip that acted first may turn out to be one that the record does not heed. By then the
        gate is closed for it: only what is on record can be cleared.
        """
        outcome = self.merge_spool(transaction, trips)
        for held in board.in_force:
            key = f"memory:{held.kill_id}:{held.mode}"
            adopted = self.adopt(transaction, held, key, "the service")
            kill, messages = adopted.kill or outcome.kill, outcome.messages + adopted.messages
            outcome = structs.replace(outcome, kill=kill, messages=messages)
        return outcome

    def adopt(self, transaction: Transaction, held: KillSwitch, key: str, where: str) -> Outcome:
        """Take over what somebody else holds, if the record is not at least as strict."""
        state = kill_journal.load(transaction.connection).of(held.scope)
        mode = held.mode
        if mode is None or (state.mode is not None and mode.rank <= state.mode.rank):
            return Outcome()
        if held.kill_id in state.cleared:
            return Outcome()  # somebody who may cleared it, and that is on record
        trigger = Trigger(
            key,
            held.kill_id,
            mode,
            held.cause,
            held.level,
            transaction.now,
            by_person=True,
            scope=held.scope,
        )
        witness = Witness(reason=f"{where} held a trip that is not on record")
        return self._pull(transaction, trigger, witness, Outcome())

    def restore_kills(self, transaction: Transaction) -> tuple[str, ...]:
        """Let the chain have the last word about the kill switch; what was wrong with its table."""
        restored = kill_chain.restore(transaction)
        if restored is None:
            return ()
        text = (
            "the kill switch's table was changed behind the service's back and is what the audit "
            f"chain tells again: {'; '.join(restored.problems[:5])}"
        )
        seq = transaction.append(
            AuditEvent(
                EventType.KILL_SWITCH_RESTORED,
                text,
                severity=Severity.EMERGENCY,
                category=Category.SECURITY,
                details={"problems": list(restored.problems[:100])},
                action_taken="restored from the audit chain",
            )
        )
        message = Message(
            subject=f"tampered:{seq}",
            kind=Kind.TAMPERED,
            severity=Severity.EMERGENCY,
            title="KILL SWITCH TAMPERED WITH",
            text=text,
            at=transaction.now,
            audit_seq=seq,
        )
        self._outbox.owe(transaction.connection, message)
        for before in restored.before.in_force:  # by whomever: it stays so, in the tighter mode
            self.adopt(transaction, before, f"table:{before.kill_id}:{seq}", "the changed table")
        return restored.problems

    def expire(
        self, transaction: Transaction, now: datetime, breaches: Iterable[Breach]
    ) -> Outcome:
        """Record what of some breaches has expired."""
        breaches = tuple(breaches)
        messages = record_expiry(transaction, self._teller, now, breaches)
        followed = self.restricting.follow_clock(transaction, breaches)
        outcome = Outcome(messages=messages + followed.messages, restricted=followed.changed)
        return _with_what_is_in_force(transaction, outcome)

    def let_go(self, transaction: Transaction, restrictions: Iterable[str]) -> Outcome:
        """Record that the alerts of some restrictions are over although nobody has said so."""
        followed = self.restricting.let_go(transaction, restrictions)
        outcome = Outcome(messages=followed.messages, restricted=followed.changed)
        return _with_what_is_in_force(transaction, outcome)

    def _merge(self, transaction: Transaction, trip: SpooledTrip) -> Outcome:
        new = transaction.connection.execute(
            "INSERT INTO merged_trip (id) VALUES (?) ON CONFLICT DO NOTHING", (trip.id,)
        ).rowcount
        if not new or is_repeat(transaction.connection, trip, self._automatic):
            state = kill_journal.load(transaction.connection)
            return Outcome(kill=state if state.is_tripped else None)
        received = {"received_at": to_text(trip.received_at)}
        match trip.kill:
            case AlertKill(alert):
                _, outcome = self._take_alert(
                    transaction, alert, trip.received_at, trip.kill_id, Outcome()
                )
                return outcome
            case OperatorKill(mode, reason, actor) as kill:
                scope = Scope.parse(kill.scope)
                received |= {"token": kill.token, "address": kill.address}
                trigger = replace(
                    self._trigger(transaction, trip, mode, reason, kill.level),
                    by_person=True,
                    scope=scope,
                )
                who = ActorType.RUNTIME if kill.by_runtime else ActorType.USER
                witness = Witness(who, actor, reason, details=received)
            case UnknownKill(evidence):
                level = Severity.EMERGENCY.value
                trigger = self._trigger(
                    transaction, trip, UnknownKill.mode, UnknownKill.cause, level
                )
                trigger = replace(trigger, by_person=True)  # nobody knows that it was not one
                witness = Witness(reason=evidence, details=received)
            case SilenceKill(cause):
                level = Severity.EMERGENCY.value
                trigger = self._trigger(transaction, trip, self._automatic.mode, cause, level)
                witness = Witness(reason="a dead-man's timer ran out", details=received)
            case TimeoutKill():
                trigger = timeout_of(trip.kill_id, transaction.now)
                state = kill_journal.load(transaction.connection)
                one = state.with_id(trip.kill_id)
                if one is None or one.on_timeout(transaction.now) is None:
                    return Outcome(kill=state if state.is_tripped else None)
                witness = Witness(details=received)
        return self._pull(transaction, trigger, witness, Outcome())

    def _trigger(
        self, transaction: Transaction, trip: SpooledTrip, mode: KillMode, cause: str, level: str
    ) -> Trigger:
        return Trigger(request_key(trip), trip.kill_id, mode, cause, level, transaction.now)

    def _take_alert(
        self,
        transaction: Transaction,
        alert: Alert,
        received_at: datetime,
        kill_id: str,
        before: Outcome,
    ) -> tuple[Step, Outcome]:
        recorded = record_alert(transaction, self._teller, alert, received_at)
        step, outcome = recorded.step, before
        followed = self.restricting.follow_alert(transaction, alert, step)
        if messages := recorded.messages + followed.messages:
            outcome = structs.replace(outcome, messages=before.messages + messages)
        if followed.changed:
            outcome = structs.replace(outcome, restricted=True)
        if Change.ESCALATED in step.changes:
            outcome = structs.replace(outcome, escalations=(*before.escalations, alert.escalation))
        if not alert.trips:
            return step, outcome
        incident = step.incident
        # Several alerts may be about one incident. One that arrives resolved and whose firing
        # was never seen has a key that was never seen, whatever else is known of its incident.
        scope = self._automatic.scope_of(alert)
        key = alert_key(incident, alert, scope)
        if not alert.may_trip:
            doubted = doubt.note(transaction, key, alert, incident.id)
            return step, structs.replace(outcome, doubted=before.doubted or doubted)
        trigger = Trigger(
            key=key,
            kill_id=own_id(kill_id, scope),
            mode=self._automatic.mode,
            cause=alert.alertname,
            level=alert.severity.value,
            at=transaction.now,
            holds=alert.firing and incident.state.is_open,
            scope=scope,
        )
        witness = Witness(
            reason=alert.description,
            alert_id=incident.id,
            details={
                "labels": dict(alert.labels),
                "feed": alert.feed.value,
                "starts_at": to_text(alert.starts_at),
                "ends_at": optional_text(alert.ends_at),
                "received_at": to_text(received_at),
            },
            account=alert.labels.get("account", ""),
        )
        return step, self._pull(transaction, trigger, witness, outcome)

    def _pull(
        self, transaction: Transaction, trigger: Trigger, witness: Witness, before: Outcome
    ) -> Outcome:
        pulled = kill_journal.pull(transaction, trigger, witness)
        told = self._tell(transaction, pulled)
        return structs.replace(
            before,
            kill=pulled.state if pulled.state.is_tripped else before.kill,
            tripped=before.tripped or told is not None,
            messages=before.messages + (told or 0),
        )

    def _tell(self, transaction: Transaction, pulled: Pulled) -> int | None:
        """Tell people of a trip; how many messages that makes, None if there is nothing to tell."""
        event = pulled.event
        if event is None or event.kind not in _TELLS_PEOPLE:
            return None
        mode = pulled.state.of(event.scope).mode
        assert mode is not None
        message = Message(
            subject=event.kill_id,
            kind=_TELLS_PEOPLE[event.kind],
            severity=Severity.EMERGENCY,
            title=f"KILL SWITCH {event.kind.value}",
            text=f"{pulled.message}; the gate is closed to new risk{_of(event.scope)}",
            at=transaction.now,
            audit_seq=pulled.audit_seq,
            about="" if event.kind is EventKind.TRIPPED else mode.value,
        )
        return self._outbox.owe(transaction.connection, message)


def _with_what_is_in_force(transaction: Transaction, outcome: Outcome) -> Outcome:
    """Read once for a whole commit, and only if that has changed."""
    if not outcome.restricted:
        return outcome
    return structs.replace(outcome, in_force=transaction.at_end(in_force))


def _of(scope: Scope) -> str:
    return "" if scope.is_everything else f" of {scope}"


def _outcome_of(step: Step) -> str:
    """The label under which an alert is counted."""
    if Change.CREATED in step.changes:
        return "created"
    if Change.RESOLVED in step.changes:
        return "resolved"
    return "escalated" if Change.ESCALATED in step.changes else "repeated"


def _looser(kill: OperatorKill, kill_id: str, why: str) -> AuditEvent:
    """Somebody asked for less than is in force, whichever way that came."""
    return AuditEvent(
        EventType.KILL_SWITCH_LOOSENING_REFUSED,
        f"{kill.actor} was refused mode {kill.mode.value}: {why}",
        severity=Severity.WARNING,
        category=Category.KILL_SWITCH,
        details={
            "kill_id": kill_id,
            "requested_mode": kill.mode.value,
            "scope": kill.scope,
            "token": kill.token,
            "address": kill.address,
            "refusal": why,
        },
        action_taken="refused",
        action_reason=kill.reason,
        actor_type=ActorType.RUNTIME if kill.by_runtime else ActorType.USER,
        actor_id=kill.actor,
    )
