"""Why a payload may be gone, one condition at a time: both verifiers give the same answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import patch

import pytest
from hand_made_exports import NOW, SIGNER, as_lines, audited, ended, signed

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import EMPTY, follow
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import timestamp
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import verify as verify_rows
from riskwarden.auditor import riskwarden_verify as auditor

DAY = timedelta(days=1)
ALERT, BLOCKED = EventType.ALERT_CREATED, EventType.TRADE_BLOCKED
PLACED, EXTENDED = EventType.LEGAL_HOLD_PLACED, EventType.LEGAL_HOLD_EXTENDED
RELEASED, RETENTION = EventType.LEGAL_HOLD_RELEASED, EventType.RETENTION_APPLIED


@dataclass(frozen=True)
class Told:
    """A record, so many days after the first one."""

    kind: EventType
    day: float = 0
    details: Mapping[str, Any] | None = None
    keep_days: int | None = None
    is_gone: bool = False


GONE = Told(ALERT, keep_days=5, is_gone=True)
THERE = Told(BLOCKED, keep_days=5)


def retention(
    day: float = 30, *, until: float = 30, kind: str = "ALERT_CREATED", last: int = 1
) -> Told:
    """Of what was due so many days after the first record."""
    return Told(
        RETENTION,
        day,
        {
            "ranges": [{"type": kind, "first": 1, "last": last, "count": 1}],
            "due_before": timestamp(NOW + until * DAY),
        },
    )


def hold(name: str = "case", **details: Any) -> Told:
    return Told(PLACED, 10, {"name": name, "filter": {}, **details})


def covers(**conditions: Any) -> Told:
    return hold(filter=conditions)


def looked(upto: int, *found: tuple[int, int], name: str = "case") -> Told:
    stretches = [{"first": first, "last": last} for first, last in found]
    return Told(EXTENDED, 20, {"name": name, "looked_at": upto, "found": stretches})


def recorded(story: Sequence[Told]) -> list[StoredRow]:
    """The records of a story, without the payloads that are gone."""
    head, rows = EMPTY, []
    for number, told in enumerate(story):
        record = follow(
            head,
            AuditEvent(told.kind, "told", details=dict(told.details or {})),
            origin="o",
            recorded_at=NOW + told.day * DAY,
            keep_days=told.keep_days,
            salt=sha256(bytes([number])).digest()[:16],
        )
        head = record.head
        row = StoredRow(record.seq, record.header, record.checksum, record.salt, record.payload)
        rows.append(row._replace(salt=None, payload=None) if told.is_gone else row)
    return rows


def judged(folder: Path, story: Sequence[Told], now: datetime) -> list[str]:
    """What both say of it, in short."""
    rows = recorded(story)
    ours = verify_rows(rows, now=now)
    with patch.object(auditor, "_BLOCK", 300):  # nearly each record in a block of its own
        cut = audited(folder, signed(rows), key=SIGNER.vkey, now=now)
    theirs = audited(folder, signed(rows), key=SIGNER.vkey, now=now)
    assert cut == theirs
    assert sorted(one.seq or 0 for one in ours.problems) == [
        int(one.partition(":")[0].removeprefix("record ")) for one in theirs.problems
    ]
    assert (ours.ok, theirs.unchecked, theirs.deleted) == (
        theirs.code == 0,
        [],
        sum(told.is_gone for told in story),
    )
    assert ours.warning_count == theirs.warning_count
    return theirs.problems


FIRST = timestamp(NOW)
LATER = timestamp(NOW + timedelta(microseconds=1))


@pytest.mark.parametrize(
    ("story", "why"),
    [
        ([GONE, retention()], ""),
        ([GONE], "no retention allowed that"),
        ([GONE, retention(kind="TRADE_BLOCKED")], "no retention allowed that"),
        ([THERE, GONE, retention()], "no retention allowed that"),
        ([THERE, GONE, retention(last=2)], ""),
        ([retention(0, last=9), GONE], "no retention allowed that"),
        ([Told(ALERT, is_gone=True), retention()], "it is kept for ever"),
        ([GONE, retention(until=5)], ""),
        ([GONE, retention(until=4.9)], "named it before it was due"),
        ([GONE, retention(4.9)], "named it before it was due"),
        ([GONE, retention(4.9), retention()], ""),
        ([GONE, retention(), retention(31, until=4.9)], ""),
        ([GONE, hold(), retention()], "hold case (record 2) covers it"),
        ([GONE, hold(), Told(RELEASED, 20, {"name": "case"}), retention()], ""),
        ([GONE, hold(), Told(RELEASED, 20, {"name": "other"}), retention()], "covers it"),
        ([GONE, hold(), hold(filter={"first": 2}), retention()], "(record 2) covers it"),
        ([GONE, hold(filter={"first": 2}), hold(), retention()], "(record 3) covers it"),
        ([GONE, retention(9), hold()], ""),
        ([GONE, retention(9), hold(unfinished={"retention": 2, "next": 1})], "no retention"),
        ([GONE, retention(9), hold(unfinished={"retention": 2, "next": 2})], ""),
        ([GONE, retention(9), hold(unfinished={"retention": 3, "next": 1})], ""),
        (
            [
                GONE,
                retention(9),
                hold("one", unfinished={"retention": 2, "next": 1}),
                hold("two", unfinished={"retention": 2, "next": 2}),
            ],
            "no retention",
        ),
        ([GONE, covers(first=1), retention()], "covers it"),
        ([GONE, covers(first=2), retention()], ""),
        ([THERE, GONE, covers(last=2), retention(last=2)], "covers it"),
        ([THERE, GONE, covers(last=1), retention(last=2)], ""),
        ([GONE, covers(since=FIRST), retention()], "covers it"),
        ([GONE, covers(since=LATER), retention()], ""),
        ([GONE, covers(until=LATER), retention()], "covers it"),
        ([GONE, covers(until=FIRST), retention()], ""),
        ([GONE, covers(types=["ALERT_CREATED"]), retention()], "covers it"),
        ([GONE, covers(types=["TRADE_BLOCKED"]), retention()], ""),
        ([GONE, covers(first=1, types=["TRADE_BLOCKED"]), retention()], ""),
        ([GONE, covers(accounts=["main"]), retention()], "nobody had looked yet"),
        ([GONE, covers(alerts=["dd/main"]), retention()], "nobody had looked yet"),
        ([GONE, covers(accounts=["main"]), looked(1), retention()], ""),
        ([GONE, covers(accounts=["main"]), looked(1, (1, 1)), retention()], "covers it"),
        ([GONE, covers(accounts=["main"]), looked(1, (2, 2)), retention()], ""),
        ([GONE, covers(accounts=["main"]), looked(1, name="x"), retention()], "nobody had looked"),
        ([GONE, covers(accounts=["main"]), retention(15), looked(1)], "nobody had looked yet"),
        (
            [GONE, covers(accounts=["main"]), looked(1, (1, 1)), looked(1, (5, 5)), retention()],
            "covers it",
        ),
    ],
)
def test_a_payload_is_gone_for_a_reason_that_is_on_record(
    tmp_path: Path, story: Sequence[Told], why: str
) -> None:
    problems = judged(tmp_path, story, NOW + 40 * DAY)
    gone = [number for number, told in enumerate(story, 1) if told.is_gone]
    assert [problem.partition(":")[0] for problem in problems] == [
        f"record {number}" for number in gone if why
    ]
    assert why in "".join(problems)


def retained(day: float) -> Told:
    return retention(day, until=day)


DAYS = [Told(ALERT, day) for day in (0, 10)]


@pytest.mark.parametrize(
    ("story", "now", "wrong"),
    [
        ([retained(10)], 10, []),
        ([retained(10)], 9, []),  # a clock may be a little behind
        ([retained(10)], 8.9, [1]),
        ([*DAYS, retained(10), Told(ALERT, 9)], 30, []),
        ([*DAYS, retained(10), Told(ALERT, 8.9)], 30, [3]),
        ([*DAYS, retained(10), Told(ALERT, 10)], 30, []),
        ([*DAYS, retained(10), Told(ALERT, 8.9), Told(ALERT, 9.4), Told(ALERT, 11)], 30, []),
        ([*DAYS, retained(10), Told(ALERT, 8.8), Told(ALERT, 9.4), Told(ALERT, 11)], 30, [3]),
        ([*DAYS, retained(10), Told(ALERT, 8.8), Told(ALERT, 9.4), Told(ALERT, 10)], 30, [3]),
        ([*DAYS, retained(10), Told(ALERT, 9.1), Told(ALERT, 9.9), Told(ALERT, 10)], 30, []),
        ([*DAYS, retained(10), Told(ALERT, 2), Told(ALERT, 11), Told(ALERT, 9.5)], 30, []),
        ([*DAYS, retained(10), Told(ALERT, 11), Told(ALERT, 2)], 30, [3]),
        ([*DAYS, retained(10), Told(ALERT, -1)], 30, []),  # that clock is certainly behind
        ([*DAYS, retained(12), Told(ALERT, 11.5), retained(20), Told(ALERT, 15)], 30, [5]),
        ([*DAYS, retained(20), Told(ALERT, 11), retained(12), Told(ALERT, 10.5)], 30, [3, 5]),
        ([*DAYS, retained(20), retained(19), Told(ALERT, 11)], 30, [3, 4]),
    ],
)
def test_a_retention_went_by_a_clock_that_was_right(
    tmp_path: Path, story: Sequence[Told], now: float, wrong: Sequence[int]
) -> None:
    problems = judged(tmp_path, story, NOW + now * DAY)
    assert [problem.partition(":")[0] for problem in problems] == [f"record {one}" for one in wrong]
    for problem in problems:
        assert "yet to come" in problem or "the clock had been set forward" in problem


@pytest.mark.parametrize("seq", [1, 3])
def test_a_record_that_cannot_be_read_hides_no_clock_that_was_ahead(
    tmp_path: Path, seq: int
) -> None:
    rows = recorded([*DAYS, Told(ALERT, 10), retained(20), Told(ALERT, 11)])
    lines = as_lines(rows)
    lines[seq] = lines[seq].replace(b"schema", b"scheme")
    broken, ahead = audited(tmp_path, ended(lines, 5), now=NOW + 30 * DAY).problems[:2]
    assert broken.startswith(f"record {seq}: the header is not canonical")
    assert ahead.startswith("record 4: retention was applied at")


def test_a_payload_that_is_gone_from_a_stretch_was_due_from_the_moment_it_expired(
    tmp_path: Path,
) -> None:
    rows = recorded([THERE, GONE])
    checksum = rows[0].checksum
    assert isinstance(checksum, bytes)
    before = [checksum.hex()]
    content = ended(as_lines(rows[1:], before=before), 1)
    for now, code in ((NOW + 5 * DAY, 3), (NOW + 5 * DAY - timedelta(microseconds=1), 1)):
        assert audited(tmp_path, content, now=now).code == code
