"""Proofs of a limit's alerts: the threshold itself, the ladder of tiers, and bad data."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from risk_policy.catalogue.limits import AlertSpec, Limit, Side
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_rules import wording
from risk_rules.limits import confirmation_seconds, static_labels
from risk_rules.proofs.series import Timeline, check, firing, scenario, series
from risk_rules.timing import hold_seconds

#: How far "just below" and "just above" are from a threshold: a ten-thousandth of a percent.
_NUDGE: Final = 1e-6
#: Labels that a scrape adds and that must not become part of an alert.
_TARGET: Final = {"job": "riskwarden-exporter", "instance": "one:9464"}
_OTHER_TARGET: Final = {"job": "riskwarden-exporter", "instance": "two:9464"}


@dataclass(frozen=True)
class LimitProof:
    """Writes the tests of one limit."""

    policy: Policy
    limit: Limit

    def scenarios(self) -> list[dict[str, Any]]:
        """Every test of this limit."""
        return [
            *(self._threshold(spec) for spec in self.limit.alerts),
            self._ladder(),
            self._missing_scrapes(),
            self._not_a_number(),
            self._two_exporters(),
        ]

    def _threshold(self, spec: AlertSpec) -> dict[str, Any]:
        line = Timeline(self._step)
        bound, above, below = self._bound(spec), self._beyond(spec), self._short_of(spec)
        checks = [check(spec.name, line.keep(value, self._settle)) for value in (below, bound)]
        if wait := confirmation_seconds(self.policy, spec.tier):
            checks.append(check(spec.name, max(line.next, line.next + wait - self._evaluation)))
        at = line.keep(above, self._settle)
        checks.append(check(spec.name, at, self._firing(spec, self._identity(1), above)))
        checks += [check(spec.name, line.keep(value, self._settle)) for value in (bound, below)]
        return scenario(
            f"{spec.name}: quiet short of and at {wording.percent(bound)}, fires beyond, recovers",
            self._step,
            [self._series(1, line)],
            checks,
        )

    def _ladder(self) -> dict[str, Any]:
        """Several identities at once, each beyond another tier, and one beyond none."""
        specs = self.limit.alerts
        values = [self._short_of(specs[0]), *(self._beyond(spec) for spec in specs)]
        lines = [Timeline(self._step) for _ in values]
        at = 0.0
        for line, value in zip(lines, values, strict=True):
            at = line.keep(value, self._settle)
        return scenario(
            f"{self.limit.name}: every identity is judged alone, a worse tier keeps the milder",
            self._step,
            [self._series(number, line) for number, line in enumerate(lines)],
            [
                check(
                    spec.name,
                    at,
                    *(
                        self._firing(spec, self._identity(number), values[number])
                        for number in range(rank, len(values))
                    ),
                )
                for rank, spec in enumerate(specs, 1)
            ],
        )

    def _missing_scrapes(self) -> dict[str, Any]:
        """An alert outlives failed scrapes, and what stays away is gone after the hold."""
        line, value = Timeline(self._step), self._beyond(self.limit.alerts[-1])
        at = line.keep(value, self._settle)
        hold = hold_seconds(self.policy, self.limit)
        line.end(hold + 2 * self._evaluation)
        held = [
            check(
                spec.name,
                round(at + hold - self._evaluation, 3),
                self._firing(spec, self._identity(1), value),
            )
            for spec in self.limit.alerts
            if hold > self._evaluation
        ]
        gone = [
            check(spec.name, round(at + hold + self._evaluation, 3)) for spec in self.limit.alerts
        ]
        return scenario(
            f"{self.limit.name}: held through missing scrapes, then gone",
            self._step,
            [self._series(1, line)],
            [*held, *gone],
        )

    def _not_a_number(self) -> dict[str, Any]:
        """NaN fires nothing, and a NaN of one exporter does not hide the number of another."""
        silent, line, beside = (Timeline(self._step) for _ in range(3))
        value = self._beyond(self.limit.alerts[-1])
        for each in (silent, beside):
            each.keep(math.nan, self._settle)
        at = line.keep(value, self._settle)
        return scenario(
            f"{self.limit.name}: NaN is beyond nothing and hides nothing",
            self._step,
            [self._series(0, silent), self._series(1, line), self._series(1, beside, other=True)],
            [
                check(spec.name, at, self._firing(spec, self._identity(1), value))
                for spec in self.limit.alerts
            ],
        )

    def _two_exporters(self) -> dict[str, Any]:
        """Two exporters that disagree about one identity: one alert, for the worse value."""
        harmless, line = Timeline(self._step), Timeline(self._step)
        value = self._beyond(self.limit.alerts[-1])
        harmless.keep(self._short_of(self.limit.alerts[0]), self._settle)
        at = line.keep(value, self._settle)
        return scenario(
            f"{self.limit.name}: of two exporters the more dangerous counts",
            self._step,
            [self._series(1, harmless), self._series(1, line, other=True)],
            [
                check(spec.name, at, self._firing(spec, self._identity(1), value))
                for spec in self.limit.alerts
            ],
        )

    @property
    def _step(self) -> float:
        return self.policy.alerting.prometheus.scrape_interval_seconds

    @property
    def _evaluation(self) -> float:
        return self.policy.alerting.prometheus.evaluation_interval_seconds

    @cached_property
    def _settle(self) -> float:
        """After this long, whatever is going to fire does."""
        longest = max(confirmation_seconds(self.policy, spec.tier) for spec in self.limit.alerts)
        return longest + 2 * max(self._step, self._evaluation)

    def _bound(self, spec: AlertSpec) -> float:
        return self.limit.bound(self.policy.number(spec.threshold))

    def _beyond(self, spec: AlertSpec) -> float:
        sign = 1 if self.limit.side is Side.ABOVE else -1
        return round(self._bound(spec) + sign * _NUDGE, 10)

    def _short_of(self, spec: AlertSpec) -> float:
        sign = 1 if self.limit.side is Side.ABOVE else -1
        return round(self._bound(spec) - sign * _NUDGE, 10)

    def _identity(self, number: int) -> dict[str, str]:
        """Identities differ in their last label only."""
        *outer, innermost = self.limit.identity
        return {**{name: f"{name}-0" for name in outer}, innermost: f"{innermost}-{number}"}

    def _risk_id(self, identity: dict[str, str]) -> str:
        return labels.risk_id(self.limit.name, *identity.values())

    def _series(self, number: int, line: Timeline, *, other: bool = False) -> dict[str, str]:
        identity = self._identity(number)
        target = _OTHER_TARGET if other else _TARGET
        named = {labels.RISK_ID: self._risk_id(identity), **identity, **target}
        return series(self.limit.metric, named, line.values)

    def _firing(self, spec: AlertSpec, identity: dict[str, str], value: float) -> dict[str, Any]:
        about = wording.subject(self.limit.identity, identity)
        return firing(
            {
                labels.RISK_ID: self._risk_id(identity),
                **identity,
                **static_labels(self.limit, spec),
            },
            wording.limit_annotations(self.policy, self.limit, spec, about, wording.percent(value)),
        )
