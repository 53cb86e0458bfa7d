"""The chain of a store that keeps it in segment files, as one connection sees it.

The database beside the files holds what is staged: every record is written there first, in one
transaction with the state it belongs to, and stays until the files hold it durably. So the chain is
the files, and behind their end what is staged. Whoever reads asks for what is staged first: what
is not among that any more stands in the files by then.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Final

from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.reader import ChainReader
from risk_receivers.audit.record import NO_RECORD, StoredRow
from risk_receivers.audit.segments import Segments

#: Records that are read at once.
_STRETCH: Final = 2000
#: Records whose payloads are to go from the files; durable with the work that let them go.
FORGOTTEN: Final = "CREATE TABLE IF NOT EXISTS audit_forgotten(seq INTEGER PRIMARY KEY) STRICT"


class SegmentedChain:
    """Files first, then what is staged beyond them."""

    def __init__(
        self, connection: sqlite3.Connection, staged: ChainReader, segments: Segments
    ) -> None:
        self._connection = connection
        self._staged = staged
        self._segments = segments

    def head(self) -> Head:
        """The head as the last record states it."""
        staged = self._staged.head()
        filed = head_of(self._segments.last())
        return staged if staged.size > filed.size else filed

    def row_at(self, seq: int) -> StoredRow | None:
        """One record's row."""
        staged = self._staged.row_at(seq)
        filed = self._segments.at(seq)
        return staged if filed is None or (staged and is_left_over(filed)) else filed

    def rows_after(self, seq: int, limit: int) -> list[StoredRow]:
        """The first ``limit`` rows beyond a seq, in order."""
        staged = self._staged.rows_after(seq, limit)
        found = list(islice(self._filed(self._segments.after(seq)), limit))
        return (found + _beyond(staged, _end_of(found, seq)))[:limit]

    def rows_before(self, seq: int, limit: int) -> list[StoredRow]:
        """The last ``limit`` rows in front of a seq, in order."""
        end = min(seq, self.head().size + 1)
        found = self.rows_after(max(end - limit, 1) - 1, limit)
        return [row for row in found if isinstance(row.seq, int) and row.seq < seq]

    def rows(self) -> Iterator[StoredRow]:
        """Every row where it stands, whatever its seq says."""
        end = 0
        for row in self._filed(self._segments.every()):
            end = _end_of([row], end)
            yield row
        staged = list(self._staged.rows())
        for row in self._filed(self._segments.after(end)):
            end = _end_of([row], end)
            yield row
        yield from _beyond(staged, end)

    def rows_beginning(self, prefix: bytes) -> Iterator[StoredRow]:
        """Rows whose header begins like this, in order; every header is looked at."""
        for row in self.rows():
            if isinstance(row.header, bytes) and row.header.startswith(prefix):
                yield row

    def stretches_beginning(
        self, prefixes: Sequence[bytes], after: int
    ) -> Iterator[list[StoredRow]]:
        """Rows beyond a seq whose headers begin with one of the prefixes, and the last row."""
        while rows := self.rows_after(after, _STRETCH):
            last = rows[-1]
            after = _end_of(rows, after + _STRETCH)
            is_end = len(rows) < _STRETCH or after >= self.head().size
            found = [
                row
                for row in rows
                if isinstance(row.header, bytes) and row.header.startswith(tuple(prefixes))
            ]
            if is_end and (not found or found[-1] is not last):
                found.append(last)
            yield found
            if is_end:
                return

    def present(self, after: int, until: int, limit: int) -> list[tuple[int, bytes]]:
        """The first records beyond a seq, up to another, whose payloads are there."""
        found: list[tuple[int, bytes]] = []
        while after < until and (rows := self.rows_after(after, _STRETCH)):
            for row in rows:
                if not isinstance(row.seq, int) or row.seq > until or len(found) == limit:
                    return found
                if row.payload is not None and isinstance(row.header, bytes):
                    found.append((row.seq, row.header))
            after = _end_of(rows, after + _STRETCH)
        return found

    def count(self) -> int:
        """How many records there are, by the number of the last."""
        return self.head().size

    def problems(self) -> list[str]:
        """What is staged and not what the files hold, or what was changed about either's form."""
        return [*self._staged.problems(), *self._exchanged(), *self._misshapen()]

    def _exchanged(self) -> Iterator[str]:
        for row in self._staged.rows():
            if not isinstance(row.seq, int) or (filed := self._segments.at(row.seq)) is None:
                continue
            if not is_left_over(filed) and not is_same(row, filed):
                yield f"record {row.seq} is staged as something else than what its segment holds"

    def _misshapen(self) -> Iterator[str]:
        """Records are found by the names of files: one that lies hides them from whoever asks."""
        listed = self._segments.listed()
        for first, path in listed:
            found = self._segments.first_of(path)
            if found is not None and found.seq != first and _says_its_number(found):
                yield f"{path.name} begins with record {found.seq}; the file was renamed or moved"
            if self._has_junk(path, is_last=path == listed[-1][1]):
                yield f"{path.name} ends with what is no record"

    def _has_junk(self, path: Path, *, is_last: bool) -> bool:
        """Whether a segment ends with what nobody is writing, nor a crash has left."""
        begin = self._segments.no_record_from(path)
        if begin is None or (is_last and self._is_staged_beyond()):
            return False
        # Whoever was adding it when it was looked at has added it by now.
        return self._segments.no_record_from(path) == begin

    def _is_staged_beyond(self) -> bool:
        filed = head_of(self._segments.last())
        return self._staged.head().size > filed.size

    def _filed(self, rows: Iterator[StoredRow]) -> Iterator[StoredRow]:
        """What the files hold, without what a crash left of a write: all of that is staged."""
        is_torn = False
        for row in rows:
            staged = None
            if isinstance(row.seq, int) and (is_torn or is_left_over(row)):
                staged = self._staged.row_at(row.seq)
            is_torn = is_torn or (is_left_over(row) and staged is not None)
            if is_torn and (is_left_over(row) or (staged is not None and is_same(staged, row))):
                continue
            yield row

    def forget(self, seqs: Sequence[int]) -> int:
        """Let payloads go with the transaction that is going on; how many there still were.

        They go from the files as soon as that is durable.
        """
        rows = (self.row_at(seq) for seq in seqs)
        there = [(row.seq,) for row in rows if row is not None and row.payload is not None]
        self._connection.executemany("DELETE FROM audit_payload WHERE seq = ?", there)
        self._connection.executemany(
            "INSERT INTO audit_forgotten (seq) VALUES (?) ON CONFLICT DO NOTHING", there
        )
        return len(there)


