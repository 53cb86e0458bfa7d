"""PromQL for panels, built from the catalogue: a metric or a label that is not there is refused.

An expression is a value that knows which labels its series have and what its numbers are, so a
legend that names another label, or a sum of seconds and ratios, fails here and not as a panel
that stays empty. Nothing makes an expression from text.

What a dashboard's variables select is part of every selector: a metric with an account is asked
for the accounts that are chosen, and everything that is scraped for its job and instance.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Final

from risk_grafana.errors import DashboardError
from risk_grafana.units import Unit, unit_of
from risk_policy.catalogue.metrics import POLICY_INFO, Metric
from risk_policy.catalogue.metrics.foreign import ALERTS, SCRAPE_DURATION, UP
from risk_policy.catalogue.metrics.metric import BOUND

#: What Prometheus adds to everything it scrapes.
TARGET: Final = ("job", "instance")
#: Labels that a dashboard has a variable for, by which its panels are narrowed.
CHOSEN: Final = ("account", "strategy", "venue", "symbol")
#: What a window is as long as: the range of the dashboard, and what `rate` needs at least.
RANGE: Final = "$__range"
RATE: Final = "$__rate_interval"
_VALUE: Final = re.compile(r"[A-Za-z0-9_./:-]*")


@dataclass(frozen=True, slots=True)
class Expression:
    """What a panel asks Prometheus.

    Attributes:
        labels: those that its series have.
        unit: what its numbers are; None for a Unix time.
        is_scalar: whether it is a number and no series.
        is_rare: whether any of it is scraped as seldom as Prometheus and Alertmanager are.
    """

    text: str
    labels: frozenset[str]
    unit: Unit | None
    is_scalar: bool = False
    is_rare: bool = False
    is_atom: bool = field(default=True, compare=False)

    def __truediv__(self, other: Expression) -> Expression:
        unit = Unit.RATIO if self.unit is other.unit else self.unit
        return self._with("/", other, unit)

    def __sub__(self, other: Expression) -> Expression:
        is_age = self.unit is None and other.unit is None
        return self._with("-", other, Unit.SECONDS if is_age else self._same(other))

    def __add__(self, other: Expression) -> Expression:
        return self._with("+", other, self._same(other))

    def __or__(self, other: Expression) -> Expression:
        """What the left side lacks, from the right."""
        found = self._with("or", other, self._same(other), loose=True)
        return replace(found, labels=self.labels & other.labels)

    def over(self, other: Expression, on: Iterable[str]) -> Expression:
        """Divided by the one series of the other side that has the same labels ``on``."""
        shared = _listed(on, self, other)
        word = f"/ on ({shared}) group_left ()"
        unit = Unit.RATIO if self.unit is other.unit else self.unit
        return self._with(word, other, unit, loose=True)

    def where(self, other: Expression, *on: str) -> Expression:
        """Only the series for which the other side has one with the same labels ``on``."""
        return _joined(self, f"and on ({_listed(on, self, other)})", other, self)

    def without(self, other: Expression, *on: str) -> Expression:
        """Only the series for which the other side has none with the same labels ``on``."""
        return _joined(self, f"unless on ({_listed(on, self, other)})", other, self)

    def inverse(self) -> Expression:
        """1 divided by each value."""
        return _joined(_number(1), "/", self, self)

    def since(self, other: Expression) -> Expression:
        """How many seconds ago the other's Unix time was."""
        if other.unit is not None or self.unit is not None:
            raise DashboardError(f"{other.text} is no Unix time")
        return replace(self - other, labels=other.labels)

    def above(self, bound: float) -> Expression:
        """Only the series that exceed a number."""
        return _joined(self, ">", _number(bound), self)

    def at_least(self, bound: float) -> Expression:
        """The same series, where a value is below a number that number in its place."""
        return replace(self, text=f"clamp_min({self.text}, {number(bound)})", is_atom=True)

    def at_most(self, bound: float) -> Expression:
        """The same series, where a value is above a number that number in its place."""
        return replace(self, text=f"clamp_max({self.text}, {number(bound)})", is_atom=True)

    def __neg__(self) -> Expression:
        return replace(self, text=f"-{self._operand}", is_atom=False)

    def times(self, factor: float) -> Expression:
        """Each value multiplied by a number."""
        return _joined(self, "*", _number(factor), self)

    def shown_as(self, unit: Unit) -> Expression:
        """The same numbers, which are something else than the metric's."""
        return replace(self, unit=unit)

    def by(self, function: str, *labels: str) -> Expression:
        """One value per combination of some labels."""
        unit = Unit.NUMBER if function == "count" else self.unit
        kept = f" by ({_listed(labels, self)})" if labels else ""
        return replace(
            self,
            text=f"{function}{kept} ({self.text})",
            labels=frozenset(labels),
            unit=unit,
            is_atom=True,
        )

    def worst(self, count: int) -> Expression:
        """The series with the largest values."""
        return replace(self, text=f"topk({count}, {self.text})", is_atom=True)

    def least(self, count: int) -> Expression:
        """The series with the smallest values."""
        return replace(self, text=f"bottomk({count}, {self.text})", is_atom=True)

    def absolute(self) -> Expression:
        """The size of each value, whatever its sign."""
        return replace(self, text=f"abs({self.text})", is_atom=True)

    @property
    def _operand(self) -> str:
        return self.text if self.is_atom else f"({self.text})"

    def _same(self, other: Expression) -> Unit | None:
        if self.unit is not other.unit:
            raise DashboardError(f"{self.text} and {other.text} are not of one unit")
        return self.unit

    def _with(
        self, word: str, other: Expression, unit: Unit | None, *, loose: bool = False
    ) -> Expression:
        plain = loose or self.is_scalar or other.is_scalar
        if not plain and self.labels != other.labels:
            raise DashboardError(f"{self.text} and {other.text} have no labels to match by")
        shape = other if self.is_scalar else self
        return replace(_joined(self, word, other, shape), unit=unit)


