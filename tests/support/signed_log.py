"""A chain with signed checkpoints, made without a service, to be tampered with."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

from writers import append

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import VerifierKey
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import verify_database
from risk_receivers.schema import SCHEMA
from risk_receivers.signer.signer import KeptSigner
from risk_receivers.store.writer import Writer

NAME = "riskwarden/test"


class Log:
    """A chain that is signed at 1, 4, 7 and 10 of its 12 records, a minute in all."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.db"
        self.now = datetime(2030, 1, 31, tzinfo=UTC)
        self.signer_key = folder / "signing.key"
        self.signer = KeptSigner(self.signer_key, NAME)
        self.writer = Writer(
            self.path,
            origin="test",
            retention=AuditRetention(),
            schema=SCHEMA,
            batch=50,
            queue_depth=50,
            clock=self.tick,
        )

    @property
    def key(self) -> VerifierKey:
        return self.signer.key

    def tick(self) -> datetime:
        self.now += timedelta(seconds=2)
        return self.now

    def append(self, message: str, event_type: EventType = EventType.ALERT_CREATED) -> None:
        append(self.writer, AuditEvent(event_type, message))

    def checkpoint(self, *, stored: bool = True) -> None:
        size = self.writer.head.size
        with closing(tables.open_read_only(self.path)) as connection:
            state = self.signer.latest()
            leaves = list(tables.checksums(connection, state.size, size))
        tree = state.tree
        tree.extend(leaves)
        if state.note:
            note = self.signer.sign(state.size, leaves, tree.root)
        else:
            note = self.signer.begin(size, tree.frontier, b"")
        if stored:
            self.store(note, tree)

    def tree(self) -> Tree:
        tree = Tree()
        with closing(tables.open_read_only(self.path)) as connection:
            tree.extend(tables.checksums(connection, 0, self.writer.head.size))
        return tree

    def store(self, note: bytes, tree: Tree) -> None:
        self.writer.run(
            lambda transaction: checkpoint_table.insert(
                transaction.connection, note, tree.frontier
            ),
            timeout=30,
        )

    def verify(
        self,
        *pinned: VerifierKey,
        expected: Head | None = None,
        last: StoredCheckpoint | None = None,
    ) -> Verification:
        return verify_database(self.path, pinned=pinned, expected=expected, last=last)

    def last(self) -> StoredCheckpoint:
        state = self.signer.latest()
        return StoredCheckpoint(state.size, state.note)


def the(found: Verification) -> str:
    """Its problems in one text."""
    return "\n".join(map(str, found.problems))
