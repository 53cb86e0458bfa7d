#!/usr/bin/env python3
"""Checks an export of a Riskwarden audit chain. One file, to be read and copied.

It imports nothing of Riskwarden and trusts nothing in the export but what it can derive from a
signer's key, a head or a checkpoint that YOU got by another way: a printout, a message, a metric,
an earlier audit. Without any of them it can only say that the export agrees with itself.

    riskwarden-verify EXPORT --key KEY [--head SIZE:HASH] [--checkpoint FILE] [--json]

An export is JSON lines: one that describes it, one for each record of the chain, the signed
checkpoint, and an end with the SHA-256 of all before it, so that no byte of it can be changed or
cut off unnoticed. (Compressed, the time and the name in gzip's own header are nobody's; what was
compressed is covered.) A record is a header, kept for ever, and a payload, deleted in its time:

    payload_hash = SHA-256(0x02 || salt || payload)      stands in the header
    checksum     = SHA-256(0x00 || header)               stands in the next header
    node         = SHA-256(0x01 || left || right)        RFC 9162, over the checksums

What is checked of every record: both texts are RFC 8785 canonical JSON without duplicate keys,
floats or inexact integers; the eight header fields; both hashes; its number; its link to the one
before. Of the whole: the tree's root is the one that was signed, by a key that the pinned key
handed over to; a payload that is gone was due, a recorded retention covers it, and no legal hold
kept it. NOT covered by any signature, and so no proof of anything: the time of the export, its
filters, and which payloads were withheld (their records are still counted and linked).

Exit code 0: intact and proven, 1: broken, 2: unreadable, 3: no fault found, but not all could be
checked (it says what). Needs Python 3.11, and the package cryptography for signatures.
"""

from __future__ import annotations

import argparse
import base64
import gzip
import io
import json
import os
import re
import sys
import zlib
from bisect import bisect_right, insort
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import pairwise
from multiprocessing import get_all_start_methods, get_context
from pathlib import Path
from typing import Any, BinaryIO, Final, NamedTuple, NoReturn

try:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
except ImportError:  # everything but signatures can be checked without it
    HAS_CRYPTOGRAPHY = False
else:
    HAS_CRYPTOGRAPHY = True

FORMAT: Final = 1
INTACT, BROKEN, UNREADABLE, INCOMPLETE = 0, 1, 2, 3
SHOWN: Final = 10

# -- One record ------------------------------------------------------------------------------

_TIME: Final = r"\d{4}-[01]\d-[0-3]\dT(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d\.\d{6}Z"
#: The one sequence of bytes that a header can have; its origin is looked at more closely. What a
#: ``++`` has taken it keeps, so that nothing is tried again in vain.
_HEADER: Final = re.compile(
    r'\{"event_type":"([A-Z][A-Z0-9_]*)",'
    rf'"expires_at":(?:null|"({_TIME})"),'
    r'"origin":("(?:[^"\\]++|\\.)++"),'
    r'"payload_hash":"([0-9a-f]{64})",'
    r'"previous_checksum":"([0-9a-f]{64})",'
    rf'"recorded_at":"({_TIME})",'
    r'"schema":1,'
    r'"seq":([1-9][0-9]{0,15})\}'
)
_GENESIS: Final = "0" * 64
_LARGEST_INTEGER: Final = 2**53 - 1
_DIGITS: Final = 15
_DEEPEST: Final = 32
_PAYLOAD_FIELDS: Final = frozenset(
    [
        "action_reason",
        "action_taken",
        "actor_id",
        "actor_type",
        "alert_id",
        "category",
        "details",
        "id",
        "message",
        "position_id",
        "severity",
        "trade_id",
    ]
)
_TEXTS: Final = ("action_reason", "action_taken", "id", "message")
_OPTIONAL_TEXTS: Final = ("actor_id", "alert_id", "position_id", "trade_id")
_WORDS: Final = {
    "severity": frozenset({None, "debug", "info", "warning", "critical", "emergency"}),
    "category": frozenset(
        {None, "position", "portfolio", "drawdown", "execution", "system", "kill_switch"}
        | {"security"}
    ),
    "actor_type": frozenset({"SYSTEM", "USER", "KILL_SWITCH", "RUNTIME"}),
}
#: What tells why the payload of another record may be gone, or whose signature counts. Such a
#: record is kept for ever and stands in every export, whatever its filters are.
RETENTION, PLACED, EXTENDED, RELEASED = (
    "RETENTION_APPLIED", "LEGAL_HOLD_PLACED", "LEGAL_HOLD_EXTENDED", "LEGAL_HOLD_RELEASED",
)  # fmt: skip
ROTATED: Final = "SIGNING_KEY_ROTATED"
_TELLING: Final = frozenset({RETENTION, PLACED, EXTENDED, RELEASED, ROTATED, "SIGNING_BEGAN"})


class WrongError(Exception):
    """Something is not what was written; the message says what."""


class UnreadableError(Exception):
    """What was given is no export that can be read."""


class Header(NamedTuple):
    """The kept part of a record."""

    seq: int
    event_type: str
    recorded_at: datetime
    expires_at: datetime | None
    payload_hash: str
    previous: str


@dataclass(slots=True)
class Block:
    """What was found in a block of lines.

    Attributes:
        leaves: the records' checksums, 32 bytes each.
        nodes: the same as levels and roots of complete subtrees, as the whole tree has them.
        previous: what the first of them says that the one before it had.
        telling: what the later judgement needs: headers with their payloads.
        missing: headers of payloads that are gone.
        stamps: the times of the records, as they stand there, one behind the other.
        low: the earliest of them; ``high`` is the latest.
        rest: the lines from the first one on that is no record.
    """

    leaves: bytes = b""
    nodes: list[tuple[int, bytes]] = field(default_factory=list)
    previous: str = ""
    problems: list[tuple[int, str]] = field(default_factory=list)
    warnings: list[tuple[int, str]] = field(default_factory=list)
    telling: list[tuple[Header, dict[str, Any]]] = field(default_factory=list)
    missing: list[Header] = field(default_factory=list)
    stamps: str = ""
    low: str = ""
    high: str = ""
    withheld: int = 0
    rest: list[bytes] = field(default_factory=list)


def check_block(first: int, data: bytes) -> Block:
    """Checks lines of records by themselves and each against the one before it."""
    found = Block()
    leaves: list[bytes] = []
    stamps: list[str] = []
    last = ""
    lines = data.split(b"\n")
    lines.pop()  # what follows the last line's end
    for number, line in enumerate(lines):
        if not line.startswith(b'{"seq":'):
            found.rest = lines[number:]
            break
        seq = first + number
        try:
            leaf, previous, stamp = _check_line(seq, line, found)
        except WrongError as error:
            found.problems.append((seq, str(error)))
            leaves.append(bytes(32))
            stamps.append(stamps[-1] if stamps else _NO_TIME)
            last = ""
            continue
        if stamps and stamp < stamps[-1]:
            found.warnings.append((seq, _BACKWARDS))
        stamps.append(stamp)
        if number == 0:
            found.previous = previous
        elif last and previous != last:
            found.problems.append((seq, _UNLINKED))
        leaves.append(leaf)
        last = leaf.hex()
    found.leaves = b"".join(leaves)
    found.stamps = "".join(stamps)
    found.low, found.high = min(stamps, default=""), max(stamps, default="")
    found.nodes = _subtrees(first - 1, leaves)
    return found


