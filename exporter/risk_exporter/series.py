"""Measures as blocks of series: one metric, its label sets, one array of values.

Labels depend only on the layout of the book and are built once per layout; values are the
arrays the measures already hold. A renderer may turn blocks into whatever a scrape wants.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import numpy as np

from risk_exporter.events import RecentEvents
from risk_exporter.fast_lane.lane import FastLane
from risk_exporter.fast_lane.posting import Outcome
from risk_exporter.measures import Layout, Measures
from risk_exporter.memory import AccountState
from risk_exporter.named import Named
from risk_exporter.reported import Reported
from risk_exporter.value_at_risk import Conventions, Floats
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.limits import Limit
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.system import DATA_STALE
from risk_policy.contracts.alert import RISK_ID, risk_id
from risk_policy.contracts.gating import LiveOrders, ToldGating
from risk_policy.contracts.snapshot import EventKind

LabelSet = dict[str, str]

#: The ``component`` under which the exporter reports about itself.
COMPONENT: Final = "exporter"
_EVENTS: Final = {
    EventKind.STOP_LOSS: m.STOP_LOSS_TRIGGERED,
    EventKind.TAKE_PROFIT: m.TAKE_PROFIT_TRIGGERED,
}


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Series of one metric: ``values[i]`` carries ``labels[i]``."""

    metric: Metric
    labels: Sequence[LabelSet]
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Label sets of one account and one layout of its book.

    Attributes:
        watched: by limit, those of the account itself.
    """

    layout: Layout
    info: LabelSet
    account: LabelSet
    watched: Mapping[str, LabelSet]
    age: LabelSet
    notional: tuple[LabelSet, ...]
    position_size: tuple[LabelSet, ...]
    position_loss: tuple[LabelSet, ...]
    assets: tuple[LabelSet, ...]
    sectors: tuple[LabelSet, ...]

    @classmethod
    def of(cls, account: str, currency: str, layout: Layout) -> Labels:
        """Build them all."""

        def each(limit: Limit, names: tuple[str, ...]) -> tuple[LabelSet, ...]:
            return _labels_of(limit, account, names)

        return cls(
            layout=layout,
            info={"account": account, "currency": currency},
            account={"account": account},
            watched={
                limit.name: _watched(limit.name, account)
                for limit in limits.LIMITS
                if limit.identity == ("account",)
            },
            age=_watched(DATA_STALE.limit, account),
            notional=tuple(
                {"account": account, "symbol": symbol, "sector": sector}
                for symbol, sector in zip(layout.symbols, layout.sectors, strict=True)
            ),
            position_size=each(limits.POSITION_SIZE, layout.symbols),
            position_loss=each(limits.POSITION_LOSS, layout.symbols),
            assets=each(limits.ASSET_CONCENTRATION, layout.asset_names),
            sectors=each(limits.SECTOR_CONCENTRATION, layout.sector_names),
        )


class NamedBlocks:
    """Blocks of figures by name; label sets are kept while the names stay the same.

    Not thread-safe; the account's lock guards it.
    """

    def __init__(self, account: str) -> None:
        self._account = account
        self._labels: dict[str, tuple[tuple[str, ...], tuple[LabelSet, ...]]] = {}

    def of_limit(self, limit: Limit, figures: Named) -> Block:
        """What a limit watches."""
        return Block(
            limit.metric,
            self._kept(
                limit.name, figures, lambda: _labels_of(limit, self._account, figures.names)
            ),
            figures.values,
        )

    def of_event(self, metric: Metric, figures: Named) -> Block:
        """When something last happened, by symbol."""
        return Block(
            metric,
            self._kept(
                metric.name,
                figures,
                lambda: tuple(
                    {"account": self._account, "symbol": symbol} for symbol in figures.names
                ),
            ),
            figures.values,
        )

    def _kept(
        self, key: str, figures: Named, build: Callable[[], tuple[LabelSet, ...]]
    ) -> tuple[LabelSet, ...]:
        known = self._labels.get(key)
        if known is None or known[0] != figures.names:
            known = self._labels[key] = figures.names, build()
        return known[1]


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """What is known of an account since its latest snapshot.

    Attributes:
        named: the blocks of figures that stand by name.
        count: snapshots taken in since the start.
        fresh_at: when the figures were fresh: taken or arrived, whichever was earlier, so that
            a clock that runs ahead cannot make old figures look young.
        gating: what the latest snapshot told of the runtime's gates. What is remembered from before
            a restart is not shown: the runtime may be set differently by now.
    """

    measures: Measures
    labels: Labels
    named: tuple[Block, ...]
    count: int
    fresh_at: datetime
    gating: ToldGating | None

    def blocks(self, conventions: Conventions, now: datetime) -> Iterator[Block]:
        """Every series of the account."""
        x, labels = self.measures, self.labels
        account = labels.account
        how = {
            **account,
            "method": "historical",
            "confidence": f"{conventions.var_confidence_pct / 100:g}",
            "horizon": f"{conventions.var_horizon_days}d",
        }
        yield _one(m.ACCOUNT_INFO, labels.info, 1.0)
        yield _one(m.EQUITY, account, x.equity)
        yield _one(m.CASH, account, x.cash)
        yield _one(m.EQUITY_PEAK, account, x.equity_peak)
        yield _one(m.EQUITY_DAY_START, account, x.equity_day_start)
        yield _one(m.POSITIONS_OPEN, account, x.positions_open)
        yield _one(m.EXPOSURE_GROSS, account, x.exposure_gross)
        yield _one(m.EXPOSURE_NET, account, x.exposure_net)
        yield Block(m.POSITION_NOTIONAL, labels.notional, x.position_notional)
        yield Block(m.POSITION_SIZE, labels.position_size, x.position_size_ratio)
        yield Block(m.POSITION_RETURN, labels.position_loss, x.position_return_ratio)
        yield Block(m.ASSET_CONCENTRATION, labels.assets, x.asset_concentration_ratio)
        yield Block(m.SECTOR_CONCENTRATION, labels.sectors, x.sector_concentration_ratio)
        yield from self.named
        for limit, value in _of_account(x):
            if value is not None:
                yield _one(limit.metric, labels.watched[limit.name], value)
        yield _one(m.VAR, how, x.var_ratio)
        yield _one(m.CVAR, how, x.cvar_ratio)
        yield _one(m.VAR_SAMPLES, account, x.var_sample_count)
        yield _one(m.VAR_COVERED, account, x.var_covered_ratio)
        yield _one(m.VAR_UNCOVERED, account, x.var_uncovered_positions)
        yield _one(m.SNAPSHOT_TIMESTAMP, account, x.taken_at.timestamp())
        yield _one(m.SNAPSHOT_AGE, labels.age, (now - self.fresh_at).total_seconds())
        yield _one(m.MARKET_TIMESTAMP, account, x.market_time.timestamp())
        yield _one(m.SNAPSHOTS, account, self.count)
        if self.gating is not None:
            yield from gating_blocks(account, self.gating)

    def figures(self, watched: Limit) -> Iterator[tuple[LabelSet, float]]:
        """What one limit watches, each figure with its identity."""
        x, labels = self.measures, self.labels
        for limit, value in _of_account(x):
            if limit is watched and value is not None:
                yield labels.watched[limit.name], value
        blocks = (
            Block(m.POSITION_SIZE, labels.position_size, x.position_size_ratio),
            Block(m.POSITION_RETURN, labels.position_loss, x.position_return_ratio),
            Block(m.ASSET_CONCENTRATION, labels.assets, x.asset_concentration_ratio),
            Block(m.SECTOR_CONCENTRATION, labels.sectors, x.sector_concentration_ratio),
            *self.named,
        )
        own = f"{watched.name}/"  # two limits may share a metric
        for block in blocks:
            if block.metric is watched.metric:
                for identity, figure in zip(block.labels, block.values.tolist(), strict=True):
                    if identity[RISK_ID].startswith(own):
                        yield identity, figure


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is known of an account that has sent no snapshot since the start.

    Only what the memory holds is shown. What the account owns is not known, so nothing of its
    positions is, and neither cash nor value at risk.

    Attributes:
        fresh_at: when the memory was fresh, and never later than the start.
    """

    state: AccountState
    fresh_at: datetime

    def blocks(self, conventions: Conventions, now: datetime) -> Iterator[Block]:  # noqa: ARG002
        """Every series of the account."""
        x = self.state
        account = {"account": x.account}
        yield _one(m.ACCOUNT_INFO, {**account, "currency": x.currency}, 1.0)
        yield _one(m.EQUITY, account, x.equity_last)
        yield _one(m.EQUITY_PEAK, account, x.equity_peak)
        yield _one(m.EQUITY_DAY_START, account, x.equity_day_start)
        for limit, value in (
            (limits.DAILY_LOSS, x.daily_pnl_ratio),
            (limits.DRAWDOWN, x.drawdown_ratio),
            (limits.INTRADAY_DRAWDOWN, x.intraday_drawdown_ratio),
        ):
            yield _one(limit.metric, _watched(limit.name, x.account), value)
        age = _watched(DATA_STALE.limit, x.account)
        yield _one(m.SNAPSHOT_TIMESTAMP, account, x.taken_at_last.timestamp())
        yield _one(m.SNAPSHOT_AGE, age, (now - self.fresh_at).total_seconds())
        yield _one(m.MARKET_TIMESTAMP, account, x.market_time_last.timestamp())
        yield _one(m.SNAPSHOTS, account, 0)


