"""Whether trading is allowed, what holds it back, and whether anything can still stop it."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import (
    ARMED,
    HELD_BACK,
    NONE_IS_GOOD,
    OPEN_OR_CLOSED,
    TRIPPED,
    TRUE_OR_FALSE,
    YES_IS_GOOD,
    YES_OR_NO,
    age,
    figure,
    in_console,
    lines,
    state,
)
from risk_grafana.panel import Colour, Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import RATE, Expression, clock, increase, rate, series
from risk_grafana.units import Unit
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system

_FAST_LANE: Final = (system.FAST_LANE_OFF.name, system.FAST_LANE_UNHEARD.name)


def _unconfirmed() -> Expression:
    """For how long closing has not been confirmed; 0 while there is nothing to confirm."""
    since = series(m.KILL_SWITCH_UNCONFIRMED).by("max")
    return clock().since(since.above(0)) | since.shown_as(Unit.SECONDS)


def kill_switch(_: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "kill-switch",
        "Riskwarden / Kill switch and gate",
        "Whether orders that add risk may be sent, what holds them back, and whether everything "
        "that could stop them is awake. Kills are marked in every panel.",
        (
            Row(
                "Now",
                (
                    in_console(
                        state(
                            "Armed",
                            m.KILL_SWITCH_ARMED.help,
                            series(m.KILL_SWITCH_ARMED).by("min"),
                            ARMED,
                        )
                    ),
                    in_console(
                        state(
                            "Tripped",
                            m.KILL_SWITCH_TRIPPED.help,
                            series(m.KILL_SWITCH_TRIPPED).by("max"),
                            TRIPPED,
                        )
                    ),
                    state(
                        "Confirmed flat",
                        m.KILL_SWITCH_FLAT.help,
                        series(m.KILL_SWITCH_FLAT).by("min"),
                        YES_OR_NO,
                    ),
                    state("Gate", m.GATE_OPEN.help, series(m.GATE_OPEN).by("min"), OPEN_OR_CLOSED),
                    state(
                        "Fast lane",
                        m.FAST_LANE_ON.help,
                        series(m.FAST_LANE_ON).by("min"),
                        YES_IS_GOOD,
                    ),
                    figure(
                        "Not acknowledged",
                        m.FAST_LANE_UNACKNOWLEDGED.help,
                        series(m.FAST_LANE_UNACKNOWLEDGED).by("sum"),
                        steps=NONE_IS_GOOD,
                    ),
                ),
            ),
            Row(
                "In force",
                (
                    Panel(
                        Shape.STATES,
                        "Kill switch and gate",
                        "When the switch was armed, and when the gate was open. It closes for a "
                        "kill, a halt, and a lease that nobody could renew.",
                        (
                            Query(series(m.KILL_SWITCH_ARMED).by("min"), "kill switch armed"),
                            Query(series(m.GATE_OPEN).by("min"), "gate open"),
                        ),
                        24,
                        6,
                        words={1: ("yes", Colour.GOOD), 0: ("NO", Colour.WORST)},
                    ),
                    lines(
                        "Kills in force",
                        m.KILLS.help,
                        (series(m.KILLS).by("max", "scope"), "{{scope}}"),
                        width=8,
                        stacked=True,
                    ),
                    lines(
                        "Restrictions in force",
                        m.RESTRICTIONS.help,
                        (series(m.RESTRICTIONS).by("max", "kind"), "{{kind}}"),
                        width=8,
                        stacked=True,
                    ),
                    lines(
                        "Closing that nobody has confirmed",
                        "For how long everything was to be closed and not every account had "
                        "confirmed that it is flat; 0 while there is nothing to confirm.",
                        (_unconfirmed(), "not confirmed for"),
                        width=8,
                    ),
                ),
            ),
            Row(
                "Orders",
                (
                    lines(
                        "Orders that were refused",
                        m.TRADES_BLOCKED.help,
                        (
                            rate(m.TRADES_BLOCKED).by("sum", "account", "limit"),
                            "{{account}} {{limit}}",
                        ),
                        width=8,
                    ),
                    lines(
                        "Version of the gate",
                        "The number of what the gate says: it grows whenever that changes.",
                        (series(m.GATE_VERSION).by("max"), "version"),
                        width=8,
                        least=None,
                    ),
                    Panel(
                        Shape.TABLE,
                        "Where orders go",
                        m.TRADING_MODE_INFO.help,
                        (
                            Query(
                                series(m.TRADING_MODE_INFO).by(
                                    "max", "account", "mode", "effective_mode"
                                ),
                                "Reported",
                            ),
                        ),
                        8,
                    ),
                    Panel(
                        Shape.STATES,
                        "Live orders",
                        m.LIVE_ORDERS_RULED_OUT.help,
                        (
                            Query(
                                series(m.LIVE_ORDERS_RULED_OUT).by("min", "account"), "{{account}}"
                            ),
                        ),
                        12,
                        6,
                        words=HELD_BACK,
                    ),
                    Panel(
                        Shape.STATES,
                        "Switches in front of live orders",
                        m.GATING_FLAG.help,
                        (
                            Query(
                                series(m.GATING_FLAG).by("max", "account", "flag"),
                                "{{account}} {{flag}}",
                            ),
                        ),
                        12,
                        6,
                        words=TRUE_OR_FALSE,
                    ),
                ),
            ),
            Row(
                "What could still stop it",
                (
                    lines(
                        "Silence of the feeds",
                        "For how long no Watchdog came: over the alert feed, without which the "
                        "gate closes, and over the notification feed, over which people are told.",
                        (age(m.WATCHDOG_TIMESTAMP, "feed"), "{{feed}}"),
                        width=8,
                    ),
                    lines(
                        "Breaches told over the fast lane",
                        m.FAST_LANE_POSTS.help,
                        (
                            increase(m.FAST_LANE_POSTS, window=RATE).by("sum", "outcome"),
                            "{{outcome}}",
                        ),
                        width=8,
                        runbooks=_FAST_LANE,
                    ),
                    lines(
                        "Alerts that tripped nothing",
                        m.KILL_UNCONFIRMED.help,
                        (increase(m.KILL_UNCONFIRMED, window=RATE).by("sum"), "not confirmed"),
                        width=8,
                    ),
                ),
            ),
        ),
    )
