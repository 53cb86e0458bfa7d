"""The clock of an alert that nobody answers, drawn so that it fits a width."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from risk_policy.spoken import spoken
from risk_policy.unanswered import Step

_GAP: Final = 2


def draw(steps: tuple[Step, ...], width: int) -> list[str]:
    """Lines no wider than the width: along it if there is room, else downwards."""
    columns = _columns(steps, width)
    return list(_along(steps, columns) if columns else _down(steps))


def moment(seconds: float) -> str:
    """A time since the beginning, short."""
    return spoken(seconds) if seconds else "0 min"


def _columns(steps: tuple[Step, ...], width: int) -> list[int]:
    """Where each step stands: in proportion to time, and never over the one before; [] if
    there is no room."""
    widths = [max(len(step.event), len(moment(step.after_seconds))) for step in steps]
    room = width - widths[-1]
    whole = steps[-1].after_seconds - steps[0].after_seconds
    columns = [0]
    for index, step in enumerate(steps[1:]):
        share = (step.after_seconds - steps[0].after_seconds) / whole if whole else 0.0
        least = columns[-1] + widths[index] + _GAP
        columns.append(max(least, round(share * room)))
    for index in range(len(columns) - 2, 0, -1):
        # What stands too far right because of its words moves back as far as they allow.
        columns[index] = min(columns[index], columns[index + 1] - widths[index] - _GAP)
    fits = columns[-1] + widths[-1] <= width
    apart = all(
        after - before >= wide + _GAP
        for (before, after), wide in zip(pairwise(columns), widths, strict=False)
    )
    return columns if fits and apart else []


def _along(steps: tuple[Step, ...], columns: list[int]) -> Iterator[str]:
    times = events = axis = ""
    for step, column in zip(steps, columns, strict=True):
        times = times.ljust(column) + moment(step.after_seconds)
        events = events.ljust(column) + step.event
        axis = axis.ljust(column, "─") + "●"
    yield from (times, axis, events)


def _down(steps: tuple[Step, ...]) -> Iterator[str]:
    widest = max(len(moment(step.after_seconds)) for step in steps)
    for index, step in enumerate(steps):
        if index:
            yield f"{'':>{widest}} │"
        yield f"{moment(step.after_seconds):>{widest}} ● {step.event}"
