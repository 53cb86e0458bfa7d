"""What a legal hold covers stays, whatever its age, and verification knows it."""

from __future__ import annotations

import pytest
import stores
from chain_archive import BEGIN, DAY, Archive

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import retention_records
from risk_receivers.audit.holds import HoldFilter
from risk_receivers.audit.tables import open_read_only
from risk_receivers.retention import plan
from risk_receivers.retention.errors import HoldError

ALL = HoldFilter()


def place(archive: Archive, covers: HoldFilter, name: str = "case-7") -> int:
    return archive.pruner("ann").place(name, "the regulator asked", covers)


@stores.in_every_backend("archive")
def test_what_is_held_stays_until_it_is_released(archive: Archive) -> None:
    archive.add(count=5)
    place(archive, HoldFilter(first=2, last=3))
    archive.days_pass(91)
    assert archive.prune() == 3
    assert archive.gone() == [1, 4, 5]
    archive.pruner("ann").release("case-7", "settled")
    assert archive.prune() == 2
    assert archive.problems() == []


def test_a_hold_is_on_record_with_who_and_why(archive: Archive) -> None:
    place(archive, HoldFilter(types=frozenset({"ALERT_CREATED"})))
    archive.pruner("bob").release("case-7", "settled")
    placed, released = archive.all()
    assert placed.expires_at is None
    assert released.expires_at is None
    assert placed.payload is not None
    assert released.payload is not None
    assert (placed.payload.actor_id, placed.payload.action_reason) == ("ann", "the regulator asked")
    assert (released.payload.actor_id, released.payload.action_reason) == ("bob", "settled")
    assert "case-7" in placed.payload.message
    assert "ALERT_CREATED" in placed.payload.message


@pytest.mark.parametrize(
    ("covers", "held"),
    [
        (HoldFilter(), [1, 2, 3, 4, 5]),
        (HoldFilter(last=2), [1, 2]),
        (HoldFilter(since=BEGIN + DAY), [4, 5]),
        (HoldFilter(until=BEGIN + DAY), [1, 2, 3]),
        (HoldFilter(types=frozenset({"ALERT_RESOLVED"})), [2]),
        (HoldFilter(accounts=frozenset({"main"})), [1, 5]),
        (HoldFilter(accounts=frozenset({"main", "other"})), [1, 3, 5]),
        (HoldFilter(alerts=frozenset({"drawdown/main"})), [1, 5]),
        (HoldFilter(alerts=frozenset({"drawdown/main:warning:2"})), [5]),
        (HoldFilter(accounts=frozenset({"main"}), since=BEGIN + DAY), [5]),
    ],
    ids=str,
)
def test_a_hold_covers_what_meets_all_of_its_conditions(
    archive: Archive, covers: HoldFilter, held: list[int]
) -> None:
    archive.add(alert_id="drawdown/main:warning:1", details={"labels": {"account": "main"}})
    archive.add(EventType.ALERT_RESOLVED)
    archive.add(details={"account": "other"})
    archive.now += DAY
    archive.add(details={"account": "main-2"})
    archive.add(alert_id="drawdown/main:warning:2")
    place(archive, covers)
    archive.days_pass(92)
    archive.prune()
    assert archive.gone() == sorted({1, 2, 3, 4, 5} - set(held))
    assert archive.problems() == []


@pytest.mark.parametrize(
    ("message", "is_held"),
    [
        ("drawdown of main is 12 %", True),
        ("drawdown of MAIN is 12 %", True),
        ("these are over their limit:\nmain", True),
        ("over:\tmain,other", True),
        ("\x1fmain", True),
        ("nothing trades on main.", True),
        ("nothing trades on main...", True),
        ("drawdown of main-2 is 12 %", False),
        ("drawdown of main.two is 12 %", False),
        ("drawdown of old-main is 12 %", False),
        ("drawdown of mainland is 12 %", False),
        ("drawdown of domain is 12 %", False),
    ],
)
def test_a_name_is_found_wherever_and_however_it_is_written(
    archive: Archive, message: str, is_held: bool
) -> None:
    archive.add(message=message)
    place(archive, HoldFilter(accounts=frozenset({"Main"})))
    archive.days_pass(92)
    assert archive.prune() == (0 if is_held else 1)


