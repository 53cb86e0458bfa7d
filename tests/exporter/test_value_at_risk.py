"""Value at risk by itself: worked by hand, against empyrical, and as laws."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_exporter.value_at_risk import Conventions, historical_tail
from risk_policy import Policy
from risk_runtime.prices import closes_of, load_prices

CONVENTIONS = Conventions.of(Policy())
AMOUNT = st.floats(-1e12, 1e12, allow_subnormal=False)


def test_value_at_risk_of_a_hundred_and_one_even_returns_is_the_sixth_worst() -> None:
    returns = np.arange(-50, 51)[:, None] / 1000
    tail = historical_tail(returns, np.array([10_000.0]), CONVENTIONS)
    assert tail.samples == 101
    assert tail.var == pytest.approx(10_000 * 0.045)
    assert tail.cvar == pytest.approx(10_000 * (0.050 + 0.049 + 0.048 + 0.047 + 0.046 + 0.045) / 6)


def test_a_short_book_loses_on_the_days_the_market_rises() -> None:
    returns = np.r_[np.zeros(90), np.full(10, 0.03)][:, None]
    assert historical_tail(returns, np.array([100.0]), CONVENTIONS).var == 0
    assert historical_tail(returns, np.array([-100.0]), CONVENTIONS).var == pytest.approx(3)


def test_a_longer_horizon_scales_by_the_square_root_of_time() -> None:
    returns = np.linspace(-0.04, 0.05, 80)[:, None]
    one = historical_tail(returns, np.array([1.0]), CONVENTIONS)
    ten = historical_tail(returns, np.array([1.0]), replace(CONVENTIONS, var_horizon_days=10))
    assert ten.var == pytest.approx(one.var * math.sqrt(10))
    assert ten.cvar == pytest.approx(one.cvar * math.sqrt(10))


def test_one_return_too_few_makes_no_figure_and_one_more_does() -> None:
    returns = np.linspace(-0.1, 0.1, CONVENTIONS.var_min_samples)[:, None]
    short = historical_tail(returns[1:], np.array([1.0]), CONVENTIONS)
    assert math.isnan(short.var)
    assert math.isnan(short.cvar)
    assert short.samples == CONVENTIONS.var_min_samples - 1
    assert historical_tail(returns, np.array([1.0]), CONVENTIONS).var > 0


def test_returns_beyond_all_numbers_are_an_infinite_risk_and_not_a_silent_one() -> None:
    returns = np.zeros((100, 2))
    returns[3] = math.inf, math.inf
    assert historical_tail(returns, np.array([1.0, -1.0]), CONVENTIONS).var == math.inf


@given(
    seed=st.integers(0, 2**32 - 1),
    samples=st.integers(60, 400),
    confidence=st.sampled_from([90.0, 95.0, 97.5, 99.0]),
)
@settings(max_examples=60, deadline=None)
def test_value_at_risk_and_the_loss_beyond_agree_with_empyrical(
    seed: int, samples: int, confidence: float
) -> None:
    import empyrical  # it brings SciPy and pandas: a second that few processes need

    profit = np.random.default_rng(seed).standard_t(3, samples) / 100
    tail = historical_tail(
        profit[:, None], np.ones(1), replace(CONVENTIONS, var_confidence_pct=confidence)
    )
    # empyrical counts the tail with a plain int(); the nudge keeps e.g. 0.05 * 60 at 3.
    cutoff = (100 - confidence) / 100 + 1e-12
    assert tail.var == pytest.approx(max(-empyrical.value_at_risk(profit, cutoff), 0))
    assert tail.cvar == pytest.approx(max(-empyrical.conditional_value_at_risk(profit, cutoff), 0))


def test_a_book_of_real_prices_agrees_with_empyrical() -> None:
    import empyrical

    closes = closes_of(load_prices().days)
    days = sorted(set.intersection(*(set(series) for series in closes.values())))[-251:]
    prices = np.array([[closes[symbol][day] for symbol in sorted(closes)] for day in days])
    returns = prices[1:] / prices[:-1] - 1
    notional = np.array([30_000.0, -10_000.0, 20_000.0, 15_000.0, 25_000.0])
    profit = returns @ notional
    tail = historical_tail(returns, notional, CONVENTIONS)
    assert tail.samples == 250
    assert tail.var == pytest.approx(-empyrical.value_at_risk(profit, 0.05))
    assert tail.cvar == pytest.approx(-empyrical.conditional_value_at_risk(profit, 0.05))


@given(notional=AMOUNT, seed=st.integers(0, 2**32 - 1), scale=st.floats(1e-3, 1e3))
@settings(deadline=None)
def test_value_at_risk_grows_with_the_book_and_never_exceeds_the_loss_beyond_it(
    notional: float, seed: int, scale: float
) -> None:
    returns = np.random.default_rng(seed).normal(0, 0.02, (80, 1))
    one = historical_tail(returns, np.array([notional]), CONVENTIONS)
    more = historical_tail(returns, np.array([notional * scale]), CONVENTIONS)
    assert 0 <= one.var <= one.cvar
    assert more.var == pytest.approx(one.var * scale)
    assert more.cvar == pytest.approx(one.cvar * scale)
