"""Signed checkpoints of a chain: whether they are by the right key."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest
from signed_log import NAME, Log, the
from writers import append, writing

from risk_policy.contracts.audit import NEW_VERIFIER_KEY, VERIFIER_KEY, EventType
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import Note, SigningKey, VerifierKey, sign
from risk_receivers.audit.verify import verify_database
from risk_receivers.signer import journal
from risk_receivers.signer.signer import KeptSigner
from risk_receivers.store.writer import Transaction
from risk_receivers.tokens.registry import Doing

Tamper = Callable[..., None]


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


def test_a_key_that_is_handed_on_before_any_was_named_is_told(tmp_path: Path) -> None:
    old, new = (SigningKey.generate(NAME).verifier for _ in range(2))
    details: dict[str, JsonValue] = {VERIFIER_KEY: str(old), NEW_VERIFIER_KEY: str(new)}
    with writing(tmp_path / "audit.db") as writer:
        append(writer, AuditEvent(EventType.SIGNING_KEY_ROTATED, "x", details=details))
    found = verify_database(tmp_path / "audit.db")
    assert f"hands over from {old.short}, which is not in force" in the(found)


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


def hand_over(log: Log, old: VerifierKey, new: VerifierKey) -> None:
    """Put on record that a key takes over, as somebody would who can write the store."""
    doing = Doing("eve", "stolen", "127.0.0.1", "mine now")
    rotation = journal.Rotation(old, new)
    log.writer.run(partial(journal.rotate, rotation=rotation, doing=doing), timeout=30)


def test_a_rotation_that_the_old_key_did_not_sign_is_told(log: Log) -> None:
    """Whoever stole the old key's place has the record, but not its signature."""
    other = SigningKey.generate(NAME)
    hand_over(log, log.key, other.verifier)
    log.append("and on")
    head = log.writer.tree_head
    made = Checkpoint(NAME, head, 10)
    log.store(sign(made.text, other).encode(), log.tree())
    assert f"is not signed by {log.key.short}, as it must be" in the(log.verify())


def test_a_rotation_from_a_key_that_is_not_in_force_is_told(log: Log) -> None:
    one, two = (SigningKey.generate(NAME).verifier for _ in range(2))
    hand_over(log, one, two)
    assert f"hands over from {one.short}, which is not in force" in the(log.verify())


def test_keys_that_hand_over_to_each_other_do_not_leave_out_the_one_in_force(log: Log) -> None:
    """Two rotations before the next checkpoint, which neither key of the last has to vouch for."""
    one, two = (SigningKey.generate(NAME) for _ in range(2))
    hand_over(log, log.key, one.verifier)
    hand_over(log, one.verifier, two.verifier)
    made = Checkpoint(NAME, log.writer.tree_head, 10)
    log.store(sign(made.text, one, two).encode(), log.tree())
    for pinned in ((), (log.key,)):
        assert f"is not signed by {log.key.short}, as it must be" in the(log.verify(*pinned))


def begin(log: Log, key: VerifierKey) -> None:
    """Put on record that a key begins to sign."""
    details: dict[str, JsonValue] = {VERIFIER_KEY: str(key)}
    event = AuditEvent(EventType.SIGNING_BEGAN, "from here on", details=details)
    log.writer.run(partial(Transaction.append, event=event), timeout=30)


def test_a_key_begins_in_the_place_of_a_lost_one_if_both_are_pinned_and_not_the_other_way(
    log: Log,
) -> None:
    new = SigningKey.generate(NAME)
    begin(log, new.verifier)
    log.store(sign(Checkpoint(NAME, log.writer.tree_head, 10).text, new).encode(), log.tree())
    pinned = (log.key, new.verifier)
    assert log.verify(*pinned).ok
    assert "which none before it vouches for" in the(log.verify())
    assert "which is not the pinned one" in the(log.verify(log.key))
    begin(log, log.key)
    assert "in whose place there is another" in the(log.verify(*pinned))


