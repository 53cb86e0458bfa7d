"""When Prometheus evaluates a group, and which name makes it do so just behind a scrape.

Prometheus lays every scrape and every group at an offset of its own within the interval, so that
not all of them come at once. A group's follows from its name and file: whoever may choose the name
chooses the offset. A scrape's follows from the server's host name and the target's labels, and
from how soon it could begin; so it is measured, never reckoned.
"""

from risk_rules.phase.names import (
    Moment,
    chosen,
    kept,
    offset_seconds,
    plain,
    renamed,
    tripping_groups,
)
from risk_rules.phase.offsets import Layout, Seen, layout_of, offset_nanoseconds
from risk_rules.phase.scrapes import Scrapes, settled

__all__ = [
    "Layout",
    "Moment",
    "Scrapes",
    "Seen",
    "chosen",
    "kept",
    "layout_of",
    "offset_nanoseconds",
    "offset_seconds",
    "plain",
    "renamed",
    "settled",
    "tripping_groups",
]
