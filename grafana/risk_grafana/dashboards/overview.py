"""Whether everything is well, on one page; what is not leads to the page that says more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_grafana.dashboards.alerts import FIRING
from risk_grafana.dashboards.parts import (
    INTACT,
    NONE_IS_GOOD,
    OPEN_OR_CLOSED,
    SOME_IS_NOTICE,
    UP_OR_DOWN,
    USAGE,
    YES_IS_GOOD,
    figure,
    in_console,
    lines,
    older_than,
    state,
    steps_of,
    watched,
)
from risk_grafana.panel import Colour, Dashboard, Panel, Query, Row, Shape, Words
from risk_grafana.promql import Expression, series
from risk_grafana.units import Unit
from risk_policy import Policy
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, Limit, Side
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts.jobs import JOBS

#: A bar says no more than that: what falls to nothing would be infinitely far beyond.
_FARTHEST: Final = 10.0
_DISARMED, _ARMED, _TRIPPED, _PARTLY = range(4)
_KILL_SWITCH: Final[Words] = {
    _ARMED: ("armed", Colour.GOOD),
    _DISARMED: ("disarmed", Colour.BAD),
    _PARTLY: ("PARTLY TRIPPED", Colour.WORST),
    _TRIPPED: ("TRIPPED", Colour.WORST),
}
_NARROW_SCOPES: Final = ("account", "strategy", "venue", "symbol")


def _kill_switch() -> Expression:
    """What it is, worst first."""
    tripped = series(m.KILL_SWITCH_TRIPPED).by("max").above(0)
    partly = series(m.KILLS, scope=_NARROW_SCOPES).by("max").above(0)
    armed = series(m.KILL_SWITCH_ARMED).by("min")
    return _always(tripped, _TRIPPED) | _always(partly, _PARTLY) | armed


def _always(found: Expression, value: int) -> Expression:
    return found.at_least(value).at_most(value)


def _usage(side: Side, *, loss: bool) -> Expression:
    """How much of the way to its mildest threshold each limit has gone.

    Where small values are dangerous and thresholds are no losses, as with margin, it is what of
    the threshold the value still covers, the other way round; the console's bars say the same.
    """
    names = [limit.name for limit in LIMITS if limit.side is side and limit.loss is loss]
    nearest = "min" if side is Side.ABOVE else "max"
    value = series(m.LIMIT_VALUE, limit=names)
    bound = series(m.THRESHOLD, limit=names).by(nearest, "limit")
    way = value.over(bound, on=("limit",))
    if side is Side.BELOW and not loss:
        way = way.at_least(1 / _FARTHEST).inverse().shown_as(Unit.RATIO)
    return way.by("max", "limit")


def _ways() -> Iterator[Query]:
    for side, loss in ((Side.ABOVE, False), (Side.BELOW, True), (Side.BELOW, False)):
        yield Query(_usage(side, loss=loss), "{{limit}}")


def _account(function: str, metric: m.Metric) -> Expression:
    return series(metric).by(function, "account")


def _accounts(policy: Policy) -> Panel:
    def judged(function: str, limit: Limit, legend: str) -> Query:
        return Query(_account(function, limit.metric), legend, steps_of(policy, limit))

    return Panel(
        Shape.TABLE,
        "Accounts",
        "The latest figures of each account: what it is worth, today's result, its fall from the "
        "peak, what is at risk, and how old the figures are.",
        (
            Query(_account("max", m.EQUITY), "Equity"),
            judged("min", limits.DAILY_LOSS, "Today"),
            judged("max", limits.DRAWDOWN, "Drawdown"),
            judged("max", limits.VAR, "Value at risk, of its limit"),
            judged("max", limits.GROSS_EXPOSURE, "Gross exposure"),
            Query(_account("max", m.POSITIONS_OPEN), "Positions"),
            Query(
                _account("max", m.SNAPSHOT_AGE),
                "Age of the figures",
                older_than(policy.alerting.system.snapshot_stale_seconds),
            ),
        ),
        24,
        6,
    )


def overview(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "overview",
        "Riskwarden / Overview",
        "Whether everything is well: the kill switch and the gate, what fires, the accounts "
        "against their limits, and the parts of the risk layer itself.",
        (
            Row(
                "Now",
                (
                    in_console(
                        state(
                            "Kill switch",
                            "Whether it is tripped, over everything or over a part, or would trip. "
                            "Disarmed, it trips for people alone.",
                            _kill_switch(),
                            _KILL_SWITCH,
                        )
                    ),
                    state(
                        "Gate",
                        "Whether orders that add risk may be sent. Closing is always allowed.",
                        series(m.GATE_OPEN).by("min"),
                        OPEN_OR_CLOSED,
                    ),
                    in_console(
                        figure(
                            "Open incidents",
                            "Everything that is not over, acknowledged or not.",
                            series(m.INCIDENTS_OPEN).by("sum"),
                            steps=SOME_IS_NOTICE,
                        )
                    ),
                    in_console(
                        figure(
                            "Critical and emergency",
                            "Open incidents that somebody has to act on at once.",
                            series(m.INCIDENTS_OPEN, severity=("critical", "emergency")).by("sum"),
                            steps=NONE_IS_GOOD,
                        )
                    ),
                    state(
                        "Audit chain",
                        "Whether every record that was read back was as it had been written.",
                        series(m.AUDIT_INTACT).by("min"),
                        INTACT,
                    ),
                    figure(
                        "Policies in force",
                        "How many versions of the policy the running parts are on. More than one: "
                        "some part was not started again after an edit.",
                        series(m.POLICY_INFO).by("max", "digest").by("count"),
                        steps=((None, Colour.GOOD), (2, Colour.NOTICE)),
                    ),
                ),
            ),
            Row(
                "Accounts",
                (
                    _accounts(policy),
                    lines(
                        "Equity",
                        m.EQUITY.help,
                        (series(m.EQUITY), "{{account}}"),
                        least=None,
                    ),
                    watched(limits.DRAWDOWN, "{{account}}"),
                ),
            ),
            Row(
                "Limits",
                (
                    Panel(
                        Shape.BARS,
                        "Way to the first threshold",
                        "The most dangerous value of each limit, of its mildest threshold: at 100%"
                        " the first alert fires. Of positions only those are shown that are near "
                        "it.",
                        tuple(_ways()),
                        12,
                        12,
                        steps=USAGE,
                        least=0,
                        most=1,
                    ),
                    FIRING,
                ),
            ),
            Row(
                "The risk layer itself",
                (
                    Panel(
                        Shape.STATES,
                        "Parts",
                        "Whether Prometheus could scrape each part.",
                        (Query(series(UP, job=tuple(JOBS)).by("min", "job"), "{{job}}"),),
                        12,
                        words=UP_OR_DOWN,
                    ),
                    state(
                        "Recording",
                        "Whether the store accepts durable writes.",
                        series(m.WRITER_HEALTHY).by("min"),
                        YES_IS_GOOD,
                        height=8,
                    ),
                    figure(
                        "Messages owed",
                        "Messages to people that no channel has confirmed yet.",
                        series(m.MESSAGES_PENDING).by("sum"),
                        height=8,
                        steps=SOME_IS_NOTICE,
                    ),
                    figure(
                        "Age of the figures",
                        "The oldest snapshot of any account.",
                        series(m.SNAPSHOT_AGE).by("max"),
                        height=8,
                        steps=older_than(policy.alerting.system.snapshot_stale_seconds),
                    ),
                ),
            ),
        ),
    )