@stores.in_every_backend("archive")
def test_what_comes_later_is_held_too(archive: Archive) -> None:
    place(archive, HoldFilter(accounts=frozenset({"main"})))
    archive.add(details={"account": "main"})
    archive.add(details={"account": "other"})
    archive.days_pass(92)
    archive.prune()
    assert archive.gone() == [3]
    archive.add(details={"account": "main"})
    archive.days_pass(92)
    archive.prune()
    assert len(archive.gone()) == 1
    assert archive.problems() == []


def delete_the_first(archive: Archive) -> None:
    """As a retention would that heeds no hold."""
    archive.add(
        EventType.RETENTION_APPLIED,
        details={
            "ranges": [{"type": "ALERT_CREATED", "first": 1, "last": 1, "count": 1}],
            "due_before": "2026-04-01T00:00:00.000000Z",
        },
    )
    archive.tamper("DELETE FROM audit_payload WHERE seq = 1")


def test_a_payload_deleted_under_a_hold_is_a_problem_that_names_it(archive: Archive) -> None:
    archive.add(count=2)
    archive.days_pass(91)
    seq = place(archive, HoldFilter(last=1))
    archive.prune()
    delete_the_first(archive)
    (problem,) = archive.problems()
    assert problem == (
        "record 1: the payload is missing, and no retention allowed that: "
        f"legal hold case-7 (record {seq}) covers it"
    )


def test_what_nobody_had_looked_up_for_a_hold_may_not_be_missing(archive: Archive) -> None:
    archive.add(details={"account": "main"})
    place(archive, HoldFilter(accounts=frozenset({"main"})))
    archive.days_pass(91)
    delete_the_first(archive)
    (problem,) = archive.problems()
    assert "nobody had looked yet whether legal hold case-7 covers it" in problem


def test_a_hold_stops_a_retention_that_is_under_way(archive: Archive) -> None:
    archive.add(count=120)
    archive.days_pass(91)
    archive.prune_steps(2)
    assert archive.gone() == list(range(1, 101))
    place(archive, HoldFilter(last=110))
    archive.prune()
    assert archive.gone() == [*range(1, 101), *range(111, 121)]
    assert archive.problems() == []
    # Announced by the first retention, but still there when the hold was placed.
    archive.tamper("DELETE FROM audit_payload WHERE seq = 105")
    (problem,) = archive.problems()
    assert problem.startswith("record 105: the payload is missing")


def test_holds_are_told_by_the_chain_and_by_nothing_else(archive: Archive) -> None:
    archive.add()
    place(archive, ALL)
    archive.days_pass(91)
    archive.tamper("DELETE FROM fact", "DELETE FROM incident", "DELETE FROM restriction")
    assert archive.prune() == 0


def test_one_name_is_one_hold(archive: Archive) -> None:
    place(archive, ALL)
    with pytest.raises(HoldError, match="there is a legal hold case-7 already"):
        place(archive, ALL)
    archive.pruner("ann").release("case-7", "settled")
    place(archive, ALL)


def test_what_is_not_held_cannot_be_released(archive: Archive) -> None:
    place(archive, ALL, "case-8")
    with pytest.raises(HoldError, match="no legal hold case-7; in force: case-8"):
        archive.pruner("ann").release("case-7", "settled")


def test_released_holds_are_still_known(archive: Archive) -> None:
    place(archive, ALL)
    archive.pruner("bob").release("case-7", "settled")
    known = retention_records.read(open_read_only(archive.database))
    assert known.holds == {}
    (hold,) = known.released
    assert (hold.name, hold.by, hold.released_by, hold.release_reason) == (
        "case-7",
        "ann",
        "bob",
        "settled",
    )


def test_more_pieces_than_one_record_names_are_named_by_several(archive: Archive) -> None:
    place(archive, HoldFilter(accounts=frozenset({"main"})))
    archive.add_each({"account": account} for _ in range(1100) for account in ("other", "main"))
    archive.days_pass(92)
    assert archive.prune() == 1100
    assert len(archive.of_type(EventType.RETENTION_APPLIED)) == 2
    assert len(archive.of_type(EventType.LEGAL_HOLD_EXTENDED)) == 2
    assert archive.problems() == []


def test_as_many_pieces_as_there_are_go_in_one_round(
    archive: Archive, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plan, "MOST_RANGES", 2)
    place(archive, HoldFilter(accounts=frozenset({"main"})))
    archive.add_each({"account": account} for _ in range(30) for account in ("other", "main"))
    archive.days_pass(92)
    assert archive.prune() == 30
    assert len(archive.of_type(EventType.RETENTION_APPLIED)) == 15
    assert archive.problems() == []
