"""How documents look: on screens, light or dark, and on paper.

A picture brings its rules along in a PDF, whose maker applies none of the page's to it; so they
stand apart, and colours have names here only.
"""

from __future__ import annotations

import re
from typing import Final

_LIGHT: Final = {
    "ink": "#1c2024",
    "dim": "#60646c",
    "paper": "#ffffff",
    "line": "#e0e1e6",
    "soft": "#f4f4f6",
    "first": "#0b68cb",
    "second": "#18794e",
    "third": "#7c3aed",
    "fourth": "#7d5e1c",
    "good": "#18794e",
    "warning": "#b54708",
    "critical": "#ce2c31",
    "emergency": "#8e1e9d",
}
_DARK: Final = {
    "ink": "#edeef0",
    "dim": "#b0b4ba",
    "paper": "#111113",
    "line": "#363a3f",
    "soft": "#1c1d20",
    "first": "#70b8ff",
    "second": "#3dd68c",
    "third": "#baa7ff",
    "fourth": "#e5c07b",
    "good": "#3dd68c",
    "warning": "#ffb224",
    "critical": "#ff9592",
    "emergency": "#e796f3",
}


def _names(colours: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in colours.items())


_PICTURE: Final = """
svg text { fill: var(--dim); font: 12px system-ui, 'DejaVu Sans', sans-serif; }
svg text.value { fill: var(--ink); }
.grid { stroke: var(--line); }
.bar { fill: var(--first); } .bar.good { fill: var(--good); }
.bar.warning { fill: var(--warning); } .bar.critical { fill: var(--critical); }
.bar.emergency { fill: var(--emergency); }
.line { fill: none; stroke-width: 1.8; stroke-linejoin: round; }
.line.s0 { stroke: var(--first); }
.line.s1 { stroke: var(--second); stroke-dasharray: 6 3; }
.line.s2 { stroke: var(--third); stroke-dasharray: 2 3; }
.line.s3 { stroke: var(--fourth); stroke-dasharray: 8 3 2 3; }
.line.good { stroke: var(--good); } .line.warning { stroke: var(--warning); }
.line.critical { stroke: var(--critical); } .line.emergency { stroke: var(--emergency); }
.dot { fill: var(--first); } .dot.s1 { fill: var(--second); } .dot.s2 { fill: var(--third); }
.dot.s3 { fill: var(--fourth); } .dot.good { fill: var(--good); }
.dot.warning { fill: var(--warning); } .dot.critical { fill: var(--critical); }
.dot.emergency { fill: var(--emergency); }
.column { fill: var(--first); } .column.s1 { fill: var(--second); }
.column.s2 { fill: var(--third); } .column.s3 { fill: var(--fourth); }
.column.warning { fill: var(--warning); fill-opacity: .45; }
.column.critical { fill: var(--critical); fill-opacity: .75; }
.column.emergency { fill: var(--emergency); }
.bound { stroke: var(--dim); stroke-dasharray: 2 4; } .bound.warning { stroke: var(--warning); }
.bound.critical { stroke: var(--critical); } .bound.emergency { stroke: var(--emergency); }
.moment { stroke: var(--dim); stroke-width: 1.2; } .moment.warning { stroke: var(--warning); }
.moment.critical { stroke: var(--critical); } .moment.emergency { stroke: var(--emergency); }
.moment.good { stroke: var(--good); }
"""
_PAGE: Final = """
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 72rem; padding: 1.5rem; background: var(--paper);
  color: var(--ink); font: 15px/1.5 system-ui, 'DejaVu Sans', sans-serif; }
h1 { font-size: 1.6rem; margin: 0 0 .5rem; } h2 { font-size: 1.25rem; margin: 2.2rem 0 .5rem; }
h3, h4, h5, h6 { font-size: 1rem; margin: 1.5rem 0 .25rem; }
p { margin: .4rem 0; } ul { margin: .4rem 0; padding-left: 1.2rem; }
dl.meta { display: grid; grid-template-columns: max-content 1fr; gap: .1rem 1rem; margin: 0; }
dl.meta dt { color: var(--dim); } dl.meta dd { margin: 0; overflow-wrap: anywhere; }
dl.figures { display: flex; flex-wrap: wrap; gap: .75rem; margin: 1rem 0; }
dl.figures div { background: var(--soft); border-radius: .4rem; padding: .6rem 1rem;
  min-width: 9rem; flex: 1; }
dl.figures dt { color: var(--dim); font-size: .85rem; } dl.figures dd { margin: 0; }
dl.figures dd.value { font-size: 1.5rem; font-weight: 600; font-variant-numeric: tabular-nums; }
dl.figures dd.note { color: var(--dim); font-size: .85rem; }
.callout { border-left: .25rem solid var(--line); padding: .4rem .8rem; background: var(--soft); }
.callout.good { border-color: var(--good); } .callout.warning { border-color: var(--warning); }
.callout.critical { border-color: var(--critical); }
.callout.emergency { border-color: var(--emergency); }
.good { color: var(--good); } .warning { color: var(--warning); }
.critical { color: var(--critical); } .emergency { color: var(--emergency); }
.callout, li.finding { color: var(--ink); } .because, .empty { color: var(--dim); }
figure { margin: 1rem 0; } figcaption { font-weight: 600; }
svg { display: block; width: 100%; height: auto; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums;
  margin: .5rem 0; }
caption { text-align: left; font-weight: 600; padding: .4rem 0; }
th, td { text-align: left; padding: .3rem .75rem .3rem 0; border-bottom: 1px solid var(--line);
  vertical-align: top; overflow-wrap: anywhere; }
th { color: var(--dim); font-weight: 500; overflow-wrap: normal; }
td.number, th.number { text-align: right; white-space: nowrap; }
time { white-space: nowrap; }
code, pre { font: .85em/1.4 ui-monospace, 'DejaVu Sans Mono', monospace; overflow-wrap: anywhere; }
pre { background: var(--soft); padding: .6rem .8rem; white-space: pre-wrap; }
"""
_PAPER: Final = """
thead { display: table-header-group; }
tr, figure, dl.figures div, .callout { break-inside: avoid; }
h2, h3, h4, caption, figcaption { break-after: avoid; }
"""

