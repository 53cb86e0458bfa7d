"""What has to happen, computed a second time and without PromQL.

A plain state machine over values: it knows the catalogue and the policy, and nothing of how
the rules are written. The generated tests expect what it says, so a rule is right only if
both ways of computing it agree.
"""

from __future__ import annotations

import math
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
        self._policy, self._limit, self._subject, self._clock = policy, limit, subject, clock
        self._half = milliseconds(policy.alerting.prometheus.evaluation_interval_seconds) / 2
        self._value: float | None = None
        self._tiers = {spec.tier.value: _Tier() for spec in limit.alerts}
        self._acked: dict[str, tuple[int, float]] = {}
        self._trend = Trend(policy)
        self._bounds = {each: limit.bound(policy.number(each.threshold)) for each in limit.alerts}
        margin = policy.alerting.latch.clear_margin_pct / 100
        self._clears = {each: limit.clear_level(at, margin) for each, at in self._bounds.items()}
        self._waits = {
            each: policy.number(f"alerting.confirmation.{each.tier.value}_seconds")
            for each in limit.alerts
        }
        self._last = milliseconds(60 * policy.number(_TIME + "emergency_kill_switch_minutes"))
        self._steps = [
            (policy.number(_TIME + key), severity)
            for key, severity in (
                ("warning_to_critical_minutes", Severity.CRITICAL),
                ("critical_to_emergency_minutes", Severity.EMERGENCY),
            )
        ]

    def step(self, now: int, *, unreported: bool) -> Frame:
        """The next evaluation."""
        self._value = self._held_value(now, unreported=unreported)
        for spec in self._limit.alerts:
            self._advance(now, spec)
        fired = [
            *(each for spec in self._limit.alerts for each in self._of_tier(now, spec)),
            *self._by_frequency(now),
            *self._by_trend(now),
        ]
        since = {name: tier.since for name, tier in self._tiers.items() if tier.since is not None}
        waits = {
            name: tier.unacked for name, tier in self._tiers.items() if tier.unacked is not None
        }
        return Frame(tuple(fired), since, self._begun(now), waits)

    def _held_value(self, now: int, *, unreported: bool) -> float | None:
        found = [self._clock.at(samples, now) for samples in self._subject.readings]
        there = [value for value in found if value is not None]
        if self._limit.absolute:
            there = [abs(value) for value in there]
        numbers = [value for value in there if not math.isnan(value)]
        if numbers:
            worst = max(numbers) if self._limit.side is Side.ABOVE else min(numbers)
            milder = self._clear(self._limit.alerts[0])
            if self._limit.is_account_level or self._beyond(worst, milder):
                return worst
            # A holding that is far from every threshold is not looked at any further.
            there = []
        return self._value if there or unreported else None

    def _advance(self, now: int, spec: AlertSpec) -> None:
        tier, value = self._tiers[spec.tier.value], self._value
        going = tier.since is not None and value is not None
        if going and value is not None and self._beyond(value, self._clear(spec)):
            pass
        elif value is not None and self._beyond(value, self._bound(spec)):
            tier.since = now
            tier.begun.append(now)
        else:
            tier.since = None
        wait = self._waits[spec]
        tier.confirmed = tier.since is not None and (
            not wait or now - tier.since >= milliseconds(wait) - self._half
        )
        self._cool(now, tier)
        self._wait(now, spec, tier)

    def _cool(self, now: int, tier: _Tier) -> None:
        if not self._limit.cooldown:
            return
        lasting = milliseconds(60 * self._policy.number(f"{self._limit.cooldown}.cooldown_minutes"))
        from_trip = self._policy.text(f"{self._limit.cooldown}.cooldown_from") == "trip"
        if tier.confirmed and tier.since is not None:
            until = (tier.since if from_trip else now) + lasting
            if until > now:
                tier.held = until
        if tier.held is not None and tier.held <= now:
            tier.held = None

    def _wait(self, now: int, spec: AlertSpec, tier: _Tier) -> None:
        name = spec.tier.value
        ack = self._clock.at(self._subject.acks.get(name, ()), now)
        if ack is not None:
            self._acked[name] = (now, ack)
        seen, until = self._acked.get(name, (0, 0.0))
        tier.unacked = None
        if tier.since is not None:
            begun = tier.since + milliseconds(self._waits[spec])
            remembered = now - seen <= max(_ACK_MEMORY, self._last)
            start = max(begun, round(until * 1000)) if remembered else begun
            tier.unacked = start if start <= now + self._half else None

    def _of_tier(self, now: int, spec: AlertSpec) -> list[Fired]:
        tier, value = self._tiers[spec.tier.value], self._value
        found: list[Fired] = []
        if value is None:
            return found
        if tier.confirmed or tier.held is not None:
            found.append(Fired(spec, spec.severity, Escalation.NONE, value))
        how = self._policy.alerting.escalation
        if tier.unacked is None or not (how.enabled and how.time_based.enabled):
            return found
        for minutes, severity in self._steps:
            due = now - tier.unacked >= milliseconds(60 * minutes) - self._half
            if due and severity.rank > spec.severity.rank:
                found.append(Fired(spec, severity, Escalation.TIME, value, minutes=minutes))
        return found

    def _by_frequency(self, now: int) -> list[Fired]:
        how = self._policy.alerting.escalation
        if not (how.enabled and how.frequency_based.enabled):
            return []
        often = how.frequency_based
        seconds = often.window_minutes * 60
        found: dict[tuple[str, Severity], Fired] = {}
        for spec in self._limit.alerts:
            begun = self._tiers[spec.tier.value].begun
            if len(begun) < min(often.escalate_at_count, often.deduplicate_at_count):
                continue
            for part, least, levels in (
                (1 / 3, often.escalate_at_count, 1),
                (2 / 3, often.deduplicate_at_count, 2),
            ):
                window = max(round(seconds * part), 1)
                count = sum(now - 1000 * window < at <= now for at in begun)
                rank = min(spec.severity.rank + levels, max(each.rank for each in Severity))
                severity = next(each for each in Severity if each.rank == rank)
                if count >= least and severity is not spec.severity:
                    found.setdefault(
                        (spec.name, severity),
                        Fired(spec, severity, Escalation.FREQUENCY, count, window=window),
                    )
        return list(found.values())

    def _begun(self, now: int) -> dict[str, int]:
        how = self._policy.alerting.escalation
        if not (how.enabled and how.frequency_based.enabled):
            return {}
        window = max(round(how.frequency_based.window_minutes * 60), 1) * 1000
        counts = {
            name: sum(now - window < at <= now for at in tier.begun)
            for name, tier in self._tiers.items()
            if tier.begun
        }
        return {name: count for name, count in counts.items() if count}

    def _by_trend(self, now: int) -> list[Fired]:
        how = self._policy.alerting.escalation
        if not (how.enabled and how.threshold_based.enabled):
            return []
        sign = self._limit.side.sign
        if self._value is not None:
            self._trend.add(now, sign * self._value)
        breached = [
            (index, spec)
            for index, spec in enumerate(self._limit.alerts[:-1])
            if self._tiers[spec.tier.value].since is not None
        ]
        if self._value is None or not breached or (rate := self._trend.rate(now)) is None:
            return []
        found = []
        specs = self._limit.alerts
        for index, spec in breached:
            floor = abs(self._bound(spec) - self._clear(spec))
            if self._trend.moved(now) <= floor:
                continue
            targets: dict[Severity, AlertSpec] = {}
            for ahead in specs[index + 1 :]:
                if ahead.severity.rank > spec.severity.rank:
                    targets.setdefault(ahead.severity, ahead)
            for severity, ahead in targets.items():
                left = (sign * self._bound(ahead) - sign * self._value) / rate
                near = left <= how.threshold_based.project_minutes * 60
                if near and self._tiers[ahead.tier.value].since is None:
                    found.append(Fired(spec, severity, Escalation.TREND, left, ahead=ahead))
        return found

    def _beyond(self, value: float, level: float) -> bool:
        if self._limit.inclusive and value == level:
            return True
        return value > level if self._limit.side is Side.ABOVE else value < level

    def _bound(self, spec: AlertSpec) -> float:
        return self._bounds[spec]

    def _clear(self, spec: AlertSpec) -> float:
        return self._clears[spec]
