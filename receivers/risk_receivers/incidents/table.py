"""The incident table: read the latest episode, write what became of it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from risk_policy.vocabulary import Category, Severity
from risk_receivers.incidents.lifecycle import Incident, State
from risk_receivers.intake.alert import Alert
from risk_receivers.schema import from_text, optional_text, optional_time, to_text

_COLUMNS: Final = (
    "risk_id, tier, episode, state, alertname, severity, category, action, "
    "starts_at, ends_at, last_seen_at, counted_end, dispatched"
)
_LATEST: Final = (
    f"SELECT {_COLUMNS} FROM incident WHERE risk_id = ? AND tier = ? "  # noqa: S608 - constants
    "ORDER BY episode DESC LIMIT 1"
)
_OVERDUE: Final = (
    f"SELECT {_COLUMNS} FROM incident "  # noqa: S608 - constants
    "WHERE state IN ('CREATED', 'DISPATCHED') AND ends_at < ? ORDER BY ends_at"
)
_ANY_OVERDUE: Final = (
    "SELECT 1 FROM incident WHERE state IN ('CREATED', 'DISPATCHED') AND ends_at < ? LIMIT 1"
)
_INSERT: Final = (
    f"INSERT INTO incident ({_COLUMNS}, created_at, labels, annotations) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE: Final = (
    "UPDATE incident SET state = ?, severity = ?, ends_at = ?, last_seen_at = ?, dispatched = ? "
    "WHERE risk_id = ? AND tier = ? AND episode = ?"
)


def latest(connection: sqlite3.Connection, risk_id: str, tier: str) -> Incident | None:
    """The latest episode of an alert."""
    row = connection.execute(_LATEST, (risk_id, tier)).fetchone()
    return None if row is None else _incident(row)


def overdue(connection: sqlite3.Connection, now: datetime) -> Iterator[Incident]:
    """Open incidents whose alert should have been repeated by now."""
    for row in connection.execute(_OVERDUE, (to_text(now),)).fetchall():
        yield _incident(row)


def any_overdue(connection: sqlite3.Connection, now: datetime) -> bool:
    """Whether there is an open incident whose alert should have been repeated by now."""
    return connection.execute(_ANY_OVERDUE, (to_text(now),)).fetchone() is not None


def insert(
    connection: sqlite3.Connection, incident: Incident, alert: Alert, created_at: datetime
) -> None:
    """Write a new episode."""
    connection.execute(
        _INSERT,
        (
            incident.risk_id,
            incident.tier,
            incident.episode,
            incident.state.value,
            incident.alertname,
            incident.severity.value,
            incident.category.value if incident.category else None,
            incident.action,
            to_text(incident.starts_at),
            optional_text(incident.ends_at),
            to_text(incident.last_seen_at),
            optional_text(incident.counted_end),
            int(incident.dispatched),
            to_text(created_at),
            msgspec.json.encode(alert.labels).decode(),
            msgspec.json.encode(alert.annotations).decode(),
        ),
    )


def update(connection: sqlite3.Connection, incident: Incident) -> None:
    """Write what changes about a known episode."""
    connection.execute(
        _UPDATE,
        (
            incident.state.value,
            incident.severity.value,
            optional_text(incident.ends_at),
            to_text(incident.last_seen_at),
            int(incident.dispatched),
            incident.risk_id,
            incident.tier,
            incident.episode,
        ),
    )


def _incident(row: tuple[str, ...]) -> Incident:
    return Incident(
        risk_id=row[0],
        tier=row[1],
        episode=int(row[2]),
        state=State(row[3]),
        alertname=row[4],
        severity=Severity(row[5]),
        category=Category(row[6]) if row[6] else None,
        action=row[7],
        starts_at=from_text(row[8]),
        ends_at=optional_time(row[9]),
        last_seen_at=from_text(row[10]),
        counted_end=optional_time(row[11]),
        dispatched=bool(row[12]),
    )
