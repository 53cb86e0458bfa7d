"""The attacker's tools: SQLite, SHA-256 and JSON, and nothing of the project.

He knows the published format, may read and write every file beside the database, and recomputes
what can be computed from them. What he cannot do by himself is to sign.
"""

from __future__ import annotations

import json
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple


class Row(NamedTuple):
    """A record as it is stored."""

    seq: int
    header: bytes
    checksum: bytes
    salt: bytes | None
    payload: bytes | None


class Forger:
    """Has write access to a database that nobody else has open."""

    def __init__(self, database: Path, backup: Path) -> None:
        """``backup`` is a folder with older copies of the same files."""
        self.database = database
        self.backup = backup

    @property
    def head_file(self) -> Path:
        """Where the head is noted beside the database."""
        return self.database.with_name(f"{self.database.name}.head")

    @contextmanager
    def at_the_tables(self) -> Iterator[sqlite3.Connection]:
        """A connection without foreign keys or any other scruple; leaves no file behind."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def run(self, statement: str, *values: object) -> None:
        """Execute one statement."""
        with self.at_the_tables() as connection:
            connection.execute(statement, values)

    @property
    def last(self) -> int:
        """The number of the last record."""
        with self.at_the_tables() as connection:
            (found,) = connection.execute("SELECT max(seq) FROM audit_header").fetchone()
        return int(found)

    def row(self, seq: int) -> Row:
        """A record as it stands there."""
        with self.at_the_tables() as connection:
            found = connection.execute(
                "SELECT h.seq, header, checksum, salt, payload FROM audit_header h "
                "LEFT JOIN audit_payload p ON p.seq = h.seq WHERE h.seq = ?",
                (seq,),
            ).fetchone()
        return Row(*found)

    def header(self, seq: int) -> dict[str, Any]:
        """A header's fields."""
        found: dict[str, Any] = json.loads(self.row(seq).header)
        return found

    def put(self, row: Row) -> None:
        """Write a whole record, over what stands there."""
        with self.at_the_tables() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO audit_header VALUES (?, ?, ?)",
                (row.seq, row.header, row.checksum),
            )
            connection.execute(
                "INSERT OR REPLACE INTO audit_payload VALUES (?, ?, ?)",
                (row.seq, row.salt, row.payload),
            )

    def remove(self, *seqs: int) -> None:
        """Delete whole records."""
        for seq in seqs:
            self.run("DELETE FROM audit_payload WHERE seq = ?", seq)
            self.run("DELETE FROM audit_header WHERE seq = ?", seq)

    def edit_payload(self, seq: int, old: str, new: str) -> None:
        """Put other words into a payload, and leave its hash as it was."""
        payload = self.row(seq).payload
        assert payload is not None
        changed = payload.replace(old.encode(), new.encode())
        assert changed != payload
        self.run("UPDATE audit_payload SET payload = ? WHERE seq = ?", changed, seq)

    def edit_header(self, seq: int, **fields: object) -> None:
        """Change fields of the header in a row, and leave the stored checksum as it was."""
        self.write_header(seq, canonical({**self.header(seq), **fields, "seq": seq}))

    def write_header(self, seq: int, header: bytes) -> None:
        """Put other bytes where a header stood, and leave the stored checksum as it was."""
        self.run("UPDATE audit_header SET header = ? WHERE seq = ?", header, seq)

    def rehash_payload(self, seq: int) -> None:
        """Have the header name the hash of the payload that stands there now."""
        row = self.row(seq)
        assert row.salt is not None
        assert row.payload is not None
        self.edit_header(seq, payload_hash=sha256(b"\x02" + row.salt + row.payload).hexdigest())

    def rehash_header(self, seq: int) -> None:
        """Store the checksum of the header that stands there now."""
        self.run(
            "UPDATE audit_header SET checksum = ? WHERE seq = ?",
            sha256(b"\x00" + self.row(seq).header).digest(),
            seq,
        )

    def relink(self, begin: int) -> None:
        """Recompute every checksum from a record on, and the noted head."""
        self.rehash_header(begin)
        for seq in range(begin + 1, self.last + 1):
            self.edit_header(seq, previous_checksum=self.row(seq - 1).checksum.hex())
            self.rehash_header(seq)
        self.note_head()

    def note_head(self) -> None:
        """Note the head that the chain has now beside the database."""
        last = self.row(self.last)
        line = f"riskwarden-head-1 {last.seq} {last.checksum.hex()}".encode()
        slot = (b"%s %08x\n" % (line, zlib.crc32(line))).ljust(512, b"\0")
        self.head_file.write_bytes(slot * 2)

    def renumber(self, begin: int, by: int) -> None:
        """Move the rows from a record on, as they are."""
        rows = [self.row(seq) for seq in range(begin, self.last + 1)]
        self.remove(*(row.seq for row in rows))
        for row in rows:
            self.put(row._replace(seq=row.seq + by))


def canonical(value: object) -> bytes:
    """RFC 8785's bytes, for what stands in a header: ASCII keys, text and whole numbers."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
