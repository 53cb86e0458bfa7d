"""An audit chain as JSON lines, for whoever is to verify it without this program.

    {"riskwarden_export":1,"origin":…,"exported_at":…,"first":1,"last":9,"filters":{},"keys":[…]}
    {"seq":1,"header":"{…}","checksum":"…","salt":"…","payload":"{…}"}
    {"seq":2,"header":"{…}","checksum":"…","salt":null,"payload":null,"withheld":true}
    {"checkpoint":"…"}
    {"end":9,"sha256":"…"}

Headers and payloads are the very texts that were hashed. A record that a filter leaves out is
there all the same, without its payload, since a chain with gaps proves nothing; one without its
payload that is not said to be withheld has lost it to retention. What tells why payloads may be
gone, or whose signature counts, is never withheld. So that a stretch can be checked against a
root that was signed for the whole, ``before`` in the first line has the roots of the complete
subtrees in front of it, and ``after`` beside the checkpoint of those behind it. ``deleted_by``
beside it is the last record of retention that lies behind the stretch and deleted something of
it: a chain goes on, also while it is exported. The end has the SHA-256 of all that stands before
it.

Invariant: what is not what was written is never exported as if it were.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from typing import Final

from risk_policy.contracts.audit import NEW_VERIFIER_KEY, PERMANENT, VERIFIER_KEY
from risk_receivers.audit import browse, checkpoint_table, tables
from risk_receivers.audit.browse import Browsed
from risk_receivers.audit.errors import AuditError, DamagedRecordError
from risk_receivers.audit.header import timestamp
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.query import StoredEvent
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.selection import Selection
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place

FORMAT: Final = 1
#: Canonical JSON sorts its keys, and this one is a header's first.
_BEGINNING: Final = b'{"event_type":"%s"'
#: What a verifier needs of every chain, whatever was asked for.
ALWAYS_TOLD: Final = frozenset(kind.value for kind in PERMANENT)
_CHECKSUMS: Final = 5000
#: Is told how many records of how many are written.
Progress = Callable[[int, int], None]


class NothingToExportError(AuditError):
    """No record lies in what was asked for."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What is exported.

    Attributes:
        first: the first record of the stretch; ``last`` is its last.
        size: how long the chain was.
        checkpoints: sizes and texts of signed notes: the first that covers the stretch, or else
            the newest there is, and those in which one key hands over to the next: from the
            stretch on, so that whoever knows only the key of a later day can check it, too.
        keys: verifier keys, for information: whoever verifies pins one that came another way.
    """

    selection: Selection
    origin: str
    first: int
    last: int
    size: int
    checkpoints: tuple[tuple[int, str], ...] = ()
    keys: tuple[str, ...] = ()

    @property
    def is_signed(self) -> bool:
        """Whether a checkpoint covers all of it."""
        return any(size >= self.last for size, _ in self.checkpoints)

    @property
    def count(self) -> int:
        """How many records lie in the stretch."""
        return self.last - self.first + 1


@dataclass(slots=True)
class Written:
    """What was exported, once it was.

    Attributes:
        digest: SHA-256 of everything before the end, in hexadecimal digits.
        shown: records that came with all that there is of them.
        withheld: records that the filters left out.
        deleted: records whose payloads retention had deleted.
        deleted_by: the last record of retention that deleted one of them.
    """

    digest: str = ""
    shown: int = 0
    withheld: int = 0
    deleted: int = 0
    deleted_by: int = 0


def plan(place: Place, selection: Selection) -> Plan:
    """The stretch that a selection lies in. Raises NothingToExportError or DamagedRecordError."""
    size = tables.read(place, tables.head).size
    first, last = max(selection.first or 1, 1), min(selection.last or size, size)
    if selection.since is not None or selection.until is not None:
        first, last = _between(place, selection, first, last)
    if first > last:
        raise NothingToExportError(
            f"no record lies in what was asked for; the chain has records 1 to {size}"
        )
    origin = _intact(browse.at(place, last)[0], last).origin
    return tables.read(
        place,
        lambda connection: Plan(
            *(selection, origin, first, last, size),
            checkpoints=_checkpoints(connection, first, last),
            keys=tuple(_keys(connection)),
        ),
    )


def lines(
    place: Place, what: Plan, exported_at: datetime, written: Written, progress: Progress
) -> Iterator[bytes]:
    """The export, line by line; ``written`` is complete after the last. Raises AuditError."""
    digest = sha256()
    for line in _body(place, what, exported_at, written, progress):
        digest.update(line)
        yield line
    written.digest = digest.hexdigest()
    yield _line({"end": what.count, "sha256": written.digest})


def chosen(place: Place, what: Plan, progress: Progress) -> Iterator[tuple[Browsed, bool]]:
    """Each record of the stretch, and whether the selection wants it. Raises DamagedRecordError."""
    selection = what.selection
    wanted = what.first - 1
    for one in browse.forward(place, what.first - 1):
        if one.seq > what.last:
            break
        event = _intact(one, one.seq)
        wanted = one.seq
        yield one, selection.wants_header(event) and selection.wants_payload(event.payload)
        progress(one.seq - what.first + 1, what.count)
    if wanted < what.last:
        raise DamagedRecordError(wanted + 1, "is gone while it was being exported")


def _body(
    place: Place, what: Plan, exported_at: datetime, written: Written, progress: Progress
) -> Iterator[bytes]:
    before = Tree()
    before.extend(checksums(place, 0, what.first - 1))
    yield _line(
        {
            "riskwarden_export": FORMAT,
            "origin": what.origin,
            "exported_at": timestamp(exported_at),
            "first": what.first,
            "last": what.last,
            "filters": filters(what.selection),
            "keys": list(what.keys),
            "before": [one.hex() for one in before.frontier],
        }
    )
    for one, is_wanted in chosen(place, what, progress):
        event = _intact(one, one.seq)
        # What is gone is gone for everybody: that it went rightly is to be checked in every export.
        is_gone = event.payload is None
        withheld = not is_wanted and not is_gone and str(event.event_type) not in ALWAYS_TOLD
        if withheld:
            written.withheld += 1
        elif is_gone:
            written.deleted += 1
            written.deleted_by = max(written.deleted_by, event.deleted_by or 0)
        else:
            written.shown += 1
        yield _record(one, withheld=withheld)
    behind = {"deleted_by": written.deleted_by} if written.deleted_by > what.last else {}
    for size, note in what.checkpoints:
        after = [one.hex() for one in _after(place, what, size)]
        yield _line({"checkpoint": note, "after": after, **behind})


def filters(selection: Selection) -> dict[str, object]:
    """A selection as it is told, without what it does not ask for."""
    told: dict[str, object] = {
        "since": selection.since and timestamp(selection.since),
        "until": selection.until and timestamp(selection.until),
    }
    for name in ("types", "severities", "categories", "accounts", "actors", "alerts"):
        told[name] = sorted(getattr(selection, name))
    told["text"] = selection.text
    return {name: value for name, value in told.items() if value}


def checksums(place: Place, after: int, upto: int) -> Iterator[bytes]:
    """The leaf hashes of the records beyond a seq, up to and with another. Raises DamagedRecord."""
    while after < upto:
        begin, limit = after, min(upto - after, _CHECKSUMS)

        def ask(connection: Connection, begin: int = begin, limit: int = limit) -> list[StoredRow]:
            return tables.rows_after(connection, begin, limit)

        for row in tables.read(place, ask):
            after += 1
            if row.seq != after or not isinstance(row.checksum, bytes) or len(row.checksum) != 32:
                raise DamagedRecordError(after, "is not what was written")
            yield row.checksum
        if after == begin:
            raise DamagedRecordError(after + 1, "is missing")


def _checkpoints(connection: Connection, first: int, last: int) -> tuple[tuple[int, str], ...]:
    rows = tables.rows_beginning(connection, _BEGINNING % b"SIGNING_KEY_ROTATED")
    handovers = [row.seq for row in rows if isinstance(row.seq, int)]
    newest = checkpoint_table.newest(connection)
    notes = checkpoint_table.after(connection, last - 1, 1) or ([newest] if newest else [])
    for seq in handovers:
        if seq >= first:
            notes += checkpoint_table.after(connection, seq - 1, 1)
    found: dict[int, str] = {}
    for stored in notes:
        if isinstance(stored.size, int) and isinstance(stored.note, bytes):
            found[stored.size] = stored.note.decode("utf-8", "replace")
    # What was signed before the stretch began says nothing of it.
    return tuple(sorted((size, note) for size, note in found.items() if size >= first - 1))


def _keys(connection: Connection) -> Iterator[str]:
    """The verifier keys that the chain names."""
    for kind, name in (
        (b"SIGNING_BEGAN", VERIFIER_KEY),
        (b"SIGNING_KEY_ROTATED", NEW_VERIFIER_KEY),
    ):
        for row in tables.rows_beginning(connection, _BEGINNING % kind):
            payload = check_record(row).payload
            if payload is not None and isinstance(key := payload.details.get(name), str):
                yield key


def _between(place: Place, selection: Selection, first: int, last: int) -> tuple[int, int]:
    """From the first record to the last of a time; clocks may have stepped in between."""
    found = [0, 0]
    for one in browse.forward(place, first - 1):
        if one.seq > last:
            break
        if selection.wants_time(_intact(one, one.seq).recorded_at):
            found = [found[0] or one.seq, one.seq]
    return (found[0], found[1]) if found[0] else (1, 0)


def _after(place: Place, what: Plan, size: int) -> Iterator[bytes]:
    """The roots of the complete subtrees behind the stretch, up to a size."""
    leaves = checksums(place, what.last, size)
    begin = what.last
    while begin < size:
        width = 1 << ((begin & -begin).bit_length() - 1)
        while begin + width > size:
            width >>= 1
        tree = Tree()
        for _ in range(width):
            tree.append(next(leaves))
        yield tree.root
        begin += width


def _intact(one: Browsed | None, seq: int) -> StoredEvent:
    if one is None:
        raise DamagedRecordError(seq, "is missing")
    if one.event is None:
        raise DamagedRecordError(one.seq, "; ".join(one.problems))
    return one.event


def _record(one: Browsed, *, withheld: bool) -> bytes:
    row = one.row
    told: dict[str, object] = {
        "seq": row.seq,
        "header": _text(row.header),
        "checksum": _hex(row.checksum),
        "salt": None if withheld else _hex(row.salt),
        "payload": None if withheld else _text(row.payload),
    }
    if withheld:
        told["withheld"] = True
    return _line(told)


def _text(value: object) -> str | None:
    return value.decode("utf-8") if isinstance(value, bytes) else None


def _hex(value: object) -> str | None:
    return value.hex() if isinstance(value, bytes) else None


def _line(values: Mapping[str, object]) -> bytes:
    return f"{_ENCODER.encode(values)}\n".encode()


_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, separators=(",", ":"))