def test_a_key_that_has_handed_over_does_not_begin_again(log: Log) -> None:
    """Not even if it is the one that is pinned: it may be why there was another."""
    new = SigningKey.generate(NAME)
    old = SigningKey.parse(log.signer_key.read_text())
    hand_over(log, log.key, new.verifier)
    log.store(sign(Checkpoint(NAME, log.writer.tree_head, 10).text, old, new).encode(), log.tree())
    assert log.verify(log.key).ok
    begin(log, log.key)
    log.store(sign(Checkpoint(NAME, log.writer.tree_head, 13).text, old).encode(), log.tree())
    for pinned in ((), (log.key,)):
        told = the(log.verify(*pinned))
        assert f"names the key {log.key.short}, in whose place there is another" in told
        assert f"is not signed by {new.verifier.short}" in told


@pytest.mark.parametrize("name", [NAME, "riskwarden/next"])
def test_once_it_was_handed_over_the_new_key_signs_alone(log: Log, name: str) -> None:
    new = SigningKey.generate(name)
    old = SigningKey.parse(log.signer_key.read_text())
    hand_over(log, log.key, new.verifier)
    log.store(sign(Checkpoint(name, log.writer.tree_head, 10).text, old, new).encode(), log.tree())
    assert (log.verify().problems, log.verify().key) == ((), new.verifier.short)
    log.append("and on")
    log.store(sign(Checkpoint(name, log.writer.tree_head, 13).text, new).encode(), log.tree())
    for pinned in ((), (log.key,)):
        found = log.verify(*pinned)
        assert (found.problems, found.signed) == ((), 14)
        assert found.key == new.verifier.short


@pytest.mark.parametrize("details", [{}, {VERIFIER_KEY: "none"}, {VERIFIER_KEY: 7}])
@pytest.mark.parametrize("kind", [EventType.SIGNING_BEGAN, EventType.SIGNING_KEY_ROTATED])
def test_a_record_that_names_no_key_that_can_be_read_is_told(
    log: Log, kind: EventType, details: dict[str, JsonValue]
) -> None:
    event = AuditEvent(kind, "from here on", details=details)
    log.writer.run(partial(Transaction.append, event=event), timeout=30)
    for pinned in ((), (log.key,)):
        (problem,) = log.verify(*pinned).problems
        assert "record 13 names a key, but it" in str(problem)


def test_a_signature_in_the_keys_name_that_is_not_its_own_is_told(
    closed: Log, tamper: Tamper
) -> None:
    with closing(sqlite3.connect(closed.path)) as connection:
        notes = dict(connection.execute("SELECT size, note FROM audit_checkpoint"))
    first, second = (Checkpoint.of(notes[size])[1] for size in (4, 7))
    moved = Note(first.text, second.signatures).encode()
    tamper(closed.path, "UPDATE audit_checkpoint SET note = ? WHERE size = 4", values=(moved,))
    (problem,) = closed.verify(closed.key).problems
    assert "the checkpoint at 4: the signature by" in str(problem)
    assert "does not fit the text" in str(problem)


def test_a_checkpoint_that_was_moved_is_told_once(closed: Log, tamper: Tamper) -> None:
    tamper(closed.path, "UPDATE audit_checkpoint SET size = 8 WHERE size = 7")
    moved, next_one = closed.verify().problems
    assert "the checkpoint at 8 is about 7 records; it was changed or moved" in str(moved)
    assert "the checkpoint at 10 follows one at 7, but the one before it is at 8" in str(next_one)


def test_what_the_key_signs_of_another_log_is_told(log: Log) -> None:
    key = SigningKey.parse(log.signer_key.read_text())
    made = Checkpoint("another/log", log.writer.tree_head, 10)
    log.store(sign(made.text, key).encode(), log.tree())
    (problem,) = log.verify(log.key).problems
    assert "the checkpoint at 12 is of another log, another/log" in str(problem)