def named_blocks(
    blocks: NamedBlocks,
    told: Reported,
    price_range: Named,
    without_stop: Named,
    events: RecentEvents,
) -> tuple[Block, ...]:
    """Every figure of an account that stands by name and may be absent."""
    figures = (
        (limits.TRADE_RISK, told.position_risk_ratio),
        (limits.TRADE_EDGE, told.trade_edge_ratio),
        (limits.STRATEGY_USAGE, told.strategy_usage_ratio),
        (limits.VENUE_USAGE, told.venue_usage_ratio),
        (limits.WITHOUT_STOP, without_stop),
        (limits.TIME_EXIT, told.position_age_periods),
        # One figure, watched from both sides under an identity each.
        (limits.VOLATILITY_EXPANSION, told.position_atr_ratio),
        (limits.VOLATILITY_CONTRACTION, told.position_atr_ratio),
        (limits.SPREAD, told.spread_ratio),
        (limits.ATR_SPIKE, told.atr_baseline_ratio),
        (limits.PRICE_MOVE, price_range),
        (limits.WEBSOCKET_LAG, told.websocket_lag_seconds),
        (limits.ORDER_PLACEMENT, told.order_placement_seconds),
        (limits.ORDER_FILL, told.order_fill_seconds),
        (limits.COST_BUDGET, told.budget_usage_ratio),
    )
    return (
        *(blocks.of_limit(limit, named) for limit, named in figures if named.names),
        *(
            blocks.of_event(metric, events.of(kind))
            for kind, metric in _EVENTS.items()
            if events.of(kind).names
        ),
    )


