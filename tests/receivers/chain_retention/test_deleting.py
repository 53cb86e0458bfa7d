"""What is due goes, on record and for good; what is not stays; and the chain stays whole."""

from __future__ import annotations

import pytest
import stores
from chain_archive import BEGIN, DAY, Archive

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.errors import DamagedRecordError
from risk_receivers.retention.pruner import Pruner
from risk_receivers.schema import to_text

HELD = "UPDATE audit_payload SET salt = NULL, payload = NULL WHERE seq = 1"


@stores.in_every_backend("archive")
def test_what_is_due_goes_and_the_chain_verifies(archive: Archive) -> None:
    archive.add(EventType.ALERT_CREATED, 3)
    archive.add(EventType.TRADE_BLOCKED)
    archive.add(EventType.KILL_SWITCH_ACTIVATED)
    archive.add(EventType.ALERT_RESOLVED)
    archive.days_pass(91)
    assert archive.prune() == 4
    assert archive.gone() == [1, 2, 3, 6]
    found = archive.verify()
    assert (found.problems, found.deleted) == ((), 4)


@pytest.mark.parametrize("archive", ["jsonl"], indirect=True)
def test_a_command_that_has_the_path_alone_rewrites_a_segment_once(archive: Archive) -> None:
    archive.add(EventType.ALERT_CREATED, 120)
    archive.days_pass(91)
    steps: list[int] = []
    pruner = Pruner(archive.path, archive.writer, rest=lambda _: False)
    assert pruner.prune(archive.now, archive.now, deleted=steps.append) == 120
    assert steps == [120]


def test_what_went_is_on_record_for_ever_with_numbers_types_and_why(archive: Archive) -> None:
    archive.add(EventType.ALERT_CREATED, 2)
    archive.add(EventType.ALERT_RESOLVED)
    archive.days_pass(91)
    archive.prune()
    (told,) = archive.of_type(EventType.RETENTION_APPLIED)
    assert told.expires_at is None
    assert told.payload is not None
    assert told.payload.actor_type is ActorType.SYSTEM
    assert told.payload.details["ranges"] == [
        {"type": "ALERT_CREATED", "first": 1, "last": 2, "count": 2},
        {"type": "ALERT_RESOLVED", "first": 3, "last": 3, "count": 1},
    ]
    assert "2 ALERT_CREATED" in told.payload.message
    assert "time" in told.payload.action_reason


def test_nothing_goes_within_a_day_of_being_due(archive: Archive) -> None:
    archive.add()
    archive.days_pass(90)
    assert archive.prune() == 0
    assert archive.of_type(EventType.RETENTION_APPLIED) == []
    archive.days_pass(1)
    assert archive.prune() == 1


@pytest.mark.parametrize("archive", ["sqlite", "jsonl"], indirect=True)
def test_what_is_gone_is_nowhere_in_the_files_any_more(archive: Archive) -> None:
    archive.add(message="the secret plan of Mr. Doe", count=5)
    archive.days_pass(91)
    archive.prune()
    assert len(archive.files()) > 2
    assert not [path.name for path in archive.files() if b"Mr. Doe" in path.read_bytes()]


def test_a_second_round_finds_nothing_to_do(archive: Archive) -> None:
    archive.add(count=120)
    archive.days_pass(91)
    assert archive.prune() == 120
    assert archive.prune() == 0
    assert len(archive.of_type(EventType.RETENTION_APPLIED)) == 1


def test_what_is_gone_says_which_record_deleted_it(archive: Archive) -> None:
    archive.add()
    archive.days_pass(91)
    archive.prune()
    (told,) = archive.of_type(EventType.RETENTION_APPLIED)
    gone = archive.all()[0]
    assert (gone.payload, gone.deleted_by) == (None, told.seq)


def test_a_writer_starts_on_a_chain_whose_last_payload_but_one_is_gone(archive: Archive) -> None:
    archive.add()
    archive.now = BEGIN + 91 * DAY
    assert archive.prune(seen_since=BEGIN) == 1
    assert archive.gone() == [1]
    archive.writer.stop()
    again = Archive(archive.database)
    again.now = archive.now
    again.add()
    assert again.problems() == []
    again.writer.stop()


# -- what is no retention --------------------------------------------------------------------


def test_a_payload_deleted_by_hand_is_a_problem_before_and_after_it_is_due(
    archive: Archive,
) -> None:
    archive.add()
    archive.tamper(HELD)
    missing = "record 1: the payload is missing, and no retention allowed that"
    assert archive.problems() == [missing]
    archive.days_pass(100)
    archive.prune()
    assert archive.problems() == [missing]
    with pytest.raises(DamagedRecordError, match="no retention allowed that"):
        archive.all()


