"""What a document consists of. Pure values, which every form shows in full.

All text is plain: whatever a name or a comment holds, no form takes it for markup.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from math import isfinite

from risk_policy.quantities import duration, percent
from risk_policy.vocabulary import Severity


class Tone(StrEnum):
    """How something is meant; never told by a colour alone."""

    PLAIN = "plain"
    GOOD = "good"
    WARNING = "warning"
    CRITICAL = "critical"
    EMERGENCY = "emergency"


class Unit(StrEnum):
    """What the numbers of a chart are."""

    NUMBER = "number"
    RATIO = "ratio"
    SECONDS = "seconds"

    def shown(self, value: float) -> str:
        """A number as people read it."""
        if not isfinite(value):
            return str(value)
        match self:
            case Unit.RATIO:
                return percent(value)
            case Unit.SECONDS:
                return duration(value) if value >= 0 else f"-{duration(-value)}"
            case Unit.NUMBER:
                return (
                    f"{value:,.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"
                )


def tone_of(severity: Severity | None) -> Tone:
    """How a severity is meant."""
    match severity:
        case Severity.EMERGENCY:
            return Tone.EMERGENCY
        case Severity.CRITICAL:
            return Tone.CRITICAL
        case Severity.WARNING:
            return Tone.WARNING
        case _:
            return Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Mark:
    """A word with a tone, or one that is copied (a hash, a command): ``code``."""

    text: str
    tone: Tone = Tone.PLAIN
    code: bool = False


#: What stands in a cell of a table.
Cell = str | Mark


@dataclass(frozen=True, slots=True)
class Paragraph:
    """A few sentences. With a tone other than plain it stands out."""

    text: str
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Preformatted:
    """Lines to be copied as they stand."""

    text: str


@dataclass(frozen=True, slots=True)
class Figure:
    """One number that counts, what it is, and what is to be known of it."""

    label: str
    value: str
    note: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Figures:
    """The numbers that count, before everything else."""

    figures: tuple[Figure, ...]


@dataclass(frozen=True, slots=True)
class Column:
    """A column's heading, and whether numbers stand in it."""

    title: str
    numeric: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings; without rows it says ``empty`` in their place."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str = "none"

    @classmethod
    def of(
        cls,
        title: str,
        columns: Sequence[str],
        rows: Iterable[Sequence[Cell]],
        *,
        numeric: Sequence[int] = (),
        empty: str = "none",
    ) -> Table:
        """A table from words; ``numeric`` are the columns that hold numbers, from 0."""
        heads = tuple(Column(title, at in numeric) for at, title in enumerate(columns))
        cells = tuple(tuple(row) for row in rows)
        if any(len(row) != len(heads) for row in cells):
            raise ValueError(f"every row of {title!r} must have {len(heads)} cells")
        return cls(title, heads, cells, empty)


@dataclass(frozen=True, slots=True)
class Finding:
    """Something to know or to do, and the figure that says so."""

    text: str
    because: str = ""
    tone: Tone = Tone.WARNING


@dataclass(frozen=True, slots=True)
class Findings:
    """Findings; without any it says ``empty``."""

    findings: tuple[Finding, ...]
    empty: str = "Nothing to report."


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a chart."""

    label: str
    value: float
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class BarChart:
    """Amounts side by side.

    Attributes:
        is_in_table: a table beside it says the same, so that text alone leaves it out.
    """

    title: str
    bars: tuple[Bar, ...]
    unit: Unit = Unit.NUMBER
    is_in_table: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """What was measured at a time; None where there is nothing, which is a gap in the line.

    Attributes:
        label: what a dot stands for, if more than its series' name.
    """

    at: datetime
    value: float | None
    label: str = ""


@dataclass(frozen=True, slots=True)
class Series:
    """One line, or separate dots."""

    name: str
    points: tuple[Point, ...]
    dots: bool = False
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Bound:
    """A level that is drawn across a chart."""

    label: str
    value: float
    tone: Tone = Tone.WARNING


@dataclass(frozen=True, slots=True)
class Moment:
    """A time that is drawn through a chart."""

    label: str
    at: datetime
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class TimeChart:
    """Values over time.

    Attributes:
        stacked: each series holds amounts of equal stretches of time, which begin at its points:
            columns on top of each other, the first series at the bottom.
    """

    title: str
    series: tuple[Series, ...]
    bounds: tuple[Bound, ...] = ()
    moments: tuple[Moment, ...] = ()
    unit: Unit = Unit.NUMBER
    stacked: bool = False


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a heading of its own."""

    title: str
    blocks: tuple[Block, ...]


Chart = BarChart | TimeChart
Block = Paragraph | Preformatted | Figures | Table | Findings | BarChart | TimeChart | Section


@dataclass(frozen=True, slots=True)
class Document:
    """A whole document.

    Attributes:
        meta: what it is about and made of: label and value, in order.
        about: what stands on every sheet of paper beside the title; may be empty.
    """

    title: str
    meta: tuple[tuple[str, str], ...]
    blocks: tuple[Block, ...]
    language: str = "en"
    about: str = ""