def number(value: float) -> str:
    """A number literal."""
    if not math.isfinite(value):
        raise DashboardError(f"{value!r} is no number to compare with")
    return str(int(value)) if value == int(value) else repr(value)


def clock() -> Expression:
    """The time of the evaluation."""
    return Expression("time()", frozenset(), None, is_scalar=True)


def zero_with(metric: Metric, unit: Unit = Unit.NUMBER) -> Expression:
    """0 as long as a metric is there, so that what nobody reports is not taken for nothing."""
    return series(metric).by("count").times(0).shown_as(unit)


def series(metric: Metric, **pinned: str | Iterable[str]) -> Expression:
    """The series of a metric that the dashboard's variables select, with some labels given."""
    if metric.kind in ("counter", "histogram"):
        raise DashboardError(f"{metric.name} only ever grows; show its rate or its increase")
    return _selected(metric, metric.name, metric.labels, pinned)


def choices(
    metrics: Metric | tuple[Metric, ...], label: str, *narrowed: str, **pinned: Iterable[str]
) -> str:
    """What Grafana asks for the values of a variable, of all that has it, narrowed by others."""
    several = metrics if isinstance(metrics, tuple) else (metrics,)
    for metric in several:
        _listed((label, *narrowed), _selected(metric, metric.name, metric.labels, dict(pinned)))
    matchers = [_matcher(name, wanted) for name, wanted in pinned.items()]
    matchers += [f'{name}=~"${name}"' for name in narrowed]
    names = [metric.name for metric in several]
    if len(names) > 1:
        matchers.insert(0, _matcher("__name__", names))
    inside = ",".join(matchers)
    return f"label_values({names[0] if len(names) == 1 else ''}{{{inside}}}, {label})"


def rate(metric: Metric, **pinned: str | Iterable[str]) -> Expression:
    """How often a counter grows, per second."""
    found = _counter(metric, pinned)
    return replace(found, text=f"rate({found.text}[{RATE}])", unit=Unit.PER_SECOND)


def increase(metric: Metric, *, window: str = RANGE, **pinned: str | Iterable[str]) -> Expression:
    """By how much a counter has grown: over the range that is shown, or around each point."""
    found = _counter(metric, pinned)
    return replace(found, text=f"increase({found.text}[{window}])", unit=Unit.NUMBER)


def within_range(function: str, metric: Metric, **pinned: str | Iterable[str]) -> Expression:
    """A gauge's ``min``, ``max``, ``avg`` or ``last`` over the range that is shown."""
    found = series(metric, **pinned)
    return replace(found, text=f"{function}_over_time({found.text}[{RANGE}])")