#: For a page on a screen, which may be printed.
SCREEN: Final = (
    f":root {{ color-scheme: light dark; {_names(_LIGHT)} }}\n"
    f"@media (prefers-color-scheme: dark) {{ :root {{ {_names(_DARK)} }} }}\n"
    f"@media print {{ :root {{ color-scheme: light; {_names(_LIGHT)} }}\n"
    f"body {{ max-width: none; padding: 0; font-size: 10pt; }}{_PAPER} }}\n"
    f"{_PAGE}{_PICTURE}"
)


def _resolved(rules: str) -> str:
    return re.sub(r"var\(--(\w+)\)", lambda found: _LIGHT[found[1]], rules)


#: For a sheet of paper; landscape, since tables of events are wide.
PAPER: Final = _resolved(
    "@page { size: A4 landscape; margin: 15mm 15mm 18mm; "
    "@bottom-left { content: string(title); font: 8pt 'DejaVu Sans', sans-serif; "
    "color: var(--dim); } "
    "@bottom-center { content: string(about); font: 8pt 'DejaVu Sans', sans-serif; "
    "color: var(--dim); } "
    "@bottom-right { content: counter(page) ' / ' counter(pages); "
    "font: 8pt 'DejaVu Sans', sans-serif; color: var(--dim); } }\n"
    f"{_PAGE}{_PAPER}"
    "body { max-width: none; padding: 0; font: 9pt/1.4 'DejaVu Sans', sans-serif; }\n"
    "h1 { string-set: title content(), about attr(data-about); }\n"
    "h2 { margin-top: 6mm; }\n"
    ".scroll { overflow: visible; } dl.figures dd.value { font-size: 14pt; }\n"
    "dl.figures { display: grid; grid-template-columns: repeat(4, 1fr); gap: 3mm; "
    "margin: 3mm 0; }\n"
    "dl.figures.in-3 { grid-template-columns: repeat(3, 1fr); }\n"
    "dl.figures.in-5 { grid-template-columns: repeat(5, 1fr); }\n"
    "dl.figures div { min-width: 0; padding: 2mm 3mm; }\n"
    "figure { margin: 2mm 0; } figure svg { width: 190mm; }\n"
)
#: What a picture on paper brings along.
PAPER_PICTURE: Final = _resolved(_PICTURE)
