"""What was lost, and what may be: drawdowns, the day, value at risk, against their thresholds."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import figure, lines, steps_of, watched
from risk_grafana.panel import Colour, Dashboard, Row
from risk_grafana.promql import series, within_range
from risk_policy import Policy
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m

_ACCOUNT: Final = "{{account}}"


def drawdown(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "drawdown",
        "Riskwarden / Drawdown and value at risk",
        "What was lost, and what may be. Dashed lines are the policy's thresholds, as the rules "
        "export them.",
        (
            Row(
                "Now",
                (
                    figure(
                        "Drawdown",
                        m.DRAWDOWN.help,
                        series(m.DRAWDOWN).by("max"),
                        6,
                        steps=steps_of(policy, limits.DRAWDOWN),
                    ),
                    figure(
                        "Deepest in this range",
                        "The largest drawdown that was seen in the range that is shown.",
                        within_range("max", m.DRAWDOWN).by("max"),
                        6,
                        steps=steps_of(policy, limits.DRAWDOWN),
                    ),
                    figure(
                        "Today",
                        m.DAILY_PNL.help,
                        series(m.DAILY_PNL).by("min"),
                        6,
                        steps=steps_of(policy, limits.DAILY_LOSS),
                    ),
                    figure(
                        "Value at risk, of its limit",
                        m.VAR_USAGE.help,
                        series(m.VAR_USAGE).by("max"),
                        6,
                        steps=steps_of(policy, limits.VAR),
                    ),
                ),
            ),
            Row(
                "Drawdown",
                (
                    watched(limits.DRAWDOWN, _ACCOUNT),
                    watched(limits.INTRADAY_DRAWDOWN, _ACCOUNT),
                    watched(limits.DAILY_LOSS, _ACCOUNT, title="Result of the day"),
                    lines(
                        "Equity, its peak and where the day began",
                        "Drawdowns are measured from the peak, the day's result from the last "
                        "close before it. Both survive a restart.",
                        (series(m.EQUITY), "{{account}} equity"),
                        (series(m.EQUITY_PEAK), "{{account}} peak"),
                        (series(m.EQUITY_DAY_START), "{{account}} day start"),
                        least=None,
                    ),
                    watched(limits.CONSECUTIVE_LOSSES, _ACCOUNT),
                    watched(limits.COST_BUDGET, "{{account}} {{budget}}"),
                ),
            ),
            Row(
                "Value at risk",
                (
                    watched(limits.VAR, _ACCOUNT, title="Value at risk, of its limit"),
                    watched(limits.CVAR, _ACCOUNT, title="Expected loss beyond it, of its limit"),
                    lines(
                        "Value at risk",
                        m.VAR.help,
                        (series(m.VAR), "{{account}} {{method}} {{confidence}} {{horizon}}"),
                        width=8,
                    ),
                    lines(
                        "Expected loss beyond value at risk",
                        m.CVAR.help,
                        (series(m.CVAR), "{{account}} {{method}} {{confidence}} {{horizon}}"),
                        width=8,
                    ),
                    lines(
                        "Covered by value at risk",
                        m.VAR_COVERED.help,
                        (series(m.VAR_COVERED), _ACCOUNT),
                        width=8,
                        most=1,
                        runbooks=("RISK_VAR_INCOMPLETE",),
                    ),
                    figure(
                        "Positions left out",
                        m.VAR_UNCOVERED.help,
                        series(m.VAR_UNCOVERED).by("sum"),
                        12,
                        steps=((None, Colour.GOOD), (1, Colour.NOTICE)),
                    ),
                    figure(
                        "Daily returns behind it",
                        m.VAR_SAMPLES.help,
                        series(m.VAR_SAMPLES).by("min"),
                        12,
                    ),
                ),
            ),
        ),
    )
