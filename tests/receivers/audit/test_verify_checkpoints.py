"""Signed checkpoints of a chain: whether they are its own, all there, and by the right key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import SigningKey, VerifierKey, sign
from risk_receivers.audit.verify import Verification, verify_database
from risk_receivers.schema import SCHEMA
from risk_receivers.signer import journal
from risk_receivers.signer.signer import KeptSigner
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.tokens.registry import Doing

Tamper = Callable[..., None]
NAME = "riskwarden/test"


class Log:
    """A chain that is signed at 1, 4, 7 and 10 of its 12 records, a minute in all."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "audit.db"
        self.now = datetime(2030, 1, 31, tzinfo=UTC)
        self.signer = KeptSigner(folder / "signing.key", NAME)
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
        event = AuditEvent(event_type, message)
        self.writer.run(partial(Transaction.append, event=event), timeout=30)

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


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    log = Log(tmp_path)
    log.writer.start()
    try:
        log.writer.run(partial(journal.introduce, key=log.key), timeout=30)
        log.checkpoint()
        for number in range(2, 13):
            log.append(f"alert {number}")
            if number in (4, 7, 10):
                log.checkpoint()
        yield log
    finally:
        log.writer.stop()
        log.signer.close()


@pytest.fixture
def closed(log: Log) -> Log:
    """The same at rest."""
    log.writer.stop()
    return log


def test_a_chain_and_its_checkpoints_fit_each_other(closed: Log) -> None:
    found = closed.verify()
    assert (found.ok, found.events, found.signed) == (True, 12, 10)
    assert found.key == closed.key.short
    assert found.tree.size == 12
    assert closed.verify(closed.key).ok
    assert closed.verify(last=closed.last()).ok


def test_a_head_may_be_given_as_a_root_or_as_a_checksum(closed: Log) -> None:
    found = closed.verify()
    assert closed.verify(expected=Head(12, found.tree.root.hex())).ok
    assert closed.verify(expected=found.head).ok
    state = closed.signer.latest()
    assert closed.verify(expected=Head.parse(str(TreeHead(10, state.tree.root)))).ok
    wrong = closed.verify(expected=Head(11, found.tree.root.hex()))
    assert "record 11 does not have the checksum it was seen with" in the(wrong)


@pytest.mark.parametrize(
    ("statements", "says"),
    [
        (["DELETE FROM audit_checkpoint WHERE size = 7"], "follows one at 7, but the one before"),
        (["DELETE FROM audit_checkpoint WHERE size = 1"], "follows one at 1, but the one before"),
        (["UPDATE audit_checkpoint SET size = 8 WHERE size = 7"], "is about 7 records"),
        (
            ["UPDATE audit_checkpoint SET note = CAST(replace(note, '7', '8') AS BLOB)"],
            "the checkpoint at",
        ),
        (["UPDATE audit_checkpoint SET note = x'00' WHERE size = 4"], "the checkpoint at 4 "),
        (
            ["UPDATE audit_checkpoint SET note = CAST('' AS BLOB) WHERE size = 4"],
            "the checkpoint at 4 has no signature lines",
        ),
        (
            [
                "DELETE FROM audit_payload WHERE seq > 8",
                "DELETE FROM audit_header WHERE seq > 8",
            ],
            "a checkpoint over 10 records was signed, but the chain ends at 8",
        ),
        (
            ["INSERT INTO audit_checkpoint SELECT 99, note, x'' FROM audit_checkpoint LIMIT 1"],
            "a checkpoint over 99 records was signed",
        ),
    ],
)
def test_what_was_done_to_checkpoints_is_told(
    closed: Log, tamper: Tamper, statements: Sequence[str], says: str
) -> None:
    tamper(closed.path, *statements)
    found = closed.verify()
    assert not found.ok
    assert says in the(found)


def test_that_they_were_deleted_is_told_by_the_signers_own_copy(
    closed: Log, tamper: Tamper
) -> None:
    tamper(closed.path, "DELETE FROM audit_checkpoint WHERE size > 4")
    found = closed.verify(last=closed.last())
    assert "the checkpoint at 10 follows one at 7, but the one before it is at 4" in the(found)
    tamper(closed.path, "DELETE FROM audit_checkpoint")
    assert "but the one before it is at 0" in the(closed.verify(last=closed.last()))


def test_that_they_were_all_deleted_is_told_by_the_chain_that_says_it_is_signed(
    log: Log, tamper: Tamper
) -> None:
    for number in range(40):
        log.append(f"more {number}")
    log.checkpoint()
    log.writer.stop()
    assert log.verify().ok
    tamper(log.path, "DELETE FROM audit_checkpoint")
    assert "records beyond 0 have no signed checkpoint" in the(log.verify())
    tamper(log.path, "DROP TABLE audit_checkpoint")
    assert "records beyond 0 have no signed checkpoint" in the(log.verify())


def test_a_signer_that_fails_is_told_once_it_has_failed_for_long(log: Log) -> None:
    for number in range(20):
        log.append(f"more {number}")
        assert log.verify().ok
    for number in range(20):
        log.append(f"still more {number}")
    assert "records beyond 10 have no signed checkpoint, the first of them for" in the(log.verify())
    log.checkpoint()
    assert log.verify().ok, "what is signed late is signed"


