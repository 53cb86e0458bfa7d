"""Attacks on what a record says."""

from __future__ import annotations

from typing import Final

from tampering.case import Case, Layer
from tampering.forger import Forger

_BREACH: Final = 5


def _edit(forger: Forger) -> None:
    forger.edit_payload(_BREACH, "15.8 %", "5.8 %")


def _edit_and_rehash(forger: Forger) -> None:
    _edit(forger)
    forger.rehash_payload(_BREACH)


def _edit_and_seal(forger: Forger) -> None:
    _edit_and_rehash(forger)
    forger.rehash_header(_BREACH)


def _change_type(forger: Forger) -> None:
    forger.edit_header(3, event_type="ALERT_RESOLVED")


def _swap_payloads(forger: Forger) -> None:
    one, other = forger.row(3), forger.row(15)
    forger.put(one._replace(salt=other.salt, payload=other.payload))
    forger.put(other._replace(salt=one.salt, payload=one.payload))


def _shorten_expiry(forger: Forger) -> None:
    forger.edit_header(8, expires_at="2025-03-04T00:00:00.000000Z")
    forger.rehash_header(8)


def _reencode(forger: Forger) -> None:
    forger.write_header(10, forger.row(10).header.replace(b'","', b'", "'))
    forger.relink(10)


def _say_twice(forger: Forger) -> None:
    forger.edit_payload(_BREACH, '"severity":"warning"', '"severity":"info","severity":"warning"')
    forger.rehash_payload(_BREACH)
    forger.relink(_BREACH)


def _backdate(forger: Forger) -> None:
    forger.edit_header(9, recorded_at="2025-03-01T09:00:00.000000Z")
    forger.rehash_header(9)


CASES: Final = (
    Case(
        "edit payload",
        "puts another figure into what was recorded of a breach",
        _edit,
        (Layer.PAYLOAD,),
        (_BREACH,),
    ),
    Case(
        "+ payload hash",
        "and puts the new payload's hash into the header",
        _edit_and_rehash,
        (Layer.RECORD, Layer.LINK),
        (_BREACH, _BREACH + 1),
    ),
    Case(
        "+ own checksum",
        "and recomputes the record's checksum",
        _edit_and_seal,
        (Layer.LINK,),
        (_BREACH + 1,),
    ),
    Case(
        "change type",
        "makes a resolved alert of a refused order",
        _change_type,
        (Layer.RECORD, Layer.LINK),
        (3, 4),
    ),
    Case(
        "swap payloads",
        "exchanges the payloads of two records, each with its salt",
        _swap_payloads,
        (Layer.PAYLOAD,),
        (3, 15),
    ),
    Case(
        "shorten expiry",
        "lets a forced closing expire next day, with a new checksum",
        _shorten_expiry,
        (Layer.LINK,),
        (9,),
    ),
    Case(
        "re-encode header",
        "writes a header's same values in other bytes and recomputes the whole chain",
        _reencode,
        (Layer.CANONICAL,),
        (10,),
    ),
    Case(
        "duplicate JSON key",
        "gives a payload two severities, one for each reader, and recomputes the whole chain",
        _say_twice,
        (Layer.CANONICAL,),
        (_BREACH,),
    ),
    Case(
        "backdate",
        "has a change of a limit recorded two days before, with a new checksum",
        _backdate,
        (Layer.LINK,),
        (10,),
    ),
)
