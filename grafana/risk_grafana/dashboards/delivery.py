"""Whether people are told: through which channel, how soon, and what was not delivered."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import (
    NONE_IS_GOOD,
    SOME_IS_NOTICE,
    UP_OR_DOWN,
    at_least,
    delivered_share,
    figure,
    in_console,
    lines,
    tries_that_failed,
)
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import RANGE, RATE, increase, quantile, rate, series
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system

_CHANNEL: Final = "{{channel}}"
_FAILING: Final = (system.CHANNEL_FAILING.name, system.DEAD_LETTERS.name)


def delivery(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "delivery",
        "Riskwarden / Notification delivery",
        "Whether people are told: which channels work, how long messages take, what is owed, what "
        "was given up, and what was held back on purpose.",
        (
            Row(
                "Now",
                (
                    figure(
                        "Delivered",
                        "Of the messages that came to an end in this range, the share that "
                        "arrived; those did not that were given up and that no other channel took "
                        "over.",
                        delivered_share(),
                        6,
                        steps=at_least(
                            policy.alerting.reports.objectives.delivery_success_pct / 100
                        ),
                    ),
                    figure(
                        "Owed",
                        m.MESSAGES_PENDING.help,
                        series(m.MESSAGES_PENDING).by("sum"),
                        6,
                        steps=SOME_IS_NOTICE,
                    ),
                    in_console(
                        figure(
                            "Dead letters",
                            m.DEAD_LETTERS.help,
                            series(m.DEAD_LETTERS).by("sum"),
                            6,
                            steps=NONE_IS_GOOD,
                        )
                    ),
                    figure(
                        "Time to deliver, 95%",
                        "Within which nineteen in twenty messages were confirmed, in this range.",
                        quantile(0.95, m.MESSAGE_DELAY, window=RANGE),
                        6,
                    ),
                ),
            ),
            Row(
                "Channels",
                (
                    Panel(
                        Shape.STATES,
                        "Channels",
                        m.CHANNEL_UP.help,
                        (Query(series(m.CHANNEL_UP).by("min", "channel"), _CHANNEL),),
                        12,
                        words=UP_OR_DOWN,
                        runbooks=_FAILING,
                    ),
                    lines(
                        "Time to deliver",
                        m.MESSAGE_DELAY.help + " Nineteen in twenty took no longer, over the range "
                        "before each point.",
                        (quantile(0.95, m.MESSAGE_DELAY, "channel", window=RANGE), _CHANNEL),
                    ),
                    lines(
                        "Messages",
                        m.MESSAGES.help,
                        (
                            rate(m.MESSAGES).by("sum", "channel", "outcome"),
                            "{{channel}} {{outcome}}",
                        ),
                    ),
                    lines(
                        "Tries that failed",
                        "Of the tries to deliver over the range before each point, the share that "
                        "failed. What failed is tried again, or taken over by another channel.",
                        (tries_that_failed("channel"), _CHANNEL),
                        most=1,
                    ),
                ),
            ),
            Row(
                "What waits and what was lost",
                (
                    lines(
                        "Owed",
                        m.MESSAGES_PENDING.help,
                        (series(m.MESSAGES_PENDING).by("sum", "channel"), _CHANNEL),
                        width=8,
                        stacked=True,
                    ),
                    lines(
                        "Dead letters",
                        m.DEAD_LETTERS.help,
                        (series(m.DEAD_LETTERS).by("sum", "channel"), _CHANNEL),
                        width=8,
                        stacked=True,
                        runbooks=(system.DEAD_LETTERS.name,),
                    ),
                    lines(
                        "Taken over",
                        m.FAILOVERS.help,
                        (increase(m.FAILOVERS).by("sum", "channel", "to"), "{{channel}} to {{to}}"),
                        width=8,
                    ),
                    lines(
                        "Breakdowns",
                        m.CHANNEL_BREAKDOWNS.help,
                        (increase(m.CHANNEL_BREAKDOWNS).by("sum", "channel"), _CHANNEL),
                        width=8,
                    ),
                    lines(
                        "Held back for a digest",
                        m.MESSAGES_HELD.help,
                        (increase(m.MESSAGES_HELD, window=RATE).by("sum", "reason"), "{{reason}}"),
                        width=8,
                    ),
                    figure(
                        "Templates that failed",
                        m.TEMPLATE_FAILURES.help,
                        increase(m.TEMPLATE_FAILURES).by("sum"),
                        8,
                        height=8,
                        steps=SOME_IS_NOTICE,
                    ),
                ),
            ),
        ),
    )
