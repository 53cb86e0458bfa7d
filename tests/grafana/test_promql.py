"""What is not in the catalogue, or does not fit together, cannot be asked for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest

from risk_grafana import DashboardError
from risk_grafana.layout import placed
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import (
    Expression,
    clock,
    increase,
    quantile,
    rate,
    series,
    share_within,
    within_range,
)
from risk_grafana.units import Unit
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics.foreign import ALERTS


def test_whatever_can_be_chosen_narrows_every_series_that_has_the_label() -> None:
    assert series(m.DRAWDOWN).text == (
        'risk_drawdown_ratio{account=~"$account",job=~"$job",instance=~"$instance"}'
    )
    assert series(m.VENUE_USAGE, account="main").text == (
        'risk_venue_limit_usage_ratio{account="main",venue=~"$venue",job=~"$job",'
        'instance=~"$instance"}'
    )
    assert series(m.THRESHOLD, limit=("var", "cvar")).text == 'risk_threshold{limit=~"var|cvar"}'
    # An alert about no account is everybody's.
    assert series(ALERTS, alertstate="firing").text == (
        'ALERTS{alertstate="firing",account=~"$account|"}'
    )


def test_a_label_that_a_metric_does_not_have_is_refused_with_those_it_has() -> None:
    with pytest.raises(DashboardError, match="risk_threshold has no label 'symbol'; it has: limit"):
        series(m.THRESHOLD, symbol="AAPL")
    with pytest.raises(DashboardError, match="has no label 'tier'"):
        series(m.DRAWDOWN).by("max", "tier")
    with pytest.raises(DashboardError, match="has no label 'account' to show"):
        Query(series(m.DRAWDOWN).by("max"), "{{account}}")
    with pytest.raises(DashboardError, match="cannot be matched as it stands"):
        series(m.THRESHOLD, limit='var"} or vector(1) #')


def test_what_only_grows_is_shown_by_its_growth_and_nothing_else_is() -> None:
    assert rate(m.SNAPSHOTS, account="main").text == (
        'rate(risk_snapshots_total{account="main",job=~"$job",instance=~"$instance"}'
        "[$__rate_interval])"
    )
    assert increase(m.SNAPSHOTS).text.endswith("[$__range])")


@pytest.mark.parametrize(
    "refused",
    [
        partial(series, m.SNAPSHOTS),
        partial(series, m.STAGE_SECONDS),
        partial(within_range, "max", m.SNAPSHOTS),
        partial(rate, m.DRAWDOWN),
        partial(rate, m.STAGE_SECONDS),
        partial(quantile, 0.5, m.DRAWDOWN),
    ],
    ids=range(6),
)
def test_a_function_that_does_not_fit_the_kind_of_a_metric_is_refused(
    refused: Callable[[], Expression],
) -> None:
    with pytest.raises(DashboardError, match=r"only ever grows|is no counter|is no histogram"):
        refused()


def test_numbers_of_different_units_are_neither_added_nor_drawn_on_one_axis() -> None:
    with pytest.raises(DashboardError, match="not of one unit"):
        _ = series(m.EQUITY) + series(m.CASH).shown_as(Unit.SECONDS)
    with pytest.raises(DashboardError, match="one axis for several units"):
        Panel(
            Shape.LINES, "t", "a",
            (Query(series(m.EQUITY), ""), Query(series(m.DRAWDOWN), "")), 24,
        )  # fmt: skip
    with pytest.raises(DashboardError, match="no labels to match by"):
        _ = series(m.POSITION_RETURN) - series(m.DRAWDOWN)
    assert (series(m.EQUITY) / series(m.EQUITY_PEAK)).unit is Unit.RATIO


def test_a_moment_is_shown_as_how_long_ago_it_was() -> None:
    with pytest.raises(DashboardError, match="shows a Unix time"):
        Panel(Shape.NUMBER, "t", "a", (Query(series(m.STORE_PRUNED), ""),), 24)
    age = clock().since(series(m.STORE_PRUNED).by("max"))
    assert age.text.startswith("time() - max (risk_store_pruned_time_seconds{")
    assert age.unit is Unit.SECONDS
    with pytest.raises(DashboardError, match="is no Unix time"):
        clock().since(series(m.EQUITY))


def test_a_share_is_counted_within_a_bound_however_prometheus_writes_it() -> None:
    text = share_within(2.0, m.STAGE_SECONDS, stage="breach_to_gate").text
    assert 'le=~"2|2[.]0"' in text
    assert 'le=~"0[.]5"' in share_within(0.5, m.STAGE_SECONDS).text
    assert text.count('stage="breach_to_gate"') == 2


def _dashboard(*panels: Panel) -> Dashboard:
    return Dashboard("d", "D", "about", (Row("r", panels),))


def _panel(title: str, width: int, height: int = 8) -> Panel:
    return Panel(Shape.LINES, title, "about", (Query(series(m.EQUITY), ""),), width, height)


def test_panels_fill_their_lines_from_the_left_and_nothing_overlaps() -> None:
    parts = _dashboard(_panel("a", 12), _panel("b", 12), _panel("c", 24, 4), _panel("d", 24))
    places = [place for _, place in placed(parts)]
    assert [(p.x, p.y, p.width, p.height) for p in places] == [
        (0, 0, 24, 1), (0, 1, 12, 8), (12, 1, 12, 8), (0, 9, 24, 4), (0, 13, 24, 8),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("panels", "complaint"),
    [
        ((_panel("a", 12),), "there is room beside 'a'"),
        ((_panel("a", 16), _panel("b", 16)), "'b' does not stand beside 'a'"),
        ((_panel("a", 12), _panel("b", 12, 4)), "'b' does not stand beside 'a'"),
    ],
    ids=["a gap", "too wide", "not as high"],
)
def test_what_does_not_fit_is_refused(panels: tuple[Panel, ...], complaint: str) -> None:
    with pytest.raises(DashboardError, match=complaint):
        list(placed(_dashboard(*panels)))