def _subtrees(begin: int, leaves: Sequence[bytes]) -> list[tuple[int, bytes]]:
    nodes, at = [], 0
    for level in levels_between(begin, begin + len(leaves)):
        hashes = leaves[at : at + (1 << level)]
        at += len(hashes)
        while len(hashes) > 1:
            pairs = zip(hashes[::2], hashes[1::2], strict=True)
            hashes = [sha256(b"\x01" + left + right).digest() for left, right in pairs]
        nodes.append((level, hashes[0]))
    return nodes


#: Of a record that cannot be read; earlier than all others, and so no retention's business.
_NO_TIME: Final = "0001-01-01T00:00:00.000000Z"
_UNLINKED: Final = "does not follow from the record before it; the link between them is broken"


def _check_line(seq: int, line: bytes, found: Block) -> tuple[bytes, str, str]:
    """The checksum of a record, that of the one before, and its time. Raises WrongError."""
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        raise WrongError(f"its line is not UTF-8 (byte {error.start})") from None
    # A quote inside a text has a backslash before it, so nothing in one can look like these.
    number, header_at, rest = text.partition(',"header":"')
    escaped, checksum_at, rest = rest.partition('","checksum":"')
    checksum, salt_at, rest = rest.partition('","salt":')
    salt, payload_at, payload = rest.partition(',"payload":')
    if not (header_at and checksum_at and salt_at and payload_at and payload[-1:] == "}"):
        raise WrongError("its line is not one that an export has")
    header_text = _unescaped(escaped)
    leaf = sha256(b"\x00" + header_text.encode()).digest()
    header = _header(header_text)
    if number != f'{{"seq":{seq}' or header[-1] != str(seq):
        raise WrongError(
            f"stands where record {seq} should; records are missing, moved or repeated"
        )
    if checksum != leaf.hex():
        raise WrongError("its checksum is not the header's; one of them was changed")
    payload = payload[:-1]
    try:
        if payload[:1] == "n":
            _check_missing(header, salt, payload, found)
        else:
            _check_payload(header, salt, payload, found)
    except WrongError as error:  # the header is right, and what follows on it may be
        found.problems.append((seq, str(error)))
    return leaf, header[4], header[5]


def _check_missing(header: Cells, salt: str, payload: str, found: Block) -> None:
    withheld = payload == 'null,"withheld":true'
    if salt != "null" or not (withheld or payload == "null"):
        raise WrongError("its salt and its payload are not both there")
    if header[0] in _TELLING:
        raise WrongError(f"its payload is gone, and that of a {header[0]} is always kept")
    if withheld:
        found.withheld += 1
    else:
        found.missing.append(_typed(header))


def _check_payload(header: Cells, salt: str, payload: str, found: Block) -> None:
    if not _SALT.fullmatch(salt):
        raise WrongError("its salt is not 16 bytes")
    if len(payload) < 2 or payload[0] != '"' or payload[-1] != '"':
        raise WrongError("its payload is no text")
    text = _unescaped(payload[1:-1])
    hashed = sha256(b"\x02" + bytes.fromhex(salt[1:-1]) + text.encode()).hexdigest()
    if hashed != header[3]:
        raise WrongError("the payload is not the one that the header's hash was made of")
    if header[0] in _TELLING:
        found.telling.append((_typed(header), _payload(text)))
    elif not _is_plain(text):
        _payload(text)


#: A header's cells as they stand there: type, expiry, origin, payload's hash, previous checksum,
#: time, number.
Cells = tuple[str, str | None, str, str, str, str, str]
_SALT: Final = re.compile(r'"[0-9a-f]{32}"')
_BACKWARDS: Final = "recorded before the one it follows: a clock stepped back"


def _unescaped(text: str) -> str:
    """What a JSON text stands for. There is one way to write it: only quotes and backslashes."""
    plain = text.replace('\\"', '"')
    if "\\" not in plain:
        if len(text) - len(plain) != plain.count('"'):
            raise WrongError("its line holds a quote where none belongs")
        return plain
    try:
        plain = str(json.loads(f'"{text}"'))
    except ValueError as error:
        raise WrongError(f"its line is not JSON ({error})") from None
    if plain.replace("\\", "\\\\").replace('"', '\\"') != text:
        raise WrongError("its line is not written as an export's is")
    return plain


def _header(text: str) -> Cells:
    found = _HEADER.fullmatch(text)
    if found is None:
        raise WrongError("the header is not canonical JSON of exactly the eight fields it has")
    cells = found.groups()
    if cells[2] not in _ORIGINS:
        if not isinstance(_canonical(cells[2]), str):
            raise WrongError("the header's origin is no text")
        _ORIGINS.add(cells[2])
    try:
        datetime.fromisoformat(cells[5])
        if cells[1] is not None:
            datetime.fromisoformat(cells[1])
    except ValueError:
        raise WrongError("the header holds a time that there is not") from None
    return cells  # type: ignore[return-value]  # the pattern has these seven groups


def _typed(cells: Cells) -> Header:
    kind, expires_at, _, payload_hash, previous, recorded_at, seq = cells
    return Header(
        int(seq), kind, datetime.fromisoformat(recorded_at), _moment(expires_at), payload_hash,
        previous,
    )  # fmt: skip


_ORIGINS: Final[set[str]] = set()
#: Types of a payload's values that were found to be right.
_SHAPES: Final[set[tuple[type, ...]]] = set()


def _cell(name: str) -> str:
    """A field of a payload, as nearly all are written: with nothing in it that is escaped."""
    if name == "details":
        return r"(\{.*\})"
    if words := _WORDS.get(name):
        return f"(?:{'|'.join(map(json.dumps, words))})"
    text = r'"[^"\\\x00-\x1f]*"'
    return text if name in _TEXTS else f"(?:null|{text})"


_CELLS: Final = ",".join(f'"{name}":{_cell(name)}' for name in sorted(_PAYLOAD_FIELDS))
_PLAIN: Final = re.compile(rf"\{{{_CELLS}\}}", re.DOTALL)


def _is_plain(text: str) -> bool:
    """Whether a payload is seen to be right at a glance; of others that says nothing.

    Whatever else they hold, canonical details between fields that are is a canonical payload.
    """
    found = _PLAIN.fullmatch(text)
    if found is None or found[1].count("{") + found[1].count("[") >= _DEEPEST:
        return False
    _canonical(found[1])
    return True


