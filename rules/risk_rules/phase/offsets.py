"""How far past a whole interval Prometheus evaluates a group, by its name and file.

The offset is the hash of two labels, ``file`` and ``name``, modulo the interval. Which bytes of
them are hashed differs between versions of Prometheus and says no API. So it is not taken from a
version: of all ways that are known, the one counts that tells when the groups were evaluated.
"""

from __future__ import annotations

import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from xxhash import xxh64_intdigest

NANOSECONDS: Final = 10**9
#: An evaluation begins at its offset or, on a busy machine, after it. By a way that is not the
#: server's, groups are late by anything up to an interval, half of one in the middle.
_LATE_RATIO: Final = 0.2
#: By chance, this few may look as if they were on time.
_LEAST_GROUPS: Final = 8


class Layout(Enum):
    """Which bytes stand for labels."""

    #: Each name and each value with a byte behind it that no text holds: before 2.44, and builds
    #: with ``slicelabels`` or ``dedupelabels``.
    SEPARATED = "separated"
    #: Each with its length before it, seven bits to a byte: from 2.44.
    VARINT = "varint"
    #: Each with its length before it, in one byte, or in three behind a 255: of late.
    SIZED = "sized"

    def bytes_of(self, *texts: str) -> bytes:
        """Names and values in turn, sorted by name."""
        encoded = [text.encode() for text in texts]
        if self is Layout.SEPARATED:
            return b"".join(text + b"\xff" for text in encoded)
        length = _varint if self is Layout.VARINT else _sized
        return b"".join(length(len(text)) + text for text in encoded)


def _varint(size: int) -> bytes:
    found = bytearray()
    while size > 0x7F:
        found.append(size & 0x7F | 0x80)
        size >>= 7
    return bytes((*found, size))


def _sized(size: int) -> bytes:
    return bytes((size,)) if size < 0xFF else b"\xff" + size.to_bytes(3, "little")


def offset_nanoseconds(layout: Layout, file: str, name: str, interval_seconds: float) -> int:
    """How long after each whole interval since 1970 a group is evaluated."""
    hashed = xxh64_intdigest(layout.bytes_of("file", file, "name", name))
    return hashed % round(interval_seconds * NANOSECONDS)


@dataclass(frozen=True, slots=True)
class Seen:
    """A group of the running Prometheus.

    Attributes:
        file: as Prometheus calls it, which may see another folder than whoever writes it.
        evaluated_at: when its latest evaluation began; None before the first.
    """

    file: str
    name: str
    interval_seconds: float
    evaluated_at: float | None

    def lateness(self, layout: Layout) -> float:
        """How long after its offset it was evaluated, in parts of its interval."""
        offset = offset_nanoseconds(layout, self.file, self.name, self.interval_seconds)
        late = (self.evaluated_at or 0.0) - offset / NANOSECONDS
        return (late % self.interval_seconds) / self.interval_seconds


def layout_of(groups: Iterable[Seen]) -> Layout | None:
    """The way that tells when these groups were evaluated; None if none of them does."""
    evaluated = [group for group in groups if group.evaluated_at is not None]
    if len(evaluated) < _LEAST_GROUPS:
        return None
    late, layout = min(((_late(evaluated, one), one) for one in Layout), key=lambda one: one[0])
    return layout if late < _LATE_RATIO else None


def _late(groups: Sequence[Seen], layout: Layout) -> float:
    return statistics.median(group.lateness(layout) for group in groups)
