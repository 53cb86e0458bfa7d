"""The text of a scrape, written by whole blocks instead of sample by sample.

What stands before a value changes only with the layout of a book, so it is written once per
layout; the values of a block are written in one go. A family owns its text, and lists its samples
only for whoever asks for them: what is said is the same either way.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Final

from prometheus_client import Metric as Family
from prometheus_client.exposition import (
    CONTENT_TYPE_PLAIN_0_0_4,
    choose_encoder,
    generate_latest,
)
from prometheus_client.registry import Collector
from prometheus_client.samples import Sample
from pydantic_core import to_json

from risk_exporter.series import Block, LabelSet
from risk_policy.catalogue.metrics import Metric

#: Whoever takes one of these takes the plain text, which costs both sides least.
_PLAIN: Final = ("text/plain", "text/*", "*/*")
_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_HELP_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n"})


class Prefixes:
    """What stands before the values of blocks, for as long as their label sets are in use.

    Threads may share it: at worst, one of them writes what another has written already.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[str, int], tuple[Sequence[LabelSet], list[bytes]]] = {}

    def of(self, block: Block) -> list[bytes]:
        """One for each series of a block."""
        name = block.metric.name
        if len(block.labels) == 1:
            return [_prefix(name, block.labels[0])]
        key = name, id(block.labels)
        known = self._known.get(key)
        # The label sets are kept with their text, so no others can have their id meanwhile.
        if known is None or known[0] is not block.labels:
            known = block.labels, [_prefix(name, labels) for labels in block.labels]
            self._known[key] = known
        return known[1]

    def keep(self, blocks: Sequence[Block]) -> None:
        """Forget what stands before any others."""
        used = {(block.metric.name, id(block.labels)) for block in blocks}
        self._known = {key: value for key, value in self._known.items() if key in used}


class BlockFamily(Family):
    """One metric: its blocks, its text, and its samples."""

    def __init__(self, metric: Metric, prefixes: Prefixes) -> None:
        name = metric.name.removesuffix("_total") if metric.kind == "counter" else metric.name
        super().__init__(name, metric.help, metric.kind)
        self.blocks: list[Block] = []
        self._metric = metric
        self._prefixes = prefixes

    @property
    def samples(self) -> list[Sample]:
        """Each series with its value, one by one."""
        return [
            Sample(block.metric.name, labels, value)
            for block in self.blocks
            for labels, value in zip(block.labels, block.values.tolist(), strict=True)
        ]

    @samples.setter
    def samples(self, samples: list[Sample]) -> None:
        """What the base class begins with; blocks are what counts here."""

    def pieces(self) -> list[bytes]:
        """All of it in the plain text format, to be joined."""
        name, said = self._metric.name, self._metric.help.translate(_HELP_ESCAPES)
        pieces = [f"# HELP {name} {said}\n# TYPE {name} {self._metric.kind}".encode()]
        for block in self.blocks:
            if prefixes := self._prefixes.of(block):
                pieces += _lines(prefixes, block)
        return [*pieces, b"\n"]


def encoder(accept: str) -> tuple[Callable[[Collector], bytes], str]:
    """What writes the answer to a scrape, and its content type."""
    if not accept or any(kind in accept for kind in _PLAIN):
        return plain_text, CONTENT_TYPE_PLAIN_0_0_4
    return choose_encoder(accept)


def plain_text(registry: Collector) -> bytes:
    """Everything in a registry; what is not ours is written by prometheus_client."""
    pieces: list[bytes] = []
    for family in registry.collect():
        if isinstance(family, BlockFamily):
            pieces += family.pieces()
        else:
            pieces.append(generate_latest(_Only(family)))
    return b"".join(pieces)


class _Only(Collector):
    """A registry of one family."""

    def __init__(self, family: Family) -> None:
        self._family = family

    def collect(self) -> Iterator[Family]:
        yield self._family


def _lines(prefixes: list[bytes], block: Block) -> list[bytes]:
    values = to_json(block.values.tolist(), inf_nan_mode="constants")[1:-1]
    pieces = prefixes * 2
    pieces[::2] = prefixes
    pieces[1::2] = values.replace(b"Infinity", b"Inf").split(b",")
    return pieces


def _prefix(name: str, labels: LabelSet) -> bytes:
    """Begins with the end of the line before it."""
    inner = ",".join(f'{key}="{value.translate(_ESCAPES)}"' for key, value in labels.items())
    return f"\n{name}{{{inner}}} ".encode() if inner else f"\n{name} ".encode()
