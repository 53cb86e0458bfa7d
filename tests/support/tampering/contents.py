"""Attacks on what a record says."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger
from tampering.story import BREACH, CLOSED, LIMIT_RAISED, ORDER_REFUSED


def _edit(forger: Forger) -> None:
    forger.edit_payload(BREACH, "15.8 %", "5.8 %")


def _edit_and_rehash(forger: Forger) -> None:
    _edit(forger)
    forger.rehash_payload(BREACH)


def _edit_and_seal(forger: Forger) -> None:
    _edit_and_rehash(forger)
    forger.rehash_header(BREACH)


def _change_type(forger: Forger) -> None:
    forger.edit_header(ORDER_REFUSED, event_type="ALERT_RESOLVED")


def _swap_payloads(forger: Forger) -> None:
    one, other = forger.row(ORDER_REFUSED), forger.row(16)
    forger.put(one._replace(salt=other.salt, payload=other.payload))
    forger.put(other._replace(salt=one.salt, payload=one.payload))


def _shorten_expiry(forger: Forger) -> None:
    forger.edit_header(CLOSED, expires_at="2025-03-04T00:00:00.000000Z")
    forger.rehash_header(CLOSED)


def _reencode(forger: Forger) -> None:
    forger.write_header(10, forger.row(10).header.replace(b'","', b'", "'))
    forger.relink(10)


def _say_twice(forger: Forger) -> None:
    forger.edit_payload(BREACH, '"severity":"warning"', '"severity":"info","severity":"warning"')
    forger.rehash_payload(BREACH)
    forger.relink(BREACH)


def _backdate(forger: Forger) -> None:
    forger.edit_header(LIMIT_RAISED, recorded_at="2025-03-01T09:00:00.000000Z")
    forger.rehash_header(LIMIT_RAISED)


CASES: Final = (
    Case(
        "edit payload",
        "puts another figure into what was recorded of a breach",
        _edit,
        (Layer.PAYLOAD,),
        (BREACH,),
    ),
    Case(
        "+ payload hash",
        "and puts the new payload's hash into the header",
        _edit_and_rehash,
        (Layer.RECORD, Layer.LINK, Layer.CHECKPOINT),
        (BREACH, BREACH + 1),
    ),
    Case(
        "+ own checksum",
        "and recomputes the record's checksum",
        _edit_and_seal,
        (Layer.LINK, Layer.CHECKPOINT),
        (BREACH + 1,),
    ),
    Case(
        "change type",
        "makes a resolved alert of a refused order",
        _change_type,
        (Layer.RECORD, Layer.LINK, Layer.CHECKPOINT),
        (ORDER_REFUSED, ORDER_REFUSED + 1),
    ),
    Case(
        "swap payloads",
        "exchanges the payloads of two records, each with its salt",
        _swap_payloads,
        (Layer.PAYLOAD,),
        (ORDER_REFUSED, 16),
    ),
    Case(
        "shorten expiry",
        "lets a forced closing expire next day, with a new checksum",
        _shorten_expiry,
        (Layer.LINK, Layer.CHECKPOINT),
        (CLOSED + 1,),
    ),
    Case(
        "re-encode header",
        "writes a header's same values in other bytes and recomputes the whole chain",
        _reencode,
        (Layer.CANONICAL, Layer.CHECKPOINT),
        (10,),
    ),
    Case(
        "duplicate JSON key",
        "gives a payload two severities, one for each reader, and recomputes the whole chain",
        _say_twice,
        (Layer.CANONICAL, Layer.CHECKPOINT),
        (BREACH,),
    ),
    Case(
        "backdate",
        "has a change of a limit recorded two days before, with a new checksum",
        _backdate,
        (Layer.LINK, Layer.CHECKPOINT),
        (LIMIT_RAISED + 1,),
    ),
)
