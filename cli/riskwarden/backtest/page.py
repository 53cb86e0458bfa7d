"""The verdict as one page that needs nothing else: no script, no network, no font.

Its content policy allows its own style sheet, by hash, and nothing more. Whatever comes from
an input file is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from html import escape
from typing import Final

from riskwarden.backtest import words
from riskwarden.backtest.chart import chart
from riskwarden.backtest.runs import Run

_STYLE: Final = """
:root { color-scheme: light dark; --ink: #1c2024; --dim: #60646c; --paper: #ffffff;
  --line: #e0e1e6; --without: #0b68cb; --with: #18794e; --fall: #0b68cb33;
  --warning: #b54708; --critical: #ce2c31; --emergency: #8e1e9d; }
@media (prefers-color-scheme: dark) { :root { --ink: #edeef0; --dim: #b0b4ba; --paper: #111113;
  --line: #363a3f; --without: #70b8ff; --with: #3dd68c; --fall: #70b8ff33;
  --warning: #ffb224; --critical: #ff9592; --emergency: #e796f3; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.2rem; margin: 2.5rem 0 .5rem; }
h3 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p, ul { color: var(--dim); margin: .25rem 0; } ul { padding-left: 1.2rem; }
svg { display: block; width: 100%; height: auto; margin: 1rem 0; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; }
th { color: var(--dim); font-weight: 500; } td.number, th.number { text-align: right; }
code { font-size: .85em; overflow-wrap: anywhere; }
b.warning { color: var(--warning); } b.critical { color: var(--critical); }
b.emergency { color: var(--emergency); }
.grid { stroke: var(--line); } .without, .with { fill: none; stroke-width: 1.6;
  stroke-linejoin: round; }
.without { stroke: var(--without); } .with { stroke: var(--with); stroke-dasharray: 5 3; }
.fall { fill: var(--fall); stroke: var(--without); stroke-width: 1; }
.bound { stroke-dasharray: 2 4; } .bound.warning { stroke: var(--warning); }
.bound.critical { stroke: var(--critical); } .bound.emergency { stroke: var(--emergency); }
.trip { stroke: var(--emergency); stroke-width: 1.5; }
circle { fill: var(--dim); fill-opacity: .8; } circle.warning { fill: var(--warning); }
circle.critical { fill: var(--critical); } circle.emergency { fill: var(--emergency); }
text { fill: var(--dim); font: 12px system-ui, sans-serif; } text.tick { text-anchor: end; }
text.name { fill: var(--ink); font-weight: 600; }
.legend i { display: inline-block; width: 1.2rem; border-top: 2px solid var(--without);
  margin: 0 .3rem .25rem 1rem; } .legend i.with { border-top: 2px dashed var(--with); }
"""
_COUNTED: Final = ("alert", "fired", "rows", "escalated", "false alarms", "first")
_LEGEND: Final = (
    '<p class="legend"><i></i>without the kill switch<i class="with"></i>with it; a dot is an '
    "alert, its text tells which</p>"
)
_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()


def page(runs: Sequence[Run]) -> str:
    """The whole page."""
    history = runs[0].history
    last = len(history.times) - 1
    sections = "\n".join(_section(run) for run in runs)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{_HASH}'">
<meta name="referrer" content="no-referrer">
<title>Backtest: {escape(history.source)}</title>
<style>{_STYLE}</style>
</head>
<body>
<h1>Backtest of {escape(history.source)}</h1>
<p>Account {escape(history.account)}, {last + 1} rows, {words.moment(runs[0], 0)} to \
{words.moment(runs[0], last)}. Alerts come from Prometheus's own engine on the generated rules.</p>
{_figures(runs)}
{sections}
</body>
</html>
"""


def _figures(runs: Sequence[Run]) -> str:
    lines = zip(*(words.headline(run) for run in runs), strict=True)
    rows = [[escape(line[0][0]), *(escape(value) for _, value in line)] for line in lines]
    return _table(["", *(escape(words.title(run)) for run in runs)], rows)


def _section(run: Run) -> str:
    verdict = run.verdict
    parts = [
        f"<h2>{escape(words.title(run))}</h2>",
        f"<p><code>sha256 {escape(run.policy.digest)}</code></p>",
        "<ul>",
        *(f"<li>{escape(note)}</li>" for note in words.notes(run)),
        "</ul>",
        _LEGEND,
        chart(run),
    ]
    if not verdict.episodes:
        return "\n".join([*parts, "<p>Nothing would have fired.</p>"])
    rows = len(run.history.times)
    counts = [
        [
            _alert(count.alertname, count.severity), str(count.fired), str(count.rows),
            str(count.escalated), str(count.false_alarms), words.moment(run, count.first_row),
        ]
        for count in verdict.counts
    ]  # fmt: skip
    uses = [
        [
            use.action.value, words.doer(use), str(use.times), str(use.rows),
            f"{use.rows / rows:.0%}", words.moment(run, use.first_row), escape(use.effect),
        ]
        for use in verdict.gate
    ]  # fmt: skip
    episodes = [
        [
            words.moment(run, episode.began), words.moment(run, episode.ended),
            _alert(episode.alertname, episode.severity.value), escape(episode.risk_id),
            words.worst(episode), escape(words.escalations(run, episode)),
        ]
        for episode in verdict.episodes
    ]  # fmt: skip
    parts += [
        "<h3>Alerts</h3>",
        _table(_COUNTED, counts, (1, 2, 3, 4)),
    ]
    if uses:
        parts += [
            "<h3>What the gate would have done, and people been asked for</h3>",
            _table(["action", "by", "times", "rows", "share", "first", "what"], uses, (2, 3, 4)),
        ]
    parts += [
        "<h3>Every alert</h3>",
        _table(["from", "to", "alert", "about", "worst", "escalated"], episodes),
    ]
    return "\n".join(parts)


def _alert(name: str, severity: str) -> str:
    return f'<b class="{escape(severity)}">{escape(name)}</b>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """Cells are HTML already."""

    def cells(tag: str, values: Sequence[str]) -> str:
        return "".join(
            f'<{tag} class="number">{value}</{tag}>' if at in numbers else f"<{tag}>{value}</{tag}>"
            for at, value in enumerate(values)
        )

    body = "\n".join(f"<tr>{cells('td', row)}</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{cells("th", heads)}</tr></thead>'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )
