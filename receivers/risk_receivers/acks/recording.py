"""Write what happened to silences: rows, audit events and messages, in one transaction.

Every silence goes into the audit chain with its author and comment, wherever it was made.
Alertmanager does not ask who somebody is, so an author is what was claimed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Severity
from risk_receivers.acks import table
from risk_receivers.acks.plan import Planned
from risk_receivers.acks.silences import tier_rank
from risk_receivers.acks.state import Change, Muting, Standing
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.announcing import loudest
from risk_receivers.incidents.lifecycle import Incident, on_unanswered
from risk_receivers.incidents.table import latest, said_at_first, update
from risk_receivers.schema import optional_text, to_text
from risk_receivers.store.writer import Transaction

_OF_SILENCE: Final = {
    Change.MADE: EventType.SILENCE_CREATED,
    Change.ACKNOWLEDGED: EventType.ALERT_ACKNOWLEDGED,
    Change.MOVED: EventType.SILENCE_CHANGED,
    Change.ENDED: EventType.SILENCE_ENDED,
}
_OF_ACK: Final = {
    **_OF_SILENCE,
    Change.MOVED: EventType.ALERT_ACK_CHANGED,
    Change.ENDED: EventType.ALERT_ACK_ENDED,
}
_HOW_IT_ENDED: Final = {
    Standing.LAPSED: "its time is over",
    Standing.REMOVED: "it was ended early",
    Standing.VOIDED: "what it keeps quiet became worse than what was acknowledged",
}


@dataclass(frozen=True, slots=True)
class Doing:
    """Who does something through this service, and why; nobody: it was found at Alertmanager."""

    actor: str = ""
    reason: str = ""


def record(
    transaction: Transaction, outbox: Outbox, planned: Sequence[Planned], doing: Doing | None = None
) -> int:
    """Write everything; how many messages became due."""
    for one in planned:
        if one.before is not None and one.before.id != one.after.id:
            table.forget(transaction.connection, one.before.id)
        table.keep(transaction.connection, one.after)
    messages = 0
    for one in planned:
        seq = 0
        if one.change is not None:
            seq = transaction.append(_event(one, doing or Doing()))
        if one.grew_too_broad:
            messages += _warn(transaction, outbox, one)
        if one.lost_ack:
            messages += _tell_lost(transaction, outbox, one.after, seq, doing or Doing())
    return messages


def describe(muting: Muting) -> str:
    """A silence in words, as people read it."""
    about = ", ".join(map(str, muting.matchers))
    comment = f" ({muting.comment})" if muting.comment else ""
    return f"by {muting.author or 'nobody named'}{comment} on {about}"


def _event(one: Planned, doing: Doing) -> AuditEvent:
    muting, change = one.after, one.change
    assert change is not None
    is_ack = bool(muting.tiers)
    by_person = change is not Change.ENDED or bool(doing.actor)
    return AuditEvent(
        (_OF_ACK if is_ack else _OF_SILENCE)[change],
        _said(one),
        alert_id=muting.incident or None,
        details={
            "silence": muting.id,
            "matchers": [str(matcher) for matcher in muting.matchers],
            "risk_id": muting.risk_id,
            "tiers": list(muting.tiers),
            "author": muting.author,
            "comment": muting.comment,
            "standing": muting.standing.value,
            "starts_at": to_text(muting.starts_at),
            "ends_at": to_text(muting.ends_at),
            "ended_at": optional_text(muting.ended_at),
            "before": _before(one),
        },
        action_reason=doing.reason or muting.comment,
        actor_type=ActorType.USER if by_person else ActorType.SYSTEM,
        actor_id=(doing.actor or muting.author or None) if by_person else None,
    )


def _before(one: Planned) -> dict[str, JsonValue] | None:
    if one.before is None:
        return None
    return {
        "silence": one.before.id,
        "standing": one.before.standing.value,
        "ends_at": to_text(one.before.ends_at),
        "comment": one.before.comment,
    }


def _said(one: Planned) -> str:
    muting = one.after
    what = "acknowledgement" if muting.tiers else "silence"
    match one.change:
        case Change.ACKNOWLEDGED:
            tiers = " and ".join(tier or "no tier" for tier in muting.tiers)
            return (
                f"{muting.risk_id} ({tiers}) is acknowledged until {to_text(muting.ends_at)} "
                f"{describe(muting)}"
            )
        case Change.MOVED:
            return f"{what} now ends {to_text(muting.ends_at)}: {describe(muting)}"
        case Change.ENDED:
            return f"{what} ended, {_HOW_IT_ENDED[muting.standing]}: {describe(muting)}"
        case _:
            over = "that is over already, " if muting.standing.is_over else ""
            return f"silence {over}until {to_text(muting.ends_at)} {describe(muting)}"


def _warn(transaction: Transaction, outbox: Outbox, one: Planned) -> int:
    """Tell people that there is something that they would not hear of."""
    muting = one.after
    text = (
        f"A silence mutes too much: {'; '.join(muting.excess)}. It was made {describe(muting)}, "
        f"until {to_text(muting.ends_at)}; end it in Alertmanager unless that is wanted: "
        f"{muting.id}. The kill switch is not affected by any silence."
    )
    severity = Severity.CRITICAL if one.covers_kill else Severity.WARNING
    seq = transaction.append(
        AuditEvent(
            EventType.SILENCE_TOO_BROAD,
            text,
            severity=severity,
            details={"silence": muting.id, "reasons": list(muting.excess)},
        )
    )
    return outbox.owe(
        transaction.connection,
        Message(
            subject=f"silence:{muting.id}",
            kind=Kind.SILENCE_TOO_BROAD,
            severity=severity,
            title="SILENCE TOO BROAD",
            text=text,
            at=transaction.now,
            audit_seq=seq,
        ),
    )


def _tell_lost(
    transaction: Transaction, outbox: Outbox, muting: Muting, seq: int, doing: Doing
) -> int:
    """Tell people of what nobody has taken on any more, unless it is over or taken on anew."""
    connection = transaction.connection
    open_ones = _open(connection, muting)
    left = [
        incident
        for incident in open_ones
        if not table.covering(connection, incident.risk_id, incident.tier)
    ]
    for one in left:  # escalation starts anew, and so does what people are told of it
        update(connection, on_unanswered(one), one)
    incident = max(open_ones, key=lambda one: tier_rank(one.tier), default=None)
    if incident not in left:
        return 0
    said = said_at_first(connection, incident)
    how = _HOW_IT_ENDED[muting.standing]
    who = f" by {doing.actor}" if doing.actor else ""
    return outbox.owe(
        connection,
        Message(
            subject=incident.id,
            kind=Kind.ACK_LOST,
            # Whoever was told of the worst may be who had taken it on.
            severity=loudest(incident),
            title=incident.alertname,
            text=f"No longer acknowledged, and not over: {how}{who}. It was acknowledged "
            f"{describe(muting)}. Acknowledge it again with: "
            f"riskwarden ack {incident.id} --comment ...",
            at=transaction.now,
            audit_seq=seq,
            risk_id=incident.risk_id,
            starts_at=incident.starts_at,
            runbook_url=said.get("runbook_url", ""),
            about=f"{muting.id}:{seq}",
            summary=said.get("summary", ""),
            tier=incident.tier,
            category=incident.category.value if incident.category else "",
            action=incident.action,
        ),
    )


def _open(connection: Connection, muting: Muting) -> list[Incident]:
    """The incidents that an acknowledgement covered and that are not over."""
    found = [latest(connection, muting.risk_id, tier) for tier in muting.tiers]
    return [incident for incident in found if incident and incident.state.is_open]