def _payload(text: str) -> dict[str, Any]:
    values = _canonical(text)
    if type(values) is not dict or values.keys() != _PAYLOAD_FIELDS:
        raise WrongError("the payload has not exactly the twelve fields it has to have")
    # Canonical JSON sorts its keys, so the order is always the same.
    shape = tuple(map(type, values.values()))
    if shape not in _SHAPES:
        _check_types(values)
        _SHAPES.add(shape)
    for name, words in _WORDS.items():
        if values[name] not in words:
            raise WrongError(f"the payload's {name} is none that there is")
    return values


def _check_types(values: Mapping[str, Any]) -> None:
    for name in (*_TEXTS, "actor_type"):
        if type(values[name]) is not str:
            raise WrongError(f"the payload's {name} is no text")
    for name in (*_OPTIONAL_TEXTS, "severity", "category"):
        if values[name] is not None and type(values[name]) is not str:
            raise WrongError(f"the payload's {name} is neither text nor null")
    if type(values["details"]) is not dict:
        raise WrongError("the payload's details are no table")


def _canonical(text: str) -> Any:
    """The value of RFC 8785 canonical JSON. Raises WrongError for everything else."""
    # Keys are in the order of their UTF-16, which for ASCII is Python's own.
    decoder, encode = (_DECODER, _sorted) if text.isascii() else (_IN_ORDER, _as_read)
    try:
        # scan_once is public in JSONDecoder, and left out of its stubs.
        value, end = decoder.scan_once(text, 0)  # type: ignore[attr-defined]
        again = "".join(encode(value, 0))
    except RecursionError:
        raise WrongError(f"is nested deeper than {_DEEPEST} levels") from None
    except (ValueError, StopIteration):
        raise WrongError("holds what is not JSON") from None
    if end != len(text) or again != text:
        raise WrongError("holds JSON that is not in its canonical form, or a key twice")
    if text.count("{") + text.count("[") > _DEEPEST:
        _check_depth(value, 0)
    return value


def _check_depth(value: Any, depth: int) -> None:
    if isinstance(value, dict | list):
        if depth >= _DEEPEST:
            raise WrongError(f"is nested deeper than {_DEEPEST} levels")
        for item in value.values() if isinstance(value, dict) else value:
            _check_depth(item, depth + 1)


def _integer(text: str) -> int:
    if len(text) > _DIGITS and (len(text) > 2 * _DIGITS or abs(int(text)) > _LARGEST_INTEGER):
        raise WrongError("holds an integer beyond 2^53 - 1, which is not exact")
    return int(text)


def _refuse_number(text: str) -> NoReturn:
    raise WrongError(f"holds the number {text[:40]}; floats are never written")


def _ordered(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key.encode("utf-16-be") for key, _ in pairs]
    if any(one >= other for one, other in pairwise(keys)):
        raise WrongError("holds a key twice, or not in order")
    return dict(pairs)


def _encoder(*, sort_keys: bool) -> Callable[[Any, int], Iterable[str]]:
    """What JSONEncoder makes anew for every value it encodes, made once."""
    made: Any = getattr(json.encoder, "c_make_encoder", None)
    if made is None:  # a Python without its C parts
        plain = json.JSONEncoder(ensure_ascii=False, sort_keys=sort_keys, separators=(",", ":"))
        return lambda value, _: plain.encode(value)
    skip_keys = allow_nan = False
    quote = json.encoder.encode_basestring
    encode: Callable[[Any, int], Iterable[str]] = made(
        None, None, quote, None, ":", ",", sort_keys, skip_keys, allow_nan
    )
    return encode


_DECODER: Final = json.JSONDecoder(
    parse_float=_refuse_number, parse_constant=_refuse_number, parse_int=_integer
)
_IN_ORDER: Final = json.JSONDecoder(
    parse_float=_refuse_number,
    parse_constant=_refuse_number,
    parse_int=_integer,
    object_pairs_hook=_ordered,
)
_sorted: Final = _encoder(sort_keys=True)
_as_read: Final = _encoder(sort_keys=False)

# -- Why a payload may be gone -----------------------------------------------------------------

Ranges = Sequence[tuple[int, int]]


class Hold:
    """A legal hold: what it covers may not be deleted as long as it is in force."""

    def __init__(self, header: Header, details: Mapping[str, Any]) -> None:
        covered = details["filter"]
        self.name = str(details["name"])
        self.seq = header.seq
        self.first = _seq_or_none(covered.get("first"))
        self.last = _seq_or_none(covered.get("last"))
        self.since = _moment(covered.get("since"))
        self.until = _moment(covered.get("until"))
        self.types = frozenset(_words(covered.get("types")))
        self.reads_payloads = bool(_words(covered.get("accounts")) + _words(covered.get("alerts")))
        self.looked_at = 0
        self.found: list[tuple[int, int]] = []

    def why_held(self, header: Header) -> str:
        """Why a record had to stay, as far as was on record when a retention was; or nothing."""
        if (
            (self.first is not None and header.seq < self.first)
            or (self.last is not None and header.seq > self.last)
            or (self.since is not None and header.recorded_at < self.since)
            or (self.until is not None and header.recorded_at >= self.until)
            or (self.types and header.event_type not in self.types)
        ):
            return ""
        if not self.reads_payloads or _is_in(header.seq, self.found):
            return f"legal hold {self.name} (record {self.seq}) covers it"
        if header.seq > self.looked_at:
            return f"nobody had looked yet whether legal hold {self.name} covers it"
        return ""

    def copy(self) -> Hold:
        """As it is now."""
        other = object.__new__(Hold)
        other.__dict__ = {**self.__dict__, "found": list(self.found)}
        return other


@dataclass(slots=True)
class Retention:
    """One record of deletions, with the holds that were in force then."""

    header: Header
    due_before: datetime
    ranges: dict[str, list[tuple[int, int]]]
    holds: list[Hold]
    ended_at: int | None = None

    def names(self, header: Header) -> bool:
        """Whether a record is among those that it is about."""
        return (
            header.seq < self.header.seq
            and _is_in(header.seq, self.ranges.get(header.event_type, ()))
            and (self.ended_at is None or header.seq < self.ended_at)
        )

    def why_not(self, header: Header) -> str:
        """Why it did not allow to delete one of them; empty if it did."""
        if header.expires_at is None:
            return "it is kept for ever"
        if header.expires_at > min(self.due_before, self.header.recorded_at):
            return f"retention (record {self.header.seq}) named it before it was due"
        return next(filter(None, (hold.why_held(header) for hold in self.holds)), "")


