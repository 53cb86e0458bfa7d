"""However many processes look at payloads, the same is found, in the same order."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from risk_receivers.audit import side_by_side
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import verify_database


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(side_by_side, "_WORTH_IT", 4)
    monkeypatch.setattr(side_by_side, "_PAGE", 3)


def test_the_same_is_found_in_the_same_order(database: Path, tamper: Callable[..., None]) -> None:
    assert verify_database(database, processes=2) == verify_database(database)
    tamper(
        database,
        "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 3",
        "UPDATE audit_payload SET payload = CAST('{}' AS BLOB) WHERE seq = 7",
        "UPDATE audit_header SET header = CAST('{}' AS BLOB) WHERE seq = 8",
        "DELETE FROM audit_payload WHERE seq = 10",
        "UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 12",
    )
    found = verify_database(database, processes=2)
    assert found.problem_count > 5
    assert found == verify_database(database)


def test_only_what_is_right_and_tells_nothing_more_is_done_with(rows: list[StoredRow]) -> None:
    assert None not in side_by_side.links_of(rows)
    edited = rows[2]._replace(payload=rows[3].payload)
    gone = rows[2]._replace(payload=None, salt=None)
    moved = rows[2]._replace(seq=9)
    assert side_by_side.links_of([edited, gone, moved]) == [None] * 3


def test_helpers_that_die_leave_the_work_to_whoever_asked(
    database: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(side_by_side, "links_of", _die)
    assert verify_database(database, processes=2) == verify_database(database)


def _die(_: object) -> None:
    os._exit(1)