def gating_blocks(account: LabelSet, told: ToldGating) -> Iterator[Block]:
    """What stands between an account's runtime and a live market."""
    mode = {**account, "mode": told.mode.value, "effective_mode": told.effective_mode}
    yield _one(m.TRADING_MODE_INFO, mode, 1.0)
    if flags := told.flags:
        labels = [{**account, "flag": flag} for flag in flags]
        values = np.array([float(is_set) for is_set in flags.values()])
        yield Block(m.GATING_FLAG, labels, values)
    is_ruled_out = told.live_orders is LiveOrders.IMPOSSIBLE
    yield _one(m.LIVE_ORDERS_RULED_OUT, account, is_ruled_out)


def _of_account(x: Measures) -> tuple[tuple[Limit, float | None], ...]:
    """What the limits of an account as a whole watch; None where the runtime does not tell."""
    told = x.reported
    return (
        (limits.DAILY_LOSS, x.daily_pnl_ratio),
        (limits.VAR, x.var_limit_usage_ratio),
        (limits.CVAR, x.cvar_limit_usage_ratio),
        (limits.DRAWDOWN, x.drawdown_ratio),
        (limits.GROSS_EXPOSURE, x.exposure_gross_ratio),
        (limits.NET_EXPOSURE, x.exposure_net_ratio),
        (limits.LEVERAGE, x.leverage_ratio),
        (limits.MARGIN, x.margin_level_ratio),
        (limits.INTRADAY_DRAWDOWN, x.intraday_drawdown_ratio),
        (limits.CONSECUTIVE_LOSSES, told.consecutive_losses),
        (limits.INFERENCE_P95, told.inference_p95_seconds),
        (limits.INFERENCE_P99, told.inference_p99_seconds),
    )


def state_unsaved(account: str, seconds: float) -> Block:
    """Whether the memory of an account is on disk."""
    return _one(m.STATE_UNSAVED, {"account": account}, seconds)


def mark_reset(account: str, at: datetime) -> Block:
    """When somebody last reset the high-water mark of an account."""
    return _one(m.HIGH_WATER_MARK_RESET, {"account": account}, at.timestamp())


def exporter_blocks(now: datetime, unexpected: int, disk_free: float | None) -> Iterator[Block]:
    """What the exporter says of itself."""
    component = {"component": COMPONENT}
    yield _one(m.EXPORTER_TIME, {}, now.timestamp())
    yield _one(m.UNEXPECTED_ERRORS, component, unexpected)
    if disk_free is not None:
        yield _one(m.DISK_FREE, component, disk_free)


def fast_lane_blocks(lane: FastLane | None) -> Iterator[Block]:
    """What the fast lane says of itself."""
    yield _one(m.FAST_LANE_ON, {}, lane is not None)
    yield _one(m.FAST_LANE_UNACKNOWLEDGED, {}, lane.unacknowledged if lane else 0)
    outcomes = lane.outcomes if lane else {}
    counted = np.array([outcomes.get(outcome, 0) for outcome in Outcome], dtype=np.float64)
    yield Block(m.FAST_LANE_POSTS, [{"outcome": outcome.value} for outcome in Outcome], counted)


def _labels_of(limit: Limit, account: str, names: tuple[str, ...]) -> tuple[LabelSet, ...]:
    _, label = limit.identity
    return tuple(
        {"account": account, label: name, "risk_id": risk_id(limit.name, account, name)}
        for name in names
    )


def _watched(limit: str, account: str) -> LabelSet:
    return {"account": account, "risk_id": risk_id(limit, account)}


def _one(metric: Metric, labels: LabelSet, value: float) -> Block:
    return Block(metric, (labels,), np.array([value], dtype=np.float64))
