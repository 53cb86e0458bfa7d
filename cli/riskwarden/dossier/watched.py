"""The figure that an incident is about, and its thresholds, over the time of the incident.

Figure and thresholds come from Prometheus as they were then: what the policy says today may differ
from what fired.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.limits.limit import Limit
from risk_policy.contracts import alert as labels
from risk_policy.quantities import shown
from risk_policy.vocabulary import Tier
from riskwarden.dossier.samples import Line, Sample, Samples, SamplesError, first_of

#: How much of the time around an incident is looked at: before it, to see where it came from.
BEFORE: Final = timedelta(minutes=5)
AFTER: Final = timedelta(minutes=1)
#: An alert's time is rounded to a millisecond, and so is a sample's.
_ROUNDING: Final = timedelta(milliseconds=2)


@dataclass(frozen=True, slots=True)
class Watched:
    """What Prometheus knows of an incident.

    Attributes:
        limit: None if the alert watches no figure of an account.
        lines: the figure; several if several exporters show it.
        thresholds: by tier, in the figure's unit.
        breached_at: when the incident's tier was crossed at an evaluation.
        source: where all that is from; empty if nothing is known.
        why_not: why something is missing; empty if nothing is.
    """

    limit: Limit | None = None
    lines: tuple[Line, ...] = ()
    thresholds: Mapping[Tier, float] = field(default_factory=dict)
    breached_at: datetime | None = None
    source: str = ""
    why_not: str = ""

    def at(self, moment: datetime) -> Sample | None:
        """The most dangerous value that Prometheus had at a time."""
        found = [sample for line in self.lines if (sample := line.at(moment)) is not None]
        return max(found, key=lambda sample: self._danger(sample.value), default=None)

    def tier_of(self, value: float) -> Tier | None:
        """The worst tier whose threshold a value is beyond."""
        beyond = [tier for tier, bound in self.thresholds.items() if self._is_beyond(value, bound)]
        return max(beyond, key=lambda tier: tier.rank, default=None)

    def shown(self, value: float) -> str:
        """A value as people read it."""
        return f"{value:.4g}" if self.limit is None else shown(self.limit.unit.kind, value)

    def _danger(self, value: float) -> float:
        assert self.limit is not None
        return abs(value) if self.limit.absolute else value * self.limit.side.sign

    def _is_beyond(self, value: float, bound: float) -> bool:
        assert self.limit is not None
        danger = self._danger(value)
        level = bound if self.limit.absolute else bound * self.limit.side.sign
        return danger >= level if self.limit.inclusive else danger > level


def watched(
    alert: Mapping[str, str], first: datetime, last: datetime, sources: Sequence[Samples]
) -> Watched:
    """What there is to be known of an alert's figure between two times. Never raises."""
    limit = next((one for one in LIMITS if one.name == alert.get(labels.LIMIT)), None)
    if limit is None:
        return Watched(why_not="this alert watches no figure of an account")
    risk_id, tier = alert.get(labels.RISK_ID, ""), alert.get(labels.TIER, "")
    begin, end = first - BEFORE, last + AFTER
    by_id = {labels.RISK_ID: risk_id}
    try:
        source, lines = first_of(
            sources, lambda one: one.lines(limit.metric.name, by_id, begin, end)
        )
        bounds = source.lines(m.THRESHOLD.name, {labels.LIMIT: limit.name}, begin, end)
        breaches = source.lines(m.BREACH_SINCE.name, {**by_id, labels.TIER: tier}, begin, end)
    except SamplesError as error:
        return Watched(limit, why_not=str(error))
    return Watched(
        limit,
        tuple(lines),
        _thresholds(bounds, first),
        _began(breaches, first),
        source.source,
    )


def _thresholds(lines: Iterable[Line], moment: datetime) -> dict[Tier, float]:
    found: dict[Tier, float] = {}
    for line in lines:
        sample = line.at(moment) or (line.samples[0] if line.samples else None)
        tier = next((tier for tier in Tier if tier == line.labels.get(labels.TIER)), None)
        if sample is not None and tier is not None:
            found[tier] = sample.value
    return found


def _began(lines: Iterable[Line], first: datetime) -> datetime | None:
    """Since when the breach lasted that was known first as the incident began."""
    samples = sorted((s for line in lines for s in line.samples), key=lambda one: one.at)
    since = next((one.value for one in samples if one.at >= first - _ROUNDING), None)
    return None if since is None else datetime.fromtimestamp(since, UTC)