class Told:
    """What the chain itself tells of retention and holds, record by record."""

    def __init__(self) -> None:
        self.retentions: list[Retention] = []
        self.holds: dict[str, Hold] = {}

    def add(self, header: Header, payload: Mapping[str, Any]) -> None:
        """One more record. One that cannot be understood tells nothing."""
        try:
            self._add(header, payload["details"])
        except (KeyError, ValueError, TypeError, AttributeError):
            return

    def why_missing(self, header: Header) -> str:
        """What is wrong with a payload's being gone; empty if a retention allowed it."""
        because = ""
        for one in reversed(self.retentions):
            if one.names(header):
                why = one.why_not(header)
                if not why:
                    return ""
                because = because or f": {why}"
        if header.expires_at is None:
            because = ": it is kept for ever"
        return f"the payload is missing, and no retention allowed that{because}"

    def _add(self, header: Header, details: Mapping[str, Any]) -> None:
        if header.event_type == RETENTION:
            ranges: dict[str, list[tuple[int, int]]] = {}
            for one in _list(details["ranges"]):
                stretch = (_seq(one["first"]), _seq(one["last"]))
                ranges.setdefault(str(one["type"]), []).append(stretch)
            due = _moment(str(details["due_before"]))
            if due is not None:
                holds = [hold.copy() for hold in self.holds.values()]
                stretches = {kind: sorted(found) for kind, found in ranges.items()}
                self.retentions.append(Retention(header, due, stretches, holds))
        elif header.event_type == PLACED:
            hold = Hold(header, details)
            unfinished = details.get("unfinished")
            if isinstance(unfinished, dict):
                begun, reached = _seq(unfinished["retention"]), _seq(unfinished["next"])
                for one in self.retentions:
                    if one.header.seq == begun and one.ended_at is None:
                        one.ended_at = reached
            name = hold.name if hold.name not in self.holds else f"{hold.name}#{hold.seq}"
            self.holds[name] = hold
        elif header.event_type == EXTENDED:
            hold = self.holds[str(details["name"])]
            found = [(_seq(one["first"]), _seq(one["last"])) for one in _list(details["found"])]
            hold.looked_at = _seq(details["looked_at"])
            hold.found += found
        elif header.event_type == RELEASED:
            del self.holds[str(details["name"])]


#: What is due is deleted so much later, so that no small step of a clock can matter.
_GRACE: Final = timedelta(days=1)


@dataclass(slots=True)
class _Watched:
    """A retention, and the records after it with an earlier time, until one has a later.

    Attributes:
        since: the earliest time that was recorded until then.
    """

    seq: int
    at: datetime
    since: datetime
    first: int = 0
    earliest: datetime | None = None
    latest: datetime | None = None


