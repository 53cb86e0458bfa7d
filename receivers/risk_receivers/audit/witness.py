"""The heads of the chain that Prometheus has seen, told from its answer. Pure.

Length and root are scraped together, so whoever asks for the last samples of all of them at some
moment gets those of one head. A scrape in which one is missing tells nothing.

Prometheus keeps what it has seen for itself: whoever has the signing key can write the chain anew
with every checkpoint, and restart the service on it, but not what was scraped before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.merkle import Tree

_WORDS: Final = 5
_WORD_BITS: Final = 52
_ROOT_BYTES: Final = 32
#: What a matcher's value may hold without being quoted any further.
_PLAIN: Final = re.compile(r"[^\"\\\n]*")


class WitnessError(AuditError):
    """What Prometheus said cannot be understood."""


def question(instance: str | None, step_ms: int) -> str:
    """What to ask over a range with this step; ``instance`` is the receivers' target."""
    names = f'__name__=~"{m.AUDIT_EVENTS.name}|{m.AUDIT_HEAD.name}"'
    if instance is not None and not _PLAIN.fullmatch(instance):
        raise WitnessError("an instance is named without quotes and backslashes")
    of = "" if instance is None else f',instance="{instance}"'
    return f"last_over_time({{{names}{of}}}[{step_ms}ms])"


def heads(result: Sequence[Mapping[str, Any]]) -> set[Head]:
    """The heads in the ``result`` of Prometheus's answer. Raises WitnessError."""
    sizes: dict[tuple[object, ...], int] = {}
    words: dict[tuple[object, ...], dict[int, int]] = {}
    try:
        for series in result:
            labels = dict(series["metric"])
            name, word = labels.pop("__name__"), labels.pop("word", "")
            source = tuple(sorted(labels.items()))
            for at, value in series["values"]:
                if name == m.AUDIT_EVENTS.name:
                    sizes[(source, at)] = int(float(value))
                else:
                    words.setdefault((source, at), {})[int(word)] = int(float(value))
        return {
            Head(size, _root(words[where]).hex())
            for where, size in sizes.items()
            if size and len(words.get(where, ())) == _WORDS
        }
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise WitnessError(f"Prometheus's answer cannot be understood: {error!r}") from None


def contradicted(checksums: Iterable[bytes], seen: Sequence[Head]) -> Head | None:
    """The first of some heads, the shortest first, that a chain does not pass through."""
    by_size: dict[int, list[Head]] = {}
    for head in seen:
        by_size.setdefault(head.size, []).append(head)
    tree = Tree()
    for checksum in checksums:
        tree.append(checksum)
        for head in by_size.pop(tree.size, ()):
            if head != _head_of(tree):
                return head
    return next((head for heads in by_size.values() for head in heads), None)


def _head_of(tree: Tree) -> Head:
    return Head(tree.size, TreeHead(tree.size, tree.root).root.hex())


def _root(words: Mapping[int, int]) -> bytes:
    number = sum(words[index] << _WORD_BITS * index for index in range(_WORDS))
    return number.to_bytes(_ROOT_BYTES)
