"""Reading records back as values."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from stores import in_every_backend

from risk_policy.contracts.audit import GENESIS, EventType
from risk_receivers.audit.errors import DamagedRecordError
from risk_receivers.audit.query import events, head
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place

Tamper = Callable[..., None]


@in_every_backend("database")
def test_events_come_back_typed_and_in_order(database: Place) -> None:
    found = events(database)
    assert [event.seq for event in found] == list(range(1, 13))
    first = found[0]
    assert first.event_type is EventType.ALERT_CREATED
    assert first.recorded_at.tzinfo is not None
    assert first.previous_checksum == GENESIS
    assert first.payload is not None
    assert first.payload.message == "alert 0"
    assert first.payload.details == {"n": 0}


@in_every_backend("database")
def test_a_reader_pages_by_the_last_seq_it_saw(database: Place) -> None:
    assert [event.seq for event in events(database, after_seq=4, limit=3)] == [5, 6, 7]
    assert events(database, after_seq=12) == []


@in_every_backend("database")
def test_a_connection_serves_as_well_as_a_path(reading: Connection) -> None:
    assert len(events(reading, limit=5)) == 5
    assert head(reading).size == 12


@in_every_backend("database")
def test_the_head_is_the_last_checksum(database: Place) -> None:
    assert head(database).checksum == events(database, after_seq=11)[0].checksum


@in_every_backend("database")
def test_a_read_only_connection_cannot_write(reading: Connection) -> None:
    with pytest.raises(DATABASE_ERRORS, match=r"read-?only"):
        reading.execute("DELETE FROM audit_payload")


def test_a_damaged_record_is_never_shown_as_if_it_were_whole(
    database: Path, tamper: Tamper
) -> None:
    tamper(database, "UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 3")
    assert len(events(database, limit=2)) == 2
    with pytest.raises(DamagedRecordError, match="record 3") as caught:
        events(database)
    assert caught.value.seq == 3


def test_without_validation_what_can_be_read_is_shown(database: Path, tamper: Tamper) -> None:
    tamper(database, "UPDATE audit_payload SET salt = NULL, payload = NULL WHERE seq = 3")
    assert events(database, validate=False)[2].payload is None
