"""Signed checkpoints of a chain: whether they are its own, and all there."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest
from signed_log import NAME, Log, the

from risk_policy.contracts.audit import COMMAND, EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.chain import Head, TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.checkpoint_table import StoredCheckpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.note import SigningKey, sign
from risk_receivers.audit.verify import verify_database
from risk_receivers.signer import journal
from risk_receivers.store.writer import Transaction, Writer

Tamper = Callable[..., None]


def test_a_chain_and_its_checkpoints_fit_each_other(closed: Log) -> None:
    found = closed.verify()
    assert (found.ok, found.events, found.signed) == (True, 12, 10)
    assert found.key == closed.key.short
    assert found.tree.size == 12
    assert closed.verify(closed.key).ok
    assert closed.verify(last=closed.last()).ok
    warned = verify_database(closed.path, warnings=["the clock is off"])
    assert (warned.ok, [str(one) for one in warned.warnings]) == (True, ["the clock is off"])


def test_checkpoints_that_are_read_one_by_one_are_all_looked_at(
    closed: Log, tamper: Tamper, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("risk_receivers.audit.verify._CHECKPOINTS", 1)
    assert (closed.verify().ok, closed.verify().signed) == (True, 10)
    tamper(closed.path, "UPDATE audit_checkpoint SET note = x'00' WHERE size = 10")
    assert "the checkpoint at 10 " in the(closed.verify())


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


def test_that_they_were_all_deleted_is_told_though_a_service_has_just_started(
    log: Log, tamper: Tamper
) -> None:
    for number in range(40):
        log.append(f"more {number}")
    log.append("started", EventType.SERVICE_STARTED)
    tamper(log.path, "DELETE FROM audit_checkpoint")
    assert "records beyond 0 have no signed checkpoint" in the(log.verify())


def test_that_they_were_all_deleted_is_told_by_the_pinned_key_however_short_the_chain(
    closed: Log, tamper: Tamper
) -> None:
    tamper(closed.path, "DELETE FROM audit_checkpoint")
    assert closed.verify().ok
    assert "nothing in this chain is signed by the pinned key" in the(closed.verify(closed.key))


def test_what_commands_record_while_no_service_runs_waits_for_no_signature(
    closed: Log,
) -> None:
    later = Writer(
        closed.path,
        origin=COMMAND,
        retention=AuditRetention(),
        batch=1,
        queue_depth=1,
        clock=lambda: closed.now,
    )
    later.start()

    def record(event_type: EventType) -> None:
        closed.now += timedelta(days=1)
        event = AuditEvent(event_type, "by a command")
        later.run(partial(Transaction.append, event=event), timeout=30)

    record(EventType.AUDIT_EXPORTED)
    record(EventType.AUDIT_BACKED_UP)
    assert closed.verify(closed.key).ok
    record(EventType.ALERT_CREATED)  # which no command records, whoever says so
    assert "records beyond 10 have no signed checkpoint" in the(closed.verify(closed.key))
    later.stop()


def test_a_first_signature_that_came_late_is_a_warning(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.writer.start()
    for number in range(40):
        log.append(f"alert {number}")
    log.writer.run(partial(journal.introduce, key=log.key), timeout=30)
    log.checkpoint()
    found = log.verify(log.key)
    assert found.ok
    assert "records 1 to 41 had no signature for 80 s" in str(found.warnings[0])
    log.writer.stop()
    log.signer.close()


def test_a_signer_that_fails_is_told_once_it_has_failed_for_long(log: Log) -> None:
    for number in range(20):
        log.append(f"more {number}")
        assert log.verify().ok
    for number in range(20):
        log.append(f"still more {number}")
    assert "records beyond 10 have no signed checkpoint, the first of them for" in the(log.verify())
    log.checkpoint()
    found = log.verify()
    assert found.ok, "what is signed late is signed"
    (warning,) = found.warnings
    assert "records 11 to 52 had no signature for 82 s" in str(warning)


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
    assert kept == [500, found.events]


def test_a_rewritten_record_is_told_by_what_was_signed(closed: Log, tamper: Tamper) -> None:
    tamper(
        closed.path, "UPDATE audit_header SET header = CAST(header || ' ' AS BLOB) WHERE seq = 3"
    )
    found = closed.verify()
    assert "record 3" in str(found.problems[0])
    assert the(found).count("was signed over other records than these") == 1


def test_what_a_service_records_waits_for_a_signature_whatever_commands_record_too(
    log: Log,
) -> None:
    for _ in range(31):
        log.append("exported by the console", EventType.AUDIT_EXPORTED)
    assert "records beyond 10 have no signed checkpoint" in the(log.verify())


def test_a_minute_is_not_too_long_to_wait_and_more_is(log: Log) -> None:
    log.checkpoint()
    log.append("first")
    log.now += timedelta(seconds=58)
    log.append("a minute after it was")  # the clock goes on by two seconds
    assert log.verify().ok
    log.checkpoint()
    found = log.verify()
    assert (found.ok, found.warnings) == (True, ())
    log.append("first")
    log.now += timedelta(seconds=59)
    log.append("a minute and a second")
    assert "records beyond 14 have no signed checkpoint" in the(log.verify())
    log.checkpoint()
    assert "records 15 to 16 had no signature for 61 s" in str(log.verify().warnings[0])


def test_what_was_recorded_before_anybody_signed_waited_for_nobody(tmp_path: Path) -> None:
    log = Log(tmp_path)
    log.writer.start()
    for number in range(40):
        log.append(f"alert {number}")
    log.writer.run(partial(journal.introduce, key=log.key), timeout=30)
    log.append("just now")
    assert log.verify().ok
    log.now += timedelta(seconds=70)
    log.append("a while later")
    log.writer.run(partial(journal.introduce, key=log.key), timeout=30)  # which signs nothing
    assert "records beyond 0 have no signed checkpoint" in the(log.verify())
    log.writer.stop()
    log.signer.close()


def signed_after(log: Log, previous: int) -> None:
    """A checkpoint of all there is, by the right key."""
    key = SigningKey.parse(log.signer_key.read_text())
    made = Checkpoint(NAME, log.writer.tree_head, previous)
    log.store(sign(made.text, key).encode(), log.tree())


def test_what_a_leader_signed_and_could_not_store_the_next_one_goes_on_without(log: Log) -> None:
    log.checkpoint(stored=False)
    log.append("by the next leader")
    log.append("and on")
    signed_after(log, 10)
    log.append("and on")
    signed_after(log, 14)
    found = log.verify(last=log.last())
    assert (found.problems, found.signed, found.events) == ((), 15, 15)
    key = SigningKey.parse(log.signer_key.read_text())
    other = sign(Checkpoint(NAME, TreeHead(12, bytes(32)), 10).text, key).encode()
    assert "the checkpoint at 12 was signed over other records than these" in the(
        log.verify(last=StoredCheckpoint(12, other))
    )
    log.append("and on")
    signed_after(log, 14)
    assert "the checkpoint at 16 follows one at 14, but the one before it is at 15" in the(
        log.verify(last=log.last())
    )


def test_a_checkpoint_that_was_put_between_two_others_is_told(log: Log) -> None:
    """Even if it was made with the key, by somebody who had it for a moment."""
    log.append("more")
    signed_after(log, 7)
    log.append("more")
    signed_after(log, 10)
    found = the(log.verify())
    assert "the checkpoint at 13 follows one at 7, but the one before it is at 10" in found
    assert "the checkpoint at 14 follows one at 10, but the one before it is at 13" in found


def test_an_end_that_was_cut_off_is_told_once(log: Log, tamper: Tamper) -> None:
    log.now += timedelta(seconds=70)
    log.append("late")
    log.append("and on")
    log.checkpoint()
    log.writer.stop()
    tamper(log.path, "DELETE FROM audit_payload WHERE seq > 13")
    tamper(log.path, "DELETE FROM audit_header WHERE seq > 13")
    (problem,) = log.verify(log.key).problems
    assert "a checkpoint over 14 records was signed, but the chain ends at 13" in str(problem)
