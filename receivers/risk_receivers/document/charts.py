"""Charts as inline SVG: classes instead of colours, so that the page decides how they look.

Every picture says in its text what it shows. Colour is never all that tells one thing from
another: lines differ in their dashes, and marks are labelled.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from html import escape
from itertools import groupby, pairwise
from textwrap import wrap
from typing import Final

from risk_receivers.document.model import (
    BarChart,
    Bound,
    Chart,
    Moment,
    Point,
    Series,
    TimeChart,
    Tone,
    Unit,
)
from risk_receivers.document.words import described, moment

_WIDTH: Final = 960
_LEFT: Final = 90
_RIGHT: Final = 16
#: With bounds, whose names stand there, where no line runs through them.
_NAMED_RIGHT: Final = 130
_LONGEST_BOUND: Final = 18
#: Names that would touch each other are moved apart.
_APART: Final = 14
_PLOT: Final = 220
_TICKS: Final = 4
_DAYS: Final = 5
_LINE: Final = 20
_BAR: Final = 26
#: Where a bar begins, and how long the longest is; beyond it stands its number.
_NAMES: Final = 240
_BARS: Final = _WIDTH - _NAMES - 110
_LONGEST_NAME: Final = 34
_LEGEND_CHARACTERS: Final = 120
#: More points than this say nothing that a screen or a sheet of paper can show.
_MOST_POINTS: Final = 1200
#: How many kinds of line the style sheet knows.
_LINES: Final = 4


def svg(chart: Chart, number: int) -> str:
    """A picture; ``number`` tells it from the others of the same page."""
    body, height = _bars(chart) if isinstance(chart, BarChart) else _times(chart)
    ids = f"c{number}t c{number}d"
    return "\n".join(
        [
            f'<svg viewBox="0 0 {_WIDTH} {height}" role="img" aria-labelledby="{ids}">',
            f'<title id="c{number}t">{escape(chart.title)}</title>',
            f'<desc id="c{number}d">{escape(described(chart))}</desc>',
            *body,
            "</svg>",
        ]
    )


def _bars(chart: BarChart) -> tuple[list[str], int]:
    highest = max((abs(bar.value) for bar in chart.bars), default=0.0) or 1.0
    parts = []
    for at, bar in enumerate(chart.bars):
        y = at * _BAR + 4
        width = max(_BARS * abs(bar.value) / highest, 1.0)
        parts += [
            (
                f'<text class="tick" text-anchor="end" x="{_NAMES - 10}" y="{y + 14}">'
                f"{escape(_short(bar.label))}</text>"
            ),
            (
                f'<rect class="bar {bar.tone}" x="{_NAMES}" y="{y}" width="{width:.1f}" '
                f'height="18" rx="2"><title>{escape(bar.label)}</title></rect>'
            ),
            (
                f'<text class="value" x="{_NAMES + width + 8:.1f}" y="{y + 14}">'
                f"{escape(chart.unit.shown(bar.value))}</text>"
            ),
        ]
    return parts or [_nothing(20)], max(len(chart.bars) * _BAR + 8, 32)


def _times(chart: TimeChart) -> tuple[list[str], int]:
    drawn = [point.value for one in chart.series for point in one.points]
    if chart.stacked and drawn:
        drawn = [0.0, *(sum(p.value or 0.0 for p in stack) for stack in _stacks(chart.series))]
    bounds = [bound.value for bound in chart.bounds]
    values = [value for value in (*drawn, *bounds) if value is not None]
    times = [point.at for one in chart.series for point in one.points]
    times += [one.at for one in chart.moments]
    if chart.stacked and times:
        times.append(max(times) + _stretch(chart.series))
    if not values or not times:
        return [_nothing(20)], 32
    top = 10 + _LINE * (len(chart.moments) > 0)
    frame = _Frame(top, values, min(times), max(times), _NAMED_RIGHT if bounds else _RIGHT)
    parts = [*_axis(frame, chart.unit), *_dates(frame)]
    parts += _bounds(frame, chart.bounds)
    if chart.stacked:
        parts += _columns(frame, chart.series)
    else:
        for at, one in enumerate(chart.series):
            parts += _series(frame, one, at)
    parts += _moments(frame, chart.moments)
    legend, height = _legend(chart, top + _PLOT + 48)
    return parts + legend, height


def _bounds(frame: _Frame, bounds: Sequence[Bound]) -> Iterator[str]:
    lowest = math.inf  # of the names that stand above
    for bound in sorted(bounds, key=lambda one: one.value):
        y = frame.y(bound.value)
        yield (
            f'<line class="bound {bound.tone}" x1="{_LEFT}" x2="{frame.right}" y1="{y:.1f}" '
            f'y2="{y:.1f}"/>'
        )
        lowest = min(y + 4, lowest - _APART)
        yield (
            f'<text class="note" x="{frame.right + 6}" y="{lowest:.1f}">'
            f"{escape(_short(bound.label, _LONGEST_BOUND))}</text>"
        )


class _Frame:
    """A plot area: times and values to pixels, from one round value to another."""

    def __init__(
        self, top: int, values: Sequence[float], first: datetime, last: datetime, margin: int
    ) -> None:
        low, high = min(values), max(values)
        if low == high:
            low, high = min(low, 0.0), max(high, 0.0) or 1.0
        step = _round_step((high - low) / _TICKS)
        if all(value == int(value) for value in values) and step != int(step):
            step = _round_step(math.ceil(step))  # there is no half of what is counted
        self.top, self.right = top, _WIDTH - margin
        self.low, self.high = math.floor(low / step) * step, math.ceil(high / step) * step
        self.ticks = [
            self.low + step * at for at in range(round((self.high - self.low) / step) + 1)
        ]
        self.first, self.span = first, (last - first).total_seconds() or 1.0

    def x(self, at: datetime) -> float:
        share = (at - self.first).total_seconds() / self.span
        return _LEFT + (self.right - _LEFT) * share

    def y(self, value: float) -> float:
        return self.top + _PLOT * (1 - (value - self.low) / (self.high - self.low))


def _round_step(least: float) -> float:
    """The next step that people count in."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * one for one in (1.0, 2.0, 2.5, 5.0, 10.0) if power * one >= least * 0.999)


