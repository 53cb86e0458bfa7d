"""Where panels stand. Nothing overlaps and no line has a gap, or it is refused."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from risk_grafana.errors import DashboardError
from risk_grafana.panel import COLUMNS, Dashboard, Panel, Row


@dataclass(frozen=True, slots=True)
class Place:
    """A rectangle of the grid."""

    x: int
    y: int
    width: int
    height: int


def placed(dashboard: Dashboard) -> Iterator[tuple[Row | Panel, Place]]:
    """Every heading and panel in the order in which it is read. Raises DashboardError."""
    y = 0
    for row in dashboard.rows:
        yield row, Place(0, y, COLUMNS, 1)
        y += 1
        for line in _lines(dashboard, row):
            x = 0
            for panel in line:
                yield panel, Place(x, y, panel.width, panel.height)
                x += panel.width
            y += line[0].height


def _lines(dashboard: Dashboard, row: Row) -> Iterator[list[Panel]]:
    line: list[Panel] = []
    for panel in row.panels:
        line.append(panel)
        width = sum(one.width for one in line)
        if width > COLUMNS or panel.height != line[0].height:
            raise DashboardError(
                f"{dashboard.name}: {panel.title!r} does not stand beside {line[0].title!r}"
            )
        if width == COLUMNS:
            yield line
            line = []
    if line:
        raise DashboardError(f"{dashboard.name}: there is room beside {line[-1].title!r}")
