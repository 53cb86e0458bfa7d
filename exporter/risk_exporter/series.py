"""Measures as blocks of series: one metric, its label sets, one array of values.

Labels depend only on the layout of the book and are built once per layout; values are the
arrays the measures already hold. A renderer may turn blocks into whatever a scrape wants.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from risk_exporter.measures import Layout, Measures
from risk_exporter.memory import AccountState
from risk_exporter.value_at_risk import Conventions, Floats
from risk_policy.catalogue import limits
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.catalogue.system import DATA_STALE
from risk_policy.contracts.alert import risk_id

LabelSet = dict[str, str]


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Series of one metric: ``values[i]`` carries ``labels[i]``."""

    metric: Metric
    labels: Sequence[LabelSet]
    values: Floats


@dataclass(frozen=True, slots=True, eq=False)
class Labels:
    """Label sets of one account and one layout of its book."""

    layout: Layout
    info: LabelSet
    account: LabelSet
    daily_loss: LabelSet
    drawdown: LabelSet
    var: LabelSet
    age: LabelSet
    notional: tuple[LabelSet, ...]
    position_size: tuple[LabelSet, ...]
    position_loss: tuple[LabelSet, ...]
    assets: tuple[LabelSet, ...]
    sectors: tuple[LabelSet, ...]

    @classmethod
    def of(cls, account: str, currency: str, layout: Layout) -> Labels:
        """Build them all."""

        def each(limit: str, label: str, names: tuple[str, ...]) -> tuple[LabelSet, ...]:
            return tuple(
                {"account": account, label: name, "risk_id": risk_id(limit, account, name)}
                for name in names
            )

        return cls(
            layout=layout,
            info={"account": account, "currency": currency},
            account={"account": account},
            daily_loss=_watched(limits.DAILY_LOSS.name, account),
            drawdown=_watched(limits.DRAWDOWN.name, account),
            var=_watched(limits.VAR.name, account),
            age=_watched(DATA_STALE.limit, account),
            notional=tuple(
                {"account": account, "symbol": symbol, "sector": sector}
                for symbol, sector in zip(layout.symbols, layout.sectors, strict=True)
            ),
            position_size=each(limits.POSITION_SIZE.name, "symbol", layout.symbols),
            position_loss=each(limits.POSITION_LOSS.name, "symbol", layout.symbols),
            assets=each(limits.ASSET_CONCENTRATION.name, "asset", layout.asset_names),
            sectors=each(limits.SECTOR_CONCENTRATION.name, "sector", layout.sector_names),
        )


@dataclass(frozen=True, slots=True, eq=False)
class Published:
    """What is known of an account since its latest snapshot.

    Attributes:
        count: snapshots taken in since the start.
        fresh_at: when the figures were fresh: taken or arrived, whichever was earlier, so that
            a clock that runs ahead cannot make old figures look young.
    """

    measures: Measures
    labels: Labels
    count: int
    fresh_at: datetime

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
        yield _one(m.EXPOSURE_GROSS_RATIO, account, x.exposure_gross_ratio)
        yield _one(m.EXPOSURE_NET_RATIO, account, x.exposure_net_ratio)
        yield Block(m.POSITION_NOTIONAL, labels.notional, x.position_notional)
        yield Block(m.POSITION_SIZE, labels.position_size, x.position_size_ratio)
        yield Block(m.POSITION_RETURN, labels.position_loss, x.position_return_ratio)
        yield Block(m.ASSET_CONCENTRATION, labels.assets, x.asset_concentration_ratio)
        yield Block(m.SECTOR_CONCENTRATION, labels.sectors, x.sector_concentration_ratio)
        yield _one(m.DAILY_PNL, labels.daily_loss, x.daily_pnl_ratio)
        yield _one(m.DRAWDOWN, labels.drawdown, x.drawdown_ratio)
        yield _one(m.VAR_USAGE, labels.var, x.var_limit_usage_ratio)
        yield _one(m.VAR, how, x.var_ratio)
        yield _one(m.CVAR, how, x.cvar_ratio)
        yield _one(m.VAR_SAMPLES, account, x.var_sample_count)
        yield _one(m.VAR_COVERED, account, x.var_covered_ratio)
        yield _one(m.VAR_UNCOVERED, account, x.var_uncovered_positions)
        yield _one(m.SNAPSHOT_TIMESTAMP, account, x.taken_at.timestamp())
        yield _one(m.SNAPSHOT_AGE, labels.age, (now - self.fresh_at).total_seconds())
        yield _one(m.MARKET_TIMESTAMP, account, x.market_time.timestamp())
        yield _one(m.SNAPSHOTS, account, self.count)


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
        daily_loss = _watched(limits.DAILY_LOSS.name, x.account)
        yield _one(m.DAILY_PNL, daily_loss, x.daily_pnl_ratio)
        yield _one(m.DRAWDOWN, _watched(limits.DRAWDOWN.name, x.account), x.drawdown_ratio)
        age = _watched(DATA_STALE.limit, x.account)
        yield _one(m.SNAPSHOT_TIMESTAMP, account, x.taken_at_last.timestamp())
        yield _one(m.SNAPSHOT_AGE, age, (now - self.fresh_at).total_seconds())
        yield _one(m.MARKET_TIMESTAMP, account, x.market_time_last.timestamp())
        yield _one(m.SNAPSHOTS, account, 0)


def state_unsaved(account: str, seconds: float) -> Block:
    """Whether the memory of an account is on disk."""
    return _one(m.STATE_UNSAVED, {"account": account}, seconds)


def _watched(limit: str, account: str) -> LabelSet:
    return {"account": account, "risk_id": risk_id(limit, account)}


def _one(metric: Metric, labels: LabelSet, value: float) -> Block:
    return Block(metric, (labels,), np.array([value], dtype=np.float64))
