"""Segment files: the chain as JSON lines, as they are read. Nothing here writes.

A segment is named after its first record and holds one record a line, in the form of an export:

    {"seq":1,"header":"…","checksum":"…","salt":"…","payload":"…"}

Header and payload are the canonical text that was hashed; the salt and the payload are null once
retention has deleted them. A line counts only if it is, byte for byte, what this program would
write: no spaces, no second spelling, no key twice. A record is found by halving, since the lines
are in order; so there is no index that could be stale. What is in disorder the verifier sees, who
reads every line where it stands.

An unfinished last line is no record yet: it is completed from what is staged in the database.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

import msgspec

from risk_receivers.audit.record import NO_RECORD, StoredRow

_NAME: Final = re.compile(r"([0-9]{19})\.jsonl")
_SEQ: Final = re.compile(rb'\{"seq":([0-9]{1,18}),')
_READ_BYTES: Final = 1 << 16


class Line(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One record as it stands in a line."""

    seq: int
    header: str
    checksum: str
    salt: str | None
    payload: str | None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Line).decode


def encode(row: StoredRow) -> bytes:
    """A record's line. Raises ValueError for cells that no record has."""
    seq, header, checksum, salt, payload = row
    if not isinstance(seq, int) or not isinstance(header, bytes) or not isinstance(checksum, bytes):
        raise ValueError(f"record {seq} is damaged")  # noqa: TRY004 - whoever stored it
    line = Line(
        seq=seq,
        header=header.decode(),
        checksum=checksum.hex(),
        salt=salt.hex() if isinstance(salt, bytes) else None,
        payload=payload.decode() if isinstance(payload, bytes) else None,
    )
    return _encode(line) + b"\n"


def decode(line: bytes) -> StoredRow | None:
    """What stands in a line, without its end; None if that is no record."""
    try:
        found = _decode(line)
        row = StoredRow(
            found.seq,
            found.header.encode(),
            bytes.fromhex(found.checksum),
            None if found.salt is None else bytes.fromhex(found.salt),
            None if found.payload is None else found.payload.encode(),
        )
        return row if encode(row) == line + b"\n" else None
    except (msgspec.DecodeError, ValueError):  # a hexadecimal number, or text, that is none
        return None


def name_of(first: int) -> str:
    """The name of the segment that begins with a record."""
    return f"{first:019d}.jsonl"


class Segments:
    """A folder of segment files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def listed(self) -> list[tuple[int, Path]]:
        """Each segment's first record and its file, in order. Raises OSError."""
        try:
            names = [path.name for path in self.folder.iterdir()]
        except FileNotFoundError:
            return []
        found = (_NAME.fullmatch(name) for name in names)
        return sorted((int(match[1]), self.folder / match[0]) for match in found if match)

    def last(self) -> StoredRow | None:
        """The last whole line's record, or what stands there. Raises OSError."""
        for _, path in reversed(self.listed()):
            with self._opened(path) as file:
                if end := file.whole_size():
                    line = file.line_before(end)
                    return decode(line) or unreadable(None)
        return None

    def first_of(self, path: Path) -> StoredRow | None:
        """The first record of a segment; None if there is none. Raises OSError."""
        with self._opened(path) as file:
            line, _ = next(file.lines(0), (b"", 0))
        return decode(line)

    def no_record_from(self, path: Path) -> int | None:
        """Where what is behind the last whole line of a segment begins. Raises OSError."""
        with self._opened(path) as file:
            end = file.whole_size()
            return end if end < file.size else None

    def at(self, seq: int) -> StoredRow | None:
        """One record, if it is there. Raises OSError."""
        row = next(self.after(seq - 1), None)
        return row if row is not None and row.seq == seq else None

    def after(self, seq: int) -> Iterator[StoredRow]:
        """The records beyond one, in order, as far as they are written. Raises OSError."""
        return self._rows(seq)

    def every(self) -> Iterator[StoredRow]:
        """Every line where it stands, whatever its seq says. Raises OSError."""
        return self._rows(None)

    def _rows(self, seq: int | None) -> Iterator[StoredRow]:
        begin = 0 if seq is None else seq + 1
        expected = begin or 1
        for _, path in self._from(begin):
            with self._opened(path) as file:
                for line, _ in file.lines(0 if seq is None else file.find(begin)):
                    row = decode(line) or unreadable(expected)
                    if isinstance(row.seq, int):
                        expected = row.seq + 1
                    yield row

    def _from(self, seq: int) -> list[tuple[int, Path]]:
        """The segments from that on which holds a record."""
        listed = self.listed()
        begin = max((n for n, (first, _) in enumerate(listed) if first <= seq), default=0)
        return listed[begin:]

    def lines(self, beginning: int = 0) -> Iterator[tuple[Path, int, bytes]]:
        """Every whole line of the segments from that which holds a record on: file, place, text."""
        for _, path in self._from(beginning):
            with self._opened(path) as file:
                for line, place in file.lines(0):
                    yield path, place, line

    @contextmanager
    def _opened(self, path: Path) -> Iterator[_File]:
        with _descriptor(path) as descriptor:
            yield _File(descriptor)


