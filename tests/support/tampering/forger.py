"""The attacker's tools: SQLite, SHA-256 and JSON, and nothing of the project.

He knows the published format, may read and write every file of the data folder that is not the
signer's, and recomputes what can be computed from them. A key he has to steal, or to make himself.
"""

from __future__ import annotations

import base64
import json
import sqlite3
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey


class Row(NamedTuple):
    """A record as it is stored."""

    seq: int
    header: bytes
    checksum: bytes
    salt: bytes | None
    payload: bytes | None


@dataclass(frozen=True)
class Key:
    """A key to sign notes with: its name, and 32 bytes."""

    name: str
    seed: bytes

    @classmethod
    def stolen(cls, file: Path) -> Key:
        """A key out of somebody's file."""
        name, _, secret = file.read_text().strip().removeprefix("PRIVATE+KEY+").split("+", 2)
        return cls(name, base64.b64decode(secret)[1:])

    @property
    def _public(self) -> bytes:
        return b"\x01" + self._ed25519.public_key().public_bytes_raw()

    @property
    def _id(self) -> bytes:
        return sha256(self.name.encode() + b"\n" + self._public).digest()[:4]

    @property
    def _ed25519(self) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.seed)

    @property
    def verifier(self) -> str:
        """Its public half, as people are given it."""
        return f"{self.name}+{self._id.hex()}+{_base64(self._public)}"

    def sign(self, text: str) -> bytes:
        """A signed note."""
        signature = _base64(self._id + self._ed25519.sign(text.encode()))
        return f"{text}\n\N{EM DASH} {self.name} {signature}\n".encode()


