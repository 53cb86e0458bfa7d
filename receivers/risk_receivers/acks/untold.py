"""What people were never told of although it fires.

Of a breach that ended while it was silenced or inhibited and that comes back afterwards,
Alertmanager says nothing until its next repeat. The alert feed knows. So what fires by it, is
kept from people by nobody on purpose, and has not been handed over within the time that a
notification takes, is told by the receivers themselves: once, and marked as such.

The time counts from when it was first seen to be owed, so that an alert which has just stopped
being silenced gets the time that a notification takes, too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from msgspec.structs import replace

from risk_policy.contracts.alert import ESCALATION, RISK_ID, SEVERITY, THRESHOLD, TIER, VALUE
from risk_policy.contracts.audit import EventType
from risk_policy.model.stack import Routing
from risk_policy.vocabulary import Escalation, Severity
from risk_receivers.acks.client import HeldBack
from risk_receivers.acks.silences import Matcher, mutes, tier_rank
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.database.connection import Connection
from risk_receivers.incidents import table
from risk_receivers.incidents.announcing import escalation_of
from risk_receivers.incidents.held import HeldAlert, Told
from risk_receivers.incidents.lifecycle import Incident, State
from risk_receivers.quiet.telling import Teller
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction

#: What evaluation, transport and our own looks may take beside Alertmanager's waits.
_GRACE_SECONDS: Final = 3.0
BY_US: Final = "told by the receivers, as Alertmanager has not handed it over"
_INSERT_STATUS: Final = (
    "INSERT INTO alert (risk_id, tier, episode, status, feed, received_at, audit_seq) "
    "VALUES (?, ?, ?, ?, 'reconciler', ?, ?) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Untold:
    """An incident, and the worst of its alerts that people were not told of."""

    incident: Incident
    alert: HeldAlert
    labels: dict[str, str]

    @property
    def key(self) -> tuple[str, tuple[int, str]]:
        """What tells it from everything else that may be owed."""
        return (self.incident.id, self.alert.key)


def patience_seconds(routing: Routing, severity: Severity) -> float:
    """How long Alertmanager may take to hand over what it is going to."""
    route = routing.of(severity)
    return route.group_wait_seconds + route.group_interval_seconds + _GRACE_SECONDS


def owed_of(incident: Incident) -> HeldAlert | None:
    """The worst alert that fires, if it is worse than all that people were told of."""
    if not incident.state.is_open or not incident.firing:
        return None
    worst = incident.firing[-1]
    told = incident.known_severity
    is_news = told is None or worst.severity.rank > told.rank
    return worst if is_news and not worst.told.is_known else None


def candidates(connection: Connection) -> list[Untold]:
    """Everything that fires and of which people were not told."""
    found = []
    for incident, labels in table.untold(connection):
        if alert := owed_of(incident):
            counting = {SEVERITY: alert.severity.value, ESCALATION: alert.escalation}
            found.append(Untold(incident, alert, {**labels, **counting}))
    return found


def held_back_by(
    alertmanager: Iterable[HeldBack] | None,
    silences: Sequence[tuple[Matcher, ...]],
    open_incidents: Iterable[tuple[str, str, Severity]],
) -> Callable[[Untold], bool]:
    """Whether something is kept from people on purpose.

    Alertmanager's own word counts. If it cannot be asked, what is known of its silences does,
    and that a worse tier speaks for the milder ones of its ``risk_id``.
    """
    if alertmanager is not None:
        muted = {_identity(alert.labels): alert.muted for alert in alertmanager}
        return lambda untold: muted.get(_identity(untold.labels), False)
    worst: dict[str, list[tuple[int, int]]] = {}
    for risk_id, tier, severity in open_incidents:
        worst.setdefault(risk_id, []).append((tier_rank(tier), severity.rank))

    def by_what_is_known(untold: Untold) -> bool:
        own = (tier_rank(untold.incident.tier), untold.alert.severity.rank)
        beside = worst.get(untold.incident.risk_id, ())
        if any(tier > own[0] and severity >= own[1] for tier, severity in beside):
            return True
        return any(mutes(matchers, untold.labels) for matchers in silences)

    return by_what_is_known


class Waiting:
    """Since when something is owed. One thread's."""

    def __init__(self, routing: Routing) -> None:
        self._routing = routing
        self._since: dict[tuple[str, tuple[int, str]], float] = {}

    def due(self, owed: Sequence[Untold], now: float) -> list[Untold]:
        """What has been owed for longer than a notification takes."""
        patience = {one: patience_seconds(self._routing, one) for one in Severity}
        keys = [one.key for one in owed]
        self._since = {key: self._since.get(key, now) for key in keys}
        return [
            one
            for one, key in zip(owed, keys, strict=True)
            if now - self._since[key] >= patience[one.alert.severity]
        ]


def tell(
    transaction: Transaction, teller: Teller, due: Sequence[Untold], received_at: datetime
) -> int:
    """Tell people, unless they were told meanwhile or it is over; how many messages are new."""
    messages = 0
    for one in due:
        incident = table.latest(transaction.connection, one.incident.risk_id, one.incident.tier)
        alert = owed_of(incident) if incident and incident.id == one.incident.id else None
        if incident is not None and alert is not None:
            messages += _tell(transaction, teller, incident, alert, received_at)
    return messages


def _tell(
    transaction: Transaction,
    teller: Teller,
    incident: Incident,
    alert: HeldAlert,
    received_at: datetime,
) -> int:
    connection = transaction.connection
    annotations = table.said_at_first(connection, incident)
    first = not incident.dispatched
    told = tuple(
        replace(held, told=Told.FIRING) if held.is_firing else held for held in incident.alerts
    )
    after = replace(incident, state=State.DISPATCHED, alerts=told)
    table.update(connection, after, incident)
    text = annotations.get("description") or annotations.get("summary") or incident.alertname
    seq = transaction.append(
        AuditEvent(
            EventType.ALERT_DISPATCHED,
            f"{incident.alertname} {incident.risk_id} as {alert.severity.value}: {BY_US}",
            severity=alert.severity,
            category=incident.category,
            alert_id=incident.id,
            details={"episode": incident.episode, "escalation": alert.escalation},
        )
    )
    connection.execute(
        _INSERT_STATUS,
        (
            incident.risk_id,
            incident.tier,
            incident.episode,
            State.DISPATCHED.value,
            to_text(received_at),
            seq,
        ),
    )
    return teller.tell(
        transaction,
        Message(
            subject=incident.id,
            kind=Kind.FIRING if first else Kind.ESCALATED,
            severity=alert.severity,
            title=incident.alertname,
            text=f"{text} ({BY_US})",
            at=transaction.now,
            audit_seq=seq,
            risk_id=incident.risk_id,
            starts_at=min(incident.starts_at, alert.starts_at),
            runbook_url=annotations.get("runbook_url", ""),
            about="" if first else escalation_of(incident, alert.severity, transaction),
            summary=annotations.get("summary", ""),
            value=annotations.get(VALUE, ""),
            threshold=annotations.get(THRESHOLD, ""),
            tier=incident.tier,
            category=incident.category.value if incident.category else "",
            action=incident.action,
            escalation=alert.escalation,
        ),
    )


def _identity(labels: Mapping[str, str]) -> tuple[str, ...]:
    why = labels.get(ESCALATION) or Escalation.NONE.value
    return (*(labels.get(name, "") for name in (RISK_ID, TIER, SEVERITY)), why)
