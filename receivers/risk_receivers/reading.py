"""What people and programs may read of the store. Never writes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from typing import Any, Final, cast

from risk_policy.catalogue.system import EVENTS
from risk_policy.clock import utc_now
from risk_policy.vocabulary import Severity
from risk_receivers.acks.table import breach_of
from risk_receivers.acks.views import acknowledged_by
from risk_receivers.audit import query, tables
from risk_receivers.audit.browse import backward, forward
from risk_receivers.audit.errors import DamagedRecordError
from risk_receivers.audit.looked_through import MOST_LOOKED_AT, Found, look_through
from risk_receivers.audit.prove import Inclusion, prove_inclusion
from risk_receivers.audit.query import StoredEvent
from risk_receivers.audit.retention_records import Known
from risk_receivers.audit.selection import Selection
from risk_receivers.audit.tables import open_read_only
from risk_receivers.chain_watch import ChainVerdict
from risk_receivers.channels.dead_letters import lost_by_channel
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.incidents.lifecycle import State
from risk_receivers.incidents.statistics import statistics
from risk_receivers.incidents.story import begins_after
from risk_receivers.kill import journal as kill_journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.closing_time import GATE_CLOSED_AT
from risk_receivers.restrictions import table as restrictions
from risk_receivers.restrictions.held import Held
from risk_receivers.schema import to_text
from risk_receivers.shapes.alerts import Alert, AlertStatistics, OpenAlerts
from risk_receivers.shapes.audit import Event

#: Spelt as the index of open incidents has it: with values of its own SQLite would not use it.
_OPEN: Final = f"state IN ({', '.join(repr(state.value) for state in State if state.is_open)})"
#: How an open incident is shown while an acknowledgement of it holds.
ACKNOWLEDGED: Final = "ACKNOWLEDGED"
#: A tier as it stands in a list of them.
_TIER: Final = r"""'"' || replace(replace(incident.tier, '\', '\\'), '"', '\"') || '"'"""
_ACKED: Final = (
    f"({_OPEN} AND EXISTS "  # noqa: S608 - constants
    "(SELECT 1 FROM silence WHERE silence.ended_at IS NULL AND standing = 'ACTIVE' "
    "AND silence.risk_id = incident.risk_id "
    f"AND replace(tiers, {_TIER}, '') != tiers))"
)
#: How one is shown that counts as worse than its tier and that nobody has acknowledged.
ESCALATED: Final = "ESCALATED"
_COUNTS_AS_WORSE: Final = (
    f"({_OPEN} AND EXISTS "  # noqa: S608 - constants
    "(SELECT 1 FROM incident_alert held WHERE held.risk_id = incident.risk_id "
    "AND held.tier = incident.tier AND held.standing = 'FIRING' AND held.escalation != 'none'))"
)
#: What each state that is shown and not kept means.
_SHOWN: Final = {ACKNOWLEDGED: (_ACKED,), ESCALATED: (_COUNTS_AS_WORSE, f"NOT {_ACKED}")}
_PLAIN: Final = (
    *("alertname", "severity", "category", "action", "starts_at", "ends_at", "last_seen_at"),
    *("dispatched", "created_at", "labels", "annotations"),
)
_FIELDS: Final = ("risk_id", "tier", "episode", "state", *_PLAIN)
_INCIDENTS: Final = (
    "SELECT risk_id, tier, episode, "  # noqa: S608 - constants
    f"CASE WHEN {_ACKED} THEN '{ACKNOWLEDGED}' WHEN {_COUNTS_AS_WORSE} THEN '{ESCALATED}' "
    f"ELSE state END AS state, {', '.join(_PLAIN)} FROM incident "
)
#: The worst severity first.
_SEVERITY_RANK: Final = (
    f"CASE severity {' '.join(f'WHEN {one.value!r} THEN {-one.rank}' for one in Severity)} END"
)
_ALL_OPEN: Final = f"incident INDEXED BY incident_open_by_age WHERE {_OPEN}"
#: What somebody has to look at first. Keys alone are put in order, and only the first are shown.
_WORST_FIRST: Final = (
    f"SELECT risk_id, tier, episode FROM {_ALL_OPEN} "  # noqa: S608 - constants
    f"ORDER BY {_ACKED}, {_SEVERITY_RANK}, starts_at DESC, risk_id, tier, episode LIMIT ?"
)
_COUNTED: Final = (
    "SELECT severity, taken, count(*) FROM "  # noqa: S608 - constants
    f"(SELECT severity, {_ACKED} AS taken FROM {_ALL_OPEN}) AS every GROUP BY severity, taken"
)
#: By what incidents can be picked out, beside their state.
FILTERS: Final = ("severity", "category", "alertname", "risk_id", "tier")
#: How long an incident that expired is asked about: nothing but its alert's return ends it, and by
#: then somebody has looked.
_DOUBTED_FOR: Final = timedelta(days=1)
_EXPIRED: Final = (
    "SELECT severity, count(*) FROM incident AS i "  # noqa: S608 - constants
    "WHERE state = 'EXPIRED' AND ends_at > ? "
    f"AND alertname NOT IN ({', '.join(map(repr, sorted(EVENTS)))}) "
    "AND NOT EXISTS (SELECT 1 FROM incident AS later WHERE later.risk_id = i.risk_id "
    "AND later.tier = i.tier AND later.episode > i.episode) GROUP BY severity"
)


class UnknownIncidentError(ReceiversError):
    """There is no such incident to go on from."""


class Reading:
    """Read-only questions to the store; each opens a connection of its own."""

    def __init__(self, database: Place, verdict: ChainVerdict, *, validate: bool) -> None:
        self._database = database
        self._verdict = verdict
        self._validate = validate
        self._known = Known()

    def kill_switch(self) -> KillBoard:
        """The recorded state."""
        with self._connection() as connection:
            return kill_journal.load(connection)

    def restrictions(self) -> list[Held]:
        """What alerts hold at the gate, the oldest first."""
        with self._connection() as connection:
            return restrictions.every(connection)

    def gate_closed_at(self, kill_id: str) -> str | None:
        """When the gate was closed for a kill, as far as that was kept."""
        with self._connection() as connection:
            row = connection.execute(
                "SELECT value FROM fact WHERE name = ?", (GATE_CLOSED_AT + kill_id,)
            ).fetchone()
        return row[0] if row else None

    def open_by_severity(self) -> dict[str, int]:
        """How many incidents are open."""
        with self._connection() as connection:
            found = dict(
                connection.execute(
                    f"SELECT severity, count(*) FROM incident WHERE {_OPEN} "  # noqa: S608
                    "GROUP BY severity"
                )
            )
        return {severity.value: found.get(severity.value, 0) for severity in Severity}

    def expired_by_severity(self, now: datetime | None = None) -> dict[str, int]:
        """How many incidents have expired of late, of which nobody knows whether they are over."""
        since = to_text((now or utc_now()) - _DOUBTED_FOR)
        with self._connection() as connection:
            found = dict(connection.execute(_EXPIRED, (since,)))
        return {severity.value: found.get(severity.value, 0) for severity in Severity}

    def pending_messages(self) -> dict[str, int]:
        """How many messages each channel owes and still tries to deliver."""
        with self._connection() as connection:
            return dict(
                connection.execute(
                    "SELECT channel, count(*) FROM message WHERE delivered_at IS NULL "
                    "AND id NOT IN (SELECT id FROM dead_message) GROUP BY channel"
                )
            )

    def dead_messages(self) -> dict[str, int]:
        """How many messages of each channel were given up, and taken over by nobody."""
        with self._connection() as connection:
            return lost_by_channel(connection)

    def incidents(
        self,
        state: str | None,
        limit: int,
        filters: Mapping[str, str] | None = None,
        before: str | None = None,
    ) -> list[Alert]:
        """Incidents, latest first; ``open`` stands for every open state.

        ``filters`` are by some of FILTERS. Those that follow on one are had with ``before``, which
        is its id. Raises UnknownIncidentError.
        """
        where = [f"{name} = ?" for name in filters or {}]
        values: list[object] = list((filters or {}).values())
        by = ""
        if state == "open" or state in _SHOWN:  # a few, however much history there is
            by = "INDEXED BY incident_open_by_age "
            where += [_OPEN, *_SHOWN.get(state, ())]
        elif state:
            where += ["state = ?", f"NOT {_ACKED}", f"NOT {_COUNTS_AS_WORSE}"]
            values.append(state)
        with self._connection() as connection:
            if before is not None:
                where.append("(created_at, risk_id, tier, episode) < (?, ?, ?, ?)")
                values += _place_of(connection, before)
            rows = connection.execute(
                f"{_INCIDENTS}{by}{'WHERE ' if where else ''}{' AND '.join(where)} "
                "ORDER BY created_at DESC, risk_id DESC, tier DESC, episode DESC LIMIT ?",
                (*values, limit),
            ).fetchall()
            return [_shown(connection, row) for row in rows]

    def open_worst_first(self, limit: int) -> OpenAlerts:
        """The first of all that are open, and how many there are.

        Those that nobody has taken on come first, of these the worst, of these the latest.
        """
        with self._connection() as connection:
            connection.execute("BEGIN")
            counted = connection.execute(_COUNTED).fetchall()
            first = connection.execute(_WORST_FIRST, (limit,)).fetchall()
            shown = [_shown(connection, _row(connection, key)) for key in first]
            connection.execute("ROLLBACK")  # within a transaction a server's is used by nobody else
        waiting, taken = (
            {severity: number for severity, is_taken, number in counted if is_taken == wanted}
            for wanted in (False, True)
        )
        return {"alerts": shown, "waiting": waiting, "acknowledged": taken}

    def open_risk_ids(self) -> frozenset[str]:
        """What open incidents are about."""
        with self._connection() as connection:
            found = connection.execute(f"SELECT risk_id FROM {_ALL_OPEN}").fetchall()  # noqa: S608
        return frozenset(risk_id for (risk_id,) in found)

    def incident(self, incident: str) -> Alert | None:
        """One of them, open or over."""
        with self._connection() as connection:
            return _found(connection, incident)

    def news(self, after_seq: int, limit: int) -> tuple[list[StoredEvent], dict[str, Alert]]:
        """The next events of the chain, and the alerts that they are about, as they are now.

        Raises DamagedRecordError.
        """
        found = query.events(
            self._database, after_seq, limit, validate=self._validate, known=self._known
        )
        named = {
            event.payload.alert_id for event in found if event.payload and event.payload.alert_id
        }
        alerts: dict[str, Alert] = {}
        with self._connection() as connection:
            for incident in named:
                if (alert := _found(connection, incident)) is not None:
                    alerts[incident] = alert
        return found, alerts

    def statistics(self, since: datetime, until: datetime) -> AlertStatistics:
        """Of the alerts that began in ``[since, until)``."""
        with self._connection() as connection:
            return statistics(connection, since, until)

    def story(self, incident: str, began: datetime, after_seq: int) -> Found:
        """What is on record about an alert. Raises DamagedRecordError."""
        start = after_seq or begins_after(self._database, began)
        return self.browse(Selection(alerts=frozenset({incident})), start, MOST_LOOKED_AT)

    def browse(
        self, selection: Selection, start: int, limit: int, *, backwards: bool = False
    ) -> Found:
        """Events that fit, beyond a record, or in front of it. Raises DamagedRecordError."""
        records = backward(self._database, start) if backwards else forward(self._database, start)
        try:
            return look_through(records, selection, start, limit)
        except DamagedRecordError as error:
            self._verdict.damaged(str(error))
            raise

    def prove(self, seq: int) -> Inclusion:
        """That a record is in what was signed. Raises ProofError."""
        return tables.read(self._database, lambda connection: prove_inclusion(connection, seq))

    def audit(self, after_seq: int, limit: int) -> list[Event]:
        """Events of the audit chain with header and payload. Raises DamagedRecordError."""
        try:
            found = query.events(
                self._database, after_seq, limit, validate=self._validate, known=self._known
            )
        except DamagedRecordError as error:
            self._verdict.damaged(str(error))
            raise
        return [query.as_json(event) for event in found]

    @contextmanager
    def _connection(self) -> Iterator[Connection]:
        with closing(open_read_only(self._database)) as connection:
            yield connection


def _place_of(connection: Connection, incident: str) -> tuple[object, ...]:
    """Where an incident stands in the order of all."""
    breach = breach_of(connection, incident)
    found: tuple[object, ...] | None = (
        breach
        and connection.execute(
            "SELECT created_at, risk_id, tier, episode FROM incident "
            "WHERE risk_id = ? AND tier = ? AND episode = ?",
            (*breach, int(incident.rpartition(":")[2])),
        ).fetchone()
    )
    if not found:
        raise UnknownIncidentError(f"before: there is no incident {incident}; begin anew without")
    return found


def _found(connection: Connection, incident: str) -> Alert | None:
    breach = breach_of(connection, incident)
    if breach is None:
        return None
    return _shown(connection, _row(connection, (*breach, int(incident.rpartition(":")[2]))))


def _row(connection: Connection, key: tuple[str, str, int]) -> tuple[Any, ...]:
    found: tuple[Any, ...] = connection.execute(
        f"{_INCIDENTS}WHERE risk_id = ? AND tier = ? AND episode = ?", key
    ).fetchone()
    return found


def _shown(connection: Connection, row: tuple[Any, ...]) -> Alert:
    fields = dict(zip(_FIELDS, row, strict=True))
    acknowledged = fields["state"] == ACKNOWLEDGED
    fields |= {
        "id": f"{fields['risk_id']}:{fields['tier'] or 'none'}:{fields['episode']}",
        "dispatched": bool(fields["dispatched"]),
        "labels": json.loads(fields["labels"]),
        "annotations": json.loads(fields["annotations"]),
        "acknowledged": acknowledged_by(connection, fields["risk_id"], fields["tier"])
        if acknowledged
        else None,
    }
    return cast("Alert", fields)  # columns and keys have the same names
