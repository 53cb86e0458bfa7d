"""The work of a backtest, cut into pieces that promtool can do side by side.

A job is one limit over one stretch of history that stands alone. Its rule file holds the
limit's groups and what follows from them (KILL_SWITCH_EVALUATION, ALERT_STORM); annotations,
which nobody reads here, are left out, and so are groups that cannot come true at this spacing
of evaluations. Files are JSON, which is YAML that is quick to write.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from risk_policy import unanswered
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, Limit
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_policy.vocabulary import Tier
from risk_rules import escalation, frequency
from risk_rules.backtest.calm import Span, Values, reached, spans
from risk_rules.backtest.clock import Clock
from risk_rules.backtest.errors import EngineOutputError
from risk_rules.backtest.history import History
from risk_rules.backtest.output import Firing, firings, question
from risk_rules.groups import rule_files
from risk_rules.rule import RuleGroup
from risk_rules.timing import trend_interval_seconds

RULES_FILE: Final = "rules.yml"
TEST_FILE: Final = "test.yml"
_BUCKETS: Final = 6


@dataclass(frozen=True, slots=True)
class _Watched:
    """One series of a limit, one value per evaluation."""

    name: str
    account: str
    values: Values


@dataclass(frozen=True, slots=True)
class Job:
    """One limit over one stretch.

    Attributes:
        files: by name; promtool has to be run on TEST_FILE.
    """

    limit: str
    span: Span
    total: int
    evaluation_seconds: float
    files: dict[str, str]

    def read(self, output: str) -> list[Firing]:
        """What fired, at which evaluation of the whole history. Raises EngineOutputError."""
        found = []
        for firing in firings(output, self.evaluation_seconds):
            ended = None if firing.ended is None else firing.ended + self.span.start
            if ended is None and self.span.end < self.total:
                raise EngineOutputError(
                    f"{firing.labels.get('alertname')} still fires after {self.limit} was calm"
                )
            found.append(Firing(firing.labels, firing.began + self.span.start, ended))
        return found


@dataclass(frozen=True)
class Replay:
    """A policy over a history.

    Attributes:
        answered: somebody acknowledges every alert at once.
        whole: leave out nothing, neither calm stretches nor groups; slow, for proofs.
    """

    given: Policy
    history: History
    clock: Clock
    answered: bool = False
    whole: bool = False

    @cached_property
    def policy(self) -> Policy:
        """The policy on the tester's clock."""
        return self.clock.policy(self.given, answered=self.answered)

    @cached_property
    def rows(self) -> tuple[int, ...]:
        """Which row each evaluation sees."""
        return self.clock.rows(len(self.history.times))

    @cached_property
    def limits(self) -> tuple[Limit, ...]:
        """The limits this history says something about."""
        return tuple(limit for limit in LIMITS if self._series(limit))

    def jobs(self) -> Iterator[Job]:
        """Everything there is to do."""
        for limit in self.limits:
            yield from self._of_limit(limit)

    def _of_limit(self, limit: Limit) -> Iterator[Job]:
        watched = self._series(limit)
        values = [series.values for series in watched]
        total = len(self.rows)
        stretches = (
            [Span(0, total)] if self.whole else spans(self.policy, self.clock, limit, values)
        )
        if not stretches:
            return
        groups = tuple(self._groups(limit))
        for span in stretches:
            within = [series[span.start : span.end] for series in values]
            tiers = set(Tier) if self.whole else reached(self.policy, limit, within)
            documents = [_document(group, limit.name, tiers) for group in groups]
            test = self._test(watched, span, [group.name for group in groups])
            files = {
                RULES_FILE: json.dumps({"groups": documents}),
                TEST_FILE: json.dumps(test),
            }
            yield Job(limit.name, span, total, self.clock.evaluation_seconds, files)

    def _series(self, limit: Limit) -> list[_Watched]:
        found = []
        for series in self.history.series:
            if series.metric != limit.metric.name or not series.risk_id:
                continue
            values = tuple(series.values[row] for row in self.rows)
            name = _name(series.metric, dict(series.labels))
            found.append(_Watched(name, series.labels.get("account", ""), values))
        return found

    def _groups(self, limit: Limit) -> Iterator[RuleGroup]:
        policy = self.policy
        storm_possible = self.whole or self._storm_possible(limit)
        counted = self.whole or storm_possible or self._frequency_possible()
        trends = self.whole or self._trend_possible()
        for group in rule_files(policy, (limit,))[limit.name]:
            if group.name.endswith("-frequency") and not counted:
                continue
            if group.name.endswith("-trend") and not trends:
                continue
            yield group
        interval = self.clock.evaluation_seconds
        if unanswered.enabled(policy):
            rules = escalation.kill_switch_evaluation(policy).rules(policy)
            yield RuleGroup("riskwarden-guard", interval, rules)
        if frequency.enabled(policy) and storm_possible:
            rules = frequency.storm(policy).rules(policy)
            yield RuleGroup("riskwarden-guard-slow", interval, rules)

    def _beginnings(self, part: float) -> int:
        """How often one breach can begin within a part of the window: every second evaluation."""
        window, every = frequency.window_seconds(self.policy, part), self.clock.evaluation_seconds
        return math.floor((window + every) / (2 * every)) + 1

    def _frequency_possible(self) -> bool:
        how = self.policy.alerting.escalation.frequency_based
        return (
            self._beginnings(1 / 3) >= how.escalate_at_count
            or self._beginnings(2 / 3) >= how.deduplicate_at_count
        )

    def _storm_possible(self, limit: Limit) -> bool:
        count = self.policy.alerting.escalation.frequency_based.storm_alert_at_count
        return self._beginnings(1.0) * len(self._series(limit)) >= count

    def _trend_possible(self) -> bool:
        """A trend needs two samples within a sixth of its window."""
        window = self.policy.alerting.escalation.threshold_based.trend_window_minutes * 60
        bucket = window / _BUCKETS + trend_interval_seconds(self.policy) / 2
        return bucket >= self.clock.evaluation_seconds

    def _test(
        self, watched: Sequence[_Watched], span: Span, groups: Sequence[str]
    ) -> dict[str, Any]:
        step = self.clock.evaluation_seconds
        asked = question(step)
        last = span.length - 1
        accounts = dict.fromkeys(series.account for series in watched)
        series = [
            {"series": one.name, "values": _values(one.values[span.start : span.end])}
            for one in watched
        ]
        for account in accounts:
            # Each row is a report of its own: fresh, and of an account that is there.
            age = {"account": account, "risk_id": f"data_stale/{account}"}
            there = _name(m.POSITIONS_OPEN.name, {"account": account})
            series.append({"series": there, "values": f"1x{last}"})
            series.append({"series": _name(m.SNAPSHOT_AGE.name, age), "values": f"0x{last}"})
        return {
            "rule_files": [RULES_FILE],
            "evaluation_interval": duration(step),
            # Without this, promtool takes groups in no order, and what follows comes late.
            "group_eval_order": list(groups),
            "tests": [
                {
                    "interval": duration(step),
                    "input_series": series,
                    "promql_expr_test": [
                        {"expr": asked, "eval_time": duration(at * step), "exp_samples": []}
                        for at in range(span.length)
                    ],
                }
            ],
        }


def _document(group: RuleGroup, limit: str, tiers: Collection[str]) -> dict[str, Any]:
    """A group without annotations, and without the limit's tiers that cannot begin."""
    rules = []
    for rule in group.rules:
        names = rule.labels
        if names.get(labels.LIMIT) == limit and names.get(labels.TIER, "") not in {"", *tiers}:
            continue
        document = rule.document()
        document.pop("annotations", None)
        rules.append(document)
    return {**group.document(), "rules": rules}


def _name(metric: str, labels: dict[str, str]) -> str:
    inside = ",".join(f"{name}={json.dumps(value)}" for name, value in labels.items())
    return f"{metric}{{{inside}}}"


def _values(values: Sequence[float | None]) -> str:
    words, there = [], False
    for value in values:
        if value is None:
            words.append("stale" if there else "_")
            there = False
        else:
            words.append(_number(value))
            there = True
    return " ".join(words)


def _number(value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Inf" if value > 0 else "-Inf"
    return repr(float(value))
