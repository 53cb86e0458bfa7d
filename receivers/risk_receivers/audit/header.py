"""The kept part of a record: eight fields, never deleted, hashed into the chain.

Invariant: there is exactly one sequence of bytes for a header. :func:`parse_header` accepts
nothing that :meth:`Header.encode` would not have written.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final, NamedTuple

from risk_policy.contracts.audit import HEADER_FIELDS, SCHEMA, EventType
from risk_receivers.audit.canonical import decode, quoted, text, utf8
from risk_receivers.audit.errors import NotCanonicalError, UnrecordableError

_FIELDS: Final = frozenset(HEADER_FIELDS)
_HASH: Final = re.compile(r"[0-9a-f]{64}\Z")
#: A newer version may know more event types; the chain does not depend on the vocabulary.
_EVENT_TYPE: Final = re.compile(r"[A-Z][A-Z0-9_]*\Z")
_EVENT_TYPES: Final = {member.value: member for member in EventType}


class Header(NamedTuple):
    """The fields of :data:`risk_policy.contracts.audit.HEADER_FIELDS`, typed.

    Attributes:
        event_type: an EventType, or plain text if a newer version wrote it.
        payload_hash: 64 hexadecimal digits, as is ``previous_checksum``.
        expires_at: when retention may delete the payload; None keeps it for ever.
    """

    event_type: EventType | str
    expires_at: datetime | None
    origin: str
    payload_hash: str
    previous_checksum: str
    recorded_at: datetime
    seq: int

    def encode(self) -> bytes:
        """The canonical bytes that are stored and hashed: the fields as the alphabet sorts them."""
        expires_at = "null" if self.expires_at is None else f'"{timestamp(self.expires_at)}"'
        return utf8(
            f'{{"event_type":{quoted(self.event_type)},"expires_at":{expires_at},'
            f'"origin":{quoted(self.origin)},"payload_hash":{quoted(self.payload_hash)},'
            f'"previous_checksum":{quoted(self.previous_checksum)},'
            f'"recorded_at":"{timestamp(self.recorded_at)}","schema":{SCHEMA},'
            f'"seq":{text(self.seq)}}}'
        )


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC with microseconds, ending in Z."""
    # Two equal times of a zone with summer time need not be the same moment.
    return _utc_timestamp(moment) if moment.tzinfo is UTC else _timestamp(moment)


def _timestamp(moment: datetime) -> str:
    if moment.tzinfo is None:
        raise UnrecordableError("a time without its zone cannot be recorded; use an aware one")
    return moment.astimezone(UTC).isoformat(timespec="microseconds").removesuffix("+00:00") + "Z"


#: All records of a commit have one time, and few expire at different ones.
_utc_timestamp: Final = lru_cache(maxsize=64)(_timestamp)


def parse_header(data: bytes) -> Header:
    """The header of stored bytes. Raises NotCanonicalError saying what is wrong with them."""
    if found := _WHOLE.fullmatch(data):
        try:
            return _matched(*found.groups())
        except ValueError:
            pass  # a time that there is not, which is told of below
    values = decode(data)
    if not isinstance(values, dict):
        raise NotCanonicalError("is no JSON object")
    if values.keys() != _FIELDS:
        wrong = ", ".join(sorted(values.keys() ^ _FIELDS))
        raise NotCanonicalError(f"must have exactly the eight header fields; see {wrong}")
    # `type() is`, since JSON's true would pass for 1.
    if type(values["schema"]) is not int or values["schema"] != SCHEMA:
        raise NotCanonicalError(f"schema is {values['schema']!r}; this version reads {SCHEMA}")
    seq = values["seq"]
    if type(seq) is not int or seq < 1:
        raise NotCanonicalError(f"seq is {seq!r}; it must be an integer from 1")
    event_type = _text(values, "event_type", _EVENT_TYPE, "capital letters, digits, underscores")
    expires_at = values["expires_at"]
    return Header(
        event_type=_EVENT_TYPES.get(event_type, event_type),
        expires_at=None if expires_at is None else _moment("expires_at", expires_at),
        origin=_text(values, "origin", _NOT_EMPTY, "text"),
        payload_hash=_text(values, "payload_hash", _HASH, "64 hexadecimal digits"),
        previous_checksum=_text(values, "previous_checksum", _HASH, "64 hexadecimal digits"),
        recorded_at=_moment("recorded_at", values["recorded_at"]),
        seq=seq,
    )


_TIME: Final = rb"\d{4}-\d\d-\d\dT(?:[01]\d|2[0-3]):\d\d:\d\d\.\d{6}Z"
#: A header as it is nearly always written, all its fields at once: an origin of plain characters.
_WHOLE: Final = re.compile(
    rb'\{"event_type":"([A-Z][A-Z0-9_]*)",'
    rb'"expires_at":(?:null|"(%(time)b)"),'
    rb'"origin":"([ !#-\[\]-~]+)",'
    rb'"payload_hash":"([0-9a-f]{64})",'
    rb'"previous_checksum":"([0-9a-f]{64})",'
    rb'"recorded_at":"(%(time)b)",'
    rb'"schema":%(schema)d,'
    rb'"seq":([1-9][0-9]{0,14})\}' % {b"time": _TIME, b"schema": SCHEMA}
)


def _matched(
    event_type: bytes,
    expires_at: bytes | None,
    origin: bytes,
    payload_hash: bytes,
    previous_checksum: bytes,
    recorded_at: bytes,
    seq: bytes,
) -> Header:
    kind = event_type.decode()
    return Header(
        event_type=_EVENT_TYPES.get(kind, kind),
        expires_at=None if expires_at is None else datetime.fromisoformat(expires_at.decode()),
        origin=origin.decode(),
        payload_hash=payload_hash.decode(),
        previous_checksum=previous_checksum.decode(),
        recorded_at=datetime.fromisoformat(recorded_at.decode()),
        seq=int(seq),
    )


_NOT_EMPTY: Final = re.compile(r".", re.DOTALL)


def _text(values: dict[str, object], name: str, pattern: re.Pattern[str], wanted: str) -> str:
    value = values[name]
    if not isinstance(value, str) or not pattern.match(value):
        raise NotCanonicalError(f"{name} is {value!r}; it must be {wanted}")
    return value


def _moment(name: str, value: object) -> datetime:
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
            if timestamp(moment) == value:
                return moment
        except (ValueError, OverflowError, UnrecordableError):
            pass  # the one sentence below fits every way of being wrong
    raise NotCanonicalError(
        f"{name} is {value!r}; it must be a UTC time like 2030-01-31T12:00:00.000000Z"
    )