class Forger:
    """Has write access to a data folder while the service is down."""

    def __init__(self, data: Path, old: Path, other: Path | None = None) -> None:
        """``old`` is a copy of the same folder from an earlier time, ``other`` another one."""
        self.data = data
        self.old = old
        self.other = other or data
        self.database = data / "audit" / "audit.db"

    @property
    def head_file(self) -> Path:
        """Where the head is noted beside the database."""
        return self.database.with_name("audit.db.head")

    @property
    def key_file(self) -> Path:
        """The signer's key."""
        return self.database.with_name("signing.key")

    @property
    def public_key(self) -> str:
        """The signer's public key."""
        return self.key_file.with_name("signing.key.pub").read_text().strip()

    @property
    def memory(self) -> Path:
        """What the signer has signed last."""
        return self.database.with_name("signing.key.state")

    @contextmanager
    def at_the_tables(self) -> Iterator[sqlite3.Connection]:
        """A connection without foreign keys or any other scruple; leaves no file behind."""
        with closing(sqlite3.connect(self.database, isolation_level=None)) as connection:
            connection.execute("PRAGMA synchronous = OFF")
            connection.execute("BEGIN IMMEDIATE")
            yield connection
            connection.execute("COMMIT")

    def run(self, statement: str, *values: object) -> None:
        """Execute one statement."""
        with self.at_the_tables() as connection:
            connection.execute(statement, values)

    @property
    def segments_end(self) -> int:
        """The number of the last record in the segment files."""
        *_, newest = sorted((self.database.with_name("audit.db.chain")).glob("*.jsonl"))
        return int(json.loads(newest.read_bytes().splitlines()[-1])["seq"])

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

    def add(self, message: str) -> None:
        """Add a record of his own at the end, like the last but for its message."""
        self.forge(self.last + 1, message)

    def forge(
        self,
        seq: int,
        message: str,
        header: Mapping[str, object] = MappingProxyType({}),
        details: Mapping[str, object] = MappingProxyType({}),
    ) -> None:
        """Put a record of his own in, well linked, and like the one before it in all else."""
        model = self.row(seq - 1)
        assert model.payload is not None
        payload = {**json.loads(model.payload), "message": message, "details": dict(details)}
        self.put(model._replace(seq=seq, payload=canonical(payload)))
        self.rehash_payload(seq)
        self.edit_header(seq, previous_checksum=model.checksum.hex(), **header)
        self.rehash_header(seq)

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

    def checkpoints(self) -> dict[int, str]:
        """The text of each checkpoint, by its size."""
        with self.at_the_tables() as connection:
            rows = connection.execute("SELECT size, note FROM audit_checkpoint").fetchall()
        return {size: note.decode().partition("\n\n")[0] + "\n" for size, note in rows}

    def write_checkpoint(self, size: int, note: bytes) -> None:
        """Put another note in a checkpoint's place."""
        self.run("UPDATE audit_checkpoint SET note = ? WHERE size = ?", note, size)

    def sign_anew(self, key: Key, *sizes: int) -> None:
        """Sign the roots that the chain has now, at the same sizes as before."""
        leaves = [self.row(seq).checksum for seq in range(1, self.last + 1)]
        for size, text in self.checkpoints().items():
            if size in sizes or not sizes:
                _, rest = text.split("\n", 1)
                number, _, rest = rest.split("\n", 2)
                root = _base64(merkle_root(leaves[:size]))
                self.write_checkpoint(size, key.sign(f"{key.name}\n{number}\n{root}\n{rest}"))

    def sign_beside(self, size: int, key: Key) -> None:
        """Add another signature to a checkpoint."""
        with self.at_the_tables() as tables:
            (note,) = tables.execute(
                "SELECT note FROM audit_checkpoint WHERE size = ?", (size,)
            ).fetchone()
        text, _, signatures = note.decode().partition("\n\n")
        _, _, another = key.sign(f"{text}\n").decode().partition("\n\n")
        self.write_checkpoint(size, f"{text}\n\n{signatures}{another}".encode())

    def hand_over(self, seq: int, old: str, new: str) -> None:
        """Put on record that one key took over from another, in the place of a record."""
        payload = self.row(seq).payload
        assert payload is not None
        details = {"verifier_key": old, "new_verifier_key": new}
        changed = canonical({**json.loads(payload), "details": details})
        self.run("UPDATE audit_payload SET payload = ? WHERE seq = ?", changed, seq)
        self.edit_header(seq, event_type="SIGNING_KEY_ROTATED", expires_at=None)
        self.rehash_payload(seq)

    def export(self, file: Path) -> None:
        """Write an export of his own making: what stands there, with nothing looked at."""
        with self.at_the_tables() as connection:
            rows = connection.execute(
                "SELECT h.seq, header, checksum, salt, payload FROM audit_header h "
                "LEFT JOIN audit_payload p ON p.seq = h.seq ORDER BY h.seq"
            ).fetchall()
            notes = connection.execute(
                "SELECT note FROM audit_checkpoint ORDER BY size DESC LIMIT 1"
            ).fetchall()
        begin: dict[str, object] = {
            "riskwarden_export": 1,
            "origin": "desk-1",
            "first": 1,
            "last": len(rows),
            "exported_at": "2025-05-05T12:00:00.000000Z",
            "filters": {},
            "keys": [self.public_key],
            "before": [],
        }
        lines: list[dict[str, object]] = [begin]
        lines += [
            {
                "seq": seq,
                "header": header.decode(),
                "checksum": checksum.hex(),
                "salt": None if salt is None else salt.hex(),
                "payload": None if payload is None else payload.decode(),
            }
            for seq, header, checksum, salt, payload in rows
        ]
        lines += [{"checkpoint": note.decode(), "after": []} for (note,) in notes]
        data = "".join(
            json.dumps(line, ensure_ascii=False, separators=(",", ":")) + "\n" for line in lines
        ).encode()
        end = {"end": len(rows), "sha256": sha256(data).hexdigest()}
        file.write_bytes(data + json.dumps(end, separators=(",", ":")).encode() + b"\n")

    def forget(self) -> None:
        """Take away what the signer remembers."""
        self.memory.unlink()

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


def merkle_root(leaves: Sequence[bytes]) -> bytes:
    """RFC 9162, word by word."""
    if len(leaves) == 1:
        return leaves[0]
    half = 1 << (len(leaves) - 1).bit_length() - 1
    return sha256(b"\x01" + merkle_root(leaves[:half]) + merkle_root(leaves[half:])).digest()


def _base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def canonical(value: object) -> bytes:
    """RFC 8785's bytes, for what stands in a header: ASCII keys, text and whole numbers."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()
