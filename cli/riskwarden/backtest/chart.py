"""Equity and drawdown as inline SVG, with a mark for every alert."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from typing import Final

from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.quantities import percent
from riskwarden.backtest import words
from riskwarden.backtest.runs import Run

_WIDTH, _LEFT, _RIGHT = 1000, 72, 16
_TICKS: Final = 4
#: More points than this say nothing that a screen can show.
_POINTS: Final = 1200


@dataclass(frozen=True, slots=True)
class _Frame:
    """A plot area: values and rows to pixels."""

    top: int
    height: int
    low: float
    high: float
    rows: int

    def x(self, row: float) -> float:
        return _LEFT + (_WIDTH - _LEFT - _RIGHT) * row / max(self.rows - 1, 1)

    def y(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1)
        return self.top + self.height * (1 - share)

    def line(self, values: Sequence[float]) -> str:
        return " ".join(f"{self.x(row):.1f},{self.y(values[row]):.1f}" for row in _kept(values))


def chart(run: Run) -> str:
    """Both curves over one axis of time."""
    history, verdict = run.history, run.verdict
    rows = len(history.times)
    others = verdict.curve_with.equity if verdict.curve_with else ()
    every = (*verdict.curve.equity, *others)
    equity = _Frame(26, 240, min(every), max(every), rows)
    deepest = max(verdict.curve.worst_drawdown, 0.01)
    fall = _Frame(330, 150, -deepest, 0.0, rows)
    parts = [
        f'<svg viewBox="0 0 {_WIDTH} 520" role="img" aria-label="Equity and drawdown">',
        *_axis(equity, "equity", lambda value: f"{value:,.0f}"),
        *_axis(fall, "drawdown", lambda value: percent(abs(value))),
        *_days(run, fall),
        *_thresholds(run, fall),
        _area(fall, verdict.curve.drawdown),
        f'<polyline class="without" points="{equity.line(verdict.curve.equity)}"/>',
    ]
    if verdict.curve_with is not None:
        parts.append(f'<polyline class="with" points="{equity.line(verdict.curve_with.equity)}"/>')
        drawn = [-value for value in verdict.curve_with.drawdown]
        parts.append(f'<polyline class="with" points="{fall.line(drawn)}"/>')
    parts += _marks(run, equity, verdict.curve.equity)
    parts += _marks(run, fall, [-value for value in verdict.curve.drawdown])
    if verdict.trip is not None:
        x = equity.x(verdict.trip.row)
        parts.append(
            f'<line class="trip" x1="{x:.1f}" x2="{x:.1f}" y1="{equity.top}" '
            f'y2="{fall.top + fall.height}"><title>kill switch: '
            f"{escape(verdict.trip.alertname)}, {words.moment(run, verdict.trip.row)}"
            "</title></line>"
        )
    return "\n".join([*parts, "</svg>"])


def _area(frame: _Frame, drawdown: Sequence[float]) -> str:
    line = frame.line([-value for value in drawdown])
    first, last = f"{frame.x(0):.1f}", f"{frame.x(frame.rows - 1):.1f}"
    base = f"{frame.y(0):.1f}"
    return f'<polygon class="fall" points="{first},{base} {line} {last},{base}"/>'


def _axis(frame: _Frame, name: str, text: Callable[[float], str]) -> Iterator[str]:
    yield f'<text class="name" x="{_LEFT}" y="{frame.top - 10}">{name}</text>'
    for number in range(_TICKS + 1):
        value = frame.low + (frame.high - frame.low) * number / _TICKS
        y = frame.y(value)
        yield f'<line class="grid" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>'
        yield f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}">{text(value)}</text>'


def _days(run: Run, frame: _Frame) -> Iterator[str]:
    last = frame.rows - 1
    for number in range(6):
        row = round(last * number / 5)
        anchor = "start" if not number else "end" if row == last else "middle"
        yield (
            f'<text class="day" text-anchor="{anchor}" x="{frame.x(row):.1f}" '
            f'y="{frame.top + frame.height + 22}">{words.moment(run, row)}</text>'
        )


def _thresholds(run: Run, frame: _Frame) -> Iterator[str]:
    for spec in DRAWDOWN.alerts:
        bound = DRAWDOWN.bound(run.policy.number(spec.threshold))
        if -bound >= frame.low:
            y = frame.y(-bound)
            yield (
                f'<line class="bound {spec.tier}" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" '
                f'y1="{y:.1f}" y2="{y:.1f}"><title>{spec.name}: {percent(bound)}</title></line>'
            )


def _marks(run: Run, frame: _Frame, values: Sequence[float]) -> Iterator[str]:
    """A dot on the curve where an alert began, the worse the larger, and on top."""
    for episode in sorted(run.verdict.episodes, key=lambda e: e.severity.rank):
        what = f"{episode.alertname} {episode.risk_id}, {words.moment(run, episode.began)}"
        if reached := words.worst(episode):
            what += f", worst {reached}"
        yield (
            f'<circle class="{episode.severity}" cx="{frame.x(episode.began):.1f}" '
            f'cy="{frame.y(values[episode.began]):.1f}" r="{1.5 + episode.severity.rank:g}">'
            f"<title>{escape(what)}</title></circle>"
        )


def _kept(values: Sequence[float]) -> Iterator[int]:
    """Rows to draw: all, or the lowest and the highest of each stretch, in order."""
    rows = len(values)
    if rows <= _POINTS:
        yield from range(rows)
        return
    edges = [round(number * rows / (_POINTS // 2)) for number in range(_POINTS // 2 + 1)]
    for start, end in pairwise(edges):
        stretch = range(start, end)
        yield from sorted(
            {min(stretch, key=values.__getitem__), max(stretch, key=values.__getitem__)}
        )