class HeldSegments(Segments):
    """The segment files that there are at one moment, whatever takes the place of one later on.

    They may still grow. Retention rewrites a file beside it, so what is held here stays whole.
    """

    def __init__(self, folder: Path) -> None:
        """Open them all. Raises OSError, also if they are more than a process may have open."""
        super().__init__(folder)
        self._held: dict[Path, int] = {}
        with ExitStack() as opened:
            for _, path in super().listed():
                self._held[path] = opened.enter_context(_descriptor(path))
            self._opened_files = opened.pop_all()

    def listed(self) -> list[tuple[int, Path]]:
        """Each segment's first record and its file, in order."""
        return [(int(path.stem), path) for path in self._held]

    def close(self) -> None:
        """Let go of them."""
        self._opened_files.close()

    @contextmanager
    def _opened(self, path: Path) -> Iterator[_File]:
        yield _File(self._held[path])


def unreadable(seq: int | None) -> StoredRow:
    """What stands for a line that is no record."""
    return StoredRow(seq, NO_RECORD, None, None, None)


class _File:
    """One open segment. Reads at places, so that it may grow meanwhile."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self.size = os.fstat(descriptor).st_size

    def lines(self, begin: int) -> Iterator[tuple[bytes, int]]:
        """Whole lines without their ends, each with the place where it begins."""
        place, rest = begin, b""
        while data := os.pread(self._descriptor, _READ_BYTES, place + len(rest)):
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line, place
                place += len(line) + 1

    def whole_size(self) -> int:
        """Where the last whole line ends; 0 if there is none."""
        return self._newline_before(self.size) + 1

    def line_before(self, end: int) -> bytes:
        """The whole line that ends there."""
        begin = self._newline_before(end - 1) + 1
        return os.pread(self._descriptor, end - 1 - begin, begin)

    def find(self, seq: int) -> int:
        """Where the first line begins whose record is this one or a later one."""
        low, high = 0, self.whole_size()
        while low < high:  # each the beginning of a line, or the end of all
            begin = self._newline_before((low + high) // 2) + 1
            found = _SEQ.match(os.pread(self._descriptor, 32, begin))
            if found is None or int(found[1]) >= seq:  # what is no record is read, and seen
                high = begin
            else:
                low = self._line_after(begin)
        return low

    def _line_after(self, begin: int) -> int:
        place = begin
        while data := os.pread(self._descriptor, _READ_BYTES, place):
            if (at := data.find(b"\n")) >= 0:
                return place + at + 1
            place += len(data)
        return place

    def _newline_before(self, end: int) -> int:
        """The place of the last end of a line before a place; -1 if there is none."""
        while end > 0:
            begin = max(end - _READ_BYTES, 0)
            data = os.pread(self._descriptor, end - begin, begin)
            if (at := data.rfind(b"\n")) >= 0:
                return begin + at
            end = begin
        return -1


@contextmanager
def _descriptor(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        yield descriptor
    except OSError as error:
        error.filename = error.filename or str(path)  # reading by a descriptor names none
        raise
    finally:
        os.close(descriptor)
