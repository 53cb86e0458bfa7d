"""Whether everything is well, on one page; what is not leads to the page that says more."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_grafana.dashboards.alerts import FIRING
from risk_grafana.dashboards.parts import (
    ARMED,
    INTACT,
    NONE_IS_GOOD,
    OPEN_OR_CLOSED,
    SOME_IS_NOTICE,
    UP_OR_DOWN,
    USAGE,
    YES_IS_GOOD,
    figure,
    lines,
    older_than,
    state,
    watched,
)
from risk_grafana.panel import Colour, Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import Expression, series
from risk_policy import Policy
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import LIMITS, Limit, Side
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts.jobs import JOBS


def _usage(side: Side, *, loss: bool) -> Expression:
    """How much of the way to its mildest threshold each limit has gone."""
    names = [
        limit.name
        for limit in LIMITS
        if limit.side is side and limit.loss is loss and _is_measured_from_zero(limit)
    ]
    nearest = "min" if side is Side.ABOVE else "max"
    value = series(m.LIMIT_VALUE, limit=names)
    bound = series(m.THRESHOLD, limit=names).by(nearest, "limit")
    return value.over(bound, on=("limit",)).by("max", "limit")


def _is_measured_from_zero(limit: Limit) -> bool:
    """Those below a positive threshold have no way to it: margin, an edge, a contraction."""
    return limit.side is Side.ABOVE or limit.loss


def _ways() -> Iterator[Query]:
    for side, loss in ((Side.ABOVE, False), (Side.BELOW, True)):
        yield Query(_usage(side, loss=loss), "{{limit}}")


def _account(function: str, metric: m.Metric) -> Expression:
    return series(metric).by(function, "account")


ACCOUNTS: Final = Panel(
    Shape.TABLE,
    "Accounts",
    "The latest figures of each account: what it is worth, today's result, its fall from the peak, "
    "what is at risk, and how old the figures are.",
    (
        Query(_account("max", m.EQUITY), "Equity"),
        Query(
            _account("min", m.DAILY_PNL),
            "Today",
            ((None, Colour.WORST), (0, Colour.GOOD)),
        ),
        Query(_account("max", m.DRAWDOWN), "Drawdown"),
        Query(_account("max", m.VAR_USAGE), "Value at risk, of its limit", USAGE),
        Query(_account("max", m.EXPOSURE_GROSS_RATIO), "Gross exposure"),
        Query(_account("max", m.POSITIONS_OPEN), "Positions"),
        Query(_account("max", m.SNAPSHOT_AGE), "Age of the figures"),
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
                    state(
                        "Kill switch",
                        "Whether it would trip. Not armed: it is tripped already, or disarmed.",
                        series(m.KILL_SWITCH_ARMED).by("min"),
                        ARMED,
                    ),
                    state(
                        "Gate",
                        "Whether orders that add risk may be sent. Closing is always allowed.",
                        series(m.GATE_OPEN).by("min"),
                        OPEN_OR_CLOSED,
                    ),
                    figure(
                        "Open incidents",
                        "Everything that is not over, acknowledged or not.",
                        series(m.INCIDENTS_OPEN).by("sum"),
                        steps=SOME_IS_NOTICE,
                    ),
                    figure(
                        "Critical and emergency",
                        "Open incidents that somebody has to act on at once.",
                        series(m.INCIDENTS_OPEN, severity=("critical", "emergency")).by("sum"),
                        steps=NONE_IS_GOOD,
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
                    ACCOUNTS,
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
