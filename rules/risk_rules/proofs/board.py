"""Scenarios of alerts that have a condition of their own: inputs, and when each is due.

A condition is a plain function of time over the samples that were fed. When its alert fires,
for how long it has to last and how it escalates is computed here from that and the catalogue.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.vocabulary import Escalation, Severity, Tier
from risk_rules import wording
from risk_rules.proofs.series import (
    Clock,
    Sample,
    check,
    firing,
    milliseconds,
    samples_check,
    scenario,
    series,
)

#: What an alert measures while it is due, else None.
Truth = Callable[[int], float | None]
_LABEL: Final = re.compile(r"\{\{ \$labels\.(\w+) \}\}")
_LAST_STEP: Final = "alerting.escalation.time_based.critical_to_emergency_minutes"
Key = tuple[Severity, Escalation]


@dataclass(frozen=True)
class Line:
    """One series that is fed."""

    clock: Clock
    samples: tuple[Sample, ...]

    def at(self, now: int) -> Sample:
        """What an evaluation at a time sees; nothing before the beginning."""
        return self.clock.at(self.samples, now) if now >= 0 else None

    def within(self, now: int, window: float) -> list[float]:
        """All samples of a window, both ends included."""
        scrape = self.clock.scrape
        first = max(-int((window - now) // scrape), 0)
        first += first * scrape < now - window
        end = now // scrape + 1
        found = self.samples[first:end]
        # The last one goes on; asked for all evaluations of a day, so not one by one.
        found += self.samples[-1:] * (end - max(first, len(self.samples)))
        return [sample for sample in found if sample is not None]

    def rise(self, now: int, window: float) -> float:
        """How much a counter has grown in a window, without any guess about its edges."""
        found = self.within(now, window)
        steps = pairwise(found)
        return sum(after - before if after >= before else after for before, after in steps)


@dataclass(frozen=True)
class _Due:
    alert: SystemAlert
    truth: Truth
    identity: Mapping[str, str]
    about: str
    acked: Line | None


@dataclass
class Board:
    """One scenario."""

    policy: Policy
    clock: Clock
    _series: list[tuple[Metric, Mapping[str, str], Line]] = field(default_factory=list)
    _due: list[_Due] = field(default_factory=list)

    def feed(self, metric: Metric, named: Mapping[str, str], *phases: tuple[Sample, float]) -> Line:
        """One input series, of phases that last so many milliseconds; the last one goes on."""
        return self.feed_samples(metric, named, self.clock.samples(*phases))

    def feed_samples(
        self, metric: Metric, named: Mapping[str, str], samples: tuple[Sample, ...]
    ) -> Line:
        """One input series, sample by sample."""
        line = Line(self.clock, samples)
        self._series.append((metric, named, line))
        return line

    def expect(
        self,
        alert: SystemAlert,
        truth: Truth,
        identity: Mapping[str, str] | None = None,
        about: str = "",
        acked: Line | None = None,
    ) -> None:
        """An alert that is due whenever its truth is."""
        self._due.append(_Due(alert, truth, identity or {}, about, acked))

    def scenario(
        self, name: str, lasts: int, samples: list[dict[str, Any]] | None = None
    ) -> dict[str, Any]:
        """The test: every alert at every change, with labels and sentences, and just before."""
        count = lasts // self.clock.scrape + 1
        inputs = [
            series(metric, named, line.samples, count) for metric, named, line in self._series
        ]
        times = list(self.clock.evaluations(lasts))
        played = [self._play(due, times) for due in self._due]
        clocks = [*self._clocks(times, [waits for _, waits in played]), *(samples or ())]
        checks = list(self._checks(times, [frames for frames, _ in played]))
        return scenario(name, self.clock, inputs, checks, clocks)

    def evaluations(self, start: int, end: int) -> list[int]:
        """All evaluations from one time to another."""
        return [now for now in self.clock.evaluations(end) if now >= start]

    def _checks(
        self, times: list[int], played: list[list[dict[Key, float]]]
    ) -> Iterator[dict[str, Any]]:
        names = dict.fromkeys(due.alert.name for due in self._due)
        for name in names:
            own = [due for due in self._due if due.alert.name == name]
            found = [
                frames
                for due, frames in zip(self._due, played, strict=True)
                if due.alert.name == name
            ]
            frames = [list(each) for each in zip(*found, strict=True)]
            chosen = {0, len(times) - 1}
            for index in range(1, len(times)):
                if [set(each) for each in frames[index]] != [
                    set(each) for each in frames[index - 1]
                ]:
                    chosen |= {index - 1, index}
            for index in sorted(chosen):
                alerts = [
                    self._firing(due, key, value)
                    for due, frame in zip(own, frames[index], strict=True)
                    for key, value in frame.items()
                ]
                yield check(name, times[index], *alerts)

    def _clocks(self, times: list[int], played: list[list[int | None]]) -> Iterator[dict[str, Any]]:
        """Since when each waits for an acknowledgement, whenever that changes."""
        for due, found in zip(self._due, played, strict=True):
            if not due.alert.escalates:
                continue
            named = f'limit="{due.alert.limit}",risk_id="{_risk_id(due)}"'
            changes = [at for at in range(1, len(times)) if found[at] != found[at - 1]]
            around = {at + step for at in changes for step in (-1, 0, 1)}
            for index in sorted(around & set(range(len(times)))):
                since, tier = found[index], {labels.TIER: due.alert.severity.value}
                expected = [] if since is None else [(tier, since / 1000)]
                expression = f"max by (tier) ({m.UNACKED_SINCE.name}{{{named}}})"
                yield samples_check(expression, times[index], expected)

    def _play(self, due: _Due, times: list[int]) -> tuple[list[dict[Key, float]], list[int | None]]:
        """What fires about one thing at every evaluation, and since when it waits."""
        policy, alert = self.policy, due.alert
        half = milliseconds(policy.alerting.prometheus.evaluation_interval_seconds) / 2
        wait = milliseconds(policy.number(alert.duration)) if alert.duration else 0
        last = milliseconds(60 * policy.number(_LAST_STEP))
        how = policy.alerting.escalation
        escalates = alert.escalates and how.enabled and how.time_based.enabled
        since: int | None = None
        frames: list[dict[Key, float]] = []
        waits: list[int | None] = []
        for now in times:
            value = due.truth(now)
            since = (now if since is None else since) if value is not None else None
            found: dict[Key, float] = {}
            if value is not None and since is not None and (not wait or now - since >= wait - half):
                found[alert.severity, Escalation.NONE] = value
            unacked: int | None = None
            if since is not None and escalates:
                ended = (due.acked.at(now) if due.acked else None) or 0.0
                start = max(since + wait, milliseconds(ended))
                unacked = start if start <= now + half else None
            if value is not None and unacked is not None and now - unacked >= last - half:
                found[Severity.EMERGENCY, Escalation.TIME] = value
            frames.append(found)
            waits.append(unacked)
        return frames, waits

    def _firing(self, due: _Due, key: Key, value: float) -> dict[str, Any]:
        alert, (severity, why) = due.alert, key
        tier = {labels.TIER: alert.severity.value} if alert.severity.value in set(Tier) else {}
        named = {
            **due.identity,
            labels.LIMIT: alert.limit,
            labels.RISK_ID: _risk_id(due),
            **tier,
            labels.SEVERITY: severity.value,
            labels.ESCALATION: why.value,
            labels.CATEGORY: alert.category.value,
            labels.LAYER: alert.layer.value,
            labels.ACTION: alert.action_under(self.policy).value,
        }
        if why is Escalation.TIME:
            minutes = self.policy.number(_LAST_STEP)
            annotations = wording.system_time_annotations(self.policy, alert, minutes)
        else:
            shows = shown(alert.kind, value)
            annotations = wording.system_annotations(self.policy, alert, value=shows)
        return firing(named, {k: _filled(text, due.identity) for k, text in annotations.items()})


def acknowledged(board: Board, risk_id: str, tier: str, until: float) -> Line:
    """An acknowledgement that is exported throughout; by other receivers with a sooner end."""
    about = {labels.RISK_ID: risk_id, labels.TIER: tier}
    board.feed(m.ACK_UNTIL, {**about, "instance": "behind"}, (until / 2, 0))
    return board.feed(m.ACK_UNTIL, {**about, "instance": "one"}, (until, 0))


def _risk_id(due: _Due) -> str:
    ids = [due.about] if due.about else list(due.identity.values())
    return labels.risk_id(due.alert.limit, *ids)


def _filled(text: str, identity: Mapping[str, str]) -> str:
    return _LABEL.sub(lambda match: identity[match[1]], text)
