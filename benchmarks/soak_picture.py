"""What a soak looked like, as one picture: memory, descriptors and threads, answers, the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from html import escape
from typing import Final

from soak_verdict import Look

from risk_receivers.document.charts import svg
from risk_receivers.document.model import Point, Series, TimeChart
from risk_receivers.document.style import PAPER_PICTURE

_WIDTH: Final = 960
_HEADING: Final = 28
_VIEW: Final = re.compile(r'^<svg viewBox="0 0 \d+ (?P<height>\d+)"')


def picture(looks: Sequence[Look], about: str) -> str:
    """All charts below each other, each with its heading; ``about`` is what it was measured on."""

    def line(name: str, value: Callable[[Look], float]) -> Series:
        return Series(name, tuple(Point(look.at, value(look)) for look in looks))

    charts = (
        TimeChart(
            "Resident memory, MiB",
            (
                line("receivers", lambda look: look.memory_mib),
                line("Alertmanager", lambda look: look.alertmanager_mib),
            ),
        ),
        TimeChart(
            "Descriptors, connections and threads of the receivers",
            (
                line("descriptors", lambda look: look.descriptors),
                line("connections", lambda look: look.connections),
                line("threads", lambda look: look.threads),
            ),
        ),
        TimeChart(
            "Milliseconds until an answer",
            (
                line("feed, median", lambda look: look.feed_ms),
                line("status", lambda look: look.status_ms),
            ),
        ),
        TimeChart("The store, MiB", (line("audit chain", lambda look: look.store_mib),)),
    )
    y, parts = _HEADING, [_text(about, _HEADING - 10)]
    for number, chart in enumerate(charts):
        drawn = svg(chart, number)
        seen = _VIEW.match(drawn)
        assert seen is not None
        parts.append(_text(chart.title, y + 16))
        y += _HEADING
        place = f'<svg x="0" y="{y}" width="{_WIDTH}" height="{seen["height"]}" viewBox'
        parts.append(drawn.replace("<svg viewBox", place, 1))
        y += int(seen["height"]) + 8
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {y}">',
            f"<style>{PAPER_PICTURE}</style>",
            f'<rect width="{_WIDTH}" height="{y}" fill="#fff"/>',
            *parts,
            "</svg>\n",
        ]
    )


def _text(words: str, y: int) -> str:
    return f'<text class="value" x="16" y="{y}">{escape(words)}</text>'
