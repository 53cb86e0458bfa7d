"""Attacks on what waits in the database to be written into the segment files."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger


def _transplant(forger: Forger) -> None:
    forger.put(Forger(forger.other, forger.other).row(forger.segments_end + 1))


def _replace(forger: Forger) -> None:
    row = Forger(forger.other, forger.other).row(forger.segments_end)
    forger.put(row)


CASES: Final = (
    Case(
        "staging transplant",
        "stages a whole record of another chain, of the right number, for the segment files",
        _transplant,
        (Layer.START, Layer.LINK),
        (18,),
        in_files=True,
    ),
    Case(
        "+ over one that is there",
        "or in the place of one that the files hold",
        _replace,
        (Layer.START, Layer.STAGED),
        in_files=True,
    ),
)
