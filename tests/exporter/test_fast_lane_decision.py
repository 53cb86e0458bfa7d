"""When a breach counts and when it ends, as the generated rules have it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache

from hypothesis import given
from hypothesis import strategies as st

from risk_exporter.fast_lane.decision import (
    KILL_TIERS,
    Figures,
    Key,
    KillTier,
    Watch,
    decide,
    kill_tiers,
)
from risk_policy import parse_policy
from risk_policy.catalogue.limits import DRAWDOWN, LIMITS, Limit
from risk_policy.vocabulary import Tier

START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
KEY: Key = ("drawdown/main", "emergency")


@cache
def tiers(seconds: float = 0) -> tuple[KillTier, ...]:
    text = f"[alerting.confirmation]\nemergency_seconds = {seconds}"
    return kill_tiers(parse_policy(text.encode(), environ={}))


def showing(value: float | None) -> Figures:
    def figures(limit: Limit) -> list[tuple[Mapping[str, str], float]]:
        identity = {"account": "main", "risk_id": "drawdown/main"}
        return [(identity, value)] if limit is DRAWDOWN and value is not None else []

    return figures


def after(
    values: Sequence[float | None], confirm: int = 1, seconds: float = 0, step: float = 1
) -> Watch | None:
    """What is watched after snapshots that showed these drawdowns, a step apart."""
    watched: dict[Key, Watch] = {}
    for number, value in enumerate(values):
        at = START + timedelta(seconds=number * step)
        watched = decide(tiers(seconds), confirm, showing(value), watched, at, at)
    return watched.get(KEY)


def fires(values: Sequence[float | None], confirm: int = 1, seconds: float = 0) -> bool:
    watch = after(values, confirm, seconds)
    return watch is not None and watch.fired_at is not None


def test_the_tiers_are_those_whose_action_trips_the_kill_switch() -> None:
    tripping = {spec.name for limit in LIMITS for spec in limit.alerts if "kill" in spec.action}
    assert {spec.name for _, spec in KILL_TIERS} >= tripping >= {"DRAWDOWN_EMERGENCY"}
    assert all(spec.tier is Tier.EMERGENCY for _, spec in KILL_TIERS)


def test_a_breach_begins_beyond_the_threshold_and_ends_at_the_clear_level() -> None:
    assert not fires([0.2])
    assert fires([0.2001])
    assert fires([0.2001, 0.1901])
    assert not fires([0.2001, 0.19])
    assert not fires([0.2001, 0.19, 0.195])
    assert fires([0.2001, 0.19, 0.21])


def test_what_cannot_be_told_ends_nothing_and_confirms_nothing() -> None:
    nan = float("nan")
    assert not fires([nan, nan, nan])
    assert fires([0.3, nan])
    assert not fires([0.3, nan, 0.3], confirm=2)
    assert fires([float("inf")])


def test_a_figure_that_is_no_longer_there_is_in_no_breach() -> None:
    assert not fires([0.3, None])


def test_a_single_phantom_does_not_count_where_two_have_to_agree() -> None:
    assert not fires([0.1, 0.9, 0.1], confirm=2)
    assert not fires([0.1, 0.9, 0.1, 0.9, 0.1], confirm=2)
    assert not fires([0.9, 0.195], confirm=2), "beyond the clear level is no second opinion"
    assert fires([0.9, 0.9], confirm=2)


def test_the_time_that_a_breach_has_to_last_holds_for_the_fast_lane_too() -> None:
    assert not fires([0.3, 0.3], seconds=2)
    assert fires([0.3, 0.3, 0.3], seconds=2)
    assert not fires([0.3, 0.1, 0.3, 0.3], seconds=2)
    watch = after([0.3, 0.3, 0.3, 0.3], seconds=2)
    assert watch is not None
    assert watch.fired_at == START + timedelta(seconds=2), "it counts from its confirmation on"


def test_a_breach_lasts_on_between_the_threshold_and_the_clear_level_as_in_the_rules() -> None:
    assert fires([0.3, 0.195, 0.195], seconds=2)
    assert fires([0.3, 0.3, 0.195, 0.3], confirm=2, seconds=3)
    assert not fires([0.3, 0.195, 0.3, 0.195], confirm=2, seconds=1), "they never agreed"
    assert not fires([0.3, 0.19, 0.195], seconds=1)


def test_what_cannot_be_told_for_a_moment_does_not_begin_the_time_anew() -> None:
    assert not fires([0.3, float("nan"), float("nan")], seconds=2)
    assert fires([0.3, float("nan"), 0.3], seconds=2)


def test_a_snapshot_that_is_sent_again_is_no_second_opinion() -> None:
    watched: dict[Key, Watch] = {}
    taken = [START, START, START + timedelta(seconds=1)]
    fired = []
    for number, taken_at in enumerate(taken):
        at = START + timedelta(seconds=number)
        watched = decide(tiers(), 2, showing(0.9), watched, at, taken_at)
        fired.append(watched[KEY].fired_at is not None)
    assert fired == [False, False, True]


def test_a_clock_that_is_set_back_confirms_nothing_early() -> None:
    assert not fires([0.3, 0.3, 0.3], seconds=300)
    set_back = after([0.3, 0.3, 0.3], seconds=1, step=-1)
    assert set_back is not None
    assert set_back.fired_at is None


@given(st.lists(st.floats(0, 1, allow_nan=False), min_size=1, max_size=30), st.integers(1, 5))
def test_it_fires_if_and_only_if_enough_in_a_row_were_beyond_and_none_has_cleared_since(
    values: list[float], confirm: int
) -> None:
    expected, run = False, 0
    for value in values:
        run = run + 1 if value > 0.2 else 0
        expected = (expected and value > 0.19) or run >= confirm
    assert fires(values, confirm) == expected