class SegmentedConnection(sqlite3.Connection):
    """A connection to the database beside the files."""

    staged: ChainReader
    segments: Segments

    @property
    def chain(self) -> ChainReader:
        """The chain."""
        return SegmentedChain(self, self.staged, self.segments)


def head_of(row: StoredRow | None) -> Head:
    """The head of a chain whose last record is this; as far as it can be told from it."""
    if row is None:
        return EMPTY
    seq = row.seq if isinstance(row.seq, int) else -1
    return Head(seq, row.checksum.hex() if isinstance(row.checksum, bytes) else "")


def is_left_over(filed: StoredRow) -> bool:
    """Whether a line is no record: as a power cut leaves it that took some of its sectors."""
    return filed.header == NO_RECORD


def is_same(staged: StoredRow, filed: StoredRow) -> bool:
    """Whether both are one record, whose payload may have gone from either."""
    is_whole = staged.payload is not None and filed.payload is not None
    return staged[:3] == filed[:3] and (not is_whole or staged[3:] == filed[3:])


def _says_its_number(row: StoredRow) -> bool:
    """Whether a header has its line's number, its last field; else it is the line that lies."""
    return isinstance(row.header, bytes) and row.header.endswith(f'"seq":{row.seq}}}'.encode())


def _end_of(rows: Sequence[StoredRow], before: int) -> int:
    """The number of the last row, if it has one."""
    last = rows[-1].seq if rows else before
    return last if isinstance(last, int) else before


def _beyond(rows: Sequence[StoredRow], end: int) -> list[StoredRow]:
    return [row for row in rows if isinstance(row.seq, int) and row.seq > end]
