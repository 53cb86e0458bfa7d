"""A chart in words: what its picture's text says, and what stands in its place without one."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from risk_receivers.document.model import (
    Bar,
    BarChart,
    Cell,
    Chart,
    Point,
    Series,
    Table,
    TimeChart,
    Unit,
)

_EMPTY = "no data"


def moment(at: datetime) -> str:
    """A time as documents write it: with its zone, to the second."""
    zone = at.tzname() or ""
    return f"{at:%Y-%m-%d %H:%M:%S} {zone}".rstrip()


def described(chart: Chart) -> str:
    """One sentence for whoever does not see the picture."""
    if isinstance(chart, BarChart):
        return _bars(chart)
    told = [_amounts(one) if chart.stacked else _line(one, chart.unit) for one in chart.series]
    told += [f"{bound.label}: {chart.unit.shown(bound.value)}" for bound in chart.bounds]
    told += [f"{one.label}: {moment(one.at)}" for one in chart.moments]
    return f"{chart.title}. {'; '.join(told) or _EMPTY}."


def tables(chart: Chart) -> list[Table]:
    """The same as tables."""
    if isinstance(chart, BarChart):
        if chart.is_in_table:
            return []
        rows: list[tuple[Cell, ...]] = [
            (bar.label, chart.unit.shown(bar.value)) for bar in chart.bars
        ]
        return [Table.of(chart.title, ("", "value"), rows, numeric=(1,), empty=_EMPTY)]
    of_series = _stacked(chart) if chart.stacked else _lines(chart)
    levels = [(bound.label, chart.unit.shown(bound.value)) for bound in chart.bounds]
    times = [(one.label, moment(one.at)) for one in chart.moments]
    found = [of_series]
    if levels:
        found.append(Table.of("Levels", ("level", "value"), levels, numeric=(1,)))
    if times:
        found.append(Table.of("Times", ("what", "when"), times))
    return found


class Extremes(NamedTuple):
    """The points of a series that say most."""

    first: Point
    lowest: Point
    highest: Point
    last: Point


def extremes(points: tuple[Point, ...]) -> Extremes | None:
    """Of the points that hold a value; None if none does."""
    held = [(point.value, point) for point in points if point.value is not None]
    if not held:
        return None
    return Extremes(
        held[0][1],
        min(held, key=lambda one: one[0])[1],
        max(held, key=lambda one: one[0])[1],
        held[-1][1],
    )


def _bars(chart: BarChart) -> str:
    def one(bar: Bar) -> str:
        return f"{bar.label} {chart.unit.shown(bar.value)}"

    return f"{chart.title}. {', '.join(map(one, chart.bars)) or _EMPTY}."


def _amounts(series: Series) -> str:
    values = [point.value or 0.0 for point in series.points]
    total, most = (Unit.NUMBER.shown(one) for one in (sum(values), max(values, default=0.0)))
    return f"{series.name}: {total} all together, at most {most} in one stretch"


def _line(series: Series, unit: Unit) -> str:
    found = extremes(series.points)
    if found is None:
        return f"{series.name}: {_EMPTY}"
    low, high = (unit.shown(point.value or 0.0) for point in (found.lowest, found.highest))
    return (
        f"{series.name}: from {low} ({moment(found.lowest.at)}) to {high} "
        f"({moment(found.highest.at)}), last {unit.shown(found.last.value or 0.0)}"
    )


def _lines(chart: TimeChart) -> Table:
    heads = ("", "points", "first", "lowest", "highest", "last")
    rows = [_summary(one, chart.unit) for one in chart.series]
    return Table.of(chart.title, heads, rows, numeric=(1, 2, 3, 4, 5), empty=_EMPTY)


def _stacked(chart: TimeChart) -> Table:
    """Amounts add up."""
    rows = []
    for one in chart.series:
        values = [point.value or 0.0 for point in one.points]
        most = max(values, default=0.0)
        rows.append((one.name, chart.unit.shown(sum(values)), chart.unit.shown(most)))
    heads = ("", "all together", "most in one")
    return Table.of(chart.title, heads, rows, numeric=(1, 2), empty=_EMPTY)


def _summary(series: Series, unit: Unit) -> tuple[Cell, ...]:
    found = extremes(series.points)
    if found is None:
        return (series.name, "0", *[_EMPTY] * 4)
    count = sum(point.value is not None for point in series.points)
    return (series.name, str(count), *(unit.shown(point.value or 0.0) for point in found))
