"""What a dashboard is made of, as values: what is asked, how it is shown, where the colours turn.

The tables under ``dashboards/`` are written in these words and nothing else; whatever does not fit
is refused as they are read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_grafana.errors import DashboardError
from risk_grafana.promql import CHOSEN, RANGE, Expression
from risk_grafana.units import Unit

#: Grafana's grid.
COLUMNS: Final = 24
_FEW_POINTS: Final = 60
_PLACEHOLDER: Final = re.compile(r"\{\{(\w+)\}\}")
_VARIABLE: Final = re.compile(r"\$(\w+)")


class Shape(StrEnum):
    """How values are shown. The values are Grafana's panel types."""

    NUMBER = "stat"
    LINES = "timeseries"
    BARS = "bargauge"
    TABLE = "table"
    STATES = "state-timeline"


class Colour(StrEnum):
    """Names that Grafana draws differently on dark and on light."""

    GOOD = "green"
    NOTICE = "yellow"
    BAD = "orange"
    WORST = "red"
    CALM = "blue"
    UNKNOWN = "#808080"


#: From which value on which colour; the first one is everything below.
Steps = tuple[tuple[float | None, Colour], ...]
#: What a value is called, and its colour.
Words = Mapping[int, tuple[str, Colour]]

PLAIN: Final[Steps] = ((None, Colour.CALM),)


@dataclass(frozen=True, slots=True)
class Query:
    """One question to Prometheus.

    Attributes:
        legend: what its series are called, with ``{{label}}``; in a table its column.
        steps: a column's colours, in a table.
    """

    expression: Expression
    legend: str
    steps: Steps = ()

    def __post_init__(self) -> None:
        for label in _PLACEHOLDER.findall(self.legend):
            if label not in self.expression.labels:
                raise DashboardError(f"{self.expression.text} has no label {label!r} to show")

    @property
    def variables(self) -> frozenset[str]:
        """The variables of the dashboard that it depends on."""
        return frozenset(_VARIABLE.findall(self.expression.text)) & frozenset(CHOSEN)


@dataclass(frozen=True, slots=True)
class Panel:
    """One panel.

    Attributes:
        about: what is to be known of it, shown beside its title.
        width: in columns.
        height: in rows of the grid.
        words: what values are called; then the panel shows states.
        least: where its axis begins at the latest; ``most`` where it ends at the earliest.
        runbooks: alerts whose runbooks it links to.
        names_alerts: whether its series are alerts, each of which links to its runbook.
        in_console: whether it links to the operator console, where people act on what it shows.
        stacked: whether its lines are parts of a whole.
        calculation: what a number or a bar is made of when there are several values.
    """

    shape: Shape
    title: str
    about: str
    queries: tuple[Query, ...]
    width: int
    height: int = 8
    steps: Steps = PLAIN
    words: Words | None = None
    least: float | None = None
    most: float | None = None
    runbooks: tuple[str, ...] = ()
    names_alerts: bool = False
    in_console: bool = False
    stacked: bool = False
    calculation: str = "lastNotNull"

    def __post_init__(self) -> None:
        if not (self.title and self.about and self.queries):
            raise DashboardError(f"panel {self.title!r} has no title, description or query")
        if not (0 < self.width <= COLUMNS and self.height > 0):
            raise DashboardError(f"panel {self.title!r} does not fit into {COLUMNS} columns")
        if any(query.expression.unit is None for query in self.queries):
            raise DashboardError(f"panel {self.title!r} shows a Unix time; show how long ago it is")
        if self.shape is not Shape.TABLE and len({q.expression.unit for q in self.queries}) > 1:
            raise DashboardError(f"panel {self.title!r} has one axis for several units")

    @property
    def unit(self) -> Unit:
        """What its numbers are."""
        unit = Unit.STATE if self.words else self.queries[0].expression.unit
        assert unit is not None
        return unit

    @property
    def is_instant(self) -> bool:
        """Whether it shows what is, and not what was: the last that was known may long be old."""
        return self.shape in (Shape.NUMBER, Shape.TABLE, Shape.BARS)

    @property
    def points(self) -> int | None:
        """How many to draw at most; None leaves it to the panel's width.

        What is computed over the whole range at each point costs as much as all of it does.
        """
        return _FEW_POINTS if self.spans_range and not self.is_instant else None

    @property
    def spans_range(self) -> bool:
        """Whether each value is made of the whole range that is shown."""
        return any(RANGE in query.expression.text for query in self.queries)


@dataclass(frozen=True, slots=True)
class Row:
    """Panels below one heading, from left to right; each line of them is filled."""

    title: str
    panels: tuple[Panel, ...]


@dataclass(frozen=True, slots=True)
class Dashboard:
    """One dashboard.

    Attributes:
        name: of its file, and the end of its uid.
        since: what it shows at first.
        refresh: how often it asks again.
    """

    name: str
    title: str
    about: str
    rows: tuple[Row, ...]
    since: str = "now-1h"
    refresh: str = "5s"

    @property
    def uid(self) -> str:
        """By which links find it, whatever it is called."""
        return f"riskwarden-{self.name}"

    @property
    def panels(self) -> tuple[Panel, ...]:
        """All of them, from the top."""
        return tuple(panel for row in self.rows for panel in row.panels)

    @property
    def variables(self) -> tuple[str, ...]:
        """What can be chosen: whatever any of its panels depends on."""
        used = {
            name for panel in self.panels for query in panel.queries for name in query.variables
        }
        return tuple(name for name in CHOSEN if name in used)
