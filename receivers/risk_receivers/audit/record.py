"""Checking one stored record by itself. Pure.

A stored row may hold anything: whoever tampers with a database is not bound by its types. So
its cells are ``object`` until they have been looked at.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Final, NamedTuple

from risk_policy.contracts.audit import PERMANENT, SALT_BYTES, EventType
from risk_receivers.audit.chain import leaf_hash, payload_hash
from risk_receivers.audit.errors import NotCanonicalError
from risk_receivers.audit.header import Header, parse_header
from risk_receivers.audit.payload import Payload, is_plain, parse_payload


class StoredRow(NamedTuple):
    """A record's cells as the database gives them."""

    seq: object
    header: object
    checksum: object
    salt: object
    payload: object


class NoRecord:
    """Stands in a cell of what was to be a record and is none."""

    def __repr__(self) -> str:
        return "none that can be read"


NO_RECORD: Final = NoRecord()


class CheckedRecord(NamedTuple):
    """What could be read of a row, and every reason not to trust it.

    Attributes:
        checksum: hash of the header's bytes as they stand, None if there are none.
        is_gone: there is no payload, which is for others to judge.
    """

    header: Header | None
    payload: Payload | None
    checksum: bytes | None
    problems: tuple[str, ...]
    is_gone: bool = False


class Link(NamedTuple):
    """What a record that is right by itself has to be held against its neighbours with."""

    seq: int
    event_type: EventType | str
    origin: str
    previous_checksum: str
    recorded_at: datetime
    checksum: bytes


def check_record(row: StoredRow, *, reads_others: bool = True) -> CheckedRecord:
    """Checks everything about a row that needs no other row.

    Unless it ``reads_others``, only payloads of permanent records are in the answer; all are
    checked. Whether one may be gone needs others: see :mod:`risk_receivers.audit.retained`.
    """
    problems: list[str] = []
    header: Header | None = None
    checksum: bytes | None = None
    if isinstance(row.header, bytes):
        checksum = leaf_hash(row.header)
        try:
            header = parse_header(row.header)
        except NotCanonicalError as error:
            problems.append(f"the header {error}")
        if not isinstance(row.checksum, bytes):
            problems.append(f"the checksum is {_kind(row.checksum)}, not 32 bytes")
        elif row.checksum != checksum:
            problems.append("the stored checksum is not the header's; one of them was changed")
    else:
        problems.append(
            "the line is no record; it was changed"
            if isinstance(row.header, NoRecord)
            else f"the header is {_kind(row.header)}, not bytes"
        )
    if header is not None and header.seq != row.seq:
        problems.append(f"the header says seq {header.seq}; it was moved here or copied from there")
    is_record = not isinstance(row.header, NoRecord)
    is_gone = is_record and row.salt is None and row.payload is None
    payload = None
    if is_record and not is_gone:
        is_read = reads_others or header is None or header.event_type in PERMANENT
        payload = _check_payload(row, header, problems, is_read=is_read)
    return CheckedRecord(header, payload, checksum, tuple(problems), is_gone)


def readable(rows: Iterable[StoredRow]) -> Iterator[tuple[int, Header, bytes | None]]:
    """Seq, header and payload of those that can be read; the verifier tells of the others."""
    for row in rows:
        if not isinstance(row.seq, int) or not isinstance(row.header, bytes):
            continue
        try:
            header = parse_header(row.header)
        except NotCanonicalError:
            continue
        yield row.seq, header, row.payload if isinstance(row.payload, bytes) else None


def _check_payload(
    row: StoredRow, header: Header | None, problems: list[str], *, is_read: bool
) -> Payload | None:
    if not isinstance(row.salt, bytes) or len(row.salt) != SALT_BYTES:
        problems.append(f"the salt is {_kind(row.salt)}, not {SALT_BYTES} bytes")
        return None
    if not isinstance(row.payload, bytes):
        problems.append(f"the payload is {_kind(row.payload)}, not bytes")
        return None
    if header is not None and payload_hash(row.salt, row.payload).hex() != header.payload_hash:
        problems.append("the payload is not the one that the header's hash was made of")
    if not is_read and is_plain(row.payload):
        return None
    try:
        return parse_payload(row.payload)
    except NotCanonicalError as error:
        problems.append(f"the payload {error}")
        return None


def _kind(value: object) -> str:
    if isinstance(value, bytes):
        return f"{len(value)} bytes"
    return "missing" if value is None else type(value).__name__
