"""Attacks on which records there are, and in which order."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger
from tampering.story import CLOSED, LIMIT_RAISED


def _delete(forger: Forger) -> None:
    forger.remove(CLOSED)


def _swap(forger: Forger) -> None:
    one, other = forger.row(CLOSED), forger.row(LIMIT_RAISED)
    forger.put(one._replace(seq=other.seq))
    forger.put(other._replace(seq=one.seq))


def _insert(forger: Forger) -> None:
    forger.renumber(18, by=1)
    forger.forge(18, "bob was told, and did nothing")


def _replay(forger: Forger) -> None:
    forger.put(forger.row(CLOSED)._replace(seq=forger.last + 1))


CASES: Final = (
    Case(
        "delete",
        "deletes a record, header and payload",
        _delete,
        (Layer.NUMBER, Layer.LINK, Layer.CHECKPOINT),
        (CLOSED + 1, CLOSED + 1),
    ),
    Case(
        "swap",
        "exchanges two records that follow each other",
        _swap,
        (Layer.NUMBER, Layer.LINK, Layer.CHECKPOINT),
        (CLOSED, CLOSED, LIMIT_RAISED, LIMIT_RAISED, LIMIT_RAISED + 1),
    ),
    Case(
        "insert",
        "puts a record of his own between two, well linked to the one before, "
        "and moves the others on",
        _insert,
        (Layer.NUMBER, Layer.LINK, Layer.NOTED, Layer.CHECKPOINT),
        (19, 19, 20, 21),
    ),
    Case(
        "replay",
        "adds an old record once more at the end",
        _replay,
        (Layer.NUMBER, Layer.LINK),
        (21, 21),
    ),
)
