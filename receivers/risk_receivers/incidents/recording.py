"""Write what an alert does to its incident: rows, audit events and messages, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts.alert import POLICY_DIGEST
from risk_policy.contracts.audit import EventType
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.incidents import table
from risk_receivers.incidents.lifecycle import Change, Incident, State, Step, on_alert, on_clock
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.writer import Transaction

_EVENT: Final = {
    Change.CREATED: EventType.ALERT_CREATED,
    Change.ESCALATED: EventType.ALERT_ESCALATED,
    Change.DISPATCHED: EventType.ALERT_DISPATCHED,
    Change.RESOLVED: EventType.ALERT_RESOLVED,
    Change.EXPIRED: EventType.ALERT_EXPIRED,
}
_INSERT_STATUS: Final = (
    "INSERT INTO alert (risk_id, tier, episode, status, feed, received_at, audit_seq) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
#: What stands for the feed where the clock and no alert changed an incident.
_CLOCK: Final = "clock"


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of one alert."""

    step: Step
    messages: int = 0


def record_alert(
    transaction: Transaction, outbox: Outbox, alert: Alert, received_at: datetime
) -> Recorded:
    """Take one alert in."""
    connection = transaction.connection
    last = table.latest(connection, alert.risk_id, alert.tier)
    step = on_alert(last, alert, received_at)
    if Change.CREATED in step.changes:
        table.insert(connection, step.incident, alert, received_at)
    elif step.incident != last:
        table.update(connection, step.incident)

    seq = 0
    for change in step.changes:
        seq = _record_change(
            transaction,
            step.incident,
            change,
            message=_told(change, step.incident, alert.description),
            feed=alert.feed.value,
            received_at=received_at,
            details=_details(alert),
        )
    return Recorded(step, _announce(transaction, outbox, step, alert, seq))


def record_expiry(transaction: Transaction, now: datetime) -> int:
    """Let every incident expire whose alert is no longer repeated; how many did."""
    expired = 0
    for incident in table.overdue(transaction.connection, now):
        step = on_clock(incident, now)
        for change in step.changes:
            table.update(transaction.connection, step.incident)
            _record_change(
                transaction,
                step.incident,
                change,
                message=_told(change, step.incident, ""),
                feed=_CLOCK,
                received_at=now,
                details={
                    "labels": {
                        "alertname": incident.alertname,
                        "risk_id": incident.risk_id,
                        "tier": incident.tier,
                    }
                },
            )
            expired += 1
    return expired


def _record_change(
    transaction: Transaction,
    incident: Incident,
    change: Change,
    *,
    message: str,
    feed: str,
    received_at: datetime,
    details: dict[str, JsonValue],
) -> int:
    seq = transaction.append(
        AuditEvent(
            _EVENT[change],
            message,
            severity=incident.severity,
            category=incident.category,
            alert_id=incident.id,
            details={
                **details,
                "episode": incident.episode,
                "feed": feed,
                "received_at": to_text(received_at),
                "incident_starts_at": to_text(incident.starts_at),
                "incident_ends_at": optional_text(incident.ends_at),
            },
        )
    )
    status = change.value
    if change is Change.ESCALATED:  # can happen once per severity
        status = f"{status}_{incident.severity.value.upper()}"
    transaction.connection.execute(
        _INSERT_STATUS,
        (
            incident.risk_id,
            incident.tier,
            incident.episode,
            status,
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


def _told(change: Change, incident: Incident, description: str) -> str:
    subject = f"{incident.alertname} {incident.risk_id}"
    match change:
        case Change.CREATED:
            return f"{subject}: {description}"
        case Change.ESCALATED:
            return f"{subject} now counts as {incident.severity.value}: {description}"
        case Change.DISPATCHED:
            return f"{subject} was handed on to people"
        case Change.RESOLVED:
            return f"{subject} is resolved"
        case Change.EXPIRED:
            return f"{subject} has expired: the feed went silent, nobody knows whether it is over"


def _announce(transaction: Transaction, outbox: Outbox, step: Step, alert: Alert, seq: int) -> int:
    """Owe people what the notification feed says they are to be told."""
    incident = step.incident
    if alert.feed is not Feed.NOTIFICATIONS:
        return 0
    if Change.DISPATCHED in step.changes:
        kind = Kind.FIRING
    elif not alert.firing and incident.state is State.RESOLVED and incident.dispatched:
        kind = Kind.RESOLVED
    else:
        return 0
    return outbox.owe(
        transaction.connection,
        Message(
            subject=incident.id,
            kind=kind,
            severity=incident.severity,
            title=incident.alertname,
            text=alert.description,
            at=transaction.now,
            audit_seq=seq,
            risk_id=incident.risk_id,
            starts_at=alert.starts_at,
            runbook_url=alert.annotations.get("runbook_url", ""),
        ),
    )