def test_a_payload_that_is_kept_for_ever_may_never_be_missing(archive: Archive) -> None:
    archive.add(EventType.KILL_SWITCH_ACTIVATED)
    archive.add()
    archive.days_pass(100)
    archive.prune()
    archive.tamper(HELD)
    (problem,) = archive.problems()
    assert problem == (
        "record 1: the payload is missing, and no retention allowed that: "
        "this record is kept for ever"
    )


def test_a_retention_that_names_what_is_not_due_allows_nothing(archive: Archive) -> None:
    """Recorded as if it were due, by somebody who can run the program."""
    archive.add(EventType.TRADE_BLOCKED)
    archive.days_pass(100)
    archive.add(
        EventType.RETENTION_APPLIED,
        details={
            "ranges": [{"type": "TRADE_BLOCKED", "first": 1, "last": 1, "count": 1}],
            "due_before": "2099-01-01T00:00:00.000000Z",
        },
    )
    archive.tamper(HELD)
    (problem,) = archive.problems()
    assert problem == (
        "record 1: the payload is missing, and no retention allowed that: retention (record 102) "
        "named it before it was due, which is on 2027-01-01"
    )


def test_a_retention_explains_no_other_type_and_no_other_number(archive: Archive) -> None:
    archive.add(EventType.ALERT_CREATED)
    archive.add(EventType.ALERT_RESOLVED)
    archive.now += DAY
    archive.add(EventType.ALERT_CREATED)
    archive.days_pass(90)
    archive.prune()
    assert archive.gone() == [1, 2]
    archive.days_pass(5)
    archive.tamper("DELETE FROM audit_payload WHERE seq = 3")
    assert archive.problems() == ["record 3: the payload is missing, and no retention allowed that"]


def test_the_record_of_a_retention_cannot_be_taken_away(archive: Archive) -> None:
    archive.add()
    archive.days_pass(91)
    archive.prune()
    seq = archive.of_type(EventType.RETENTION_APPLIED)[0].seq
    archive.tamper("DELETE FROM audit_payload WHERE seq = ?", values=(seq,))
    problems = archive.problems()
    assert [problem.split(":")[0] for problem in problems] == ["record 1", f"record {seq}"]


def test_a_shortened_time_is_no_longer_what_was_hashed(archive: Archive) -> None:
    archive.add(EventType.TRADE_BLOCKED)
    archive.days_pass(100)
    archive.tamper(
        "UPDATE audit_header SET header = "
        "CAST(replace(CAST(header AS TEXT), '2027-01-01', '2026-02-01') AS BLOB) WHERE seq = 1"
    )
    archive.prune()
    assert archive.problems()[0] == (
        "record 1: the stored checksum is not the header's; one of them was changed"
    )


def test_an_edited_payload_is_found_beside_deleted_ones(archive: Archive) -> None:
    archive.add(count=2)
    archive.days_pass(91)
    archive.add()
    archive.prune()
    archive.tamper("UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 94")
    assert [problem[:9] for problem in archive.problems()] == ["record 94"]


def test_what_is_in_force_keeps_its_records(archive: Archive) -> None:
    archive.add(EventType.RESTRICTION_IMPOSED)
    archive.now += DAY
    archive.add(EventType.RESTRICTION_LATCHED)
    archive.add()
    archive.tamper(
        "INSERT INTO restriction VALUES ('r', 'drawdown/main', 'warning', 'halt', '*', NULL, "
        "'drawdown', 'critical', ?, 'drawdown/main:warning:1', 1, 'LATCHED')",
        values=(to_text(archive.now),),
    )
    archive.days_pass(91)
    archive.prune()
    assert archive.gone() == [1, 3]
    archive.tamper("DELETE FROM restriction")
    archive.prune()
    assert archive.gone() == [1, 2, 3]
    assert archive.problems() == []


# -- a policy that changes -------------------------------------------------------------------


def test_what_is_on_record_keeps_the_time_it_was_recorded_with(archive: Archive) -> None:
    archive.add(EventType.TRADE_BLOCKED)
    archive.writer.stop()
    shorter = Archive(archive.database, AuditRetention(trade_blocked_days=10))
    shorter.now = archive.now
    shorter.add(EventType.TRADE_BLOCKED)
    shorter.days_pass(40)
    shorter.prune()
    assert shorter.gone() == [2]
    assert shorter.problems() == []
    shorter.writer.stop()
