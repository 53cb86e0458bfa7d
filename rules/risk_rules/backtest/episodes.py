"""Alerts as people remember them: one breach of one tier, and all that became of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.catalogue.limits import LIMITS
from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Action, Escalation, Severity
from risk_rules.backtest.history import History
from risk_rules.backtest.output import Firing

_LIMITS: Final = {limit.name: limit for limit in LIMITS}


@dataclass(frozen=True, slots=True)
class Escalated:
    """What an alert counted as later, why, and from which row on."""

    severity: Severity
    why: Escalation
    row: int


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from its beginning to its end.

    Attributes:
        tier: the threshold; empty for an alert about alerts.
        began: the row at which it fired.
        ended: the row at which it was gone, None if it fired to the last.
        worst: the most dangerous value meanwhile; None for an alert about alerts.
        resolved_milder: it ended without the next tier of its limit having fired meanwhile;
            None if there is no next tier, or it has not ended.
    """

    alertname: str
    limit: str
    tier: str
    risk_id: str
    severity: Severity
    action: Action
    subject: Mapping[str, str]
    began: int
    ended: int | None
    worst: float | None
    escalations: tuple[Escalated, ...]
    resolved_milder: bool | None


def episodes(found: Iterable[Firing], rows: Sequence[int], history: History) -> tuple[Episode, ...]:
    """Firings as episodes, in order of their beginning; escalations belong to theirs."""
    placed = [_in_rows(firing, rows) for firing in found]
    plain = [f for f in placed if f.labels[labels.ESCALATION] == Escalation.NONE]
    raised = [f for f in placed if f.labels[labels.ESCALATION] != Escalation.NONE]
    told = [
        _episode(
            firing,
            [other for other in raised if _same(firing, other) and _meanwhile(firing, other)],
            [other for other in plain if _worse(firing, other) and _meanwhile(firing, other)],
            history,
        )
        for firing in plain
    ]
    return tuple(sorted(told, key=lambda e: (e.began, e.severity.rank, e.alertname, e.risk_id)))


def _in_rows(firing: Firing, rows: Sequence[int]) -> Firing:
    ended = None if firing.ended is None else rows[firing.ended]
    return Firing(firing.labels, rows[firing.began], ended)


def _episode(
    firing: Firing, raised: Sequence[Firing], worse: Sequence[Firing], history: History
) -> Episode:
    known = firing.labels
    limit, tier = known[labels.LIMIT], known.get(labels.TIER, "")
    escalations = sorted(
        (
            Escalated(
                Severity(other.labels[labels.SEVERITY]),
                Escalation(other.labels[labels.ESCALATION]),
                other.began,
            )
            for other in raised
        ),
        key=lambda escalated: (escalated.row, escalated.severity.rank),
    )
    resolved = None if firing.ended is None or not _next_tiers(limit, tier) else not worse
    return Episode(
        alertname=known[labels.ALERTNAME],
        limit=limit,
        tier=tier,
        risk_id=known[labels.RISK_ID],
        severity=Severity(known[labels.SEVERITY]),
        action=Action(known[labels.ACTION]),
        subject={
            name: value
            for name, value in known.items()
            if limit in _LIMITS and name in _LIMITS[limit].identity
        },
        began=firing.began,
        ended=firing.ended,
        worst=_worst(limit, known[labels.RISK_ID], firing, history),
        escalations=tuple(escalations),
        resolved_milder=resolved,
    )


def _next_tiers(limit: str, tier: str) -> tuple[str, ...]:
    if limit not in _LIMITS:
        return ()
    tiers = [spec.tier.value for spec in _LIMITS[limit].alerts]
    return tuple(tiers[tiers.index(tier) + 1 :])


def _same(one: Firing, other: Firing) -> bool:
    return all(
        one.labels.get(name) == other.labels.get(name)
        for name in (labels.ALERTNAME, labels.RISK_ID, labels.TIER)
    )


def _worse(one: Firing, other: Firing) -> bool:
    return one.labels[labels.RISK_ID] == other.labels[labels.RISK_ID] and other.labels.get(
        labels.TIER, ""
    ) in _next_tiers(one.labels[labels.LIMIT], one.labels.get(labels.TIER, ""))


def _meanwhile(one: Firing, other: Firing) -> bool:
    return one.began <= other.began and (one.ended is None or other.began < one.ended)


def _worst(limit: str, risk_id: str, firing: Firing, history: History) -> float | None:
    if limit not in _LIMITS:
        return None
    watched = _LIMITS[limit]
    values = [
        abs(value) if watched.absolute else value
        for series in history.series
        if series.metric == watched.metric.name and series.risk_id == risk_id
        for value in series.values[firing.began : firing.ended]
        if value is not None and value == value
    ]
    return max(values, key=lambda value: watched.side.sign * value, default=None)
