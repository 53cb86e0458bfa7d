"""What people are told of an incident, written beside the change that gives the reason for it.

Whether and when people hear of a breach is for the notification feed to say, which knows what
they have silenced. Two things it cannot know: that an alert has expired, since a dead
Prometheus looks to Alertmanager like the end of it, and when the end came after that. Whoever
was told of the breach is told of these by us, and as loudly.

What merely happened has no end that anybody needs to hear of.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from risk_policy.catalogue.system import EVENTS
from risk_policy.contracts.alert import THRESHOLD, VALUE
from risk_policy.vocabulary import Severity
from risk_receivers.channels.message import Kind, Message
from risk_receivers.incidents import table
from risk_receivers.incidents.held import Told
from risk_receivers.incidents.lifecycle import Change, Incident, State, Step
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.quiet.telling import Teller
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.writer import Transaction

_SEQ: Final = (
    "SELECT max(audit_seq) FROM alert "
    "WHERE risk_id = ? AND tier = ? AND episode = ? AND status IN (?, ?)"
)
_BY_SEVERITY: Final = (Change.ESCALATED, Change.DEESCALATED)


def status_of(change: Change, severity: Severity) -> str:
    """Under which status a change is kept."""
    return f"{change.value}_{severity.value.upper()}" if change in _BY_SEVERITY else change.value


def arrival(
    transaction: Transaction,
    teller: Teller,
    last: Incident | None,
    step: Step,
    alert: Alert,
    recorded: Mapping[str, int],
) -> int:
    """Owe people what they are to be told of an alert that came in; how many messages.

    ``recorded`` are the records of the statuses that its episode has just had for the first time.
    """
    incident = step.incident
    told = incident.told_severity
    if told is None:
        return 0
    severity, about, text = alert.severity, "", alert.description
    if Change.DISPATCHED in step.changes:
        kind, change = Kind.FIRING, Change.DISPATCHED
    elif Change.CONTINUED in step.changes and last is not None:
        kind, change, about = Kind.CONTINUED, Change.CONTINUED, _expiry_of(last)
        severity, text = loudest(last), f"fires still, it is repeated again: {text}"
    elif last is not None and _reaches_further(last, step, alert):
        kind, change, told = Kind.ESCALATED, Change.ESCALATED, alert.severity
        about = escalation_of(last, alert.severity, transaction)
    elif _is_the_end(last, step, alert):
        # Whoever was told of the worst is told of the end.
        kind, change, severity = Kind.RESOLVED, Change.RESOLVED, told
    else:
        return 0
    return teller.tell(
        transaction,
        Message(
            subject=incident.id,
            kind=kind,
            severity=severity,
            title=incident.alertname,
            text=text,
            at=transaction.now,
            audit_seq=_recorded_as(transaction, incident, status_of(change, told), recorded),
            risk_id=incident.risk_id,
            starts_at=min(incident.starts_at, alert.starts_at),
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


def expiry(transaction: Transaction, teller: Teller, incident: Incident, audit_seq: int) -> int:
    """Owe whoever was told of an incident the news that it expired; how many messages."""
    if not incident.dispatched or incident.alertname in EVENTS:
        return 0
    said = table.said_at_first(transaction.connection, incident)
    before = said.get("description") or said.get("summary")
    return teller.tell(
        transaction,
        Message(
            subject=incident.id,
            kind=Kind.EXPIRED,
            severity=loudest(incident),
            title=incident.alertname,
            text=f"{incident.risk_id} is no longer repeated; nobody said that it is over"
            f"{f'. It began as: {before}' if before else ''}",
            at=transaction.now,
            audit_seq=audit_seq,
            risk_id=incident.risk_id,
            starts_at=incident.starts_at,
            runbook_url=said.get("runbook_url", ""),
            about=_expiry_of(incident),
            summary=said.get("summary", ""),
            tier=incident.tier,
            category=incident.category.value if incident.category else "",
            action=incident.action,
        ),
    )


def escalation_of(before: Incident, severity: Severity, transaction: Transaction) -> str:
    """Which of its escalations this is; it may reach a severity that people were told of before."""
    told = before.told_severity
    is_first = told is None or severity.rank > told.rank
    return severity.value if is_first else f"{severity.value}:{to_text(transaction.now)}"


def _reaches_further(last: Incident, step: Step, alert: Alert) -> bool:
    """Whether the notification feed has people told of something worse than they know of."""
    notified = alert.feed is Feed.NOTIFICATIONS and alert.firing
    return notified and step.incident.known_severity != last.known_severity


def _is_the_end(last: Incident | None, step: Step, alert: Alert) -> bool:
    """Whether people are to be told that it is over: it is, and nothing else will say so."""
    if alert.firing or step.incident.state is not State.RESOLVED or alert.alertname in EVENTS:
        return False
    if alert.feed is Feed.NOTIFICATIONS:
        return True
    # Alertmanager has said so already, when it could not be believed, and will not say it again.
    said = any(held.told is Told.OVER for held in step.incident.alerts)
    expired = last is not None and last.state is State.EXPIRED
    return Change.RESOLVED in step.changes and (said or expired)


def loudest(incident: Incident) -> Severity:
    """The worst of what it counts as and what people were told of it."""
    told = incident.told_severity or incident.severity
    return max(told, incident.severity, key=lambda severity: severity.rank)


def _expiry_of(incident: Incident) -> str:
    """Which of its expiries this is; an episode may continue and expire again."""
    return optional_text(incident.ends_at) or ""


def _recorded_as(
    transaction: Transaction, incident: Incident, status: str, recorded: Mapping[str, int]
) -> int:
    """The record that tells of a status, or at least of how the episode began."""
    if status in recorded:
        return recorded[status]
    values = (incident.risk_id, incident.tier, incident.episode, status, Change.CREATED.value)
    return int(transaction.connection.execute(_SEQ, values).fetchone()[0] or 0)
