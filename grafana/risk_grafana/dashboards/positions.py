"""What is held, how large, how concentrated, and what each position is exposed to."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import figure, lines, steps_of, watched
from risk_grafana.panel import Dashboard, Row
from risk_grafana.promql import Expression, series
from risk_policy import Policy
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m

#: Lines that can be told from each other; the variables narrow the rest down.
_MOST: Final = 15
_SYMBOL: Final = "{{account}} {{symbol}}"


def _notional() -> Expression:
    """Of the largest positions, long or short."""
    held = series(m.POSITION_NOTIONAL).by("sum", "account", "symbol")
    return held.where(held.absolute().worst(_MOST), "account", "symbol")


def positions(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "positions",
        "Riskwarden / Positions and concentration",
        "What is held against what may be: size, loss and risk of positions, concentration in "
        "assets and sectors, what strategies and venues use, exposure and margin. Of many the "
        f"{_MOST} most dangerous ones are drawn; choose symbols to see others.",
        (
            Row(
                "Now",
                (
                    figure(
                        "Positions", m.POSITIONS_OPEN.help, series(m.POSITIONS_OPEN).by("sum"), 6
                    ),
                    figure(
                        "Gross exposure",
                        m.EXPOSURE_GROSS_RATIO.help,
                        series(m.EXPOSURE_GROSS_RATIO).by("max"),
                        6,
                        steps=steps_of(policy, limits.GROSS_EXPOSURE),
                    ),
                    figure(
                        "Net exposure",
                        m.EXPOSURE_NET_RATIO.help + " The largest of any account, long or short.",
                        series(m.EXPOSURE_NET_RATIO).absolute().by("max"),
                        6,
                        steps=steps_of(policy, limits.NET_EXPOSURE),
                    ),
                    figure(
                        "Leverage",
                        m.LEVERAGE.help,
                        series(m.LEVERAGE).by("max"),
                        6,
                        steps=steps_of(policy, limits.LEVERAGE),
                    ),
                ),
            ),
            Row(
                "Positions",
                (
                    lines(
                        "Notional",
                        m.POSITION_NOTIONAL.help,
                        (_notional(), _SYMBOL),
                        least=None,
                    ),
                    watched(limits.POSITION_SIZE, _SYMBOL, most=_MOST),
                    watched(limits.POSITION_LOSS, _SYMBOL, most=_MOST),
                    watched(limits.TRADE_RISK, _SYMBOL, most=_MOST),
                    watched(limits.WITHOUT_STOP, _SYMBOL, most=_MOST),
                    watched(limits.TIME_EXIT, _SYMBOL, most=_MOST),
                    watched(
                        limits.VOLATILITY_EXPANSION,
                        _SYMBOL,
                        title="Average true range since entry, the largest",
                        most=_MOST,
                    ),
                    watched(
                        limits.VOLATILITY_CONTRACTION,
                        _SYMBOL,
                        title="Average true range since entry, the smallest",
                        most=_MOST,
                    ),
                ),
            ),
            Row(
                "Concentration",
                (
                    watched(limits.ASSET_CONCENTRATION, "{{account}} {{asset}}", most=_MOST),
                    watched(limits.SECTOR_CONCENTRATION, "{{account}} {{sector}}", most=_MOST),
                ),
            ),
            Row(
                "Strategies and venues",
                (
                    watched(limits.STRATEGY_USAGE, "{{account}} {{strategy}}", 8),
                    watched(limits.VENUE_USAGE, "{{account}} {{venue}}", 8),
                    watched(limits.TRADE_EDGE, "{{account}} {{strategy}}", 8),
                ),
            ),
            Row(
                "Exposure and margin",
                (
                    watched(limits.GROSS_EXPOSURE, "{{account}}"),
                    watched(limits.NET_EXPOSURE, "{{account}}"),
                    watched(limits.LEVERAGE, "{{account}}"),
                    watched(limits.MARGIN, "{{account}}"),
                ),
            ),
            Row(
                "Markets",
                (
                    watched(limits.SPREAD, _SYMBOL, 8, most=_MOST),
                    watched(limits.ATR_SPIKE, _SYMBOL, 8, most=_MOST),
                    watched(limits.PRICE_MOVE, _SYMBOL, 8, most=_MOST),
                ),
            ),
        ),
    )