def _axis(frame: _Frame, unit: Unit) -> Iterator[str]:
    for value in frame.ticks:
        y = frame.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{frame.right}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield (
            f'<text class="tick" text-anchor="end" x="{_LEFT - 8}" y="{y + 4:.1f}">'
            f"{escape(_tick(value, unit))}</text>"
        )


def _tick(value: float, unit: Unit) -> str:
    if unit is Unit.NUMBER:
        return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.4g}"
    return f"{value * 100:.4g}%" if unit is Unit.RATIO else unit.shown(round(value, 3))


def _dates(frame: _Frame) -> Iterator[str]:
    for number in range(_DAYS):
        at = frame.first + timedelta(seconds=frame.span * number / (_DAYS - 1))
        anchor = "start" if not number else "end" if number == _DAYS - 1 else "middle"
        form = f"{at:%Y-%m-%d}" if frame.span > 5 * 86400 else f"{at:%m-%d %H:%M}"
        form = form if frame.span > 3600 else f"{at:%H:%M:%S}"
        yield (
            f'<text class="tick" text-anchor="{anchor}" x="{frame.x(at):.1f}" '
            f'y="{frame.top + _PLOT + 20}">{form}</text>'
        )


def _kind(series: Series, at: int) -> str:
    """The dashes of its place, and the colour of its tone if it has one."""
    place = f"s{at % _LINES}"
    return place if series.tone is Tone.PLAIN else f"{place} {series.tone}"


def _series(frame: _Frame, series: Series, at: int) -> Iterator[str]:
    kind = _kind(series, at)
    if series.dots:
        for point in series.points:
            if point.value is not None:
                said = f"{point.label or series.name}, {moment(point.at)}"
                yield (
                    f'<circle class="dot {kind}" cx="{frame.x(point.at):.1f}" '
                    f'cy="{frame.y(point.value):.1f}" r="4">'
                    f"<title>{escape(said)}</title></circle>"
                )
        return
    for is_there, stretch in groupby(_kept(series.points), lambda point: point.value is not None):
        if is_there:
            line = [(frame.x(p.at), frame.y(p.value)) for p in stretch if p.value is not None]
            if len(line) == 1:  # a line of one point would not be seen
                line.append((line[0][0] + 1, line[0][1]))
            yield (
                f'<polyline class="line {kind}" points="'
                f'{" ".join(f"{x:.1f},{y:.1f}" for x, y in line)}"/>'
            )