class ClockRule:
    """Which retentions went by a clock that had been set forward: records are in true order.

    A retention followed by records of an earlier time, by more than a day, was ahead of its time;
    unless the clock had only fallen behind, and then jumped where it belongs instead of running
    there. One that lies in the auditor's own future is ahead still.
    """

    def __init__(self) -> None:
        self._watched: list[_Watched] = []
        self._earliest = datetime.max.replace(tzinfo=UTC)
        self._latest_retention = ""
        self._found: list[tuple[int, str]] = []

    def add_block(self, first: int, block: Block) -> None:
        """Records in order; most blocks hold nothing that could matter."""
        retentions = {header.seq for header, _ in block.telling if header.event_type == RETENTION}
        is_open = any(one.earliest for one in self._watched)
        if not retentions and not is_open and block.low >= self._latest_retention:
            if block.low != _NO_TIME:
                self._earliest = min(self._earliest, datetime.fromisoformat(block.low))
            return
        width = len(_NO_TIME)
        for number in range(len(block.stamps) // width):
            stamp = block.stamps[width * number : width * (number + 1)]
            if stamp == _NO_TIME:
                continue
            seq, at = first + number, datetime.fromisoformat(stamp)
            self._earliest = min(self._earliest, at)
            self._watch(seq, at)
            if seq in retentions:
                self._watched.append(_Watched(seq, at, self._earliest))
                self._latest_retention = max(self._latest_retention, stamp)

    def _watch(self, seq: int, at: datetime) -> None:
        for one in list(self._watched):
            if one.at <= at:
                if one.earliest is not None and one.latest is not None:
                    behind = one.at - one.earliest
                    if behind > _GRACE and 2 * (one.latest - one.earliest) >= behind:
                        self._found.append((one.seq, self._ahead(one)))
                        self._watched.remove(one)
                    one.earliest = one.latest = None
            elif at >= one.since:
                one.first = one.first if one.earliest else seq
                one.earliest = min(one.earliest or at, at)
                one.latest = max(one.latest or at, at)

    def finish(self, now: datetime) -> list[tuple[int, str]]:
        """All that is wrong, by a clock that shows ``now``."""
        for one in self._watched:
            if one.earliest is not None and one.at - one.earliest > _GRACE:
                self._found.append((one.seq, self._ahead(one)))
            elif one.at - now > _GRACE:
                self._found.append((one.seq, "retention was applied at a time that is yet to come"))
        return self._found

    def _ahead(self, one: _Watched) -> str:
        return (
            f"retention was applied at {one.at:%Y-%m-%d %H:%M}, but what follows it was recorded "
            f"earlier (record {one.first}): the clock had been set forward, and what was deleted "
            "was not due"
        )


def _moment(text: Any) -> datetime | None:
    moment = None if text is None else datetime.fromisoformat(str(text))
    if moment is not None and moment.tzinfo is None:
        raise ValueError("a time without its zone is none")
    return moment


def _seq(value: Any) -> int:
    if type(value) is not int:
        raise TypeError("a record's number is expected")
    return value


def _seq_or_none(value: Any) -> int | None:
    return None if value is None else _seq(value)


def _list(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TypeError("a list is expected")
    return value


def _words(value: Any) -> list[str]:
    return [] if value is None else [str(word) for word in _list(value)]


def _is_in(seq: int, ranges: Ranges) -> bool:
    at = bisect_right(ranges, seq, key=lambda one: one[0])
    return at > 0 and seq <= ranges[at - 1][1]


# -- The tree, and what was signed -------------------------------------------------------------


class Tree:
    """An RFC 9162 tree as the roots of its complete subtrees, largest first."""

    def __init__(self, size: int, frontier: Iterable[bytes]) -> None:
        self.size = size
        self.hashes = list(frontier)
        if len(self.hashes) != size.bit_count():
            raise WrongError(f"the hashes before the first record are not those of {size} records")

    def add(self, node: bytes, level: int) -> None:
        """Adds a complete subtree of 2^level leaves, which has to begin where one can."""
        if self.size & ((1 << level) - 1):
            raise WrongError("the hashes behind the last record do not fit behind it")
        size = self.size >> level
        self.size += 1 << level
        while size & 1:
            node = sha256(b"\x01" + self.hashes.pop() + node).digest()
            size >>= 1
        self.hashes.append(node)

    @property
    def root(self) -> bytes:
        """The root over all leaves so far."""
        if not self.hashes:
            return sha256(b"").digest()
        root = self.hashes[-1]
        for left in self.hashes[-2::-1]:
            root = sha256(b"\x01" + left + root).digest()
        return root


def levels_between(begin: int, end: int) -> Iterator[int]:
    """Which complete subtrees cover the leaves from ``begin`` to before ``end``, in order."""
    while begin < end:
        level = (begin & -begin).bit_length() - 1 if begin else (end - begin).bit_length() - 1
        while begin + (1 << level) > end:
            level -= 1
        yield level
        begin += 1 << level


class Key(NamedTuple):
    """A verifier key, ``NAME+ID+KEY``, as C2SP signed notes have it."""

    name: str
    key_id: bytes
    public: bytes

    @classmethod
    def parse(cls, text: str) -> Key:
        """Raises ValueError."""
        name, _, rest = text.strip().partition("+")
        key_id, _, encoded = rest.partition("+")
        data = base64.b64decode(encoded, validate=True)
        if not name or data[:1] != b"\x01" or len(data) != 33:
            raise ValueError("is no Ed25519 verifier key")
        if sha256(name.encode() + b"\n" + data).digest()[:4].hex() != key_id:
            raise ValueError("has an ID that is not its own: a character of it is wrong")
        return cls(name, bytes.fromhex(key_id), data[1:])

    def has_signed(self, text: str, signature: bytes) -> bool:
        """Whether it has made the signature. Needs cryptography."""
        try:
            Ed25519PublicKey.from_public_bytes(self.public).verify(signature, text.encode())
        except InvalidSignature:
            return False
        return True


class Checkpoint(NamedTuple):
    """A signed statement: the tree of ``size`` records has this root."""

    text: str
    origin: str
    size: int
    root: bytes
    signatures: list[tuple[str, bytes, bytes]]

    @classmethod
    def parse(cls, note: str) -> Checkpoint:
        """Raises ValueError."""
        body, blank, signed = note.rpartition("\n\n")
        lines = body.split("\n")
        if not blank or len(lines) < 3 or not re.fullmatch(r"0|[1-9][0-9]{0,15}", lines[1]):
            raise ValueError("is no signed checkpoint")
        signatures = []
        for line in signed.removesuffix("\n").split("\n"):
            found = re.fullmatch(r"— (\S+) (\S+)", line)
            if found is None:
                raise ValueError("has a signature line that is none")
            data = base64.b64decode(found[2], validate=True)
            if base64.b64encode(data).decode() != found[2]:
                raise ValueError("has a signature that is not base64")
            signatures.append((found[1], data[:4], data[4:]))
        root = base64.b64decode(lines[2], validate=True)
        if len(root) != 32 or base64.b64encode(root).decode() != lines[2]:
            raise ValueError("has no root")
        return cls(f"{body}\n", lines[0], int(lines[1]), root, signatures)

    def signers(self, keys: Iterable[Key]) -> list[Key]:
        """Those of the keys that have signed it. Raises ValueError for a forged signature."""
        found: list[Key] = []
        for key in keys:
            for name, key_id, signature in self.signatures:
                if (name, key_id) == (key.name, key.key_id):
                    if not key.has_signed(self.text, signature):
                        raise ValueError(f"has a signature that {key.name} has not made")
                    found.append(key)
        return found


# -- The whole ---------------------------------------------------------------------------------

_BLOCK: Final = 1 << 20
_LONGEST_LINE: Final = 1 << 26
#: Below this a second process costs more than it helps.
_WORTH_A_PROCESS: Final = 4 << 20


#: Behind every record.
_OF_THE_WHOLE: Final = 2**63


@dataclass(slots=True)
class Report:
    """What came of it.

    Attributes:
        problems: the first of them, by record; ``problem_count`` counts all.
        unchecked: what could not be checked, and what it would take.
        signed_size: how far a checkpoint reaches that a trusted key has signed.
        seen_size: how far a head or a checkpoint reaches that the auditor has kept.
        root: of the tree over the records up to the last.
        checksum: of the last record.
    """

    file: str
    first: int = 0
    last: int = 0
    withheld: int = 0
    deleted: int = 0
    root: str = ""
    checksum: str = ""
    signed_size: int | None = None
    seen_size: int | None = None
    signed_by: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    problem_count: int = 0
    warnings: list[str] = field(default_factory=list)
    warning_count: int = 0
    unchecked: list[str] = field(default_factory=list)
    _found: list[tuple[int, str]] = field(default_factory=list)

    @property
    def code(self) -> int:
        """The exit code."""
        return BROKEN if self.problem_count else INCOMPLETE if self.unchecked else INTACT

    def problem(self, message: str, seq: int | None = None) -> None:
        """Adds something that is wrong."""
        self.problem_count += 1
        insort(self._found, (seq or _OF_THE_WHOLE, message))
        del self._found[SHOWN:]
        self.problems = [
            text if at == _OF_THE_WHOLE else f"record {at}: {text}" for at, text in self._found
        ]

    def warn(self, message: str, seq: int | None = None) -> None:
        """Adds something odd that is no proof of harm."""
        self.warning_count += 1
        if len(self.warnings) < SHOWN:
            self.warnings.append(message if seq is None else f"record {seq}: {message}")


class Pinned(NamedTuple):
    """What the auditor knows from elsewhere."""

    keys: Sequence[Key] = ()
    heads: Sequence[tuple[int, str]] = ()
    checkpoints: Sequence[Checkpoint] = ()


def verify(path: Path, pinned: Pinned, processes: int = 0, now: datetime | None = None) -> Report:
    """Checks an export, by a clock that shows ``now``: the machine's own, unless it is given.

    Damage is in the report. Raises UnreadableError.
    """
    with _opened(path) as stream:
        export = _Export(stream, str(path), pinned, now or datetime.now(UTC))
        return export.checked(processes or _processes(path))


class _Export:
    """One export on its way through all checks."""

    def __init__(
        self, stream: BinaryIO | gzip.GzipFile, name: str, pinned: Pinned, now: datetime
    ) -> None:
        self._stream = stream
        self._now = now
        self._pinned = pinned
        self._report = Report(name)
        self._told = Told()
        self._clock = ClockRule()
        self._missing: list[Header] = []
        self._rotations: list[tuple[Header, dict[str, Any]]] = []
        self._blocks_found: list[tuple[bytes, list[tuple[int, bytes]]]] = []
        self._count = 0
        self._trees: dict[int, Tree] = {}
        self._trailer: list[bytes] = []
        self._digest = sha256()
        self._before_end = b""
        self._last_checksum = ""
        self._last_time = ""
        self._deleted_by = 0

    def checked(self, processes: int) -> Report:
        first_line = self._line()
        self._start = self._head(first_line)
        self._digest.update(first_line)
        # Only a process that is a copy of this one needs no way to find this file.
        alone = processes <= 1 or "fork" not in get_all_start_methods()
        found = self._in_turn() if alone else self._side_by_side(processes)
        for block in found:
            self._join(block)
        self._finish()
        return self._report

    def _line(self) -> bytes:
        try:
            return self._stream.readline(_LONGEST_LINE)
        except (OSError, EOFError, zlib.error) as error:
            raise UnreadableError(f"cannot be read: {error}") from None

    def _head(self, line: bytes) -> dict[str, Any]:
        """The first line."""
        try:
            head = _json_line(line, "riskwarden_export")
            if head["riskwarden_export"] != FORMAT:
                raise UnreadableError(
                    f"has format {head['riskwarden_export']}, this program reads {FORMAT}; use the "
                    "one of the version that wrote it"
                )
            self._report.first, self._report.last = _number(head, "first"), _number(head, "last")
        except WrongError as error:
            raise UnreadableError(f"is no export of an audit chain: first line: {error}") from None
        if not 1 <= self._report.first <= self._report.last:
            raise UnreadableError("is no export of an audit chain: it ends before it begins")
        return head

    def _blocks(self) -> Iterator[tuple[int, bytes]]:
        """Whole lines by the megabyte, and the number that the first of them has."""
        seq, left = self._report.first, b""
        while True:
            try:
                read = self._stream.read(_BLOCK)
            except (
                OSError,
                EOFError,
                zlib.error,
            ) as error:  # gzip: cut off, or a checksum of its own
                self._report.problem(f"cannot be read to its end: {error}")
                read = b""
            data = left + read
            end = data.rfind(b"\n") + 1 if read else len(data)
            data, left = data[:end], data[end:]
            if len(left) > _LONGEST_LINE:
                raise UnreadableError("has a line that no export has")
            if not read:
                if data:
                    self._report.problem("its last line has no end: the export was cut off")
                    data += b"\n"
                self._take_digest(data)
                yield seq, data
                return
            if data:
                self._take_digest(data)
                yield seq, data
                seq += data.count(b"\n")

    def _take_digest(self, data: bytes) -> None:
        """The last line is not part of what it is the digest of."""
        data = self._before_end + data
        at = data.rfind(b"\n", 0, len(data) - 1) + 1
        self._digest.update(data[:at])
        self._before_end = data[at:]

    def _in_turn(self) -> Iterator[Block]:
        for seq, data in self._blocks():
            yield check_block(seq, data)

    def _side_by_side(self, processes: int) -> Iterator[Block]:
        pool = ProcessPoolExecutor(processes, get_context("fork"))
        under_way: deque[Future[Block]] = deque()
        try:
            for block in self._blocks():
                under_way.append(pool.submit(check_block, *block))
                if len(under_way) > 2 * processes:
                    yield under_way.popleft().result()
            while under_way:
                yield under_way.popleft().result()
        except BrokenProcessPool:
            raise UnreadableError("a process of it was ended; try --processes 1") from None
        finally:
            pool.shutdown(cancel_futures=True)

    def _join(self, block: Block) -> None:
        seq = self._report.first + self._count
        if self._trailer and block.leaves:
            self._report.problem("records stand behind the export's end")
            return
        if block.leaves:
            if self._last_checksum and block.previous and block.previous != self._last_checksum:
                self._report.problem(_UNLINKED, seq)
            if seq == 1 and block.previous and block.previous != _GENESIS:
                self._report.problem("is not the first of a chain, as its number says", 1)
            self._blocks_found.append((block.leaves, block.nodes))
            self._count += len(block.leaves) // 32
            last = block.leaves[-32:]
            self._last_checksum = "" if last == bytes(32) else last.hex()
        for at, message in block.problems:
            self._report.problem(message, at)
        for at, message in block.warnings:
            self._report.warn(message, at)
        if block.stamps:
            width = len(_NO_TIME)
            if block.stamps[:width] < self._last_time:
                self._report.warn(_BACKWARDS, seq)
            self._last_time = block.stamps[-width:]
            self._clock.add_block(seq, block)
        self._report.withheld += block.withheld
        self._missing += block.missing
        for header, payload in block.telling:
            if header.event_type == ROTATED:
                self._rotations.append((header, payload))
            else:
                self._told.add(header, payload)
        self._trailer += block.rest

    def _finish(self) -> None:
        report = self._report
        count = self._count
        if report.first + count - 1 != report.last:
            report.problem(
                f"holds {count} records, and its first line says {report.first} to {report.last}"
            )
        report.checksum = self._last_checksum
        notes = self._notes(count)
        self._judge_missing(notes)
        sizes = {report.last, *(one.size for one, _ in notes), *(size for size, _ in self._heads)}
        try:
            self._grow(sizes)
        except WrongError as error:
            report.problem(str(error))
            return
        report.root = self._trees[report.last].root.hex()
        self._judge_signed(notes)
        self._judge_heads()
        self._judge_proof(has_note=bool(notes))

    def _judge_proof(self, *, has_note: bool) -> None:
        """How far what the auditor knows from elsewhere reaches."""
        report = self._report
        proven = max(report.signed_size or 0, report.seen_size or 0)
        if proven >= report.last or report.problem_count:
            return
        if not proven and not self._pinned.keys:
            missing = "pin the signer's key with --key, or a head that you have seen with --head"
        elif not has_note:
            missing = "the export holds no signed checkpoint"
        else:
            missing = "no checkpoint by a pinned key, and no head that you gave, reaches that far"
        report.unchecked.append(f"who wrote records {proven + 1} to {report.last}: {missing}")

    @property
    def _heads(self) -> list[tuple[int, str]]:
        """All that the auditor has kept."""
        return [
            *self._pinned.heads,
            *((one.size, one.root.hex()) for one in self._pinned.checkpoints),
        ]

    def _grow(self, sizes: Iterable[int]) -> None:
        """Finds the tree at each of these sizes that the export reaches."""
        first, last = self._report.first - 1, self._report.last
        tree = Tree(first, _hashes(self._start.get("before", [])))
        wanted = deque(sorted({size for size in sizes if first <= size <= last}))

        def keep() -> None:
            while wanted and wanted[0] == tree.size:
                self._trees[wanted.popleft()] = Tree(tree.size, tree.hashes)

        keep()
        for leaves, nodes in self._blocks_found:
            if wanted and wanted[0] < tree.size + len(leaves) // 32:
                nodes = [(0, leaves[at : at + 32]) for at in range(0, len(leaves), 32)]
            for level, node in nodes:
                tree.add(node, level)
                keep()
        if wanted:  # fewer records than it said: found already, and said
            self._trees |= dict.fromkeys(wanted, tree)

    def _notes(self, count: int) -> list[tuple[Checkpoint, list[bytes]]]:
        """The checkpoints of the last lines, with the hashes from the last record to each."""
        notes: list[tuple[Checkpoint, list[bytes]]] = []
        ended = False
        for line in self._trailer:
            try:
                if line.startswith(b'{"checkpoint":') and not ended:
                    values = _json_line(line, "checkpoint")
                    checkpoint = Checkpoint.parse(str(values["checkpoint"]))
                    notes.append((checkpoint, _hashes(values.get("after", []))))
                    if "deleted_by" in values:
                        self._deleted_by = max(self._deleted_by, _number(values, "deleted_by"))
                else:
                    was_ended, ended = ended, True
                    self._check_end(line, count, ended=was_ended)
            except (WrongError, ValueError) as error:
                self._report.problem(f"its last lines are not those of an export: {error}")
        if not ended:
            self._report.problem("has no end: it was cut off")
        return notes

    def _check_end(self, line: bytes, count: int, *, ended: bool) -> None:
        """The one line that its digest cannot cover: nothing may stand in it but what has to."""
        end = _json_line(line, "end")
        if ended:
            raise WrongError("it ends twice")
        if _number(end, "end") != count:
            raise WrongError(f"it was to hold {end['end']} records and holds {count}")
        digest = self._digest.hexdigest()
        if end.get("sha256") != digest:
            raise WrongError("a byte of the export was changed (its own SHA-256 is another)")
        if line != f'{{"end":{count},"sha256":"{digest}"}}'.encode():
            raise WrongError("its end is not written as an export's is")

    def _judge_missing(self, notes: Sequence[tuple[Checkpoint, list[bytes]]]) -> None:
        report = self._report
        report.deleted = len(self._missing)
        # Retention goes on behind what was exported, and then says so there.
        is_whole = (
            report.first == 1
            and self._deleted_by <= report.last
            and any(one.size == report.last for one, _ in notes)
        )
        for at, message in self._clock.finish(self._now):
            report.problem(message, at)
        unknown = 0
        for header in self._missing:
            why = self._told.why_missing(header)
            if why and (is_whole or not self._was_due(header)):
                report.problem(why, header.seq)
            elif why or report.first > 1:
                unknown += 1
        if unknown:
            report.unchecked.append(
                f"whether {unknown} payloads that are gone were due and not held: that stands in "
                "records outside this export; have the whole chain exported"
            )

    def _was_due(self, header: Header) -> bool:
        """Whether any retention until now, wherever it stands, may have deleted its payload."""
        return header.expires_at is not None and header.expires_at <= self._now

    def _judge_signed(self, notes: Sequence[tuple[Checkpoint, list[bytes]]]) -> None:
        report, keys = self._report, list(self._pinned.keys)
        strange: list[int] = []
        if keys and not HAS_CRYPTOGRAPHY:
            report.unchecked.append(
                "signatures: the package cryptography is missing (pip install cryptography)"
            )
        for note, after in sorted(notes, key=lambda pair: pair[0].size):
            try:
                root = self._root_at(note.size, after)
            except WrongError as error:
                report.problem(f"its checkpoint of {note.size} records: {error}")
                continue
            if root is None:
                continue  # from before the first record, of which it says nothing
            if root != note.root:
                report.problem(
                    f"the records do not lead to the root that was signed for {note.size} of them: "
                    "one or more were changed, and all hashes after them made anew"
                )
                continue
            if not keys or not HAS_CRYPTOGRAPHY:
                continue
            try:
                signers = note.signers(keys)
            except ValueError as error:
                report.problem(f"its checkpoint of {note.size} records {error}")
                continue
            if not signers:
                strange.append(note.size)
                continue
            report.signed_size = note.size
            report.signed_by = [key.name for key in signers]
            for old, new in self._handovers(note, keys):
                keys[keys.index(old)] = new  # from here on the old one is nobody's
        for size in strange:
            self._judge_strange(size)

    def _judge_strange(self, size: int) -> None:
        """A checkpoint that is right, and signed by nobody whom the auditor knows."""
        report = self._report
        what = f"its checkpoint of {size} records"
        if (report.signed_size or 0) >= report.last:
            report.warn(f"{what} is signed by a key that is not pinned; another one proves them")
        elif report.first > 1:
            report.unchecked.append(
                f"{what}: no pinned key has signed it; one may have handed over before record "
                f"{report.first}, so pin today's, or have the whole chain exported"
            )
        else:
            report.problem(
                f"{what} is signed by none of the keys that were pinned, nor by one that took over "
                "from them"
            )

    def _handovers(self, note: Checkpoint, keys: Sequence[Key]) -> list[tuple[Key, Key]]:
        """Keys that hand over: on record in what was signed by both the old and the new."""
        found: list[tuple[Key, Key]] = []
        for header, payload in self._rotations:
            details = payload["details"]
            try:
                old = Key.parse(str(details["verifier_key"]))
                new = Key.parse(str(details["new_verifier_key"]))
                known = [*keys, *(key for pair in found for key in pair)]
                if header.seq > note.size or old not in known or new in known:
                    continue
                if note.signers([old, new]) == [old, new]:
                    found.append((old, new))
            except (KeyError, ValueError) as error:
                self._report.problem(f"tells of a new key that is none: {error}", header.seq)
        return found

    def _judge_heads(self) -> None:
        """The heads and checkpoints that the auditor has kept must lie on this chain."""
        report = self._report
        for size, digest in self._heads:
            what = f"head {size}:{digest[:8]}…"
            if size not in self._trees:
                report.unchecked.append(
                    f"{what}: it lies outside records {report.first} to {report.last}"
                )
            elif any(
                seen.startswith(digest)
                for seen in (self._trees[size].root.hex(), self._checksum_of(size))
            ):
                report.seen_size = max(size, report.seen_size or 0)
            else:
                report.problem(
                    f"{what} that you gave is not on this chain: it was cut or rewritten since"
                )

    def _checksum_of(self, size: int) -> str:
        """The checksum of a record, by its number."""
        at = 32 * (size - self._report.first)
        for leaves, _ in self._blocks_found:
            if 0 <= at < len(leaves):
                return leaves[at : at + 32].hex()
            at -= len(leaves)
        return _GENESIS if size == 0 else ""

    def _root_at(self, size: int, after: Sequence[bytes]) -> bytes | None:
        """The root that the export leads to, None for a size from before it begins."""
        last = self._report.last
        if size <= last:
            if after:
                raise WrongError("has hashes of records that it does not cover")
            return self._trees[size].root if size in self._trees else None
        tree = Tree(last, self._trees[last].hashes)
        levels = list(levels_between(last, size))
        if len(levels) != len(after):
            raise WrongError("the hashes behind the last record are not as many as they have to be")
        for node, level in zip(after, levels, strict=True):
            tree.add(node, level)
        return tree.root


def _json_line(line: bytes, name: str) -> dict[str, Any]:
    """A line that is not a record. Raises WrongError."""
    try:
        values = json.loads(line.decode("utf-8"), object_pairs_hook=_unique)
    except ValueError as error:
        raise WrongError(f"is not JSON ({error})") from None
    except RecursionError:
        raise WrongError("is nested too deeply") from None
    if not isinstance(values, dict) or name not in values:
        raise WrongError(f"has no {name}")
    return values


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    values = dict(pairs)
    if len(values) != len(pairs):
        raise WrongError("has a key twice")
    return values


def _number(values: Mapping[str, Any], name: str) -> int:
    value = values.get(name)
    if type(value) is not int or value < 0:
        raise WrongError(f"{name} is no number of records")
    return value


def _hashes(value: Any) -> list[bytes]:
    if not isinstance(value, list) or not all(
        isinstance(one, str) and re.fullmatch(r"[0-9a-f]{64}", one) for one in value
    ):
        raise WrongError("hashes are not lists of 64 hexadecimal digits")
    return [bytes.fromhex(one) for one in value]


# -- At the rim --------------------------------------------------------------------------------

_ENCRYPTED: Final = (b"age-encryption.org/", b"-----BEGIN AGE")


@contextmanager
def _opened(path: Path) -> Iterator[BinaryIO | gzip.GzipFile]:
    with ExitStack() as stack:
        try:
            stream = stack.enter_context(path.open("rb"))
            start = stream.peek(32)  # it may be what another program decrypts
        except OSError as error:
            raise UnreadableError(str(error)) from None
        _require_readable(path, start)
        if start.startswith(b"\x1f\x8b"):
            yield stack.enter_context(gzip.open(stream))
        else:
            yield stream


def _require_readable(path: Path, start: bytes) -> None:
    if start.startswith(_ENCRYPTED):
        raise UnreadableError(
            f"{path}: is encrypted. Decrypt it first, with age (age-encryption.org): "
            f"age --decrypt --identity KEY.txt {path} > export.jsonl.gz, or without --identity if "
            "it was given a passphrase; or straight into this program, given /dev/stdin"
        )
    if start.startswith((b"#", b"seq,")):
        raise UnreadableError(f"{path}: is CSV, which is for reading only; ask for the JSON export")


def _processes(path: Path) -> int:
    if path.stat().st_size < _WORTH_A_PROCESS:
        return 1
    is_linux = hasattr(os, "sched_getaffinity")
    return min(8, len(os.sched_getaffinity(0)) if is_linux else os.cpu_count() or 1)


def _text_or_file(given: str) -> str:
    path = Path(given)
    try:
        return path.read_text(encoding="utf-8") if path.is_file() else given
    except (OSError, ValueError):
        return given


def _parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="riskwarden-verify",
        description="Checks an export of a Riskwarden audit chain.",
        epilog="Exit code 0: intact and proven, 1: broken, 2: unreadable, "
        "3: no fault found, but not everything could be checked.",
    )
    parser.add_argument("export", type=Path, help="the export, JSON lines, .gz or not")
    parser.add_argument(
        "--key", action="append", default=[], metavar="KEY",
        help="a signer's verifier key NAME+ID+KEY that you trust, or a file with it",
    )  # fmt: skip
    parser.add_argument(
        "--head", action="append", default=[], metavar="SIZE:HASH",
        help="a head that you have seen: on a message, a metric, a printout",
    )  # fmt: skip
    parser.add_argument(
        "--checkpoint", action="append", default=[], metavar="FILE",
        help="a signed checkpoint that you have kept",
    )  # fmt: skip
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument(
        "--processes", type=int, default=0, metavar="N", help="by default, one a core"
    )
    return parser.parse_args(arguments)


def _pinned(given: argparse.Namespace) -> Pinned:
    """Raises UnreadableError."""
    keys, heads, checkpoints = [], [], []
    for text in given.key:
        lines = _text_or_file(text).split()
        if not lines:
            raise UnreadableError(f"--key {text}: holds no key")
        for line in lines:
            try:
                keys.append(Key.parse(line))
            except ValueError as error:
                no_file = "" if "+" in line else "is no file that can be read, and "
                raise UnreadableError(f"--key {line}: {no_file}{error}") from None
    for text in given.head:
        # A short message has the first digits alone. Fewer than these could be met by trying.
        found = re.fullmatch(r"([0-9]{1,16}):([0-9A-Fa-f]{12,64})", text.strip())
        if found is None:
            raise UnreadableError(
                f"--head {text}: must be SIZE:HASH with 64 hexadecimal digits, or the first of "
                "them as a short message has them"
            )
        heads.append((int(found[1]), found[2].lower()))
    for text in given.checkpoint:
        try:
            checkpoints.append(Checkpoint.parse(Path(text).read_text(encoding="utf-8")))
        except (OSError, ValueError) as error:
            raise UnreadableError(f"--checkpoint {text}: {error}") from None
    return Pinned(keys, heads, checkpoints)


def main(arguments: Sequence[str] | None = None) -> int:
    """The command; returns its exit code."""
    given = _parsed(arguments)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):  # not every terminal has every character
            stream.reconfigure(errors="backslashreplace")
    try:
        report = verify(given.export, _pinned(given), given.processes)
    except (UnreadableError, WrongError) as error:
        if given.json:
            print(json.dumps({"result": "unreadable", "why": str(error)}))
        print(f"riskwarden-verify: {_visible(str(error))}", file=sys.stderr)
        return UNREADABLE
    if given.json:
        told = {
            name: getattr(report, name) for name in Report.__slots__ if not name.startswith("_")
        }
        words = {INTACT: "intact", BROKEN: "broken", INCOMPLETE: "incomplete"}
        print(json.dumps({"result": words[report.code], **told}, indent=2))
        return report.code
    for line in _lines(report):
        print(line)
    return report.code


