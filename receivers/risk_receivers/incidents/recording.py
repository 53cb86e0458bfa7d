"""Write what an alert does to its incident: rows, audit events and messages, all at once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from msgspec import Struct

from risk_policy.contracts.alert import (
    IDENTITY_LABELS,
    LIMIT,
    POLICY_DIGEST,
    THRESHOLD,
    VALUE,
)
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Escalation, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.incidents import announcing, table
from risk_receivers.incidents.lifecycle import Change, Incident, Step, on_alert, on_clock
from risk_receivers.intake.alert import Alert
from risk_receivers.quiet.telling import Teller
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.writer import Transaction

_EVENT: Final = {
    Change.CREATED: EventType.ALERT_CREATED,
    Change.CONTINUED: EventType.ALERT_CONTINUED,
    Change.ESCALATED: EventType.ALERT_ESCALATED,
    Change.DISPATCHED: EventType.ALERT_DISPATCHED,
    Change.DEESCALATED: EventType.ALERT_DEESCALATED,
    Change.RESOLVED: EventType.ALERT_RESOLVED,
    Change.EXPIRED: EventType.ALERT_EXPIRED,
}
#: Changes that an episode can go through more than once. The chain tells of each.
_REPEATABLE: Final = (Change.ESCALATED, Change.DEESCALATED, Change.EXPIRED, Change.CONTINUED)
_INSERT_STATUS: Final = (
    "INSERT INTO alert (risk_id, tier, episode, status, feed, received_at, audit_seq) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
#: What stands for the feed where the clock and no alert changed an incident.
_CLOCK: Final = "clock"
_EXPIRED: Final = (Change.EXPIRED,)


class Recorded(Struct, frozen=True):
    """What became of one alert."""

    step: Step
    messages: int = 0


def record_alert(
    transaction: Transaction, teller: Teller, alert: Alert, received_at: datetime
) -> Recorded:
    """Take one alert in."""
    connection = transaction.connection
    last = table.latest(connection, alert.risk_id, alert.tier)
    step = on_alert(last, alert, received_at)
    messages = 0
    if last is not None and step.closed is not None:
        messages += _close(transaction, teller, last, Step(step.closed, _EXPIRED), received_at)
        last = step.closed
    if Change.CREATED in step.changes:
        table.insert(connection, step.incident, last, alert, received_at)
    elif step.incident != last:
        table.update(connection, step.incident, last)
    recorded: dict[str, int] = {}
    for change in step.changes:
        seq = _record_change(
            transaction,
            step.incident,
            change,
            message=_told(change, step.incident, alert),
            severity=alert.severity if change is Change.ESCALATED else step.incident.severity,
            feed=alert.feed.value,
            received_at=received_at,
            details=_details(alert),
        )
        if change not in _REPEATABLE:
            recorded[change.value] = seq
        if change is Change.CREATED and _crosses(alert):
            _record_breach(transaction, step.incident, alert)
    told = announcing.arrival(transaction, teller, last, step, alert, recorded)
    return Recorded(step, messages + told)


def _crosses(alert: Alert) -> bool:
    """Whether it says which threshold was crossed, and by what: limits do, most others do not."""
    annotations = alert.annotations
    return bool(alert.tier and annotations.get(VALUE) and annotations.get(THRESHOLD))


def _record_breach(transaction: Transaction, incident: Incident, alert: Alert) -> None:
    """Once an episode: an incident is about one tier, so that it begins as that is crossed.

    What rises within a tier (ALERT_ESCALATED) crosses nothing, and what was expired and goes on
    (ALERT_CONTINUED) had crossed it before.
    """
    limit = alert.labels.get(LIMIT, "")
    value, threshold = alert.annotations[VALUE], alert.annotations[THRESHOLD]
    about = {name: alert.labels[name] for name in IDENTITY_LABELS if alert.labels.get(name)}
    transaction.append(
        AuditEvent(
            EventType.THRESHOLD_BREACHED,
            f"{limit or alert.alertname} is {value} at {incident.risk_id}: beyond the {alert.tier} "
            f"threshold, {threshold}",
            severity=alert.severity,
            category=incident.category,
            alert_id=incident.id,
            details={
                "limit": limit,
                "tier": alert.tier,
                "value": value,
                "threshold": threshold,
                "risk_id": incident.risk_id,
                "episode": incident.episode,
                "since": to_text(alert.starts_at),
                "feed": alert.feed.value,
                "policy_digest": alert.annotations.get(POLICY_DIGEST, ""),
                **about,
            },
            action_taken=alert.action,
        )
    )


def record_expiry(
    transaction: Transaction, teller: Teller, now: datetime, breaches: Iterable[table.Breach]
) -> int:
    """Let alerts of some breaches lapse if they are not repeated; how many messages become due."""
    messages = 0
    for breach in breaches:
        if incident := table.latest(transaction.connection, *breach):
            messages += _close(transaction, teller, incident, on_clock(incident, now), now)
    return messages


def _close(
    transaction: Transaction, teller: Teller, last: Incident, step: Step, now: datetime
) -> int:
    """Write what the passing of time has done to an incident."""
    if step.incident != last:
        table.update(transaction.connection, step.incident, last)
    messages = 0
    for change in step.changes:
        seq = _record_change(
            transaction,
            step.incident,
            change,
            message=_told(change, step.incident),
            severity=step.incident.severity,
            feed=_CLOCK,
            received_at=now,
            details={
                "labels": {
                    "alertname": last.alertname,
                    "risk_id": last.risk_id,
                    "tier": last.tier,
                }
            },
        )
        if change is Change.EXPIRED:
            messages += announcing.expiry(transaction, teller, step.incident, seq)
    return messages


def _record_change(
    transaction: Transaction,
    incident: Incident,
    change: Change,
    *,
    message: str,
    severity: Severity,
    feed: str,
    received_at: datetime,
    details: dict[str, JsonValue],
) -> int:
    seq = transaction.append(
        AuditEvent(
            _EVENT[change],
            message,
            severity=severity,
            category=incident.category,
            alert_id=incident.id,
            details={
                **details,
                "episode": incident.episode,
                "feed": feed,
                "received_at": to_text(received_at),
                "incident_starts_at": to_text(incident.starts_at),
                "incident_ends_at": optional_text(incident.ends_at),
                "firing": [
                    {"severity": held.severity.value, "escalation": held.escalation}
                    for held in incident.firing
                ],
            },
        )
    )
    repeatable = change in _REPEATABLE
    transaction.connection.execute(
        f"{_INSERT_STATUS}{' ON CONFLICT DO NOTHING' if repeatable else ''}",
        (
            incident.risk_id,
            incident.tier,
            incident.episode,
            announcing.status_of(change, severity),
            feed,
            to_text(received_at),
            seq,
        ),
    )
    return seq


def _details(alert: Alert) -> dict[str, JsonValue]:
    return {
        "labels": dict(alert.labels),
        "annotations": dict(alert.annotations),
        "starts_at": to_text(alert.starts_at),
        "ends_at": optional_text(alert.ends_at),
        "policy_digest": alert.annotations.get(POLICY_DIGEST, ""),
    }


def _told(change: Change, incident: Incident, alert: Alert | None = None) -> str:
    subject = f"{incident.alertname} {incident.risk_id}"
    description = f": {alert.description}" if alert else ""
    match change:
        case Change.CREATED:
            return f"{subject}{description}"
        case Change.CONTINUED:
            return f"{subject} is repeated again, it was not over{description}"
        case Change.ESCALATED:
            assert alert is not None
            why = "" if alert.escalation == Escalation.NONE else f" ({alert.escalation})"
            return f"{subject} now counts as {alert.severity.value}{why}{description}"
        case Change.DISPATCHED:
            return f"{subject} was handed on to people"
        case Change.DEESCALATED:
            still = "; it is not over" if incident.state.is_open else ""
            return f"{subject} counts as {incident.severity.value} again{still}"
        case Change.RESOLVED:
            return f"{subject} is resolved"
        case Change.EXPIRED:
            return f"{subject} has expired: the feed went silent, nobody knows whether it is over"
