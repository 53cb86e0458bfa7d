"""Write what an alert does to its incident: rows, audit events and messages, all at once."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts.alert import POLICY_DIGEST, THRESHOLD, VALUE
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Escalation, Severity
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
    Change.DEESCALATED: EventType.ALERT_DEESCALATED,
    Change.RESOLVED: EventType.ALERT_RESOLVED,
    Change.EXPIRED: EventType.ALERT_EXPIRED,
}
#: Changes that an episode can go through more than once. The chain tells of each.
_REPEATABLE: Final = (Change.ESCALATED, Change.DEESCALATED)
_INSERT_STATUS: Final = (
    "INTO alert (risk_id, tier, episode, status, feed, received_at, audit_seq) "
    "VALUES (?, ?, ?, ?, ?, ?, ?)"
)
_SEQ: Final = (
    "SELECT max(audit_seq) FROM alert "
    "WHERE risk_id = ? AND tier = ? AND episode = ? AND status IN (?, ?)"
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
        table.insert(connection, step.incident, last, alert, received_at)
    elif step.incident != last:
        table.update(connection, step.incident, last)
    for change in step.changes:
        _record_change(
            transaction,
            step.incident,
            change,
            message=_told(change, step.incident, alert),
            severity=alert.severity if change is Change.ESCALATED else step.incident.severity,
            feed=alert.feed.value,
            received_at=received_at,
            details=_details(alert),
        )
    return Recorded(step, _announce(transaction, outbox, last, step, alert))


def record_expiry(transaction: Transaction, now: datetime) -> int:
    """Let every alert lapse that is no longer repeated; how many incidents that changed."""
    changed = 0
    for incident in table.overdue(transaction.connection, now):
        step = on_clock(incident, now)
        if step.incident != incident:
            table.update(transaction.connection, step.incident, incident)
        for change in step.changes:
            _record_change(
                transaction,
                step.incident,
                change,
                message=_told(change, step.incident),
                severity=step.incident.severity,
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
            changed += 1
    return changed


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
) -> None:
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
        f"INSERT {'OR IGNORE ' if repeatable else ''}{_INSERT_STATUS}",
        (
            incident.risk_id,
            incident.tier,
            incident.episode,
            _status(change, severity) if repeatable else change.value,
            feed,
            to_text(received_at),
            seq,
        ),
    )


def _status(change: Change, severity: Severity) -> str:
    return f"{change.value}_{severity.value.upper()}"


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


def _announce(
    transaction: Transaction, outbox: Outbox, last: Incident | None, step: Step, alert: Alert
) -> int:
    """Owe people what the notification feed says they are to be told."""
    incident = step.incident
    told = incident.told_severity
    if alert.feed is not Feed.NOTIFICATIONS or told is None:
        return 0
    severity, about, status = alert.severity, "", Change.RESOLVED.value
    if Change.DISPATCHED in step.changes:
        kind, status = Kind.FIRING, Change.DISPATCHED.value
    elif alert.firing and last is not None and told != last.told_severity:
        kind, about = Kind.ESCALATED, told.value
        status = _status(Change.ESCALATED, told)
    elif not alert.firing and incident.state is State.RESOLVED:
        kind, severity = Kind.RESOLVED, told  # whoever was told of the worst is told of the end
    else:
        return 0
    return outbox.owe(
        transaction.connection,
        Message(
            subject=incident.id,
            kind=kind,
            severity=severity,
            title=incident.alertname,
            text=alert.description,
            at=transaction.now,
            audit_seq=_recorded_as(transaction, incident, status),
            risk_id=incident.risk_id,
            starts_at=alert.starts_at,
            runbook_url=alert.annotations.get("runbook_url", ""),
            about=about,
            summary=alert.annotations.get("summary", ""),
            value=alert.annotations.get(VALUE, ""),
            threshold=alert.annotations.get(THRESHOLD, ""),
            tier=alert.tier,
            category=alert.category.value if alert.category else "",
            action=alert.action,
            escalation=alert.escalation,
        ),
    )


def _recorded_as(transaction: Transaction, incident: Incident, status: str) -> int:
    """The record that tells of a status, or at least of how the episode began."""
    values = (incident.risk_id, incident.tier, incident.episode, status, Change.CREATED.value)
    return int(transaction.connection.execute(_SEQ, values).fetchone()[0] or 0)
