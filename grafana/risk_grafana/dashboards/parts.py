"""Panels that several dashboards have in their own way, and words that they share."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from risk_grafana.panel import Colour, Panel, Query, Shape, Steps, Words
from risk_grafana.promql import Expression, clock, increase, series
from risk_grafana.shapes import THRESHOLD_LEGEND, TIER_COLOURS
from risk_grafana.units import unit_of
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import Limit, Side
from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.audit import EventType
from risk_policy.contracts.limit_alert import bound

# -- colours -------------------------------------------------------------------------------
#: Of a share of the way to a threshold.
USAGE: Final[Steps] = (
    (None, Colour.GOOD),
    (0.8, Colour.NOTICE),
    (1, Colour.WORST),
)
#: Of what there should be none of.
NONE_IS_GOOD: Final[Steps] = ((None, Colour.GOOD), (1, Colour.WORST))
SOME_IS_NOTICE: Final[Steps] = ((None, Colour.GOOD), (1, Colour.NOTICE))

# -- what states are called ----------------------------------------------------------------
INTACT: Final[Words] = {1: ("intact", Colour.GOOD), 0: ("BROKEN", Colour.WORST)}
UP_OR_DOWN: Final[Words] = {1: ("up", Colour.GOOD), 0: ("DOWN", Colour.WORST)}
OPEN_OR_CLOSED: Final[Words] = {1: ("open", Colour.GOOD), 0: ("CLOSED", Colour.WORST)}
TRIPPED: Final[Words] = {0: ("not tripped", Colour.GOOD), 1: ("TRIPPED", Colour.WORST)}
ARMED: Final[Words] = {1: ("armed", Colour.GOOD), 0: ("not armed", Colour.BAD)}
YES_IS_GOOD: Final[Words] = {1: ("yes", Colour.GOOD), 0: ("no", Colour.BAD)}
NO_IS_GOOD: Final[Words] = {0: ("no", Colour.GOOD), 1: ("YES", Colour.WORST)}
HELD_BACK: Final[Words] = {1: ("held back", Colour.GOOD), 0: ("possible", Colour.BAD)}
TRUE_OR_FALSE: Final[Words] = {1: ("true", Colour.CALM), 0: ("false", Colour.UNKNOWN)}
YES_OR_NO: Final[Words] = {1: ("yes", Colour.CALM), 0: ("no", Colour.UNKNOWN)}


def steps_of(policy: Policy, limit: Limit) -> Steps:
    """The colour of each tier from where the policy has it begin."""
    bounds = [(bound(policy, limit, spec), TIER_COLOURS[spec.tier]) for spec in limit.alerts]
    if limit.side is Side.ABOVE:
        return ((None, Colour.GOOD), *bounds)
    levels = [level for level, _ in reversed(bounds)]
    colours = [colour for _, colour in reversed(bounds)]
    return tuple(zip((None, *levels), (*colours, Colour.GOOD), strict=True))


def older_than(seconds: float) -> Steps:
    """Of a time that may not exceed what the policy says."""
    return ((None, Colour.GOOD), (seconds, Colour.WORST))


def at_least(ratio: float) -> Steps:
    """Of a share that has to reach what the policy says."""
    return ((None, Colour.WORST), (round(ratio, 6), Colour.GOOD))


def watched(limit: Limit, legend: str, width: int = 12, *, title: str = "", most: int = 0) -> Panel:
    """What a limit is judged by, and a line for each of its thresholds.

    Args:
        most: how many series at most, the most dangerous ones, where there may be thousands.
    """
    measured: Expression = series(limit.metric)
    if limit.absolute:
        measured = measured.absolute()
    if most:
        measured = measured.worst(most) if limit.side is Side.ABOVE else measured.least(most)
    tiers = " and ".join(spec.tier.value for spec in limit.alerts)
    return Panel(
        Shape.LINES,
        title or limit.title,
        f"{limit.metric.help} Dashed: the policy's thresholds ({tiers}), as the rules export them; "
        f"dangerous {'above' if limit.side is Side.ABOVE else 'below'} them.",
        (Query(measured, legend), threshold_query(limit)),
        width,
        runbooks=tuple(spec.name for spec in limit.alerts),
    )


def threshold_query(limit: Limit) -> Query:
    """A line for each threshold of a limit."""
    found = series(m.THRESHOLD, limit=limit.name).by("max", "tier")
    unit = unit_of(limit.metric)
    assert unit is not None  # a limit is compared with a ratio, a time or a number
    return Query(found.shown_as(unit), THRESHOLD_LEGEND)


def in_console(panel: Panel) -> Panel:
    """The same, linked to the operator console, where people act on it."""
    return replace(panel, in_console=True)


def state(
    title: str, about: str, expression: Expression, words: Words, width: int = 4, *, height: int = 4
) -> Panel:
    """What something is now, in a word."""
    return Panel(
        Shape.NUMBER, title, about, (Query(expression, title),), width, height, words=words
    )


def figure(
    title: str,
    about: str,
    expression: Expression,
    width: int = 4,
    *,
    height: int = 4,
    steps: Steps = ((None, Colour.CALM),),
) -> Panel:
    """One number."""
    return Panel(
        Shape.NUMBER, title, about, (Query(expression, title),), width, height, steps=steps
    )


def lines(
    title: str,
    about: str,
    *queries: tuple[Expression, str],
    width: int = 12,
    least: float | None = 0,
    most: float | None = None,
    steps: Steps = ((None, Colour.CALM),),
    stacked: bool = False,
    runbooks: tuple[str, ...] = (),
) -> Panel:
    """How something went."""
    return Panel(
        Shape.LINES,
        title,
        about,
        tuple(Query(expression, legend) for expression, legend in queries),
        width,
        steps=steps,
        least=least,
        most=most,
        stacked=stacked,
        runbooks=runbooks,
    )


def tries_that_failed(*labels: str) -> Expression:
    """Of the tries to deliver over the range, the share that failed."""
    failed = increase(m.MESSAGES, outcome="failed").by("sum", *labels)
    return failed / increase(m.MESSAGES, outcome=("sent", "failed")).by("sum", *labels)


def delivered_share() -> Expression:
    """Of the messages that came to an end in the range, the share that arrived.

    What another channel took over ends there: dead letters may be much older than the range.
    """
    sent = increase(m.MESSAGES, outcome="sent").by("sum")
    failed = increase(m.AUDIT_RECORDED, event_type=EventType.NOTIFICATION_FAILED.value).by("sum")
    moved = increase(m.AUDIT_RECORDED, event_type=EventType.NOTIFICATION_FAILED_OVER.value)
    return sent / (sent + (failed - moved.by("sum")).at_least(0))


def age(metric: Metric, *labels: str) -> Expression:
    """How long ago a Unix time was."""
    return clock().since(series(metric).by("max", *labels))