def test_nobody_has_to_sign_while_nothing_runs(log: Log) -> None:
    log.now += timedelta(days=30)
    log.append("started", EventType.SERVICE_STARTED)
    assert log.verify().ok


def test_a_signature_that_a_crash_kept_from_the_store_is_no_alarm(log: Log) -> None:
    log.checkpoint(stored=False)
    found = log.verify(last=log.last())
    assert (found.ok, found.signed) == (True, 12)


def test_a_checkpoint_that_came_while_it_was_verified_is_no_alarm(log: Log) -> None:
    with closing(sqlite3.connect(log.path)) as watching:
        watching.execute("SELECT 1 FROM audit_header").fetchall()
    kept: list[int] = []

    def progress(done: int, _: int) -> None:
        kept.append(done)
        if len(kept) == 1:
            log.append("meanwhile")
            log.checkpoint()

    for number in range(500):
        log.append(f"more {number}")
    log.checkpoint()
    found = verify_database(log.path, progress=progress)
    assert found.ok, the(found)


def rewritten(log: Log, key: SigningKey) -> None:
    """Somebody who can write the store replaces it all, and signs it with a key."""
    log.writer.stop()
    with closing(tables.open_read_only(log.path)) as connection:
        sizes = [1, 4, 7, 10]
        checksums = list(tables.checksums(connection, 0, 12))
    tree, before = Tree(), 0
    with closing(sqlite3.connect(log.path, isolation_level=None)) as connection:
        connection.execute("DELETE FROM audit_checkpoint")
        for number, checksum in enumerate(checksums, 1):
            tree.append(checksum)
            if number in sizes:
                made = Checkpoint(key.name, TreeHead(number, tree.root), before)
                note = sign(made.text, key).encode()
                checkpoint_table.insert(connection, note, tree.frontier)
                before = number


def test_another_key_without_a_word_in_the_chain_is_told(log: Log) -> None:
    rewritten(log, SigningKey.generate(NAME))
    assert f"the checkpoint at 4 is not signed by {log.key.short}" in the(log.verify())


def test_the_same_key_id_and_another_signature_is_told(log: Log, tamper: Tamper) -> None:
    log.writer.stop()
    with closing(sqlite3.connect(log.path)) as connection:
        (note,) = connection.execute("SELECT note FROM audit_checkpoint WHERE size=4").fetchone()
    checkpoint, signed = Checkpoint.of(note)
    other = SigningKey.generate(NAME)
    forged = sign(checkpoint.text, other)
    line = signed.signatures[0]
    broken = note.replace(str(line).encode(), str(forged.signatures[0]).encode())
    tamper(log.path, "UPDATE audit_checkpoint SET note = ? WHERE size = 4", values=(broken,))
    assert "the checkpoint at 4 is not signed by" in the(log.verify())


def test_a_whole_log_of_somebody_else_is_told_by_the_pinned_key_alone(
    log: Log, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = KeptSigner(tmp_path_factory.mktemp("other") / "signing.key", NAME)
    log.writer.stop()
    assert log.verify(log.key).ok
    found = log.verify(other.key)
    assert f"names the key {log.key.short}, which is not the pinned one" in the(found)
    assert f"is not signed by {other.key.short}" in the(found)
    other.close()


def test_a_pinned_key_that_never_signed_anything_is_told(database: Path) -> None:
    key = SigningKey.generate(NAME).verifier
    assert "nothing in this chain is signed by the pinned key" in the(
        verify_database(database, pinned=[key])
    )


def test_a_rewritten_record_is_told_by_what_was_signed(closed: Log, tamper: Tamper) -> None:
    tamper(
        closed.path, "UPDATE audit_header SET header = CAST(header || ' ' AS BLOB) WHERE seq = 3"
    )
    found = closed.verify()
    assert "record 3" in str(found.problems[0])
    assert the(found).count("was signed over other records than these") == 1


def test_a_rotation_that_the_old_key_did_not_sign_is_told(log: Log) -> None:
    """Whoever stole the old key's place has the record, but not its signature."""
    other = SigningKey.generate(NAME)
    rotation = journal.Rotation(log.key, other.verifier)
    doing = Doing("eve", "stolen", "127.0.0.1", "mine now")
    log.writer.run(partial(journal.rotate, rotation=rotation, doing=doing), timeout=30)
    log.append("and on")
    head = log.writer.tree_head
    made = Checkpoint(NAME, head, 10)
    log.store(sign(made.text, other).encode(), log.tree())
    assert f"is not signed by {log.key.short}, as it must be" in the(log.verify())


def test_a_rotation_from_a_key_that_is_not_in_force_is_told(log: Log) -> None:
    one, two = (SigningKey.generate(NAME).verifier for _ in range(2))
    doing = Doing("eve", "stolen", "127.0.0.1", "mine now")
    rotation = journal.Rotation(one, two)
    log.writer.run(partial(journal.rotate, rotation=rotation, doing=doing), timeout=30)
    assert f"hands over from {one.short}, which is not in force" in the(log.verify())
