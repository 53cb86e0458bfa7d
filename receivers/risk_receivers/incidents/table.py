"""The incident tables: read the latest episode and its alerts, write what became of them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

from risk_policy.vocabulary import Category, Severity
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.held import HeldAlert, Standing, Told
from risk_receivers.incidents.lifecycle import Incident, State
from risk_receivers.intake.alert import Alert
from risk_receivers.schema import from_text, optional_text, optional_time, to_text

#: What an incident is an episode of: its risk_id and tier.
Breach = tuple[str, str]
_SEVERITIES: Final = {severity.value: severity for severity in Severity}
_STANDINGS: Final = {standing.value: standing for standing in Standing}


def _prefixed(table: str, columns: str) -> str:
    return ", ".join(f"{table}.{column}" for column in columns.split(", "))


_COLUMNS: Final = (
    "risk_id, tier, episode, state, alertname, severity, category, action, "
    "starts_at, ends_at, last_seen_at"
)
_HELD_COLUMNS: Final = "severity, escalation, standing, starts_at, ends_at, counted_end, told"
_LATEST: Final = (
    f"SELECT {_prefixed('i', _COLUMNS)}, {_prefixed('a', _HELD_COLUMNS)} "  # noqa: S608 - constants
    "FROM incident i LEFT JOIN incident_alert a ON a.risk_id = i.risk_id AND a.tier = i.tier "
    "WHERE i.risk_id = ?1 AND i.tier = ?2 AND i.episode = "
    "(SELECT max(episode) FROM incident WHERE risk_id = ?1 AND tier = ?2)"
)
_KNOWN: Final = ", ".join(str(told.value) for told in Told if told.is_known)
#: The states are spelt as their index has them.
_UNTOLD: Final = (
    f"SELECT {_prefixed('i', _COLUMNS)}, {_prefixed('a', _HELD_COLUMNS)}, i.labels "  # noqa: S608
    "FROM incident i JOIN incident_alert a ON a.risk_id = i.risk_id AND a.tier = i.tier "
    "WHERE i.state IN ('CREATED', 'DISPATCHED') AND EXISTS (SELECT 1 FROM incident_alert u "
    "WHERE u.risk_id = i.risk_id AND u.tier = i.tier "
    f"AND u.standing = 'FIRING' AND u.told NOT IN ({_KNOWN}))"
)
_ANNOTATIONS: Final = (
    "SELECT annotations FROM incident WHERE risk_id = ? AND tier = ? AND episode = ?"
)
_decode_texts = msgspec.json.Decoder(dict[str, str]).decode
_WIDTH: Final = _COLUMNS.count(",") + 1
_HELD_WIDTH: Final = _HELD_COLUMNS.count(",") + 1
_INSERT: Final = (
    f"INSERT INTO incident ({_COLUMNS}, dispatched, created_at, labels, annotations) "  # noqa: S608
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
)
_UPDATE: Final = (
    "UPDATE incident SET state = ?, severity = ?, ends_at = ?, last_seen_at = ?, dispatched = ? "
    "WHERE risk_id = ? AND tier = ? AND episode = ?"
)
_HOLD: Final = (
    "INSERT INTO incident_alert (risk_id, tier, severity, escalation, standing, "
    "starts_at, ends_at, counted_end, told) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "
    "ON CONFLICT (risk_id, tier, severity, escalation) "
    "DO UPDATE SET standing = excluded.standing, starts_at = excluded.starts_at, "
    "ends_at = excluded.ends_at, counted_end = excluded.counted_end, told = excluded.told"
)
_LAPSED: Final = "FROM incident_alert WHERE standing = 'FIRING' AND ends_at < ?"
_OVERDUE: Final = f"SELECT DISTINCT risk_id, tier {_LAPSED}"


def latest(connection: Connection, risk_id: str, tier: str) -> Incident | None:
    """The latest episode of a breach."""
    rows = connection.execute(_LATEST, (risk_id, tier)).fetchall()
    if not rows:
        return None
    return _incident(rows[0], [row for row in rows if row[_WIDTH] is not None])


def untold(connection: Connection) -> list[tuple[Incident, dict[str, str]]]:
    """Every open episode with an alert that fires and that people were not told of; its labels.

    In one statement: there may be thousands, and this is asked every second.
    """
    found: dict[tuple[str, ...], list[tuple[str, ...]]] = {}
    for row in connection.execute(_UNTOLD):
        found.setdefault(row[:3], []).append(row)
    return [(_incident(rows[0], rows), _decode_texts(rows[0][-1])) for rows in found.values()]


def overdue(connection: Connection, now: datetime) -> list[Breach]:
    """Breaches with an alert that should have been repeated by now."""
    return connection.execute(_OVERDUE, (to_text(now),)).fetchall()


def said_at_first(connection: Connection, incident: Incident) -> dict[str, str]:
    """What was said of an episode as it began."""
    row = connection.execute(_ANNOTATIONS, (incident.risk_id, incident.tier, incident.episode))
    return _decode_texts(row.fetchone()[0])


def insert(
    connection: Connection,
    incident: Incident,
    last: Incident | None,
    alert: Alert,
    created_at: datetime,
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
            int(incident.dispatched),
            to_text(created_at),
            msgspec.json.encode(alert.labels).decode(),
            msgspec.json.encode(alert.annotations).decode(),
        ),
    )
    _hold(connection, incident, last)


def update(connection: Connection, incident: Incident, last: Incident | None) -> None:
    """Write what has changed about a known episode."""
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
    _hold(connection, incident, last)


def _hold(connection: Connection, incident: Incident, last: Incident | None) -> None:
    known = last.alerts if last else ()
    for held in incident.alerts:
        if held not in known:
            connection.execute(
                _HOLD,
                (
                    incident.risk_id,
                    incident.tier,
                    held.severity.value,
                    held.escalation,
                    held.standing.value,
                    to_text(held.starts_at),
                    optional_text(held.ends_at),
                    optional_text(held.counted_end),
                    int(held.told),
                ),
            )


def _incident(row: tuple[str, ...], of_alerts: Iterable[tuple[str, ...]]) -> Incident:
    held = [_held(one[_WIDTH : _WIDTH + _HELD_WIDTH]) for one in of_alerts]
    if len(held) > 1:
        held.sort(key=lambda one: one.key)
    return Incident(
        risk_id=row[0],
        tier=row[1],
        episode=int(row[2]),
        state=State(row[3]),
        alertname=row[4],
        severity=_SEVERITIES[row[5]],
        category=Category(row[6]) if row[6] else None,
        action=row[7],
        starts_at=from_text(row[8]),
        ends_at=optional_time(row[9]),
        last_seen_at=from_text(row[10]),
        alerts=tuple(held),
    )


def _held(row: tuple[str, ...]) -> HeldAlert:
    return HeldAlert(
        severity=_SEVERITIES[row[0]],
        escalation=row[1],
        standing=_STANDINGS[row[2]],
        starts_at=from_text(row[3]),
        ends_at=optional_time(row[4]),
        counted_end=optional_time(row[5]),
        told=Told(int(row[6])),
    )
