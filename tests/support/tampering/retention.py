"""Attacks on what retention may delete, and on its record."""

from __future__ import annotations

from typing import Final

from tampering import story
from tampering.case import Case, Layer
from tampering.forger import Forger
from tampering.story import BREACH, KILL, ORDER_REFUSED


def _delete(forger: Forger, seq: int) -> None:
    forger.run("DELETE FROM audit_payload WHERE seq = ?", seq)


def _claim(forger: Forger, seq: int, at: str) -> None:
    """Record that retention was applied to a record, well linked and noted."""
    kind = forger.header(seq)["event_type"]
    forger.forge(
        forger.last + 1,
        "1 payload that was due is deleted",
        {"event_type": "RETENTION_APPLIED", "expires_at": None, "recorded_at": at},
        {"ranges": [{"type": kind, "first": seq, "last": seq}], "due_before": at},
    )
    forger.note_head()
    _delete(forger, seq)


def _unrecorded(forger: Forger) -> None:
    _delete(forger, BREACH)


def _permanent(forger: Forger) -> None:
    _claim(forger, KILL, "2025-04-03T00:00:00.000000Z")


def _too_early(forger: Forger) -> None:
    _claim(forger, ORDER_REFUSED, "2025-04-03T00:00:00.000000Z")


def _clock_ahead(forger: Forger) -> None:
    _claim(forger, ORDER_REFUSED, "2027-03-03T12:00:00.000000Z")
    story.go_on(forger.data, "the clock is right again")


CASES: Final = (
    Case(
        "unrecorded early purge",
        "deletes a payload before its time",
        _unrecorded,
        (Layer.RETENTION,),
        (BREACH,),
    ),
    Case(
        "purge a permanent record",
        "deletes the payload of a trip of the kill switch, with a record that retention did it",
        _permanent,
        (Layer.FOR_EVER,),
        (KILL,),
    ),
    Case(
        "recorded early purge",
        "deletes the payload of a refused order before its time, with a record of that",
        _too_early,
        (Layer.NOT_DUE,),
        (ORDER_REFUSED,),
    ),
    Case(
        "clock +2 y then purge",
        "sets the clock two years ahead, has retention applied, and sets it right again",
        _clock_ahead,
        (Layer.CLOCK,),
        (21,),
    ),
)
