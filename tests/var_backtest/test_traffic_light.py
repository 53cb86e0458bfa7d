"""The zones of the Basel Committee's framework, and those that its rule gives elsewhere."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from riskwarden.var_backtest.coverage import at_most
from riskwarden.var_backtest.traffic_light import Zone, traffic_light

#: Basel Committee (1996), table 2: exceptions -> zone, plus factor, cumulative probability.
_TABLE_2 = {
    0: (Zone.GREEN, 0.00, 0.0811), 1: (Zone.GREEN, 0.00, 0.2858), 2: (Zone.GREEN, 0.00, 0.5432),
    3: (Zone.GREEN, 0.00, 0.7581), 4: (Zone.GREEN, 0.00, 0.8922), 5: (Zone.YELLOW, 0.40, 0.9588),
    6: (Zone.YELLOW, 0.50, 0.9863), 7: (Zone.YELLOW, 0.65, 0.9960),
    8: (Zone.YELLOW, 0.75, 0.9989), 9: (Zone.YELLOW, 0.85, 0.9997),
    10: (Zone.RED, 1.00, 0.9999), 25: (Zone.RED, 1.00, 1.0), 250: (Zone.RED, 1.00, 1.0),
}  # fmt: skip


@pytest.mark.parametrize("exceptions", _TABLE_2)
def test_the_framework_s_own_table_is_met(exceptions: int) -> None:
    zone, plus, cumulative = _TABLE_2[exceptions]
    light = traffic_light(250, exceptions, 0.01)
    assert (light.zone, light.plus_factor) == (zone, plus)
    assert (light.yellow_from, light.red_from) == (5, 10)
    assert at_most(250, exceptions, 0.01) == pytest.approx(cumulative, abs=0.00006)


def test_elsewhere_the_zones_follow_from_the_rule_and_no_plus_factor_is_made_up() -> None:
    light = traffic_light(250, 18, 0.05)
    assert (light.zone, light.yellow_from, light.red_from) == (Zone.YELLOW, 18, 27)
    assert light.plus_factor is None
    assert traffic_light(500, 3, 0.01).plus_factor is None


def test_too_few_days_have_no_colour() -> None:
    assert traffic_light(99, 0, 0.01).zone is None
    assert traffic_light(0, 0, 0.01).zone is None
    assert traffic_light(100, 0, 0.01).zone is Zone.GREEN


@given(st.integers(1, 600), st.sampled_from([0.01, 0.025, 0.05, 0.1]))
def test_the_zones_begin_exactly_where_the_rule_says(days: int, probability: float) -> None:
    light = traffic_light(days, 0, probability)
    for first, chance in ((light.yellow_from, 0.95), (light.red_from, 0.9999)):
        assert at_most(days, first, probability) >= chance
        assert first == 0 or at_most(days, first - 1, probability) < chance
