"""Attacks on which records there are, and in which order."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger


def _delete(forger: Forger) -> None:
    forger.remove(8)


def _swap(forger: Forger) -> None:
    one, other = forger.row(8), forger.row(9)
    forger.put(one._replace(seq=9))
    forger.put(other._replace(seq=8))


def _insert(forger: Forger) -> None:
    forger.renumber(14, by=1)
    forger.put(forger.row(13)._replace(seq=14))
    forger.edit_payload(14, "latency of binance", "all latencies")
    forger.rehash_payload(14)
    forger.edit_header(14, previous_checksum=forger.row(13).checksum.hex())
    forger.rehash_header(14)


def _replay(forger: Forger) -> None:
    forger.put(forger.row(10)._replace(seq=forger.last + 1))


CASES: Final = (
    Case(
        "delete",
        "deletes a record, header and payload",
        _delete,
        (Layer.NUMBER, Layer.LINK),
        (9, 9),
    ),
    Case(
        "swap",
        "exchanges two records that follow each other",
        _swap,
        (Layer.NUMBER, Layer.LINK),
        (8, 8, 9, 9, 10),
    ),
    Case(
        "insert",
        "puts a record of his own between two, well linked to the one before, "
        "and moves the others on",
        _insert,
        (Layer.NUMBER, Layer.LINK, Layer.NOTED),
        (15, 15, 16, 17, 18, 19, None),
    ),
    Case(
        "replay",
        "adds an old record once more at the end",
        _replay,
        (Layer.NUMBER, Layer.LINK),
        (19, 19),
    ),
)
