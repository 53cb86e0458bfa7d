"""The chain in the tables of a database: what they are, and how they are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from risk_receivers.audit import server_tables
from risk_receivers.audit.chain import EMPTY, Head
from risk_receivers.audit.record import StoredRow
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.server import ServerConnection

DEFINITIONS: Final = {
    "audit_header": (
        "CREATE TABLE audit_header("
        "seq INTEGER PRIMARY KEY, header BLOB NOT NULL, checksum BLOB NOT NULL) STRICT"
    ),
    "audit_payload": (
        "CREATE TABLE audit_payload("
        "seq INTEGER PRIMARY KEY REFERENCES audit_header, salt BLOB, payload BLOB) STRICT"
    ),
    # The tree's frontier at that size lets whoever starts read the checksums beyond it only.
    "audit_checkpoint": (
        "CREATE TABLE audit_checkpoint("
        "size INTEGER PRIMARY KEY, note BLOB NOT NULL, frontier BLOB NOT NULL) STRICT"
    ),
}
#: Not in a database from before there were any; whether they are missed, the chain says.
MAY_BE_MISSING: Final = frozenset({"audit_checkpoint"})

_SELECT: Final = (
    "SELECT h.seq, h.header, h.checksum, p.salt, p.payload"
    " FROM audit_header h LEFT JOIN audit_payload p ON p.seq = h.seq"
)
#: Without an index: one that was tampered with must not hide a record.
_BEGINNING: Final = (
    "SELECT h.seq, h.header, h.checksum, p.salt, p.payload"
    " FROM audit_header h NOT INDEXED LEFT JOIN audit_payload p ON p.seq = h.seq"
    " WHERE substr(h.header, 1, length(?1)) = ?1 ORDER BY h.seq"
)
#: Rows of one read transaction. A long one would keep the writer's log from being reused.
_CHUNK: Final = 500
#: Records whose first bytes are looked at in one read transaction: some ten milliseconds.
_STRETCH: Final = 20_000


class TableChain:
    """The chain in the two tables of a database."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def head(self) -> Head:
        """The head as the last row states it."""
        row = self._connection.execute(
            "SELECT seq, checksum FROM audit_header ORDER BY seq DESC LIMIT 1"
        ).fetchone()
        return EMPTY if row is None else Head(row[0], bytes(row[1]).hex())

    def row_at(self, seq: int) -> StoredRow | None:
        """One record's row."""
        row = self._connection.execute(f"{_SELECT} WHERE h.seq = ?", (seq,)).fetchone()
        return None if row is None else StoredRow(*row)

    def rows_after(self, seq: int, limit: int) -> list[StoredRow]:
        """The first ``limit`` rows beyond a seq, in order."""
        found = self._connection.execute(
            f"{_SELECT} WHERE h.seq > ? ORDER BY h.seq LIMIT ?", (seq, limit)
        ).fetchall()
        return [StoredRow(*row) for row in found]

    def checksums_after(self, seq: int, limit: int) -> list[object]:
        """The first ``limit`` stored checksums beyond a seq, in order."""
        found = self._connection.execute(
            "SELECT checksum FROM audit_header WHERE seq > ? ORDER BY seq LIMIT ?", (seq, limit)
        ).fetchall()
        return [checksum for (checksum,) in found]

    def rows_before(self, seq: int, limit: int) -> list[StoredRow]:
        """The last ``limit`` rows in front of a seq, in order."""
        found = self._connection.execute(
            f"{_SELECT} WHERE h.seq < ? ORDER BY h.seq DESC LIMIT ?", (seq, limit)
        ).fetchall()
        return [StoredRow(*row) for row in reversed(found)]

    def rows(self) -> Iterator[StoredRow]:
        """Every row in the order of seq, whatever seq is, a chunk in memory at a time."""
        where = ""
        last: list[object] = []
        while True:
            found = self._connection.execute(
                f"{_SELECT}{where} ORDER BY h.seq LIMIT {_CHUNK}", last
            ).fetchall()
            for row in found:
                yield StoredRow(*row)
            if len(found) < _CHUNK:
                return
            where, last = " WHERE h.seq > ?", [found[-1][0]]

    def rows_beginning(self, prefix: bytes) -> Iterator[StoredRow]:
        """Rows whose header begins like this, in order; every header is looked at."""
        for row in self._connection.execute(_BEGINNING, (prefix,)).fetchall():
            yield StoredRow(*row)

    def stretches_beginning(
        self, prefixes: Sequence[bytes], after: int
    ) -> Iterator[list[StoredRow]]:
        """Rows beyond a seq whose headers begin with one of the prefixes, and the last of all.

        No index is used: one that was tampered with must not hide a record.
        """
        end = self.head().size
        is_wanted = " OR ".join("substr(h.header, 1, ?) = ?" for _ in prefixes)
        wanted = [value for prefix in prefixes for value in (len(prefix), prefix)]
        select = _SELECT.replace("audit_header h", "audit_header h NOT INDEXED")
        while after < end:
            until = min(after + _STRETCH, end)
            found = self._connection.execute(
                f"{select} WHERE h.seq > ? AND h.seq <= ? AND ({is_wanted} OR h.seq = ?) "
                "ORDER BY h.seq",
                (after, until, *wanted, end),
            ).fetchall()
            yield [StoredRow(*row) for row in found]
            after = until

    def present(self, after: int, until: int, limit: int) -> list[tuple[int, bytes]]:
        """Records from beyond a seq up to another whose payloads are there."""
        return self._connection.execute(
            "SELECT h.seq, h.header FROM audit_header h "
            "WHERE h.seq > ? AND h.seq <= ? AND EXISTS (SELECT 1 FROM audit_payload p "
            "WHERE p.seq = h.seq AND p.payload IS NOT NULL) ORDER BY h.seq LIMIT ?",
            (after, until, limit),
        ).fetchall()

    def forget(self, seqs: Sequence[int]) -> int:
        """Delete payloads and salts, in the writer's transaction; how many there still were."""
        return sum(
            self._connection.execute("DELETE FROM audit_payload WHERE seq = ?", (seq,)).rowcount
            for seq in seqs
        )

    def count(self) -> int:
        """How many records there are."""
        return int(self._connection.execute("SELECT count(*) FROM audit_header").fetchone()[0])

    def problems(self) -> list[str]:
        """What was changed about the tables themselves."""
        return definition_problems(self._connection)


