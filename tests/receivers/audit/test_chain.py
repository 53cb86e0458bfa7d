"""Hashes, headers and links, against values computed elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from itertools import pairwise

import pytest

from risk_policy.contracts.audit import GENESIS, HEADER_FIELDS, PAYLOAD_FIELDS, EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.chain import EMPTY, Head, Record, follow, leaf_hash, payload_hash
from risk_receivers.audit.errors import NotCanonicalError, UnrecordableError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import parse_header, timestamp
from risk_receivers.audit.payload import parse_payload

MOMENT = datetime(2030, 1, 31, 12, 0, 0, 250, tzinfo=UTC)
SALT = bytes(range(16))

Chain = Callable[[Sequence[AuditEvent]], list[Record]]


def first(event: AuditEvent, keep_days: int | None = 90, moment: datetime = MOMENT) -> Record:
    return follow(EMPTY, event, origin="test", recorded_at=moment, keep_days=keep_days, salt=SALT)


@pytest.mark.parametrize("origin", ["receivers", 'desk "ä"', "desk\\two\n"])
def test_a_header_is_read_as_it_was_written_however_its_origin_is_spelt(origin: str) -> None:
    event = AuditEvent(EventType.ALERT_CREATED, "x")
    record = follow(EMPTY, event, origin=origin, recorded_at=MOMENT, keep_days=90, salt=SALT)
    header = parse_header(record.header)
    assert header.encode() == record.header
    assert (header.seq, header.origin, header.event_type) == (1, origin, EventType.ALERT_CREATED)
    assert type(header.event_type) is EventType
    assert (header.recorded_at, header.expires_at) == (MOMENT, MOMENT + timedelta(days=90))


@pytest.mark.parametrize(
    ("leaf", "digest"),
    [
        ("", "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"),
        ("00", "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"),
        ("10", "0298d122906dcfc10892cb53a73992fc5b9f493ea4c9badb27b791b4127a7fe7"),
        ("2021", "07506a85fd9dd2f120eb694f86011e5bb4662e5c415a62917033d4a9624487e7"),
    ],
)
def test_a_leaf_has_the_hash_of_certificate_transparency(leaf: str, digest: str) -> None:
    assert leaf_hash(bytes.fromhex(leaf)).hex() == digest


def test_a_payload_is_hashed_with_its_domain_and_salt() -> None:
    assert payload_hash(SALT, b"{}") == sha256(b"\x02" + SALT + b"{}").digest()


def test_a_salt_of_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        payload_hash(b"short", b"{}")


def test_a_record_is_these_bytes() -> None:
    event = AuditEvent(EventType.ALERT_CREATED, "drawdown", details={"v": "0.1"}, id="e-1")
    record = first(event)
    assert record.payload == (
        b'{"action_reason":"","action_taken":"","actor_id":null,"actor_type":"SYSTEM",'
        b'"alert_id":null,"category":null,"details":{"v":"0.1"},"id":"e-1",'
        b'"message":"drawdown","position_id":null,"severity":null,"trade_id":null}'
    )
    hashed = sha256(b"\x02" + SALT + record.payload).hexdigest()
    assert record.header.decode() == (
        '{"event_type":"ALERT_CREATED","expires_at":"2030-05-01T12:00:00.000250Z",'
        f'"origin":"test","payload_hash":"{hashed}","previous_checksum":"{"0" * 64}",'
        '"recorded_at":"2030-01-31T12:00:00.000250Z","schema":1,"seq":1}'
    )
    assert record.checksum == sha256(b"\x00" + record.header).digest()


def test_header_and_payload_hold_exactly_the_contracts_fields() -> None:
    record = first(AuditEvent(EventType.SERVICE_STARTED, "up"))
    assert tuple(json.loads(record.header)) == HEADER_FIELDS
    assert tuple(json.loads(record.payload)) == PAYLOAD_FIELDS


def test_the_first_record_follows_the_genesis_value() -> None:
    assert Head(0, GENESIS) == EMPTY
    record = first(AuditEvent(EventType.SERVICE_STARTED, "up"))
    assert parse_header(record.header).previous_checksum == GENESIS


def test_each_record_names_the_checksum_before_it(chain: Chain) -> None:
    records = chain([AuditEvent(EventType.ALERT_CREATED, str(n)) for n in range(5)])
    assert [parse_header(r.header).seq for r in records] == [1, 2, 3, 4, 5]
    for before, after in pairwise(records):
        assert parse_header(after.header).previous_checksum == before.checksum.hex()


@pytest.mark.parametrize(
    ("event_type", "days"),
    [
        (EventType.ALERT_CREATED, 90),
        (EventType.TRADE_BLOCKED, 365),
        (EventType.KILL_SWITCH_ACTIVATED, None),
    ],
)
def test_the_policy_says_when_a_payload_expires(event_type: EventType, days: int | None) -> None:
    record = first(AuditEvent(event_type, "x"), AuditRetention().days_for(event_type))
    expires_at = parse_header(record.header).expires_at
    assert expires_at == (None if days is None else MOMENT + timedelta(days=days))


def test_times_are_utc_whatever_the_zone_they_came_in() -> None:
    eastern = MOMENT.astimezone(timezone(timedelta(hours=-5)))
    assert timestamp(eastern) == "2030-01-31T12:00:00.000250Z"
    assert timestamp(datetime(2030, 1, 1, tzinfo=UTC)) == "2030-01-01T00:00:00.000000Z"


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(UnrecordableError, match="zone"):
        timestamp(datetime(2030, 1, 1))  # noqa: DTZ001 - the point


def test_a_float_is_refused_when_the_event_is_made() -> None:
    with pytest.raises(UnrecordableError, match=r"details\.loss.*decimal strings"):
        AuditEvent(EventType.ALERT_CREATED, "x", details={"loss": 0.1})  # type: ignore[dict-item] # the point


@pytest.mark.parametrize(
    "wrong",
    [
        {"event_type": "ALERT_MADE_UP"},
        {"message": None},
        {"severity": "catastrophic"},
        {"category": 3},
        {"alert_id": 7},
        {"details": ["a"]},
        {"actor_type": None},
    ],
)
def test_an_event_with_a_wrong_field_is_refused_by_its_name(wrong: dict[str, object]) -> None:
    fields: dict[str, object] = {"event_type": EventType.ALERT_CREATED, "message": "x"} | wrong
    with pytest.raises(UnrecordableError, match=next(iter(wrong))):
        AuditEvent(**fields)  # type: ignore[arg-type] # the point


def test_changing_the_details_afterwards_does_not_change_the_event() -> None:
    details = {"n": "1"}
    event = AuditEvent(EventType.ALERT_CREATED, "x", details=details)
    details["n"] = "2"
    assert parse_payload(event.payload).details == {"n": "1"}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("schema", True),
        ("schema", 2),
        ("seq", 0),
        ("seq", True),
        ("seq", "1"),
        ("event_type", "alert created"),
        ("event_type", "ALERT_CREATED\n"),
        ("event_type", None),
        ("origin", ""),
        ("payload_hash", "A" * 64),
        ("payload_hash", "a" * 63),
        ("previous_checksum", 0),
        ("recorded_at", "2030-01-31T12:00:00Z"),
        ("recorded_at", "2030-01-31T12:00:00.000000+00:00"),
        ("recorded_at", "2030-01-31T13:00:00.000000+01:00"),
        ("recorded_at", "2030-02-30T12:00:00.000000Z"),
        ("recorded_at", "2030-01-31T12:00:00.000000"),
        ("recorded_at", None),
        ("expires_at", ""),
        ("expires_at", 5),
    ],
)
def test_a_header_with_a_wrong_value_is_refused_by_its_field(field: str, value: object) -> None:
    header = json.loads(first(AuditEvent(EventType.ALERT_CREATED, "x")).header) | {field: value}
    data = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    with pytest.raises(NotCanonicalError, match=field):
        parse_header(data)


def test_a_header_with_one_field_more_or_less_is_refused() -> None:
    header = json.loads(first(AuditEvent(EventType.ALERT_CREATED, "x")).header)
    for changed in ({**header, "note": 1}, {k: v for k, v in header.items() if k != "origin"}):
        data = json.dumps(changed, sort_keys=True, separators=(",", ":")).encode()
        with pytest.raises(NotCanonicalError, match=r"note|origin"):
            parse_header(data)


def test_an_event_type_of_a_newer_version_is_still_read() -> None:
    header = json.loads(first(AuditEvent(EventType.ALERT_CREATED, "x")).header)
    header["event_type"] = "KEY_ROTATED"
    data = json.dumps(header, sort_keys=True, separators=(",", ":")).encode()
    assert parse_header(data).event_type == "KEY_ROTATED"
