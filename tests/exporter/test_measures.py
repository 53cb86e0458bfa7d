"""The figures: worked by hand, against empyrical, and as laws that hold for every book."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_exporter.measures import Measures, Reference, drawdown, measure
from risk_exporter.ratios import ratio, ratios
from risk_exporter.value_at_risk import Conventions, Floats, Sample
from risk_policy import Policy
from risk_policy.contracts.snapshot import Position, Snapshot

NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
CONVENTIONS = Conventions.of(Policy())


def covering(returns: Floats) -> Sample:
    """A sample that leaves no position out."""
    return Sample(returns, np.ones(returns.shape[1], dtype=np.bool_))


def measured(
    equity: float,
    *positions: Position,
    peak: float | None = None,
    start: float | None = None,
    high: float | None = None,
    **told: Any,
) -> Measures:
    snapshot = Snapshot(
        account="main",
        equity=equity,
        cash=0,
        positions=positions,
        taken_at=NOW,
        market_time=NOW,
        **told,
    )
    reference = Reference(
        max(equity, peak if peak is not None else equity),
        start if start is not None else equity,
        max(equity, high if high is not None else equity),
        "2026-03-02",
    )
    held = sum(position.quantity != 0 for position in positions)
    return measure(snapshot, reference, covering(np.empty((0, held))), CONVENTIONS)


LONG = Position(symbol="AAPL", quantity=100, mark=90, average_price=100, sector="tech")
SHORT = Position(symbol="WTI", quantity=-50, mark=80, average_price=100, sector="energy")
CAPPED = Position(
    symbol="IBM", quantity=10, mark=150, average_price=120, sector="tech", max_notional=2_000
)


# -- worked by hand --------------------------------------------------------------------------


def test_the_figures_of_a_small_book_are_those_worked_by_hand() -> None:
    x = measured(20_000, LONG, SHORT, CAPPED, peak=25_000, start=21_000)
    assert x.positions_open == 3
    assert x.exposure_gross == 9_000 + 4_000 + 1_500
    assert x.exposure_net == 9_000 - 4_000 + 1_500
    assert x.exposure_gross_ratio == pytest.approx(0.725)
    assert x.exposure_net_ratio == pytest.approx(0.325)
    assert x.position_notional.tolist() == [9_000, -4_000, 1_500]
    assert x.drawdown_ratio == pytest.approx(0.2)
    assert x.daily_pnl_ratio == pytest.approx(-1 / 21)


def test_a_position_is_measured_against_its_own_limit_or_else_the_policys() -> None:
    x = measured(20_000, LONG, SHORT, CAPPED)
    # The policy allows 20 % of 20,000, which is 4,000.
    assert x.position_size_ratio.tolist() == pytest.approx([2.25, 1.0, 0.75])


def test_a_short_position_gains_when_the_price_falls() -> None:
    x = measured(20_000, LONG, SHORT, CAPPED)
    assert x.position_return_ratio.tolist() == pytest.approx([-0.1, 0.2, 0.25])


def test_concentration_counts_long_and_short_alike_by_asset_and_by_sector() -> None:
    spot = Position(symbol="BTC-EUR", quantity=1, mark=3_000, average_price=1, asset="BTC")
    future = Position(symbol="BTC-PERP", quantity=-1, mark=2_000, average_price=1, asset="BTC")
    x = measured(20_000, LONG, spot, future, CAPPED)
    assets = dict(zip(x.layout.asset_names, x.asset_concentration_ratio, strict=True))
    sectors = dict(zip(x.layout.sector_names, x.sector_concentration_ratio, strict=True))
    assert assets == pytest.approx({"AAPL": 0.45, "BTC": 0.25, "IBM": 0.075})
    assert sectors == pytest.approx({"tech": 0.525, "unknown": 0.25})


def test_a_position_of_quantity_zero_is_closed() -> None:
    x = measured(20_000, LONG.model_copy(update={"quantity": 0.0}), SHORT)
    assert x.positions_open == 1
    assert x.layout.symbols == ("WTI",)
    assert x.layout.sector_names == ("energy",)


def test_the_fall_within_the_day_is_measured_from_the_highest_equity_of_the_day() -> None:
    x = measured(95_000, peak=120_000, start=99_000, high=100_000)
    assert x.intraday_drawdown_ratio == pytest.approx(0.05)
    assert x.drawdown_ratio == pytest.approx(25 / 120)
    assert x.equity_day_high == 100_000


def test_leverage_is_what_the_venue_says_or_else_gross_exposure_over_equity() -> None:
    assert measured(20_000, LONG, SHORT).leverage_ratio == pytest.approx(0.65)
    assert measured(20_000, LONG, SHORT, leverage=2.5).leverage_ratio == 2.5
    assert measured(20_000, leverage=0).leverage_ratio == 0


def test_the_margin_level_is_equity_over_the_margin_in_use_if_any_is() -> None:
    assert measured(20_000, LONG, margin_used=8_000).margin_level_ratio == 2.5
    assert measured(-4_000, LONG, margin_used=8_000).margin_level_ratio == -0.5
    assert measured(20_000, LONG, margin_used=0).margin_level_ratio == math.inf
    assert measured(20_000, LONG).margin_level_ratio is None


# -- when equity is gone ---------------------------------------------------------------------


@pytest.mark.parametrize("equity", [0.0, -0.0, -1.0, -50_000.0])
@pytest.mark.parametrize("peak", [100_000.0, 1e-300, 0.0, -0.5])
def test_a_wiped_out_account_is_at_least_a_full_drawdown(equity: float, peak: float) -> None:
    assert drawdown(equity, max(equity, peak)) >= 1


def test_an_account_that_was_never_funded_has_lost_nothing() -> None:
    assert measured(0.0, peak=0.0, start=0.0).drawdown_ratio == 0
    assert measured(0.0, LONG, peak=0.0, start=0.0).drawdown_ratio == 1
    assert measured(0.0, peak=1.0, start=0.0).drawdown_ratio == 1
    assert measured(-1.0, peak=-1.0, start=0.0).drawdown_ratio == 1


@pytest.mark.parametrize("equity", [0.0, -5_000.0])
def test_what_a_wiped_out_account_still_holds_is_infinitely_concentrated(equity: float) -> None:
    x = measured(equity, LONG, SHORT, CAPPED, peak=100_000, start=50_000)
    assert x.exposure_gross_ratio == math.inf
    assert np.all(x.asset_concentration_ratio == math.inf)
    assert np.all(x.sector_concentration_ratio == math.inf)
    # A limit of the position's own stands whatever the equity.
    assert x.position_size_ratio.tolist() == [math.inf, math.inf, 0.75]
    assert x.var_limit_usage_ratio == x.cvar_limit_usage_ratio == math.inf
    assert x.leverage_ratio == math.inf
    assert measured(equity, LONG, leverage=1.5).leverage_ratio == math.inf
    assert x.intraday_drawdown_ratio >= 1
    assert x.daily_pnl_ratio == (equity - 50_000) / 50_000


def test_an_empty_account_without_equity_has_no_exposure_and_no_risk() -> None:
    x = measured(0.0, peak=100_000)
    assert (x.exposure_gross_ratio, x.exposure_net_ratio, x.var_limit_usage_ratio) == (0, 0, 0)
    assert x.drawdown_ratio == 1


def test_a_loss_from_a_day_that_began_with_nothing_is_beyond_every_threshold() -> None:
    assert measured(-10, peak=100, start=0).daily_pnl_ratio == -math.inf
    assert measured(0, peak=100, start=0).daily_pnl_ratio == 0


# -- value at risk ---------------------------------------------------------------------------


def test_a_flat_book_risks_nothing_without_any_sample() -> None:
    assert measured(1_000).var_ratio == 0
    assert measured(1_000).var_limit_usage_ratio == 0


def test_the_limit_is_a_share_of_equity() -> None:
    snapshot = Snapshot(
        account="a", equity=10_000, cash=0, positions=(LONG,), taken_at=NOW, market_time=NOW
    )
    returns = np.r_[np.full(10, -0.05), np.zeros(90)][:, None]
    x = measure(
        snapshot, Reference(10_000, 10_000, 10_000, "2026-03-02"), covering(returns), CONVENTIONS
    )
    assert x.var_ratio == pytest.approx(0.045)  # 9,000 at 5 %, of 10,000
    assert x.var_limit_usage_ratio == pytest.approx(0.9)  # of a limit of 5 %
    assert x.cvar_limit_usage_ratio == pytest.approx(0.045 / 0.08)  # of a limit of 8 %


def book_of(covered: list[bool], returns: Floats, *positions: Position) -> Measures:
    snapshot = Snapshot(
        account="a", equity=10_000, cash=0, positions=positions, taken_at=NOW, market_time=NOW
    )
    sample = Sample(returns, np.array(covered, dtype=np.bool_))
    return measure(snapshot, Reference(10_000, 10_000, 10_000, "2026-03-02"), sample, CONVENTIONS)


def test_a_position_without_closes_is_left_out_and_told_by_its_share_of_the_book() -> None:
    returns = np.r_[np.full(10, -0.05), np.zeros(90)][:, None]
    x = book_of([False, True], returns, SHORT, LONG)
    assert x.var_ratio == pytest.approx(0.045)  # that of the 9,000 in LONG alone
    assert x.var_limit_usage_ratio == pytest.approx(0.9)
    assert x.var_sample_count == 100
    assert x.var_covered_ratio == pytest.approx(9_000 / 13_000)
    assert x.var_uncovered_positions == 1


def test_a_book_of_which_nothing_is_covered_has_no_figure_rather_than_no_risk() -> None:
    x = book_of([False, False], np.empty((0, 2)), SHORT, LONG)
    assert math.isnan(x.var_ratio)
    assert math.isnan(x.cvar_ratio)
    assert math.isnan(x.var_limit_usage_ratio)
    assert (x.var_covered_ratio, x.var_uncovered_positions) == (0, 2)


def test_a_book_that_holds_nothing_leaves_nothing_out() -> None:
    x = book_of([], np.empty((0, 0)))
    assert (x.var_ratio, x.var_covered_ratio, x.var_uncovered_positions) == (0, 1, 0)


def test_a_worthless_book_is_not_covered_by_being_worthless() -> None:
    dust = Position(symbol="DUST", quantity=1e-200, mark=1e-200, average_price=1)
    assert book_of([False], np.empty((0, 1)), dust).var_covered_ratio == 0


# -- against empyrical -----------------------------------------------------------------------


@given(st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=60))
def test_the_deepest_drawdown_on_the_way_agrees_with_empyrical(steps: list[float]) -> None:
    import empyrical  # it brings SciPy and pandas: a second that few processes need

    equity = peak = 100.0
    deepest = 0.0
    for step in steps:
        equity *= 1 + step
        peak = max(peak, equity)
        deepest = max(deepest, drawdown(equity, peak))
    assert deepest == pytest.approx(-empyrical.max_drawdown(np.array(steps)), abs=1e-12)


# -- laws ------------------------------------------------------------------------------------

PRICE = st.floats(1e-6, 1e7)
ANY_FLOAT = st.floats(allow_nan=False, allow_infinity=False)


@st.composite
def books(draw: st.DrawFn) -> tuple[Position, ...]:
    count = draw(st.integers(0, 6))
    return tuple(
        Position(
            symbol=f"S{number}",
            quantity=draw(st.floats(-1e6, 1e6, allow_subnormal=False)),
            mark=draw(PRICE),
            average_price=draw(PRICE),
            asset=draw(st.sampled_from(["A", "B", "C"])),
            sector=draw(st.sampled_from(["x", "y"])),
        )
        for number in range(count)
    )


@given(positions=books(), equity=st.floats(1e-3, 1e12))
def test_concentrations_sum_to_the_gross_exposure(
    positions: tuple[Position, ...], equity: float
) -> None:
    x = measured(equity, *positions)
    assert x.asset_concentration_ratio.sum() == pytest.approx(x.exposure_gross_ratio)
    assert x.sector_concentration_ratio.sum() == pytest.approx(x.exposure_gross_ratio)
    assert abs(x.exposure_net_ratio) <= x.exposure_gross_ratio * (1 + 1e-9)


@given(positions=books(), equity=st.floats(1, 1e9), factor=st.floats(1e-3, 1e3))
def test_a_book_counted_in_another_currency_has_the_same_ratios(
    positions: tuple[Position, ...], equity: float, factor: float
) -> None:
    x = measured(equity, *positions, peak=equity * 2, start=equity * 1.5)
    scaled = tuple(
        position.model_copy(
            update={
                "mark": position.mark * factor,
                "average_price": position.average_price * factor,
            }
        )
        for position in positions
    )
    y = measured(equity * factor, *scaled, peak=equity * 2 * factor, start=equity * 1.5 * factor)
    assert y.drawdown_ratio == pytest.approx(x.drawdown_ratio)
    assert y.daily_pnl_ratio == pytest.approx(x.daily_pnl_ratio)
    assert y.exposure_gross_ratio == pytest.approx(x.exposure_gross_ratio)
    assert y.position_size_ratio.tolist() == pytest.approx(x.position_size_ratio.tolist())
    assert y.position_return_ratio.tolist() == pytest.approx(
        x.position_return_ratio.tolist(), rel=1e-6, abs=1e-9
    )


@given(
    positions=books(),
    equity=ANY_FLOAT,
    peak=ANY_FLOAT,
    start=ANY_FLOAT,
    margin=st.none() | st.floats(0, 1e300),
    leverage=st.none() | st.floats(0, 1e300),
)
def test_no_figure_that_a_limit_watches_is_ever_silent_whatever_the_account(
    positions: tuple[Position, ...],
    equity: float,
    peak: float,
    start: float,
    margin: float | None,
    leverage: float | None,
) -> None:
    x = measured(
        equity,
        *positions,
        peak=peak,
        start=start,
        high=start,
        margin_used=margin,
        leverage=leverage,
    )
    assert x.drawdown_ratio >= 0
    assert x.intraday_drawdown_ratio >= 0
    assert x.leverage_ratio >= 0
    assert (x.margin_level_ratio is None) == (margin is None)
    assert x.margin_level_ratio is None or not math.isnan(x.margin_level_ratio)
    assert not math.isnan(x.daily_pnl_ratio)
    for values in (
        x.position_size_ratio,
        x.position_return_ratio,
        x.asset_concentration_ratio,
        x.sector_concentration_ratio,
    ):
        assert not np.isnan(values).any()
    assert np.all(x.asset_concentration_ratio >= 0)
    if equity <= 0:
        was_ever_funded = equity < 0 or peak > 0 or x.exposure_gross > 0
        assert x.drawdown_ratio >= 1 if was_ever_funded else x.drawdown_ratio == 0
        assert not math.isnan(x.var_limit_usage_ratio)
        assert not math.isnan(x.cvar_limit_usage_ratio)


@given(amount=ANY_FLOAT, base=ANY_FLOAT)
def test_one_ratio_and_many_follow_the_same_rule(amount: float, base: float) -> None:
    (many,) = ratios(np.array([amount]), base)
    assert ratio(amount, base) == many
    assert base > 0 or abs(many) in (0, math.inf)


def test_the_layout_is_kept_while_the_names_stay(holding: Callable[..., Position]) -> None:
    def layout(*positions: Position, previous: Measures | None) -> Measures:
        snapshot = Snapshot(
            account="a", equity=1, cash=0, positions=positions, taken_at=NOW, market_time=NOW
        )
        return measure(
            snapshot,
            Reference(1, 1, 1, "2026-03-02"),
            covering(np.empty((0, len(positions)))),
            CONVENTIONS,
            previous.layout if previous else None,
        )

    first = layout(holding("A"), holding("B"), previous=None)
    same = layout(holding("A", mark=7), holding("B", quantity=-1), previous=first)
    assert same.layout is first.layout
    assert layout(holding("A"), previous=first).layout.symbols == ("A",)
    assert layout(holding("A"), holding("B", sector="x"), previous=first).layout.sector_names == (
        "unknown",
        "x",
    )
