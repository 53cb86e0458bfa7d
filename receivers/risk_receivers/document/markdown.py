"""A document as Markdown. What comes from outside is escaped: it never becomes markup."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, assert_never

from risk_receivers.document.model import (
    BarChart,
    Block,
    Cell,
    Document,
    Figures,
    Finding,
    Findings,
    Mark,
    Paragraph,
    Preformatted,
    Section,
    Table,
    TimeChart,
    Tone,
)
from risk_receivers.document.words import tables

#: Everything that could begin markup or HTML inside a line, or end a cell.
_SPECIAL: Final = re.compile(r"[\\`*\[\]<>|~&]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")
#: What makes a heading, a list or a rule of a line, and only at its start.
_AT_START: Final = re.compile(r"^(\d*)([.)]|[#+=-])(?=[#+=-]*(?:\s|$))")
_SYMBOL: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "✅ ",
    Tone.WARNING: "⚠️ ",
    Tone.CRITICAL: "❗ ",
    Tone.EMERGENCY: "🚨 ",
}


def markdown(document: Document) -> str:
    """The whole document."""
    parts = [f"# {_text(document.title)}"]
    if document.meta:
        parts.append(
            "  \n".join(f"**{_text(label)}:** {_text(value)}" for label, value in document.meta)
        )
    parts += _blocks(document.blocks, 2)
    return "\n\n".join(parts) + "\n"


def _blocks(blocks: tuple[Block, ...], level: int) -> Iterator[str]:
    for block in blocks:
        yield from _block(block, level)


def _block(block: Block, level: int) -> Iterator[str]:
    match block:
        case Section():
            yield f"{'#' * min(level, 6)} {_text(block.title)}"
            yield from _blocks(block.blocks, level + 1)
        case Paragraph():
            words = _SYMBOL[block.tone] + _text(block.text)
            yield words if block.tone is Tone.PLAIN else f"> {words}"
        case Preformatted():
            fence = _fence(block.text)
            yield f"{fence}\n{block.text}\n{fence}"
        case Figures():
            rows = [
                _row([_text(one.label), _SYMBOL[one.tone] + _text(one.value), _text(one.note)])
                for one in block.figures
            ]
            yield "\n".join(["| Metric | Value | |", "|---|---:|---|", *rows])
        case Table():
            yield from _table(block)
        case Findings():
            yield "\n".join(map(_finding, block.findings)) or _text(block.empty)
        case BarChart() | TimeChart():
            for table in tables(block):
                yield from _table(table)
        case _:
            assert_never(block)


def _table(table: Table) -> Iterator[str]:
    if table.title.strip():  # four asterisks would be a rule
        yield f"**{_text(table.title)}**"
    if not table.rows:
        yield _text(table.empty)
        return
    lines = [
        _row([_text(column.title) for column in table.columns]),
        _row(["---:" if column.numeric else "---" for column in table.columns]),
        *(_row([_cell(cell) for cell in row]) for row in table.rows),
    ]
    yield "\n".join(lines)


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    if not isinstance(cell, Mark):
        return _text(cell)
    # Inside backticks nothing can be escaped, and a bar would still end the cell.
    if cell.code and cell.text.strip() and not re.search(r"[`|\n]", cell.text):
        return f"`{cell.text}`"
    return _SYMBOL[cell.tone] + _text(cell.text)


def _finding(finding: Finding) -> str:
    because = f" ({_text(finding.because)})" if finding.because else ""
    return f"- {_SYMBOL[finding.tone]}{_text(finding.text)}{because}"


def _text(text: str) -> str:
    line = _SPECIAL.sub(r"\\\g<0>", " ".join(text.split()))
    return _AT_START.sub(r"\1\\\2", line)


def _fence(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    return "`" * (longest + 1)
