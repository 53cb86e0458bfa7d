"""How many alerts there were in some time, of what kind, and how soon people took them on."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Final

from risk_policy.vocabulary import Category, Severity
from risk_receivers.database.connection import Connection
from risk_receivers.incidents.lifecycle import State
from risk_receivers.schema import from_text, to_text
from risk_receivers.shapes.alerts import AlertStatistics

#: Beyond those nobody reads on; the rest is in the total.
_MOST_NAMES: Final = 20
_NO_CATEGORY: Final = "none"
_BEGUN: Final = (
    "SELECT severity, category, state, alertname, count(*) FROM incident "
    "WHERE created_at >= ? AND created_at < ? GROUP BY severity, category, state, alertname"
)
#: The first acknowledgement of each that Alertmanager has made.
_TAKEN_ON: Final = (
    "SELECT i.created_at, min(s.starts_at) FROM incident AS i JOIN silence AS s "
    "ON s.incident = i.risk_id || ':' || coalesce(nullif(i.tier, ''), 'none') || ':' || i.episode "
    "AND s.tiers != '[]' AND s.standing NOT IN ('REQUESTED', 'FAILED', 'PENDING') "
    "WHERE i.created_at >= ? AND i.created_at < ? "
    "GROUP BY i.created_at, i.risk_id, i.tier, i.episode"
)


def statistics(connection: Connection, since: datetime, until: datetime) -> AlertStatistics:
    """Of the alerts that began in ``[since, until)``."""
    span = (to_text(since), to_text(until))
    severities: Counter[str] = Counter()
    categories: Counter[str] = Counter()
    states: Counter[str] = Counter()
    names: Counter[str] = Counter()
    for severity, category, state, alertname, count in connection.execute(_BEGUN, span):
        severities[severity] += count
        categories[category or _NO_CATEGORY] += count
        states[state] += count
        names[alertname] += count
    waits = sorted(
        max(0.0, (from_text(taken) - from_text(began)).total_seconds())
        for began, taken in connection.execute(_TAKEN_ON, span)
    )
    return {
        "since": since.isoformat(),
        "until": until.isoformat(),
        "total": severities.total(),
        "by_severity": {one.value: severities[one.value] for one in Severity},
        "by_category": {**{one.value: 0 for one in Category}, **categories},
        "by_state": {one.value: states[one.value] for one in State},
        "by_alertname": dict(names.most_common(_MOST_NAMES)),
        "acknowledged": len(waits),
        "median_seconds_to_acknowledge": waits[(len(waits) - 1) // 2] if waits else None,
        "longest_seconds_to_acknowledge": waits[-1] if waits else None,
    }
