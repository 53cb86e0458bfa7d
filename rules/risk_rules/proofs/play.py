"""From subjects to a promtool test: the model plays them, and the test expects what it says.

What fires about a subject is checked at every evaluation at which it changes and at the one
before. In one scenario every alert is also checked with all its labels and sentences.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import Limit
from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts import alert as labels
from risk_policy.contracts import artefact
from risk_policy.model import Policy
from risk_policy.quantities import duration, shown
from risk_policy.vocabulary import Escalation
from risk_rules import wording
from risk_rules.proofs.model import Account, AccountModel, Fired, Frame, Subject, SubjectModel
from risk_rules.proofs.series import (
    Clock,
    Sample,
    check,
    firing,
    samples_check,
    scenario,
    series,
)

#: More changes than these are a path and not steps.
_SELDOM: Final = 10
#: Labels that a scrape adds and that must not become part of an alert.
_JOB: Final = "riskwarden-exporter"
_RECEIVERS: Final = {"job": "riskwarden-receivers"}


@dataclass(frozen=True)
class Play:
    """One scenario of one limit.

    Attributes:
        lasts: until when it is played, in milliseconds.
    """

    policy: Policy
    limit: Limit
    clock: Clock
    subjects: tuple[Subject, ...]
    lasts: int

    def scenario(self, name: str, *, in_full: bool = False) -> dict[str, Any]:
        """The test.

        Args:
            in_full: whether every alert is also checked with all its labels and sentences.
        """
        return scenario(
            name,
            self.clock,
            list(self._inputs()),
            list(self._full_checks()) if in_full else [],
            [
                *self._changes(),
                *(self._counts() if in_full else ()),
                self._beginnings(),
            ],
        )

    @cached_property
    def _times(self) -> list[int]:
        return list(self.clock.evaluations(self.lasts))

    @cached_property
    def _frames(self) -> dict[str, list[Frame]]:
        accounts = {subject.account.name: subject.account for subject in self.subjects}
        models = {
            name: AccountModel(self.policy, account, self.clock)
            for name, account in accounts.items()
        }
        unreported = {
            name: [model.unreported(now) for now in self._times] for name, model in models.items()
        }
        found = {}
        for subject in self.subjects:
            model = SubjectModel(self.policy, self.limit, subject, self.clock)
            away = unreported[subject.account.name]
            found[subject.name] = [
                model.step(now, unreported=gone)
                for now, gone in zip(self._times, away, strict=True)
            ]
        return found

    # -- inputs ------------------------------------------------------------------------------

    def _inputs(self) -> Iterator[dict[str, str]]:
        count = self.lasts // self.clock.scrape + 1
        seen: dict[str, Account] = {}
        for subject in self.subjects:
            seen.setdefault(subject.account.name, subject.account)
        for name, account in seen.items():
            for number, (positions, ages) in enumerate(account.exporters):
                named = {"account": name, **_target(number)}
                if _reported(positions):
                    yield series(m.POSITIONS_OPEN, named, positions, count)
                if _reported(ages):
                    about = {"account": name, labels.RISK_ID: f"snapshot/{name}"}
                    yield series(m.SNAPSHOT_AGE, {**about, **_target(number)}, ages, count)
        for subject in self.subjects:
            named = {labels.RISK_ID: self._risk_id(subject), **self._identity(subject)}
            for number, samples in enumerate(subject.readings):
                yield series(self.limit.metric, {**named, **_target(number)}, samples, count)
            for tier, samples in subject.acks.items():
                about = {labels.RISK_ID: self._risk_id(subject), labels.TIER: tier}
                yield from (
                    series(m.ACK_UNTIL, {**about, **_RECEIVERS, "instance": name}, told, count)
                    for name, told in (("one", samples), ("two", _earlier(samples)))
                )

    def _identity(self, subject: Subject) -> dict[str, str]:
        *inner, innermost = self.limit.identity[1:] or ("",)
        found = {"account": subject.account.name, **{name: f"{name}-0" for name in inner}}
        return {**found, innermost: subject.name} if innermost else found

    def _risk_id(self, subject: Subject) -> str:
        return labels.risk_id(self.limit.name, *self._identity(subject).values())

    # -- expectations ------------------------------------------------------------------------

    def _changes(self) -> Iterator[dict[str, Any]]:
        """What fires about each subject, whenever it changes, and just before."""
        for subject in self.subjects:
            frames = self._frames[subject.name]
            keys = [
                sorted({each.key for each in frame.fired}) if frame.fired else []
                for frame in frames
            ]
            times = {0, len(frames) - 1, *self._moves(subject)}
            for index in range(1, len(frames)):
                if keys[index] != keys[index - 1]:
                    times |= {index - 1, index}
            alerts = f'ALERTS{{alertstate="firing",{labels.RISK_ID}="{self._risk_id(subject)}"}}'
            for index in sorted(times):
                expected = [
                    ({"alertname": name, labels.ESCALATION: why, labels.SEVERITY: severity}, 1)
                    for name, _, severity, why in keys[index]
                ]
                yield samples_check(
                    f"group by (alertname, severity, escalation) ({alerts})",
                    self._times[index],
                    expected,
                )

            if self.limit.cooldown:
                # A cooldown hides where a breach ends.
                yield from self._latches(subject, m.BREACH_SINCE, [f.since for f in frames])
            if subject.clock:
                yield from self._latches(subject, m.UNACKED_SINCE, [f.unacked for f in frames])

    def _moves(self, subject: Subject) -> list[int]:
        """Where what is reported changes, if that is seldom: nothing may happen then, either."""
        own = subject.account.exporters
        lines = [*subject.readings, *(line for exporter in own for line in exporter)]
        moves: list[int] = []
        before: list[Sample] | None = None
        for index, now in enumerate(self._times):
            seen = [self.clock.at(line, now) for line in lines]
            # NaN after NaN is no change.
            if before is not None and seen != before and repr(seen) != repr(before):
                moves.append(index)
            before = seen
        return moves if len(moves) <= _SELDOM else []

    def _latches(
        self, subject: Subject, metric: Metric, found: list[Mapping[str, int]]
    ) -> Iterator[dict[str, Any]]:
        """Since when something goes on, whenever that changes."""
        times = {
            near
            for index in range(1, len(found))
            if found[index] != found[index - 1]
            for near in (index - 1, index)
        }
        matchers = f'limit="{self.limit.name}",risk_id="{self._risk_id(subject)}"'
        for index in sorted(times):
            expected = [({labels.TIER: tier}, at / 1000) for tier, at in found[index].items()]
            expression = f"max by (tier) ({metric.name}{{{matchers}}})"
            yield samples_check(expression, self._times[index], expected)

    def _counts(self) -> Iterator[dict[str, Any]]:
        """How often breaches began within the whole window, whenever that changes."""
        whole = max(round(self.policy.alerting.escalation.frequency_based.window_minutes * 60), 1)
        for subject in self.subjects:
            frames = self._frames[subject.name]
            if max(max(frame.begun.values(), default=0) for frame in frames) < 2:
                continue
            episodes = (
                f'{m.BREACH_EPISODES.name}{{risk_id="{self._risk_id(subject)}",'
                f'window="{artefact.duration(whole)}"}}'
            )
            for index in range(1, len(frames)):
                if frames[index].begun != frames[index - 1].begun:
                    for near in (index - 1, index):
                        expected = [
                            ({labels.TIER: tier}, float(count))
                            for tier, count in frames[near].begun.items()
                        ]
                        yield samples_check(
                            f"max by (tier) ({episodes})", self._times[near], expected
                        )

    def _beginnings(self) -> dict[str, Any]:
        """Since when everything is breached, at the end."""
        expected = [
            ({labels.RISK_ID: self._risk_id(subject), labels.TIER: tier}, since / 1000)
            for subject in self.subjects
            for tier, since in self._frames[subject.name][-1].since.items()
        ]
        since = f'{m.BREACH_SINCE.name}{{limit="{self.limit.name}"}}'
        return samples_check(f"max by (risk_id, tier) ({since})", self._times[-1], expected)

    def _full_checks(self) -> Iterator[dict[str, Any]]:
        """Every alert with its labels and sentences, at as few and as quiet times as possible."""
        at_times = [
            [(subject, each) for subject in self.subjects for each in self._at(subject, index)]
            for index in range(len(self._times))
        ]
        chosen: dict[str, set[int]] = {}
        for spec in self.limit.alerts:
            own = [[(s, e) for s, e in fired if e.spec is spec] for fired in at_times]
            times = chosen.setdefault(spec.name, set())
            times.add(min(range(len(own)), key=lambda index: len(own[index])))
            missing = {each.key for fired in own for _, each in fired}
            while missing:

                def price(index: int) -> tuple[int, int]:
                    keys = {each.key for _, each in own[index]} & missing  # noqa: B023
                    return (0, len(own[index])) if keys else (1, 0)  # noqa: B023

                best = min(range(len(own)), key=price)
                times.add(best)
                missing -= {each.key for _, each in own[best]}
            for index in sorted(times):
                alerts = [self._firing(subject, each) for subject, each in own[index]]
                yield check(spec.name, self._times[index], *alerts)

    def _at(self, subject: Subject, index: int) -> tuple[Fired, ...]:
        return self._frames[subject.name][index].fired

    def _firing(self, subject: Subject, fired: Fired) -> dict[str, Any]:
        spec, limit = fired.spec, self.limit
        return firing(
            {
                labels.RISK_ID: self._risk_id(subject),
                **self._identity(subject),
                labels.LIMIT: limit.name,
                labels.TIER: spec.tier.value,
                labels.SEVERITY: fired.severity.value,
                labels.ESCALATION: fired.escalation.value,
                labels.CATEGORY: limit.category.value,
                labels.LAYER: limit.layer.value,
                labels.ACTION: spec.action.value,
            },
            self._annotations(subject, fired),
        )

    def _annotations(self, subject: Subject, fired: Fired) -> dict[str, str]:
        policy, limit, spec = self.policy, self.limit, fired.spec
        about = wording.subject(limit.identity, self._identity(subject))
        value = shown(limit.unit.kind, fired.value)
        if fired.escalation is Escalation.TIME:
            return wording.time_annotations(policy, limit, spec, about, value, fired.minutes)
        if fired.escalation is Escalation.FREQUENCY:
            return wording.frequency_annotations(
                policy, limit, spec, about, f"{fired.value:.4g}", artefact.duration(fired.window)
            )
        if fired.ahead is not None:
            left = duration(fired.value)
            return wording.trend_annotations(policy, limit, spec, fired.ahead, about, left)
        return wording.limit_annotations(policy, limit, spec, about, value)


def _target(number: int) -> dict[str, str]:
    return {"job": _JOB, "instance": f"exporter-{number}:9464"}


def _earlier(until: tuple[Sample, ...]) -> tuple[Sample, ...]:
    """What other receivers say of an acknowledgement that know of its beginning only."""
    return tuple(None if sample is None else round(sample / 2, 3) for sample in until)


def _reported(samples: tuple[Sample, ...]) -> bool:
    return any(sample is not None for sample in samples)
