"""What every reader of the chain asks, wherever a backend keeps it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Protocol

from risk_receivers.audit.chain import Head
from risk_receivers.audit.record import StoredRow


class ChainReader(Protocol):
    """The chain as it stands, in one connection's view of it. Cells may hold anything."""

    def head(self) -> Head:
        """The head as the last row states it."""

    def row_at(self, seq: int) -> StoredRow | None:
        """One record's row."""

    def rows_after(self, seq: int, limit: int) -> list[StoredRow]:
        """The first ``limit`` rows beyond a seq, in order."""

    def rows_before(self, seq: int, limit: int) -> list[StoredRow]:
        """The last ``limit`` rows in front of a seq, in order."""

    def rows(self) -> Iterator[StoredRow]:
        """Every row in the order of seq, whatever seq is, a chunk in memory at a time."""

    def rows_beginning(self, prefix: bytes) -> Iterator[StoredRow]:
        """Rows whose header begins like this, in order; every header is looked at."""

    def stretches_beginning(
        self, prefixes: Sequence[bytes], after: int
    ) -> Iterator[list[StoredRow]]:
        """Rows beyond a seq whose headers begin with one of the prefixes, in order, a stretch at a
        time; and the last row of all, whatever it is."""

    def present(self, after: int, until: int, limit: int) -> list[tuple[int, bytes]]:
        """The first records beyond a seq, up to another, whose payloads are there: number and
        header."""

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete payloads and salts, in the writer's transaction; how many there still were."""

    def count(self) -> int:
        """How many records there are."""

    def problems(self) -> list[str]:
        """What is wrong with what holds the records, rather than with one of them."""
