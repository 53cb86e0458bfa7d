"""The tests of value at risk against published figures, and against themselves."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwarden.var_backtest.coverage import (
    Transitions,
    at_least,
    at_most,
    chi_square_tail,
    conditional,
    independence,
    kupiec,
    transitions,
)


@pytest.mark.parametrize(
    ("days", "exceptions", "probability", "statistic", "p_value"),
    [
        # MathWorks, Risk Management Toolbox, "VaR Backtesting Workflow": proportion of failures.
        (1043, 57, 0.05, 0.46147, 0.49694),
        (1043, 17, 0.01, 3.5118, 0.060933),
        # Jorion, Value at Risk, 3rd ed., 6.2: 20 exceptions in 252 days at 95 %; 6 at 99 %.
        (252, 20, 0.05, 3.91, 0.0479),
        (252, 6, 0.01, 3.498, 0.0614),
    ],
)
def test_kupiec_gives_the_published_figures(
    days: int, exceptions: int, probability: float, statistic: float, p_value: float
) -> None:
    found = kupiec(days, exceptions, probability)
    assert found.statistic == pytest.approx(statistic, rel=1e-3)
    assert found.p_value == pytest.approx(p_value, rel=2e-3)


#: Kupiec (1995), table 3, as Jorion, table 6-2, prints it: days -> probability -> what is just
#: rejected on either side at 95 %.
_NON_REJECTION = {
    255: {0.01: (0, 7), 0.025: (2, 12), 0.05: (6, 21), 0.075: (11, 28), 0.10: (16, 36)},
    510: {0.01: (1, 11), 0.025: (6, 21), 0.05: (16, 36), 0.075: (27, 51), 0.10: (38, 65)},
    1000: {0.01: (4, 17), 0.025: (15, 36), 0.05: (37, 65), 0.075: (59, 92), 0.10: (81, 120)},
}


@pytest.mark.parametrize("days", _NON_REJECTION)
def test_kupiec_rejects_outside_of_the_published_regions(days: int) -> None:
    for probability, region in _NON_REJECTION[days].items():
        kept = [x for x in range(days + 1) if not kupiec(days, x, probability).rejects]
        # At (255, 1 %) the table says N < 7 and no more; by the formula none at all is too few.
        assert (kept[0] - 1, kept[-1] + 1) == region, (days, probability)
        assert kept == list(range(kept[0], kept[-1] + 1))


def test_independence_gives_jorions_figures() -> None:
    # Jorion, 6.2.4: of 20 exceptions in 252 days 6 followed another.
    found = independence(Transitions(218, 14, 14, 6))
    assert found.statistic == pytest.approx(9.53, abs=0.005)
    # 6 exceptions of which 4 followed another.
    clustered = independence(Transitions(244, 2, 2, 4))
    assert clustered.statistic == pytest.approx(25.837, abs=0.0005)
    both = conditional(kupiec(252, 6, 0.01), clustered)
    assert both.statistic == pytest.approx(3.498 + 25.837, abs=0.002)
    assert both.p_value == pytest.approx(math.exp(-(3.4988 + 25.8374) / 2), rel=1e-3)
    assert both.rejects


def test_what_followed_what_is_counted_within_runs_only() -> None:
    whole = [False, True, True, False]
    assert transitions([whole]) == Transitions(0, 1, 1, 1)
    assert transitions([whole[:2], whole[2:]]) == Transitions(0, 1, 1, 0)
    assert transitions([]) == Transitions(0, 0, 0, 0)


def test_the_tails_of_chi_square_are_those_of_the_tables() -> None:
    for quantile, degrees in ((3.841459, 1), (5.991465, 2)):
        assert chi_square_tail(quantile, degrees) == pytest.approx(0.05, rel=1e-6)
    for quantile, degrees in ((6.634897, 1), (9.210340, 2)):
        assert chi_square_tail(quantile, degrees) == pytest.approx(0.01, rel=1e-6)
    assert chi_square_tail(0, 1) == chi_square_tail(0, 2) == 1
    with pytest.raises(ValueError, match="3 degrees"):
        chi_square_tail(1, 3)


@pytest.mark.parametrize(("days", "probability"), [(0, 0.05), (19, 0.05), (99, 0.01)])
def test_too_few_days_have_no_p_value(days: int, probability: float) -> None:
    found = kupiec(days, 0, probability)
    assert (found.statistic, found.p_value, found.rejects) == (None, None, None)
    assert f"at least {days + 1 if days else 20} are needed" in found.why_not
    assert kupiec(days + 1 if days else 20, 0, probability).p_value is not None


def test_no_exceptions_and_nothing_but_exceptions_are_judged_as_far_as_can_be() -> None:
    none, every = kupiec(250, 0, 0.01), kupiec(250, 250, 0.01)
    assert none.statistic == pytest.approx(-500 * math.log(0.99))
    assert every.statistic == pytest.approx(-500 * math.log(0.01))
    assert every.rejects
    quiet = independence(transitions([[False] * 250]))
    assert quiet.p_value is None
    assert "fewer than two exceptions" in quiet.why_not
    assert conditional(none, quiet).why_not == quiet.why_not
    assert independence(transitions([[False, True, False]])).p_value is None
    assert "every day is an exception" in independence(transitions([[True] * 250])).why_not
    assert "at gaps only" in independence(transitions([[False, True]] * 3)).why_not


@pytest.mark.parametrize(
    ("days", "exceptions", "probability"), [(5, 6, 0.1), (5, -1, 0.1), (5, 1, 1)]
)
def test_what_cannot_be_is_refused(days: int, exceptions: int, probability: float) -> None:
    with pytest.raises(ValueError, match=r"must lie|the most"):
        kupiec(days, exceptions, probability)


@given(st.integers(1, 300), st.data(), st.floats(0.001, 0.5))
def test_both_exact_chances_make_one_and_share_the_count_itself(
    days: int, data: st.DataObject, probability: float
) -> None:
    exceptions = data.draw(st.integers(0, days))
    below, above = at_most(days, exceptions, probability), at_least(days, exceptions, probability)
    itself = (
        math.comb(days, exceptions)
        * probability**exceptions
        * (1 - probability) ** (days - exceptions)
    )
    assert below + above - itself == pytest.approx(1, abs=1e-9)


@given(st.lists(st.booleans(), min_size=20, max_size=300), st.sampled_from([0.01, 0.05, 0.1]))
def test_every_statistic_is_a_likelihood_ratio(hits: list[bool], probability: float) -> None:
    coverage = kupiec(len(hits), sum(hits), probability)
    alone = independence(transitions([hits]))
    for found in (coverage, alone, conditional(coverage, alone)):
        assert (found.statistic is None) == (found.p_value is None) == bool(found.why_not)
        if found.statistic is not None and found.p_value is not None:
            assert found.statistic >= 0
            assert 0 <= found.p_value <= 1


def test_right_forecasts_are_refuted_about_as_often_as_promised_and_wrong_ones_are_found() -> None:
    dice = np.random.default_rng(1998)
    days, series, probability = 1000, 400, 0.05

    def refuted(hits: np.ndarray) -> tuple[float, float]:
        by_count = [bool(kupiec(days, int(row.sum()), probability).rejects) for row in hits]
        alone = [bool(independence(transitions([row.tolist()])).rejects) for row in hits]
        return float(np.mean(by_count)), float(np.mean(alone))

    by_count, alone = refuted(dice.random((series, days)) < probability)
    assert by_count == pytest.approx(0.05, abs=0.03)
    assert alone == pytest.approx(0.05, abs=0.05)
    # Too many, each by itself.
    by_count, _ = refuted(dice.random((series, days)) < 1.6 * probability)
    assert by_count > 0.9
    # As many as there should be, but half of them right after another one.
    first = dice.random((series, days)) < probability / 2
    _, alone = refuted(first | np.roll(first, 1, axis=1))
    assert alone > 0.99
