"""Segment files as they are written: appended to, completed after a crash, rewritten whole.

Everything here is done by the one who holds the turn to write, after the commit that staged it.
What is staged stays until the files hold it durably, so whatever becomes of a write in between,
the next start writes the same bytes in the same places. It writes nothing else: a record that is
staged and does not follow from the files' end, or is another one than stands there, was put there
by somebody, and is refused.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path
from typing import Final

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.retained import Missing
from risk_receivers.audit.segmented import head_of, is_same
from risk_receivers.audit.segments import Segments, decode, encode, name_of
from risk_receivers.audit.verifier import Verifier
from risk_receivers.store.errors import StoreError
from risk_receivers.store.reserve import sync_folder

#: Some ten thousand records: read through in a twentieth of a second, and rewritten as fast.
SEGMENT_BYTES: Final = 8 << 20
#: Records of one write, when there are many.
_CHUNK: Final = 500


class SegmentFiles:
    """A folder of segments, written by one thread."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._segments = Segments(folder)
        self._path: Path | None = None
        self._end = 0
        self._head = EMPTY
        self._rewritten: set[Path] = set()

    @property
    def head(self) -> Head:
        """The last record that the files hold durably."""
        return self._head

    def is_current(self) -> bool:
        """Whether the files end as this writer left them: nobody else has written since."""
        listed = self._segments.listed()
        return bool(listed) and listed[-1][1] == self._path and _size(self._path) == self._end

    def complete(self, staged: Iterable[StoredRow], missing: Missing | None = None) -> None:
        """Have the files hold all that is staged, durably. Raises StoreError, OSError.

        A staged payload may be ``missing`` that retention has deleted: all of a chain that was kept
        in SQLite is staged when it moves to files.
        """
        self._folder.mkdir(exist_ok=True)
        sync_folder(self._folder.parent)
        rows = iter(staged)
        first = next(rows, None)
        lines = self._unfiled(first, rows, missing) if first else self._nothing()
        while some := list(islice(lines, _CHUNK)):
            self.append(some)
        for path in self._rewritten:
            _sync(path)
        if self._rewritten:
            sync_folder(self._folder)
        self._rewritten = set()

    def append(self, rows: Sequence[StoredRow]) -> None:
        """Write records at the end, and synchronise them. Raises OSError."""
        data = b"".join(map(encode, rows))
        is_new = self._path is None or self._end >= SEGMENT_BYTES
        if self._path is None or is_new:
            self._path, self._end = self._folder / name_of(_seq(rows[0])), 0
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            _write(descriptor, data, self._end)
            os.ftruncate(descriptor, self._end + len(data))
            os.fdatasync(descriptor)
        finally:
            os.close(descriptor)
        if is_new:
            sync_folder(self._folder)
        self._end += len(data)
        self._head = head_of(rows[-1])

    def forget(self, seqs: Collection[int]) -> None:
        """Rewrite the segments that hold these records without their payloads. Raises OSError."""
        listed = self._segments.listed()
        for number, (first, path) in enumerate(listed):
            beyond = listed[number + 1][0] if number + 1 < len(listed) else None
            held = {seq for seq in seqs if first <= seq and (beyond is None or seq < beyond)}
            if held:
                self._rewrite(path, held)
        if self._path is not None:
            self._end = _size(self._path)

    def _rewrite(self, path: Path, seqs: Collection[int]) -> None:
        staging = path.with_suffix(".new")
        with path.open("rb") as old, staging.open("wb") as new:
            for line in old:
                row = decode(line.removesuffix(b"\n"))
                if row is not None and row.seq in seqs:
                    line = encode(row._replace(salt=None, payload=None))
                new.write(line)
            new.flush()
            os.fsync(new.fileno())
        staging.replace(path)
        sync_folder(self._folder)

    def _nothing(self) -> Iterator[StoredRow]:
        """Nothing is staged: everything was synchronised, and ends with a whole line."""
        last = self._segments.last()
        self._head = head_of(last)
        self._stand_behind(-1 if last is None else _seq(last))
        for _, path in self._segments.listed():
            beyond = self._end if path == self._path else 0
            if path.stat().st_size != beyond and (self._path is None or path >= self._path):
                raise _lost(self._folder, f"{path.name} ends with what is no record")
        self._drop_empty()
        return iter(())

    def _unfiled(
        self, first: StoredRow, staged: Iterator[StoredRow], missing: Missing | None
    ) -> Iterator[StoredRow]:
        """What of the staged records the files do not hold yet; whereto is known by then.

        Before the first that is staged, everything was synchronised and is left alone.
        What stands behind that is what is staged, or what a crash left of it.
        """
        begin = _seq(first)
        previous = self._segments.at(begin - 1) if begin > 1 else None
        if previous is None and begin > 1:
            raise _lost(self._folder, f"record {begin} is staged, and they do not reach it")
        self._head = head_of(previous)
        self._stand_behind(begin - 1)
        rows = self._following(chain([first], staged), missing)
        for row in rows:
            if self._holds(row):
                continue
            self._drop_empty()
            rest = [row]
            if behind := self._behind():
                rest += rows
                self._require_staged(behind, rest)
            yield from chain(rest, rows)
            return
        self._drop_empty()
        if self._path is not None and self._end != _size(self._path):
            raise _lost(self._folder, f"{self._path.name} holds what was never staged")

    def _behind(self) -> list[StoredRow]:
        """Whole records behind where the next is to be written: a write that came only in parts."""
        found = (
            decode(line)
            for path, place, line in self._segments.lines(self._head.size)
            if self._path is None
            or path > self._path
            or (path == self._path and place >= self._end)
        )
        return [row for row in found if row is not None]

    def _require_staged(self, behind: Iterable[StoredRow], staged: Iterable[StoredRow]) -> None:
        known = {row.seq: row for row in staged}
        for filed in behind:
            row = known.get(filed.seq)
            if row is None or not is_same(row, filed):
                raise _lost(self._folder, f"they hold a record {filed.seq} that was never staged")

    def _following(
        self, staged: Iterator[StoredRow], missing: Missing | None
    ) -> Iterator[StoredRow]:
        """What is staged, as long as it follows from what the files hold."""
        verifier = Verifier(start=self._head, missing=missing)
        while some := list(islice(staged, _CHUNK)):
            for row in some:
                verifier.add(row)
            if problems := verifier.finish().problems:
                raise StoreError(
                    f"{self._folder}: what is staged does not follow from the end of the segment "
                    f"files ({problems[0]}); it was changed or put there. Run the verifier and "
                    "restore a verified backup"
                )
            yield from some

    def _stand_behind(self, seq: int) -> None:
        """What is written next is written behind this record; at the beginning without one."""
        self._path, self._end = None, 0
        for path, place, line in self._segments.lines(seq):
            row = decode(line)
            if row is not None and row.seq == seq:
                self._path, self._end = path, place + len(line) + 1
                return

    def _holds(self, row: StoredRow) -> bool:
        """Whether a record stands where it is to be written; what comes next is behind it then."""
        beginning = self._folder / name_of(_seq(row))
        places = (
            [(beginning, 0)] if self._path is None else [(self._path, self._end), (beginning, 0)]
        )
        for path, place in places:
            line = _line_at(path, place)
            if line is None or (filed := decode(line)) is None:
                continue  # nothing, or what a crash left of it
            if not is_same(row, filed):
                raise StoreError(
                    f"{path}: holds another record {filed.seq} than is staged; one of them was "
                    "changed. Run the verifier and restore a verified backup"
                )
            self._write_anew(path, place, line)
            self._path, self._end = path, place + len(line) + 1
            self._head = head_of(filed)
            return True
        return False

    def _write_anew(self, path: Path, place: int, line: bytes) -> None:
        """The same bytes in the same place: they may never have reached the disk.

        Where synchronising has failed once, the kernel takes for written what was not, and another
        synchronisation writes only what was written since.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            _write(descriptor, line + b"\n", place)
        finally:
            os.close(descriptor)
        self._rewritten.add(path)

    def _drop_empty(self) -> None:
        """Segments behind the last are what a crash left, without a whole record."""
        for _, path in reversed(self._segments.listed()):
            if path == self._path:
                return
            line = _line_at(path, 0)
            if line is not None and decode(line) is not None:
                raise _lost(self._folder, f"{path.name} holds what was never staged")
            path.unlink()


def _lost(folder: Path, what: str) -> StoreError:
    return StoreError(
        f"{folder}: the segment files are not what was written: {what}. Records were lost or put "
        "there: run the verifier and restore a verified backup"
    )


def _line_at(path: Path, place: int) -> bytes | None:
    """The whole line that begins there, without its end; None if there is none."""
    try:
        with path.open("rb") as file:
            file.seek(place)
            line = file.readline()
    except FileNotFoundError:
        return None
    return line.removesuffix(b"\n") if line.endswith(b"\n") else None


def _seq(row: StoredRow) -> int:
    if not isinstance(row.seq, int):
        raise StoreError(f"a staged record's number is {type(row.seq).__name__}, not an integer")
    return row.seq


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)


def _size(path: Path) -> int:
    return path.stat().st_size


def _write(descriptor: int, data: bytes, place: int) -> None:
    view = memoryview(data)
    while view:
        written = os.pwrite(descriptor, view, place)
        view, place = view[written:], place + written
