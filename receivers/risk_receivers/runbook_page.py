"""A runbook as browsers show it: on a phone, at night, with nothing to load.

It takes the Markdown that runbooks are made of and no more. Everything is escaped before markup is
made of it, and the page tells browsers to run and to load nothing.
"""

from __future__ import annotations

import base64
import hashlib
import html
import re
from collections.abc import Iterator
from typing import Final

_STYLE: Final = """
:root { color-scheme: light dark; }
body { margin: 0 auto; padding: 1rem; max-width: 52rem; overflow-wrap: break-word;
  font: 16px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 1.6rem; }
pre { padding: .6rem; overflow-x: auto; border: 1px solid #8886; border-radius: 6px; }
pre, code { font: 14px/1.4 ui-monospace, monospace; }
p code, li code, td a { overflow-wrap: anywhere; }
table { border-collapse: collapse; display: block; overflow-x: auto; }
td, th { padding: .2rem .6rem; border: 1px solid #8886;
  text-align: left; vertical-align: top; }
li { margin: .3rem 0; }
"""
_DIGEST: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
#: Nothing but this page's own style.
POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_DIGEST}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
_FENCE: Final = "```"
_ITEM: Final = re.compile(r"(?:-|\d+\.) (.*)")
_RULE: Final = re.compile(r"\|(?:\s*-+\s*\|)+")
_CODE: Final = re.compile(r"`([^`]+)`")
_LINK: Final = re.compile(r"\[([^\]]+)\]\((https?://[^\s)]+)\)")
_BOLD: Final = re.compile(r"\*\*(.+?)\*\*")


def page(title: str, markdown: str) -> str:
    """The whole page."""
    body = "\n".join(_blocks(markdown.splitlines()))
    return (
        f'<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n"
        f"{body}\n</body>\n</html>\n"
    )


def _blocks(lines: list[str]) -> Iterator[str]:
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if not line.strip():
            continue
        if line.startswith(_FENCE):
            end = next((n for n in range(index, len(lines)) if lines[n] == _FENCE), len(lines))
            yield f"<pre><code>{html.escape(chr(10).join(lines[index:end]))}</code></pre>"
            index = end + 1
            continue
        end = index
        while end < len(lines) and lines[end].strip() and not lines[end].startswith(_FENCE):
            end += 1
        yield _block([line, *lines[index:end]])
        index = end


def _block(lines: list[str]) -> str:
    """Lines that no empty one parts: a heading, a table, a list or a paragraph."""
    first = lines[0]
    if first.startswith("#"):
        marks, _, text = first.partition(" ")
        return f"<h{len(marks)}>{_inline(text)}</h{len(marks)}>"
    if first.startswith("|"):
        return _table(lines)
    if _ITEM.match(first):
        kind = "ul" if first.startswith("-") else "ol"
        items = [_inline(found[1]) for line in lines if (found := _ITEM.match(line))]
        return f"<{kind}>" + "".join(f"<li>{item}</li>" for item in items) + f"</{kind}>"
    text = " ".join(lines)
    if text.startswith("_") and text.endswith("_"):
        return f"<p><em>{_inline(text.strip('_'))}</em></p>"
    return f"<p>{_inline(text)}</p>"


def _table(lines: list[str]) -> str:
    rows = [line.strip("|").split("|") for line in lines if not _RULE.fullmatch(line)]
    made = []
    for number, row in enumerate(rows):
        if any(cell.strip() for cell in row):
            kind = "td" if number else "th"
            cells = "".join(f"<{kind}>{_inline(cell.strip())}</{kind}>" for cell in row)
            made.append(f"<tr>{cells}</tr>")
    return "<table>" + "".join(made) + "</table>"


def _inline(text: str) -> str:
    """Code first and apart: nothing within it is markup."""
    made = []
    for number, part in enumerate(_CODE.split(text)):
        escaped = html.escape(part)
        if number % 2:
            made.append(f"<code>{escaped}</code>")
            continue
        linked = _LINK.sub(r'<a href="\2">\1</a>', escaped)
        made.append(_BOLD.sub(r"<strong>\1</strong>", linked))
    return "".join(made)