def definition_problems(connection: Connection) -> list[str]:
    """What was changed about the tables themselves: their types, or triggers on them."""
    if isinstance(connection, ServerConnection):
        return server_tables.definition_problems(connection, DEFINITIONS)
    found = connection.execute(
        "SELECT type, name, sql FROM sqlite_master WHERE tbl_name IN (?, ?, ?)",
        tuple(DEFINITIONS),
    ).fetchall()
    problems = []
    for kind, name, sql in found:
        if kind == "trigger":
            problems.append(f"a trigger {name} was added to the audit tables")
        elif kind != "index" and sql != DEFINITIONS.get(name):
            problems.append(f"the table {name} was not made by this program: its types differ")
    there = {name for kind, name, _ in found if kind == "table"}
    missing = DEFINITIONS.keys() - there - MAY_BE_MISSING
    problems += [f"the table {name} is missing" for name in sorted(missing)]
    return problems + [
        problem
        for name in sorted(there & DEFINITIONS.keys())
        for problem in _torn(connection, name)
    ]


def _torn(connection: Connection, table: str) -> Iterator[str]:
    """What is wrong with the pages of a table.

    Whoever goes through the records in order and whoever looks one up by its number come by other
    pages: in a file that was edited byte by byte they can find different ones.
    """
    try:
        (found,) = connection.execute(f"PRAGMA quick_check({table})").fetchone()
    except DATABASE_ERRORS as error:
        found = str(error)
    if found != "ok":
        yield f"the table {table} is damaged: {' '.join(str(found).split())}"
