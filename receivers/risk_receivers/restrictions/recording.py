"""Impose, follow and lift restrictions on record, in the transaction that changes their incident.

So there is no incident on record whose restriction is not, and none is lifted without a record of
what ended it. What is in force afterwards is published right after the commit.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Final

from msgspec import Struct, structs

from risk_policy import Policy
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.restriction import RestrictionKind
from risk_policy.restricting import kind_of, latching, size_ratio
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.incidents import table as incidents
from risk_receivers.incidents.lifecycle import Incident, Step
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.restrictions import chain, table
from risk_receivers.restrictions.held import Held, InForce, Standing, published, scope_of
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

_RESOLVED: Final = "its incident is resolved"
_STAYED_AWAY: Final = "its incident expired, and its alert did not fire again while it could have"


class Followed(Struct, frozen=True):
    """What became of the restrictions of one breach."""

    changed: bool = False
    messages: int = 0


def in_force(transaction: Transaction) -> InForce:
    """All that is on record at this point."""
    held = table.every(transaction.connection)
    return InForce(transaction.head.size, published(held))


class Restricting:
    """Decides and records."""

    def __init__(self, policy: Policy, outbox: Outbox) -> None:
        self._policy = policy
        self._outbox = outbox
        self._latching = latching(policy)

    def restore(self, transaction: Transaction) -> tuple[str, ...]:
        """Let the chain have the last word about what is held; what was wrong with the table."""
        problems = []
        for held, problem in chain.restore(transaction):
            text = f"{problem} and is held again, as the audit chain tells: {held.restriction}"
            event = event_of(
                EventType.RESTRICTION_RESTORED, held, text, "restored from the audit chain", problem
            )
            severe = structs.replace(event, severity=Severity.EMERGENCY, category=Category.SECURITY)
            seq = transaction.append(severe)
            message = Message(
                subject=f"tampered:{seq}",
                kind=Kind.TAMPERED,
                severity=Severity.EMERGENCY,
                title="RESTRICTION TAMPERED WITH",
                text=text,
                at=transaction.now,
                audit_seq=seq,
            )
            self._outbox.owe(transaction.connection, message)
            problems.append(problem)
        return tuple(problems)

    def follow_alert(self, transaction: Transaction, alert: Alert, step: Step) -> Followed:
        """An alert was taken in: impose what it asks for, and follow its incident."""
        kind = kind_of(alert.action) if alert.feed is Feed.ALERTS else None
        if kind is None and not step.changes:
            return Followed()
        incident = step.incident
        held = table.of_breach(transaction.connection, alert.risk_id, alert.tier)
        followed = self._follow(transaction, held, incident)
        if kind is None:
            return followed
        before = next((one for one in held if one.kind is kind), None)
        if not alert.firing:
            # It did fire, while nobody listened; only what outlives its alert is held by that.
            if before or not step.fired_unseen or alert.alertname not in self._latching:
                return followed
            self._impose(transaction, alert, incident, kind, Standing.FIRING)
            imposed = table.of_breach(transaction.connection, alert.risk_id, alert.tier)
            latched = self._follow(transaction, imposed, incident)
            return Followed(changed=True, messages=followed.messages + latched.messages)
        if before is None:
            self._impose(transaction, alert, incident, kind, Standing.FIRING)
            return structs.replace(followed, changed=True)
        as_told = replace(before, incident=incident.id, standing=Standing.FIRING)
        worse = self._as_asked_for_now(as_told, alert)
        if worse != as_told:
            table.write(transaction.connection, worse)
            return structs.replace(followed, changed=True)
        return followed

    def _as_asked_for_now(self, held: Held, alert: Alert) -> Held:
        """Never less than it is, and no less than this alert asks for under this policy."""
        level = max(held.level, alert.severity, key=lambda one: one.rank)
        latches = held.latches or alert.alertname in self._latching
        ratio = size_ratio(self._policy, held.kind, alert.tier)
        if held.size_ratio is not None and ratio is not None:
            ratio = min(held.size_ratio, ratio)
        return replace(held, level=level, latches=latches, size_ratio=ratio)

    def follow_clock(
        self, transaction: Transaction, breaches: Iterable[incidents.Breach]
    ) -> Followed:
        """Time has passed for the incidents of some breaches."""
        changed, messages = False, 0
        for breach in breaches:
            held = table.of_breach(transaction.connection, *breach)
            incident = incidents.latest(transaction.connection, *breach) if held else None
            if incident is not None:
                followed = self._follow(transaction, held, incident)
                changed, messages = changed or followed.changed, messages + followed.messages
        return Followed(changed, messages)

    def let_go(self, transaction: Transaction, restrictions: Iterable[str]) -> Followed:
        """Alerts that expired have stayed away for long enough, as far as nothing has changed."""
        changed, messages = False, 0
        for restriction in restrictions:
            held = table.by_id(transaction.connection, restriction)
            if held is not None and held.standing is Standing.DOUBTFUL:
                messages += self._end(transaction, held, held.after_its_alert, _STAYED_AWAY)
                changed = True
        return Followed(changed, messages)

    def _follow(self, transaction: Transaction, held: list[Held], incident: Incident) -> Followed:
        changed, messages = False, 0
        for one in held:
            standing = one.after(incident.state)
            if standing is Standing.FIRING or standing is Standing.DOUBTFUL:
                if (standing, incident.id) != (one.standing, one.incident):
                    after = replace(one, standing=standing, incident=incident.id)
                    table.write(transaction.connection, after)
            elif standing is not one.standing:
                messages += self._end(transaction, one, standing, _RESOLVED)
                changed = True
        return Followed(changed, messages)

    def _impose(
        self,
        transaction: Transaction,
        alert: Alert,
        incident: Incident,
        kind: RestrictionKind,
        standing: Standing,
    ) -> None:
        held = Held(
            id=f"r{transaction.head.size + 1}",
            risk_id=alert.risk_id,
            tier=alert.tier,
            kind=kind,
            scope=scope_of(alert.labels),
            size_ratio=size_ratio(self._policy, kind, alert.tier),
            cause=alert.alertname,
            level=alert.severity,
            since=transaction.now,
            incident=incident.id,
            latches=alert.alertname in self._latching,
            standing=standing,
        )
        seq = transaction.append(
            event_of(
                EventType.RESTRICTION_IMPOSED,
                held,
                f"the gate holds {held.restriction}",
                "orders that add risk are held back at the gate",
                alert.description,
            )
        )
        table.write(transaction.connection, replace(held, id=f"r{seq}"))

    def _end(
        self, transaction: Transaction, held: Held, standing: Standing | None, why: str
    ) -> int:
        """Its alert is over: lift it, or keep it for a person; how many messages."""
        if standing is None:
            table.remove(transaction.connection, held)
            text = f"the gate no longer holds {held.restriction}: {why}"
            transaction.append(
                event_of(EventType.RESTRICTION_LIFTED, held, text, "lifted at the gate", why)
            )
            return 0
        after = replace(held, standing=standing)
        table.write(transaction.connection, after)
        text = (
            f"the gate goes on holding {held.restriction}, although {why}: the policy wants a "
            f"person to resume trading. riskwarden resume {held.id} --reason ..."
        )
        seq = transaction.append(
            event_of(EventType.RESTRICTION_LATCHED, after, text, "held until somebody resumes", why)
        )
        return self._outbox.owe(
            transaction.connection,
            Message(
                subject=held.id,
                kind=Kind.RESTRICTION,
                severity=max(held.level, Severity.WARNING, key=lambda level: level.rank),
                title="TRADING STAYS HALTED",
                text=text,
                at=transaction.now,
                audit_seq=seq,
                risk_id=held.risk_id,
                about=f"latched:{held.incident}",
            ),
        )


def event_of(
    event_type: EventType,
    held: Held,
    text: str,
    done: str,
    why: str,
    *,
    actor: str | None = None,
    address: str = "",
    by: str = "",
) -> AuditEvent:
    """What the chain tells of a restriction."""
    return AuditEvent(
        event_type,
        text,
        severity=held.level,
        category=Category.PORTFOLIO,
        alert_id=held.incident,
        details={
            "restriction": held.id,
            "kind": held.kind.value,
            "scope": str(held.scope),
            "size_ratio": None if held.size_ratio is None else f"{held.size_ratio:g}",
            "cause": held.cause,
            "risk_id": held.risk_id,
            "tier": held.tier,
            "since": to_text(held.since),
            "latches": held.latches,
            "standing": held.standing.value,
            **({"address": address, "token": by} if actor else {}),
        },
        action_taken=done,
        action_reason=why,
        actor_type=ActorType.USER if actor else ActorType.SYSTEM,
        actor_id=actor,
    )
