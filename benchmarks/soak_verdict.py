"""Whether what a soak looked at stayed flat. Pure.

What a start needs for itself has no part in the verdict: the first tenth is left out. Of the rest,
the last third is held against the first: the medians; of answers the fastest tenth, as what else
the machine does can only make them longer. Flat is what grows by less than its allowance.

The slope is that of the median pair (Theil and Sen), an hour. It judges nothing, and a soak of
minutes tells none: a start that is still going on, or one thread more, would be a leak by the hour.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import combinations
from typing import Final

_LEFT_OUT: Final = 0.1
#: What a soak has to last for a slope an hour to mean anything.
_TELLS_A_SLOPE_SECONDS: Final = 600.0


@dataclass(frozen=True, slots=True)
class Look:
    """What was seen at one moment."""

    at: datetime
    seconds: float
    alerts: int
    memory_mib: float
    descriptors: int
    connections: int
    threads: int
    store_mib: float
    feed_ms: float
    status_ms: float
    #: Of Alertmanager, which is not ours: to be seen, not to be judged.
    alertmanager_mib: float
    #: What was told by the webhook since the start, and what the receivers took of a processor.
    told: int
    processor_seconds: float


@dataclass(frozen=True, slots=True)
class Watched:
    """One of them, and by how much the last third may exceed the first."""

    name: str
    unit: str
    value: Callable[[Look], float]
    share: float
    absolute: float
    #: What is compared of each third: its middle, or its fastest tenth.
    quantile: float = 0.5

    def of(self, looks: Sequence[Look]) -> float:
        """Of a third."""
        values = sorted(self.value(look) for look in looks)
        return values[round(self.quantile * (len(values) - 1))]

    def allowance(self, first: float) -> float:
        """The larger of a share and an amount."""
        return max(first * self.share, self.absolute)


#: Answers depend on what else the machine does; memory, descriptors and threads hardly do.
WATCHED: Final = (
    Watched("memory", "MiB", lambda look: look.memory_mib, 0.10, 8.0),
    Watched("descriptors", "", lambda look: look.descriptors, 0.10, 10.0),
    # Alertmanager keeps as many as it once needed at a time.
    Watched("connections", "", lambda look: look.connections, 0.10, 40.0),
    Watched("threads", "", lambda look: look.threads, 0.10, 3.0),
    Watched("answer of the feed", "ms", lambda look: look.feed_ms, 1.0, 10.0, 0.1),
    Watched("answer of the status", "ms", lambda look: look.status_ms, 1.0, 20.0, 0.1),
)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one of them."""

    what: str
    unit: str
    first_third: float
    last_third: float
    #: None of a soak too short to tell.
    slope_per_hour: float | None
    allowance: float
    flat: bool


def judged(looks: Sequence[Look], watched: Watched) -> Verdict:
    """The last third against the first."""
    kept = looks[round(len(looks) * _LEFT_OUT) :]
    third = max(len(kept) // 3, 1)
    first, last = watched.of(kept[:third]), watched.of(kept[-third:])
    allowance = watched.allowance(first)
    return Verdict(
        watched.name,
        watched.unit,
        first,
        last,
        _slope_per_hour(kept, watched),
        allowance,
        last - first <= allowance,
    )


def _slope_per_hour(looks: Sequence[Look], watched: Watched) -> float | None:
    if looks[-1].seconds - looks[0].seconds < _TELLS_A_SLOPE_SECONDS:
        return None
    return 3600 * statistics.median(
        (watched.value(later) - watched.value(earlier)) / (later.seconds - earlier.seconds)
        for earlier, later in combinations(looks, 2)
    )


def table(verdicts: Sequence[Verdict]) -> str:
    """The verdicts, for people."""
    lines = [f"{'':22}{'first third':>13}{'last third':>12}{'allowed':>10}{'an hour':>10}"]
    for one in verdicts:
        slope = "-" if one.slope_per_hour is None else f"{one.slope_per_hour:+.1f}"
        lines.append(
            f"{one.what:22}{one.first_third:13.1f}{one.last_third:12.1f}{one.allowance:+10.1f}"
            f"{slope:>10} {one.unit:4} {'flat' if one.flat else 'NOT FLAT'}"
        )
    return "\n".join(lines)
