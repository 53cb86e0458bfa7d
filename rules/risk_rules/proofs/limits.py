"""Proofs of a limit's alerts: threshold and clear level, tiers, bad data, missing data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from risk_policy.catalogue.limits import AlertSpec, Limit
from risk_policy.model import Policy
from risk_rules.proofs.model import Account, Subject
from risk_rules.proofs.play import Play
from risk_rules.proofs.series import Clock, Sample, milliseconds, policy_clock

#: How far "just below" and "just above" are from a level, as a part of it.
_NUDGE: Final = 1e-6
_OPEN, _FRESH = 1.0, 0.0
_GONE: Sample = None
Phase = tuple[Sample, float]


@dataclass(frozen=True)
class Levels:
    """Values around the levels of one tier, named by what is dangerous."""

    policy: Policy
    limit: Limit

    def bound(self, spec: AlertSpec) -> float:
        """The threshold itself."""
        return self.limit.bound(self.policy.number(spec.threshold))

    def clear(self, spec: AlertSpec) -> float:
        """The clear level itself."""
        margin = self.policy.alerting.latch.clear_margin_pct / 100
        return self.limit.clear_level(self.bound(spec), margin)

    def beyond(self, level: float) -> float:
        """A little more dangerous than a level."""
        return round(level + self.limit.side.sign * abs(level) * _NUDGE, 12)

    def short_of(self, level: float) -> float:
        """A little less dangerous than a level."""
        return round(level - self.limit.side.sign * abs(level) * _NUDGE, 12)

    def between(self, spec: AlertSpec) -> float:
        """Between threshold and clear level."""
        return round((self.bound(spec) + self.clear(spec)) / 2, 12)

    @property
    def safe(self) -> float:
        """Far from every threshold."""
        level = self.clear(self.limit.alerts[0])
        return round(level - self.limit.side.sign * abs(level) / 2, 12)


@dataclass(frozen=True)
class LimitProof:
    """Writes the tests of one limit."""

    policy: Policy
    limit: Limit

    def scenarios(self) -> list[dict[str, Any]]:
        """Every test of this limit but those of its escalations."""
        around = self._play(*self._thresholds())
        rest = self._play(*self._episodes(), *self._bad_data(), *self._missing())
        name = self.limit.name
        return [
            around.scenario(f"{name}: around every threshold and clear level", in_full=True),
            rest.scenario(f"{name}: one breach or two, bad data, missing data"),
        ]

    @cached_property
    def clock(self) -> Clock:
        """The policy's own pace."""
        return policy_clock(self.policy)

    @cached_property
    def levels(self) -> Levels:
        """Values to try."""
        return Levels(self.policy, self.limit)

    def _thresholds(self) -> Iterator[Subject]:
        """Below, at and beyond a threshold, back to it, around its clear level, and recovered."""
        of = self.levels
        for spec in self.limit.alerts:
            bound, clear = of.bound(spec), of.clear(spec)
            steps = (
                of.safe, of.short_of(bound), bound, of.beyond(bound), of.short_of(bound),
                of.beyond(clear), clear, of.short_of(clear), of.between(spec), of.safe,
            )  # fmt: skip
            yield self._steady(f"{spec.tier}-levels", *((value, self._phase) for value in steps))
            if self.limit.absolute:
                signed = [(-value, self._phase) for value in steps]
                yield self._steady(f"{spec.tier}-negative", *signed)

    def _episodes(self) -> Iterator[Subject]:
        """What hovers between threshold and clear level is one breach; what comes back is two."""
        of = self.levels
        for spec in self.limit.alerts:
            bound = of.bound(spec)
            hover = [(of.beyond(bound), self._phase)]
            hover += [(of.between(spec), self._phase), (of.beyond(bound), self._phase)] * 3
            yield self._steady(f"{spec.tier}-hovers", *hover)
        worst = of.beyond(of.bound(self.limit.alerts[-1]))
        yield self._steady("blip", (worst, self.clock.scrape), (of.safe, self._phase))
        yield self._steady("comes-back", (worst, 3 * self._phase), (of.safe, self._phase),
                           (worst, self._phase))  # fmt: skip

    def _bad_data(self) -> Iterator[Subject]:
        """NaN is beyond nothing, hides nothing and ends nothing; the worse exporter counts."""
        of = self.levels
        worst, safe = of.beyond(of.bound(self.limit.alerts[-1])), of.safe
        first, rest = (worst, 2 * self._phase), (math.nan, 2 * self._phase)
        never = (math.nan, self._phase)
        yield self._steady("nan", never)
        yield self._steady("nan-then-number", (math.nan, self._phase), (worst, self._phase))
        yield self._steady("nan-in-breach", first, rest, (safe, self._phase))
        yield self._steady("nan-after-recovery", (worst, self._phase), (safe, self._phase), never)
        yield self._steady("nan-beside", (worst, self._phase), (safe, self._phase), beside=never)
        yield self._steady("one-worse", (safe, self._phase), beside=(worst, self._phase))
        yield self._steady("other-worse", (worst, self._phase), beside=(safe, self._phase))

    def _missing(self) -> Iterator[Subject]:
        """What a missing figure means depends on whether its account is reported."""
        of, phase = self.levels, self._phase
        worst, tick = of.beyond(of.bound(self.limit.alerts[-1])), self.clock.scrape
        there = Account("there", (((_OPEN,), (_FRESH,)),))
        yield self._of(there, "closed", (worst, 2 * phase), (_GONE, phase))
        stale = self.policy.alerting.system.snapshot_stale_seconds
        lapse = (worst, 2 * phase), (_GONE, 2 * phase)
        back = (*lapse, (worst, 2 * phase), (of.safe, phase))

        def account(name: str, *phases: tuple[Sample, Sample, float]) -> Account:
            positions = self.clock.samples(*((open_, lasting) for open_, _, lasting in phases))
            ages = self.clock.samples(*((age, lasting) for _, age, lasting in phases))
            return Account(name, ((positions, ages),))

        up, down = (_OPEN, _FRESH, 2 * phase), (_GONE, _GONE, 2 * phase)
        away = account("away", up, down, up)
        yield self._of(away, "held", *back)
        yield self._of(away, "held-then-closed", *lapse)
        lost = account("one-scrape", (_OPEN, _FRESH, 2 * phase), (_GONE, _GONE, tick), up)
        yield self._of(lost, "lost-scrape", (worst, 2 * phase), (_GONE, tick), (worst, phase))
        yield self._of(account("stale", up, (_OPEN, of_age(stale, 1), 2 * phase), up), "old", *back)
        yield self._of(account("edge", up, (_OPEN, stale, 2 * phase), up), "at-edge", *back)
        yield self._of(account("empty", up, (_GONE, _FRESH, 2 * phase), up), "restarted", *back)
        yield self._of(account("ageless", up, (_OPEN, _GONE, 2 * phase), up), "no-age", *back)
        yield self._of(account("stranger", down, down, down), "unknown", *back)
        (positions, ages), *_ = account("pair", up, (_OPEN, of_age(stale, 1), 2 * phase)).exporters
        pair = Account("pair", ((positions, ages), ((_OPEN,), (_FRESH,))))
        yield self._of(pair, "one-is-fresh", *back)
        # Reported by both, then by one only.
        yield self._of(Account("half", ((positions, (_FRESH,)), ((_GONE,), (_FRESH,)))), "half",
                       *back)  # fmt: skip

    @cached_property
    def _phase(self) -> int:
        """After this long, whatever is going to fire does."""
        longest = max(
            self.policy.number(f"alerting.confirmation.{spec.tier.value}_seconds")
            for spec in self.limit.alerts
        )
        return milliseconds(longest) + self.clock.tick

    def _play(self, *subjects: Subject) -> Play:
        return Play(self.policy, self.limit, self.clock, subjects, 10 * self._phase)

    def _steady(self, name: str, *phases: Phase, beside: Phase | None = None) -> Subject:
        """A subject that is always reported."""
        return self._of(Account("main"), name, *phases, beside=beside)

    def _of(
        self, account: Account, name: str, *phases: Phase, beside: Phase | None = None
    ) -> Subject:
        if len(self.limit.identity) == 1:
            account = Account(name, account.exporters)
        readings = [self.clock.samples(*phases)]
        if beside is not None:
            readings.append(self.clock.samples(beside))
        return Subject(name, account, tuple(readings))


def of_age(stale: float, seconds: float) -> float:
    """An age that is too high."""
    return round(stale + seconds / 1000, 6)