def quantile(
    share: float, metric: Metric, *labels: str, window: str = RATE, **pinned: str | Iterable[str]
) -> Expression:
    """The value that a share of what a histogram counted is within."""
    grown = _histogram(metric, "bucket", window, pinned).by("sum", *labels, BOUND)
    text = f"histogram_quantile({number(share)}, {grown.text})"
    return replace(grown, text=text, labels=frozenset(labels), unit=Unit.SECONDS)


def share_within(
    seconds: float, metric: Metric, *labels: str, window: str = RANGE, **pinned: str | Iterable[str]
) -> Expression:
    """The share of what a histogram counted that is within one of its bounds."""
    bound = {BOUND: (number(seconds), f"{float(seconds)!r}")}
    kept = _histogram(metric, "bucket", window, {**pinned, **bound}).by("sum", *labels)
    return kept / _histogram(metric, "count", window, pinned).by("sum", *labels)


def counted(
    metric: Metric, *labels: str, window: str = RANGE, **pinned: str | Iterable[str]
) -> Expression:
    """How many times a histogram has counted."""
    return _histogram(metric, "count", window, pinned).by("sum", *labels)


def _counter(metric: Metric, pinned: dict[str, str | Iterable[str]]) -> Expression:
    if metric.kind != "counter":
        raise DashboardError(f"{metric.name} is no counter")
    return _selected(metric, metric.name, metric.labels, pinned)


def _histogram(
    metric: Metric, part: str, window: str, pinned: dict[str, str | Iterable[str]]
) -> Expression:
    if metric.kind != "histogram":
        raise DashboardError(f"{metric.name} is no histogram")
    name = f"{metric.name}_{part}"
    found = _selected(metric, name, metric.samples[name], pinned)
    function = "rate" if window == RATE else "increase"
    return replace(found, text=f"{function}({found.text}[{window}])", unit=Unit.NUMBER)


def _selected(
    metric: Metric,
    name: str,
    labels: Iterable[str],
    pinned: dict[str, str | Iterable[str]],
) -> Expression:
    is_scraped = metric.component != "rules"
    own = frozenset(labels) | (frozenset(TARGET) if is_scraped else frozenset())
    for label in pinned:
        if label not in own:
            known = ", ".join(sorted(own))
            raise DashboardError(f"{name} has no label {label!r}; it has: {known}")
    chosen = [label for label in (*CHOSEN, *TARGET) if label in own and label not in pinned]
    matchers = [_matcher(label, wanted) for label, wanted in pinned.items()]
    matchers += [f'{label}=~"${label}{_optional(metric, label)}"' for label in chosen]
    inside = ",".join(matchers)
    text = f"{name}{{{inside}}}" if inside else name
    is_rare = metric.component == "prometheus" and metric not in (UP, SCRAPE_DURATION)
    return Expression(text, own, unit_of(metric), is_rare=is_rare)


def _optional(metric: Metric, label: str) -> str:
    """An alert about no account is everybody's, and the rules' policy is that of no target."""
    lacks = (metric is ALERTS and label == "account") or (metric is POLICY_INFO and label in TARGET)
    return "|" if lacks else ""


def _matcher(label: str, wanted: str | Iterable[str]) -> str:
    values = (wanted,) if isinstance(wanted, str) else tuple(dict.fromkeys(wanted))
    for value in values:
        if not _VALUE.fullmatch(value):
            raise DashboardError(f"{label}={value!r} cannot be matched as it stands")
    if isinstance(wanted, str):
        return f'{label}="{wanted}"'
    return f'{label}=~"{"|".join(value.replace(".", "[.]") for value in values)}"'


def _number(value: float) -> Expression:
    return Expression(number(value), frozenset(), Unit.NUMBER, is_scalar=True)


def _joined(left: Expression, word: str, right: Expression, shape: Expression) -> Expression:
    return replace(
        shape,
        text=f"{left._operand} {word} {right._operand}",  # noqa: SLF001 - of this class
        is_rare=left.is_rare or right.is_rare,
        is_atom=False,
    )


def _listed(labels: Iterable[str], *sides: Expression) -> str:
    names = tuple(labels)
    for side in sides:
        for label in names:
            if label not in side.labels:
                known = ", ".join(sorted(side.labels)) or "none"
                raise DashboardError(f"{side.text} has no label {label!r}; it has: {known}")
    return ", ".join(names)