def _lines(report: Report) -> Iterator[str]:
    for message in report.problems:
        yield f"WRONG      {_visible(message)}"
    if report.problem_count > len(report.problems):
        yield f"WRONG      and {report.problem_count - len(report.problems)} more"
    for message in report.warnings:
        yield f"odd        {_visible(message)}"
    if report.warning_count > len(report.warnings):
        yield f"odd        and {report.warning_count - len(report.warnings)} more"
    for message in report.unchecked:
        yield f"unchecked  {_visible(message)}"
    yield (
        f"records {report.first} to {report.last}, {report.deleted} payloads deleted by retention, "
        f"{report.withheld} withheld from this export"
    )
    if report.signed_size is not None:
        yield f"signed     {report.signed_size} records by {_visible(', '.join(report.signed_by))}"
    yield f"head       {report.last}:{report.root}"
    yield f"           {report.last}:{report.checksum} (the last record's checksum)"
    yield {
        INTACT: f"INTACT: nothing was changed, removed, added or moved in records {report.first} "
        f"to {report.last}; whether more followed, a later head tells",
        BROKEN: "BROKEN: this is not what was recorded",
        INCOMPLETE: "NO FAULT FOUND, but not everything could be checked",
    }[report.code]


def _visible(text: str) -> str:
    """Nothing that was recorded may steer the terminal."""
    return "".join(one if one.isprintable() else f"\\u{ord(one):04x}" for one in text)


def command() -> NoReturn:
    """The command as it is installed."""
    sys.exit(main())


if __name__ == "__main__":
    command()
