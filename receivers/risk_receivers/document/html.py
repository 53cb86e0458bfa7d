"""A document as one page that needs nothing else: no script, no network, no font.

Its content policy allows its own style sheet, by hash, and nothing more. Whatever comes from
outside is escaped.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterator
from html import escape
from itertools import count
from typing import Final, assert_never

from risk_receivers.document.charts import svg
from risk_receivers.document.model import (
    BarChart,
    Block,
    Cell,
    Chart,
    Document,
    Figure,
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
from risk_receivers.document.style import PAPER, PAPER_PICTURE, SCREEN

#: A time of a day, which is read as one word.
_TIME: Final = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(\.\d+)?")
#: Where words end within names such as DRAWDOWN_WARNING or drawdown/main.
_ENDS: Final = re.compile(r"[_/](?=\w)")
#: What is said of a tone to whoever sees no colour.
_SAID: Final = {
    Tone.PLAIN: "",
    Tone.GOOD: "✓ ",
    Tone.WARNING: "⚠ ",
    Tone.CRITICAL: "✖ ",
    Tone.EMERGENCY: "‼ ",
}


def html(document: Document) -> str:
    """A page for screens."""
    digest = base64.b64encode(hashlib.sha256(SCREEN.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'"
    head = f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
    return _page(document, head, SCREEN, svg)


def paper(document: Document) -> str:
    """The same for whatever makes a PDF of it, in colours for paper."""

    def picture(chart: Chart, number: int) -> str:
        opening, rest = svg(chart, number).split("\n", 1)
        return f"{opening}\n<style>{PAPER_PICTURE}</style>\n{rest}"

    return _page(document, "", PAPER, picture, _breakable)


def _breakable(text: str) -> str:
    """Escaped; a long name may be broken where its words end."""
    return _ENDS.sub(r"\g<0><wbr>", escape(text))


def _page(
    document: Document,
    head: str,
    style: str,
    picture: Callable[[Chart, int], str],
    words: Callable[[str], str] = escape,
) -> str:
    writer = _Writer(picture, words)
    meta = "".join(
        f"<dt>{escape(label)}</dt><dd>{escape(value)}</dd>" for label, value in document.meta
    )
    body = "\n".join(writer.blocks(document.blocks, 2))
    return f"""<!doctype html>
<html lang="{escape(document.language)}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
{head}
<meta name="referrer" content="no-referrer">
<meta name="generator" content="Riskwarden">
<title>{escape(document.title)}</title>
<style>{style}</style>
</head>
<body>
<main>
<h1 data-about="{escape(document.about)}">{escape(document.title)}</h1>
<dl class="meta">{meta}</dl>
{body}
</main>
</body>
</html>
"""


class _Writer:
    """Writes blocks, and numbers the pictures; ``words`` escapes what stands in cells."""

    def __init__(self, picture: Callable[[Chart, int], str], words: Callable[[str], str]) -> None:
        self._picture = picture
        self._words = words
        self._numbers = count(1)

    def blocks(self, blocks: tuple[Block, ...], level: int) -> Iterator[str]:
        for block in blocks:
            yield from self._block(block, level)

    def _block(self, block: Block, level: int) -> Iterator[str]:
        match block:
            case Section():
                name = f"h{min(level, 6)}"
                yield f"<section><{name}>{escape(block.title)}</{name}>"
                yield from self.blocks(block.blocks, level + 1)
                yield "</section>"
            case Paragraph():
                kind = "" if block.tone is Tone.PLAIN else f' class="callout {block.tone}"'
                yield f"<p{kind}>{_SAID[block.tone]}{escape(block.text)}</p>"
            case Preformatted():
                yield f"<pre>{escape(block.text)}</pre>"
            case Figures():
                kind = f"figures in-{_in_a_row(len(block.figures))}"
                yield f'<dl class="{kind}">{"".join(map(_figure, block.figures))}</dl>'
            case Table():
                yield self._table(block)
            case Findings():
                yield _findings(block)
            case BarChart() | TimeChart():
                yield f"<figure><figcaption>{escape(block.title)}</figcaption>"
                yield self._picture(block, next(self._numbers))
                yield "</figure>"
            case _:
                assert_never(block)

    def _table(self, table: Table) -> str:
        if not table.rows:
            title = f"{escape(table.title)}: " if table.title.strip() else ""
            return f'<p class="empty">{title}{escape(table.empty)}</p>'
        caption = f"<caption>{escape(table.title)}</caption>" if table.title else ""
        heads = "".join(
            f'<th scope="col"{_number(column.numeric)}>{escape(column.title)}</th>'
            for column in table.columns
        )
        body = "\n".join(self._row(table, row) for row in table.rows)
        # A table that is too wide can be moved with the keyboard, too.
        label = escape(table.title or "table")
        return (
            f'<div class="scroll" role="region" aria-label="{label}" tabindex="0"><table>{caption}'
            f"<thead><tr>{heads}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
        )

    def _row(self, table: Table, row: tuple[Cell, ...]) -> str:
        cells = "".join(
            f"<td{_number(column.numeric)}>{self._cell(cell)}</td>"
            for column, cell in zip(table.columns, row, strict=True)
        )
        return f"<tr>{cells}</tr>"

    def _cell(self, cell: Cell) -> str:
        if not isinstance(cell, Mark):
            written = self._words(cell)
            return f"<time>{written}</time>" if _TIME.fullmatch(cell) else written
        if cell.code:
            return f"<code>{escape(cell.text)}</code>"
        if cell.tone is Tone.PLAIN:
            return self._words(cell.text)
        return f'<b class="{cell.tone}">{self._words(cell.text)}</b>'


def _in_a_row(count: int) -> int:
    """So many that no row is left with one or two."""
    return next((number for number in (4, 5, 3) if count % number == 0), 4)


def _figure(figure: Figure) -> str:
    kind = "value" if figure.tone is Tone.PLAIN else f"value {figure.tone}"
    note = f'<dd class="note">{escape(figure.note)}</dd>' if figure.note else ""
    return (
        f'<div><dt>{escape(figure.label)}</dt><dd class="{kind}">'
        f"{_SAID[figure.tone]}{escape(figure.value)}</dd>{note}</div>"
    )


def _number(is_number: bool) -> str:  # noqa: FBT001 - a column's one property
    return ' class="number"' if is_number else ""


def _findings(findings: Findings) -> str:
    if not findings.findings:
        return f'<p class="empty">{escape(findings.empty)}</p>'
    return f"<ul>{''.join(map(_finding, findings.findings))}</ul>"


def _finding(finding: Finding) -> str:
    because = (
        f' <span class="because">({escape(finding.because)})</span>' if finding.because else ""
    )
    said = f'<b class="{finding.tone}">{_SAID[finding.tone]}</b>' if _SAID[finding.tone] else ""
    return f'<li class="finding">{said}{escape(finding.text)}{because}</li>'