def _stacks(series: Sequence[Series]) -> Iterator[tuple[Point, ...]]:
    """What stands on top of each other."""
    return zip(*(one.points for one in series), strict=True)


def _stretch(series: Sequence[Series]) -> timedelta:
    points = series[0].points
    return points[1].at - points[0].at if len(points) > 1 else timedelta(seconds=1)


def _columns(frame: _Frame, series: Sequence[Series]) -> Iterator[str]:
    stretch = _stretch(series)
    for stack in _stacks(series):
        below = 0.0
        for at, (one, point) in enumerate(zip(series, stack, strict=True)):
            if not point.value:
                continue
            x, top = frame.x(point.at), frame.y(below + point.value)
            width = max(frame.x(point.at + stretch) - x - 2, 1.0)
            said = f"{one.name}: {Unit.NUMBER.shown(point.value)}, from {moment(point.at)}"
            yield (
                f'<rect class="column {_kind(one, at)}" x="{x + 1:.1f}" y="{top:.1f}" '
                f'width="{width:.1f}" height="{frame.y(below) - top:.1f}">'
                f"<title>{escape(said)}</title></rect>"
            )
            below += point.value


def _moments(frame: _Frame, moments: Sequence[Moment]) -> Iterator[str]:
    """Numbered at the top; the legend says what they are."""
    for at, one in enumerate(moments, 1):
        x = f"{frame.x(one.at):.1f}"
        yield (
            f'<line class="moment {one.tone}" x1="{x}" x2="{x}" y1="{frame.top}" '
            f'y2="{frame.top + _PLOT}"/>'
        )
        yield (
            f'<text class="value" text-anchor="middle" x="{x}" y="{frame.top - 6}">{at}<title>'
            f"{escape(f'{one.label}, {moment(one.at)}')}</title></text>"
        )


def _legend(chart: TimeChart, y: int) -> tuple[list[str], int]:
    parts = []
    x = _LEFT
    for at, one in enumerate(chart.series):
        kind = _kind(one, at)
        if x > _LEFT and x + 44 + 7 * len(one.name) > _WIDTH:
            x, y = _LEFT, y + _LINE
        if chart.stacked:
            mark = f'<rect class="column {kind}" x="{x}" y="{y - 10}" width="28" height="11"/>'
        elif one.dots:
            mark = f'<circle class="dot {kind}" cx="{x + 14}" cy="{y - 4}" r="4"/>'
        else:
            mark = f'<line class="line {kind}" x1="{x}" x2="{x + 28}" y1="{y - 4}" y2="{y - 4}"/>'
        parts.append(mark)
        parts.append(f'<text class="value" x="{x + 36}" y="{y}">{escape(one.name)}</text>')
        x += 60 + 7 * len(one.name)
    for number, moment_ in enumerate(chart.moments, 1):
        words = f"{number}  {moment(moment_.at)}  {moment_.label}"
        for line in wrap(words, _LEGEND_CHARACTERS, subsequent_indent="   "):
            y += _LINE
            parts.append(f'<text class="value" x="{_LEFT}" y="{y}">{escape(line)}</text>')
    return parts, y + 12


def _kept(points: Sequence[Point]) -> Iterator[Point]:
    """All points, or the lowest and the highest of each stretch, in order; gaps stay gaps."""
    if len(points) <= _MOST_POINTS:
        yield from points
        return
    stretches = _MOST_POINTS // 2
    edges = [round(number * len(points) / stretches) for number in range(stretches + 1)]
    for start, end in pairwise(edges):
        held = [at for at in range(start, end) if points[at].value is not None]
        if len(held) < end - start:
            yield next(points[at] for at in range(start, end) if points[at].value is None)
        if held:
            by_value = sorted(held, key=lambda at: points[at].value or 0.0)
            for at in sorted({by_value[0], by_value[-1]}):
                yield points[at]


def _short(text: str, longest: int = _LONGEST_NAME) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _nothing(y: int) -> str:
    return f'<text class="value" x="{_LEFT}" y="{y}">no data</text>'
