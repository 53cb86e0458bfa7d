"""Breaches that are over and of whose end people were never told.

Alertmanager never says "resolved" of what is silenced or inhibited as it ends, nor afterwards.
Whoever was told of a breach is told of its end all the same, once and however late: here, if the
notification feed has not said so within the time that a notification takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from risk_policy.catalogue.system import EVENTS
from risk_policy.model.stack import Routing
from risk_policy.vocabulary import Severity
from risk_receivers.acks.untold import BY_US, patience_seconds
from risk_receivers.channels.message import Kind, Message
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.table import latest
from risk_receivers.quiet.telling import Teller
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction

#: How far before the latest look that told of everything another one looks back: further than
#: any notification takes. The first look of a service sees all that is kept.
_LOOK_BACK: Final = timedelta(hours=1)
#: Later than this it is said when it ended; people would take it for now.
_LATE: Final = timedelta(minutes=5)
#: What merely happened has no end to be told of.
_NO_END: Final = ", ".join(repr(name) for name in sorted(EVENTS))
# RESOLVED_TOLD is a status that an episode gets once people know of its end, by whomever.
_ENDED: Final = (
    "SELECT ended.risk_id, ended.tier, ended.episode, ended.received_at, "  # noqa: S608
    "ended.audit_seq, i.alertname, i.severity, i.category "
    "FROM alert ended JOIN incident i USING (risk_id, tier, episode) "
    "WHERE ended.status = 'RESOLVED' AND ended.received_at > ? "
    f"AND i.dispatched = 1 AND i.state = 'RESOLVED' AND i.alertname NOT IN ({_NO_END}) "
    "AND NOT EXISTS (SELECT 1 FROM alert told WHERE told.risk_id = ended.risk_id "
    "AND told.tier = ended.tier AND told.episode = ended.episode "
    "AND told.status = 'RESOLVED_TOLD')"
)
_SETTLE: Final = (
    "INSERT INTO alert (risk_id, tier, episode, status, feed, received_at, audit_seq) "
    "VALUES (?, ?, ?, 'RESOLVED_TOLD', 'reconciler', ?, ?) ON CONFLICT DO NOTHING"
)


@dataclass(frozen=True, slots=True)
class Ended:
    """An episode that is over and that people were told of."""

    risk_id: str
    tier: str
    episode: int
    at: datetime
    audit_seq: int
    alertname: str
    severity: Severity
    category: str

    @property
    def incident(self) -> str:
        """Its incident's id."""
        return f"{self.risk_id}:{self.tier or 'none'}:{self.episode}"


def unsettled(
    connection: Connection,
    routing: Routing,
    now: datetime,
    settled_at: datetime | None = None,
) -> list[Ended]:
    """Episodes that ended long enough ago for everybody to know of it.

    ``settled_at`` is when people had last been told of all of them, if that is known.
    """
    since = to_text(settled_at - _LOOK_BACK) if settled_at else ""
    found = [
        Ended(
            risk_id,
            tier,
            episode,
            from_text(at),
            seq,
            alertname,
            Severity(severity),
            category or "",
        )
        for risk_id, tier, episode, at, seq, alertname, severity, category in connection.execute(
            _ENDED, (since,)
        )
    ]
    return [
        one
        for one in found
        if (now - one.at).total_seconds() >= patience_seconds(routing, one.severity)
    ]


def settle(transaction: Transaction, teller: Teller, ended: Sequence[Ended]) -> int:
    """Tell people of each end unless they know; how many messages are new."""
    return sum(_settle(transaction, teller, one) for one in ended)


def _settle(transaction: Transaction, teller: Teller, one: Ended) -> int:
    connection = transaction.connection
    key = (one.risk_id, one.tier, one.episode)
    if not connection.execute(_SETTLE, (*key, to_text(transaction.now), one.audit_seq)).rowcount:
        return 0
    incident = latest(connection, one.risk_id, one.tier)
    is_latest = incident is not None and incident.episode == one.episode
    # Whoever was told of the worst is told of the end.
    worst = incident.told_severity if incident is not None and is_latest else None
    late = transaction.now - one.at > _LATE
    since = f" since {one.at:%Y-%m-%d %H:%M:%S} UTC" if late else ""
    return teller.tell(
        transaction,
        Message(
            subject=one.incident,
            kind=Kind.RESOLVED,
            severity=worst or one.severity,
            title=one.alertname,
            text=f"{one.alertname} {one.risk_id} is resolved{since} ({BY_US})",
            at=transaction.now,
            audit_seq=one.audit_seq,
            risk_id=one.risk_id,
            tier=one.tier,
            category=one.category,
        ),
    )
