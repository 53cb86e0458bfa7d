"""What has to happen, computed a second time and without PromQL.

A plain state machine over values: it knows the catalogue and the policy, and nothing of how
the rules are written. The generated tests expect what it says, so a rule is right only if
both ways of computing it agree.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field

from risk_policy.catalogue.limits import AlertSpec, Limit, Side
from risk_policy.model import Policy
from risk_policy.vocabulary import Escalation, Severity
from risk_rules.proofs.series import Clock, Sample, milliseconds
from risk_rules.proofs.trends import Trend

_TIME = "alerting.escalation.time_based."
#: Acknowledgements that nobody exports any more are remembered for so long, or until every
#: escalation by time is past.
_ACK_MEMORY = 3_600_000


@dataclass(frozen=True)
class Account:
    """What exporters report of an account: of each, the number of positions and the age.

    Without exporters nobody reports it, which is all the same to figures that are there.
    """

    name: str
    exporters: tuple[tuple[tuple[Sample, ...], tuple[Sample, ...]], ...] = ()


@dataclass(frozen=True)
class Subject:
    """What a breach can be about: its series, one per exporter, and its acknowledgements.

    Attributes:
        clock: whether it is checked since when it waits for an acknowledgement, too.
    """

    name: str
    account: Account
    readings: tuple[tuple[Sample, ...], ...]
    acks: Mapping[str, tuple[Sample, ...]] = field(default_factory=dict)
    clock: bool = False


@dataclass(frozen=True)
class Fired:
    """One alert that fires.

    Attributes:
        value: what its message names: the value, a count or a time left.
        minutes: for how long nobody has answered, if it escalates by time.
        window: within how many seconds the count was reached, if it escalates by frequency.
        ahead: what it heads for, if it escalates by trend.
    """

    spec: AlertSpec
    severity: Severity
    escalation: Escalation
    value: float
    minutes: float = 0
    window: int = 0
    ahead: AlertSpec | None = None

    @property
    def key(self) -> tuple[str, str, str, str]:
        """What tells it from the other alerts about the same subject."""
        return self.spec.name, self.spec.tier.value, self.severity.value, self.escalation.value


@dataclass
class _Tier:
    """One tier: what the policy says of it, all times in milliseconds, and how it stands.

    Attributes:
        steps: after how long without an answer it counts as what, by which alert.
        often: within how long how many breaches count as what, by which alert.
    """

    spec: AlertSpec
    name: str
    bound: float
    clear: float
    wait: int
    steps: tuple[tuple[int, float, Severity], ...]
    often: tuple[tuple[int, int, Severity], ...]
    acks: tuple[Sample, ...]
    acked: tuple[int, float] = (0, 0.0)
    since: int | None = None
    held: int | None = None
    unacked: int | None = None
    begun: list[int] = field(default_factory=list)
    confirmed: bool = False


@dataclass(frozen=True)
class Frame:
    """One subject at one evaluation.

    Attributes:
        since: when the breach of each tier began that is not over.
        begun: how often one began within the whole window that counts.
        unacked: since when each tier waits for an acknowledgement.
    """

    fired: tuple[Fired, ...]
    since: Mapping[str, int]
    begun: Mapping[str, int]
    unacked: Mapping[str, int]


class AccountModel:
    """Whether an account that was known lately is not reported now."""

    def __init__(self, policy: Policy, account: Account, clock: Clock) -> None:
        self._stale = policy.alerting.system.snapshot_stale_seconds
        self._kept = milliseconds(policy.alerting.latch.hold_missing_minutes * 60)
        self._account, self._clock = account, clock
        self._known: int | None = None

    def unreported(self, now: int) -> bool:
        """To be asked at every evaluation, once."""
        at = self._clock.at
        open_, ages = [], []
        for positions, age in self._account.exporters:
            open_ += [at(positions, now)] if at(positions, now) is not None else []
            found = at(age, now)
            ages += [found] if found is not None else []
        fresh = bool(open_) and bool(ages) and min(ages) <= self._stale
        if fresh:
            self._known = now + self._kept
        elif self._known is not None and self._known <= now:
            self._known = None
        return self._known is not None and not fresh


class SubjectModel:
    """All tiers of one subject, evaluation by evaluation."""

    def __init__(self, policy: Policy, limit: Limit, subject: Subject, clock: Clock) -> None:
        self._limit, self._subject, self._clock = limit, subject, clock
        pace = policy.alerting.prometheus
        every = pace.evaluation_interval_seconds
        if any(spec.action.trips_kill_switch for spec in limit.alerts):
            every = min(every, pace.scrape_interval_seconds)
        self._half = milliseconds(every) / 2
        self._value: float | None = None
        how = policy.alerting.escalation
        self._window = max(round(how.frequency_based.window_minutes * 60), 1) * 1000
        self._counts = how.enabled and how.frequency_based.enabled
        self._heads = how.enabled and how.threshold_based.enabled
        self._waits = how.enabled and how.time_based.enabled
        self._ahead = how.threshold_based.project_minutes * 60
        self._trend = Trend(policy)
        last = milliseconds(60 * policy.number(_TIME + "emergency_kill_switch_minutes"))
        self._remembered = max(_ACK_MEMORY, last)
        self._cooling: int | None = None
        if limit.cooldown:
            self._cooling = milliseconds(60 * policy.number(f"{limit.cooldown}.cooldown_minutes"))
            self._from_trip = policy.text(f"{limit.cooldown}.cooldown_from") == "trip"
        self._tiers = [self._tier(policy, spec) for spec in limit.alerts]

    def _tier(self, policy: Policy, spec: AlertSpec) -> _Tier:
        how, name = policy.alerting.escalation, spec.tier.value
        bound = self._limit.bound(policy.number(spec.threshold))
        steps = [
            (milliseconds(60 * minutes), minutes, severity)
            for minutes, severity in (
                (policy.number(_TIME + "warning_to_critical_minutes"), Severity.CRITICAL),
                (policy.number(_TIME + "critical_to_emergency_minutes"), Severity.EMERGENCY),
            )
            if self._waits and severity.rank > spec.severity.rank
        ]
        often, worst = how.frequency_based, max(Severity, key=lambda each: each.rank)
        counts = [
            (max(round(often.window_minutes * 60 * part), 1), least, severity)
            for part, least, levels in (
                (1 / 3, often.escalate_at_count, 1),
                (2 / 3, often.deduplicate_at_count, 2),
            )
            if (severity := _raised(spec.severity, levels, worst)) is not spec.severity
        ]
        return _Tier(
            spec,
            name,
            bound,
            self._limit.clear_level(bound, policy.alerting.latch.clear_margin_pct / 100),
            milliseconds(policy.number(f"alerting.confirmation.{name}_seconds")),
            tuple(steps),
            tuple(counts),
            self._subject.acks.get(name, ()),
        )

    def step(self, now: int, *, unreported: bool) -> Frame:
        """The next evaluation."""
        self._value = self._held_value(now, unreported=unreported)
        fired: list[Fired] = []
        for tier in self._tiers:
            self._advance(now, tier)
            fired += self._of_tier(now, tier)
        if self._counts:
            fired += self._by_frequency(now)
        if self._heads:
            fired += self._by_trend(now)
        since = {tier.name: tier.since for tier in self._tiers if tier.since is not None}
        waits = {tier.name: tier.unacked for tier in self._tiers if tier.unacked is not None}
        return Frame(tuple(fired), since, self._begun(now), waits)

    def _held_value(self, now: int, *, unreported: bool) -> float | None:
        found = [self._clock.at(samples, now) for samples in self._subject.readings]
        there = [value for value in found if value is not None]
        if self._limit.absolute:
            there = [abs(value) for value in there]
        numbers = [value for value in there if not math.isnan(value)]
        if numbers:
            worst = max(numbers) if self._limit.side is Side.ABOVE else min(numbers)
            milder = self._tiers[0].clear
            if self._limit.is_account_level or self._beyond(worst, milder):
                return worst
            # A holding that is far from every threshold is not looked at any further.
            there = []
        return self._value if there or unreported else None

    def _advance(self, now: int, tier: _Tier) -> None:
        value = self._value
        if value is None:
            tier.since = None
        elif tier.since is not None and self._beyond(value, tier.clear):
            pass
        elif self._beyond(value, tier.bound):
            tier.since = now
            tier.begun.append(now)
        else:
            tier.since = None
        tier.confirmed = tier.since is not None and (
            not tier.wait or now - tier.since >= tier.wait - self._half
        )
        if self._cooling is not None:
            self._cool(now, tier, self._cooling)
        self._wait(now, tier)

    def _cool(self, now: int, tier: _Tier, lasting: int) -> None:
        if tier.confirmed and tier.since is not None:
            until = (tier.since if self._from_trip else now) + lasting
            if until > now:
                tier.held = until
        if tier.held is not None and tier.held <= now:
            tier.held = None

    def _wait(self, now: int, tier: _Tier) -> None:
        if tier.acks and (ack := self._clock.at(tier.acks, now)) is not None:
            tier.acked = (now, ack)
        tier.unacked = None
        if self._waits and tier.since is not None:
            seen, until = tier.acked
            begun = tier.since + tier.wait
            remembered = now - seen <= self._remembered
            start = max(begun, round(until * 1000)) if remembered else begun
            tier.unacked = start if start <= now + self._half else None

    def _of_tier(self, now: int, tier: _Tier) -> list[Fired]:
        spec, value = tier.spec, self._value
        found: list[Fired] = []
        if value is None:
            return found
        if tier.confirmed or tier.held is not None:
            found.append(Fired(spec, spec.severity, Escalation.NONE, value))
        if tier.unacked is None:
            return found
        for after, minutes, severity in tier.steps:
            if now - tier.unacked >= after - self._half:
                found.append(Fired(spec, severity, Escalation.TIME, value, minutes=minutes))
        return found

    def _by_frequency(self, now: int) -> list[Fired]:
        found: dict[tuple[str, Severity], Fired] = {}
        for tier in self._tiers:
            for window, least, severity in tier.often:
                if len(tier.begun) < least:
                    continue
                count = _within(tier.begun, now, 1000 * window)
                if count >= least:
                    found.setdefault(
                        (tier.spec.name, severity),
                        Fired(tier.spec, severity, Escalation.FREQUENCY, count, window=window),
                    )
        return list(found.values())

    def _begun(self, now: int) -> dict[str, int]:
        if not self._counts:
            return {}
        counts = {
            tier.name: _within(tier.begun, now, self._window) for tier in self._tiers if tier.begun
        }
        return {name: count for name, count in counts.items() if count}

    def _by_trend(self, now: int) -> list[Fired]:
        sign = self._limit.side.sign
        if self._value is None:
            return []
        self._trend.add(now, sign * self._value)
        breached = [
            (index, tier) for index, tier in enumerate(self._tiers[:-1]) if tier.since is not None
        ]
        if not breached or (rate := self._trend.rate(now)) is None:
            return []
        found = []
        for index, tier in breached:
            spec = tier.spec
            if self._trend.moved(now) <= abs(tier.bound - tier.clear):
                continue
            targets: dict[Severity, _Tier] = {}
            for ahead in self._tiers[index + 1 :]:
                if ahead.spec.severity.rank > spec.severity.rank:
                    targets.setdefault(ahead.spec.severity, ahead)
            for severity, ahead in targets.items():
                left = (sign * ahead.bound - sign * self._value) / rate
                if left <= self._ahead and ahead.since is None:
                    found.append(Fired(spec, severity, Escalation.TREND, left, ahead=ahead.spec))
        return found

    def _beyond(self, value: float, level: float) -> bool:
        if self._limit.inclusive and value == level:
            return True
        return value > level if self._limit.side is Side.ABOVE else value < level


def _raised(severity: Severity, levels: int, worst: Severity) -> Severity:
    rank = min(severity.rank + levels, worst.rank)
    return next(each for each in Severity if each.rank == rank)


def _within(times: list[int], now: int, length: int) -> int:
    """How many of the times, none of them later than now, lie within so long before."""
    return len(times) - bisect_right(times, now - length)
