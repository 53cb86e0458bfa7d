"""Proofs of what takes minutes: escalation by time, frequency and trend, holds and cooldowns."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.model import Policy
from risk_policy.vocabulary import Severity
from risk_rules.proofs.limits import Levels
from risk_rules.proofs.model import Account, Subject
from risk_rules.proofs.play import Play
from risk_rules.proofs.series import Clock, Sample, milliseconds
from risk_rules.proofs.trends import Trend, sample_milliseconds

_HOUR: Final = 3_600_000
_GONE: Sample = None
_TIME: Final = "alerting.escalation.time_based."
_STEPS: Final = {
    "warning_to_critical_minutes": Severity.CRITICAL,
    "critical_to_emergency_minutes": Severity.EMERGENCY,
}
Phase = tuple[Sample, float]


@dataclass(frozen=True)
class EscalationProof:
    """Writes the slow tests of one limit."""

    policy: Policy
    limit: Limit

    def scenarios(self) -> list[dict[str, Any]]:
        """Every test of what takes minutes."""
        every, name = (*self._worst(), *self._heads()), self.limit.name
        rest = (*self._waits(), *self._acknowledged(), *self._held(), *self._begins())
        tests = [
            self._play(*every).scenario(f"{name}: every escalation", in_full=True),
            self._play(*rest, *self._seems()).scenario(f"{name}: what escalates and what does not"),
        ]
        if self.limit.cooldown:
            cooling = tuple(self._cooldowns())
            lasts = self._cooldown + 10 * self.clock.tick
            play = Play(self.policy, self.limit, self.clock, cooling, lasts)
            tests.append(play.scenario(f"{self.limit.name}: held until it has cooled down"))
        return tests

    @cached_property
    def clock(self) -> Clock:
        """A slower pace: a part of a trend's sample, so that windows keep their spare half."""
        often = self.policy.alerting.escalation.frequency_based
        third = milliseconds(often.window_minutes * 60 / 3)
        most = max(third // (2 * often.escalate_at_count + 3), 1)
        sample = sample_milliseconds(self.policy)
        least = milliseconds(self.policy.alerting.prometheus.evaluation_interval_seconds)
        parts = next(n for n in range(1, sample + 2, 2) if sample / n <= most or n >= sample)
        pace = max(round(sample / parts), least)
        return Clock(pace, pace)

    @cached_property
    def _of(self) -> Levels:
        return Levels(self.policy, self.limit)

    @cached_property
    def _first(self) -> int:
        """After this long, the mildest tier counts as worse."""
        mild = self.limit.alerts[0].severity
        worse = [key for key, severity in _STEPS.items() if severity.rank > mild.rank]
        return self._minutes(_TIME + (worse or list(_STEPS))[0])

    @cached_property
    def _last(self) -> int:
        return self._minutes(_TIME + list(_STEPS)[-1])

    @cached_property
    def _settle(self) -> int:
        tiers = [spec.tier.value for spec in self.limit.alerts]
        confirmed = max(self.policy.number(f"alerting.confirmation.{t}_seconds") for t in tiers)
        return milliseconds(confirmed) + self.clock.tick

    @cached_property
    def _hold(self) -> int:
        return self._minutes("alerting.latch.hold_missing_minutes")

    @cached_property
    def _bucket(self) -> int:
        return Trend(self.policy).bucket

    @cached_property
    def _points(self) -> int:
        return self.policy.alerting.escalation.threshold_based.min_datapoints

    @cached_property
    def _lasts(self) -> int:
        trend = (self._points + 1.6) * self._bucket
        counts = 1.4 * self._minutes("alerting.escalation.frequency_based.window_minutes")
        longest = max(self._last + self._first + 3 * self._settle, self._hold + 4 * self._settle)
        ahead = trend if len(self.limit.alerts) > 1 else 0
        return math.ceil(max(longest, ahead, counts) / self.clock.scrape) * self.clock.scrape

    # -- time ----------------------------------------------------------------------------------

    def _worst(self) -> Iterator[Subject]:
        """Nobody answers, and breaches that begin again and again: of all tiers at once."""
        worst = self.limit.alerts[-1]
        yield self._waiting(worst)
        yield self._flaps(f"{worst.tier}-many", worst, self._often)

    def _waits(self) -> Iterator[Subject]:
        """Nobody answers, for each milder tier; and a clock that starts anew with its breach."""
        of = self._of
        yield from (self._waiting(spec) for spec in self.limit.alerts[:-1])
        rises = [of.beyond(of.bound(spec)) for spec in self.limit.alerts]
        both = [(value, 2.0 * self._settle) for value in (*rises, *reversed(rises[:-1]))]
        yield self._subject("climbs-and-falls", *both, self._safe, clock=True)
        mild, pace = of.beyond(of.bound(self.limit.alerts[0])), self.clock.scrape
        almost = self._first - 2 * pace
        again = (mild, self._first + self._settle)
        yield self._subject("again", (mild, almost), (of.safe, self.clock.tick), again, self._safe)

    def _waiting(self, spec: AlertSpec) -> Subject:
        beyond = self._of.beyond(self._of.bound(spec))
        lasting = self._last + self._settle
        return self._subject(f"{spec.tier}-waits", (beyond, lasting), self._safe)

    def _acknowledged(self) -> Iterator[Subject]:
        """Acknowledgements hold the clock back, for their own tier, until they end."""
        of, pace = self._of, self.clock.scrape
        worst = of.beyond(of.bound(self.limit.alerts[-1]))
        every = [spec.tier.value for spec in self.limit.alerts]
        lapse = self._first // 2 // pace * pace
        breach, safe = (worst, lapse + self._first + self._settle), self._safe
        for spec in self.limit.alerts:
            tiers = every[: every.index(spec.tier.value) + 1]
            until: Phase = (lapse / 1000, _HOUR)
            yield self._subject(
                f"{spec.tier}-acked", breach, safe, acks=(tiers, (until,)), clock=True
            )
            only = ([spec.tier.value], (until,))
            yield self._subject(f"{spec.tier}-only-acked", breach, safe, acks=only, clock=True)
        mild, tiers = of.beyond(of.bound(self.limit.alerts[0])), every[:1]
        breach = (mild, lapse + self._first + self._settle)
        forever, over = (10.0 * _HOUR, 2 * pace), (0.001, _HOUR)
        yield self._subject("taken-back", breach, safe, acks=(tiers, (forever, over)))
        alone = ((lapse / 1000, 2 * pace), (_GONE, _HOUR))
        yield self._subject("ack-outlives", breach, safe, acks=(tiers, alone))
        late = ((_GONE, self._first + pace), (forever[0], 3 * pace), (0.001, _HOUR))
        breach = (mild, 2 * self._first + 6 * pace)
        yield self._subject("acked-late", breach, safe, acks=(tiers, late))

    # -- holds ---------------------------------------------------------------------------------

    def _held(self) -> Iterator[Subject]:
        """A breach is held while its account is away, and not for ever."""
        of, gone, tiers = self._of, (_GONE, float(_HOUR)), self._tiers
        mild = of.beyond(of.bound(self.limit.alerts[0]))
        fresh: tuple[Phase, ...] = ((0.0, self._settle), gone)
        open_: tuple[Phase, ...] = ((1.0, self._settle), gone)
        away = Account("gone", ((self.clock.samples(*open_), self.clock.samples(*fresh)),))
        yield self._subject("gone", (mild, self._settle), gone, account=away,
                            acks=(tiers, (self._for_ever,)))  # fmt: skip
        frozen = (mild, self._settle), (math.nan, self._settle), self._safe
        yield self._subject("not-a-number", *frozen, acks=(tiers, (self._for_ever,)))

    def _cooldowns(self) -> Iterator[Subject]:
        """Held for as long as the policy says, however short the breach."""
        of, safe = self._of, (self._of.safe, float(_HOUR))
        for spec in self.limit.alerts:
            beyond = of.beyond(of.bound(spec))
            yield self._subject(f"{spec.tier}-cools", (beyond, 2 * self._settle), safe)
        worst = of.beyond(of.bound(self.limit.alerts[-1]))
        yield self._subject("breached-again", (worst, self._settle),
                            (of.safe, 3 * self._settle), (worst, self._settle), safe)  # fmt: skip
        yield self._subject("closed", (worst, self._settle), (of.safe, self._settle),
                            (_GONE, 2 * self._settle), safe)  # fmt: skip

    @cached_property
    def _cooldown(self) -> int:
        return self._minutes(f"{self.limit.cooldown}.cooldown_minutes") + 8 * self._settle

    # -- frequency -----------------------------------------------------------------------------

    def _begins(self) -> Iterator[Subject]:
        """Breaches that begin again and again, quickly or slowly."""
        often = self.policy.alerting.escalation.frequency_based
        some, many = often.escalate_at_count, often.deduplicate_at_count
        third = milliseconds(often.window_minutes * 60 / 3)
        for spec in self.limit.alerts:
            if spec is not self.limit.alerts[-1]:
                yield self._flaps(f"{spec.tier}-many", spec, self._often)
            early = self._often[:some]
            later = [third + (some - 1) * self._pair + at for at in self._often[: many - some]]
            yield self._flaps(f"{spec.tier}-in-two-bursts", spec, [*early, *later])
        rarely = [float(n * (third + self._pair)) for n in range(3)]
        yield self._flaps("rarely", self.limit.alerts[-1], rarely)

    @cached_property
    def _pair(self) -> int:
        confirmed = self._settle - self.clock.tick
        return 2 * (confirmed + self.clock.scrape)

    @cached_property
    def _often(self) -> list[float]:
        many = self.policy.alerting.escalation.frequency_based.deduplicate_at_count
        return [float(number * self._pair) for number in range(many)]

    def _flaps(self, name: str, spec: AlertSpec, begins: list[float]) -> Subject:
        """A subject whose breaches begin at these times and end soon after."""
        of, half = self._of, self.clock.scrape
        beyond = of.beyond(of.bound(spec))
        phases: list[Phase] = []
        now = 0.0
        for at in begins:
            if at > now:
                phases.append((of.safe, at - now))
            phases.append((beyond, half))
            now = max(now, at) + half
        return self._subject(name, *phases, self._safe)

    # -- trend ---------------------------------------------------------------------------------

    def _heads(self) -> Iterator[Subject]:
        """Values that get worse, from every tier to every tier ahead that is worse."""
        of, count, sixth = self._of, self._points, self._bucket
        project = 60_000 * self.policy.alerting.escalation.threshold_based.project_minutes
        for spec, ahead in self._pairs:
            start, target = of.beyond(of.bound(spec)), of.bound(ahead)
            # Half a second keeps the time left off a whole second, which prints either way.
            due = (count + 0.5) * sixth + project + 500
            end = (count + 1.2) * sixth
            name = f"{spec.tier}-heads-for-{ahead.tier}"
            path = [(0.0, 0.0), (end, end / due), (end + 1, 1.001), (9 * end, 1.001)]
            yield self._path(name, start, target, path)

    @cached_property
    def _pairs(self) -> list[tuple[AlertSpec, AlertSpec]]:
        """Every tier with every worse one ahead."""
        alerts = self.limit.alerts
        return [
            (spec, ahead)
            for number, spec in enumerate(alerts)
            for ahead in alerts[number + 1 :]
            if ahead.severity.rank > spec.severity.rank
        ]

    def _seems(self) -> Iterator[Subject]:
        """Values that only seem to get worse."""
        of, count, sixth, alerts = self._of, self._points, self._bucket, self.limit.alerts
        if len(alerts) == 1:
            return
        spec, ahead = alerts[:2]
        start, target = of.beyond(of.bound(spec)), of.bound(ahead)
        last = (count + 1.6) * sixth
        shapes = {
            "falls": [(0.0, 0.95), (last, 0.05)],
            "falls-back": [
                (0.0, 0.0), (sixth, 0.5), (sixth + 1, 0.1), (2 * sixth, 0.3), (last, 0.95),
            ],
            "too-few-points": [(0.0, 0.0), (2.02 * sixth, 0.0), (last, 0.93)],
            "turns": [(0.0, 0.0), (count * sixth, 0.9), ((count + 0.6) * sixth, 0.6)],
        }  # fmt: skip
        for name, path in shapes.items():
            yield self._path(name, start, target, path)
        for spec, ahead in self._pairs:
            # Less than the margin in all, and a little more.
            target, sign = of.bound(ahead), self.limit.side.sign
            floor = sign * abs(of.bound(spec) - of.clear(spec))
            name = f"{spec.tier}-creeps-to-{ahead.tier}"
            yield self._path(name, target - floor, target, [(0.0, 0.0), (last, 0.8)])
            path = [(0.0, 0.0), (last, 0.9)]
            yield self._path(f"{name}-further", target - 1.25 * floor, target, path)
        project = 60_000 * self.policy.alerting.escalation.threshold_based.project_minutes
        for spec in alerts[:-1]:
            # Fast enough to reach every tier ahead soon, and not yet at its own.
            end = of.short_of(of.bound(spec))
            gap = of.bound(alerts[-1]) - of.bound(spec)
            start = end - gap * last / (0.85 * project)
            yield self._path(f"short-of-{spec.tier}", start, end, [(0.0, 0.0), (last, 1.0)])

    def _path(
        self, name: str, start: float, target: float, path: list[tuple[float, float]]
    ) -> Subject:
        """A value that moves from a start towards a target, straight between the points."""
        phases: list[Phase] = []
        for now in range(0, self._lasts + 1, self.clock.scrape):
            share = _between(path, now)
            phases.append((round(start + share * (target - start), 12), self.clock.scrape))
        return self._subject(name, *phases, acks=(self._tiers, (self._for_ever,)))

    # -- all -----------------------------------------------------------------------------------

    def _subject(
        self,
        name: str,
        *phases: Phase,
        account: Account | None = None,
        acks: tuple[list[str], tuple[Phase, ...]] = ([], ()),
        clock: bool = False,
    ) -> Subject:
        alone = len(self.limit.identity) == 1
        exporters = account.exporters if account else ()
        at = name if alone else (account.name if account else "main")
        tiers, until = acks
        held = {tier: self.clock.samples(*until) for tier in tiers}
        return Subject(name, Account(at, exporters), (self.clock.samples(*phases),), held, clock)

    def _play(self, *subjects: Subject) -> Play:
        return Play(self.policy, self.limit, self.clock, subjects, self._lasts)

    @cached_property
    def _tiers(self) -> list[str]:
        return [spec.tier.value for spec in self.limit.alerts]

    @cached_property
    def _safe(self) -> Phase:
        return self._of.safe, float(_HOUR)

    @cached_property
    def _for_ever(self) -> Phase:
        return 10.0 * _HOUR, float(_HOUR)

    def _minutes(self, key: str) -> int:
        return milliseconds(60 * self.policy.number(key))


def _between(path: list[tuple[float, float]], now: float) -> float:
    before = path[0]
    for point in path:
        if point[0] >= now:
            span = point[0] - before[0]
            return (
                point[1]
                if not span
                else (before[1] + (point[1] - before[1]) * (now - before[0]) / span)
            )
        before = point
    return path[-1][1]
