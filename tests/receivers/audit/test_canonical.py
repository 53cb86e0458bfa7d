"""Canonical JSON: the published vectors, the fast path, and what is refused both ways."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from types import MappingProxyType
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.canonical import DEEPEST, LARGEST_INTEGER, decode, encode
from risk_receivers.audit.errors import NotCanonicalError, UnrecordableError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import Header, timestamp
from risk_receivers.audit.payload import Payload

#: Without a zone, as hypothesis wants them.
BOUNDS = (datetime.fromisoformat("1900-01-01"), datetime.fromisoformat("2900-01-01"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def test_the_library_gives_the_output_of_the_rfcs_own_example() -> None:
    value = json.loads(
        r'{"numbers":[333333333.33333329,1E30,4.50,2e-3,0.000000000000000000000000001],'
        r'"string":"\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/",'
        r'"literals":[null,true,false]}'
    )
    assert rfc8785.dumps(value) == bytes.fromhex(
        "7b226c69746572616c73223a5b6e756c6c2c747275652c66616c73655d2c226e756d62657273223a"
        "5b3333333333333333332e333333333333332c31652b33302c342e352c302e3030322c31652d3237"
        "5d2c22737472696e67223a22e282ac245c75303030665c6e4127425c225c5c5c5c5c222f227d"
    )


@pytest.mark.parametrize(
    ("source", "canonical"),
    [
        (
            (
                r'{"\u20ac":"Euro Sign","1":"One","\u0080":"Control\u007f",'
                r'"\ud83d\ude02":"Smiley","\u00f6":"Latin Small Letter O With Diaeresis",'
                r'"\ufb33":"Hebrew Letter Dalet With Dagesh","</script>":"Browser Challenge"}'
            ),
            (
                '{"1":"One","</script>":"Browser Challenge","\u0080":"Control\u007f",'
                '"\u00f6":"Latin Small Letter O With Diaeresis","\u20ac":"Euro Sign",'
                '"\U0001f602":"Smiley","\ufb33":"Hebrew Letter Dalet With Dagesh"}'
            ),
        ),
        (
            r'{"1":{"f":{"f":"hi","F":5},"\n":56},"10":{},"":"empty","a":{},"111":[{}],"A":{}}',
            r'{"":"empty","1":{"\n":56,"f":{"F":5,"f":"hi"}},"10":{},"111":[{}],"A":{},"a":{}}',
        ),
        (
            '{"peach":"a","p\u00e9ch\u00e9":"b","p\u00eache":"c","sin":"d"}',
            '{"peach":"a","p\u00e9ch\u00e9":"b","p\u00eache":"c","sin":"d"}',
        ),
        (
            r'{"Unnormalized Unicode":"A\u030a"}',
            '{"Unnormalized Unicode":"A\u030a"}',
        ),
        (
            r'"\u20ac$\u000F\u000aA\u0027\u0042\u0022\u005c\\\"\/"',
            '"\u20ac$\\u000f\\nA\'B\\"\\\\\\\\\\"/"',
        ),
    ],
    ids=["weird", "structures", "french", "unicode", "string"],
)
def test_the_published_vectors_come_out_byte_by_byte(source: str, canonical: str) -> None:
    assert encode(json.loads(source)) == canonical.encode()
    assert decode(canonical.encode()) == json.loads(source)


@given(VALUES)
def test_every_value_has_the_bytes_that_the_library_gives_it(value: Any) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(st.dictionaries(st.text(st.characters(max_codepoint=127)), VALUES))
def test_the_fast_path_gives_the_bytes_of_the_library(value: dict[str, Any]) -> None:
    assert encode(value) == rfc8785.dumps(value)


@given(st.text(), st.none() | st.text(), st.dictionaries(st.text(), VALUES))
def test_a_payload_has_the_bytes_of_the_library(
    words: str, maybe: str | None, details: dict[str, Any]
) -> None:
    fields: dict[str, Any] = {
        **dict.fromkeys(("id", "message", "action_taken", "action_reason"), words),
        **dict.fromkeys(("alert_id", "trade_id", "position_id", "actor_id"), maybe),
        "severity": None if maybe is None else Severity.INFO,
        "category": None if maybe is None else Category.DRAWDOWN,
        "actor_type": ActorType.USER,
        "details": details,
    }
    assert Payload(**fields).encode() == rfc8785.dumps(fields)


@given(
    st.text(),
    st.none() | st.datetimes(timezones=st.just(UTC)),
    st.datetimes(*BOUNDS, timezones=st.timezones()),
    st.integers(1, LARGEST_INTEGER),
)
def test_a_header_has_the_bytes_of_the_library(
    origin: str, expires_at: datetime | None, recorded_at: datetime, seq: int
) -> None:
    header = Header("A_TYPE", expires_at, origin, "0" * 64, "f" * 64, recorded_at, seq)
    fields: dict[str, Any] = {
        "event_type": "A_TYPE",
        "expires_at": None if expires_at is None else timestamp(expires_at),
        "origin": origin,
        "payload_hash": "0" * 64,
        "previous_checksum": "f" * 64,
        "recorded_at": timestamp(recorded_at),
        "schema": 1,
        "seq": seq,
    }
    assert header.encode() == rfc8785.dumps(fields)


def test_what_a_payload_cannot_hold_is_refused_with_its_whole_path() -> None:
    deep: Any = "end"
    for _ in range(DEEPEST):
        deep = [deep]
    refused: list[tuple[Any, str]] = [
        ({"legs": [{"loss": 0.5}]}, r"details\.legs\[0\]\.loss: a float"),
        ({"a": deep}, f"details.*deeper than {DEEPEST}"),
        ({"n": 2**60}, r"details\.n: an integer beyond"),
    ]
    for details, reason in refused:
        with pytest.raises(UnrecordableError, match=reason):
            AuditEvent(EventType.ALERT_CREATED, "x", details=details)


def test_the_hour_that_a_summer_ends_with_is_told_apart_from_the_one_before_it() -> None:
    berlin = ZoneInfo("Europe/Berlin")
    first = datetime(2025, 10, 26, 2, 30, tzinfo=berlin)
    assert timestamp(first) == "2025-10-26T00:30:00.000000Z"
    assert timestamp(first.replace(fold=1)) == "2025-10-26T01:30:00.000000Z"


@given(VALUES)
def test_what_was_encoded_is_decoded_to_the_same_value(value: object) -> None:
    assert decode(encode(value)) == value


@pytest.mark.parametrize("number", [0.25, 1.0, math.nan, math.inf, -math.inf])
def test_a_float_is_refused_with_its_path_and_the_remedy(number: float) -> None:
    with pytest.raises(UnrecordableError, match=r"details\.legs\[1\]\.loss.*decimal string"):
        encode({"details": {"legs": [{}, {"loss": number}]}})


@pytest.mark.parametrize("number", [LARGEST_INTEGER + 1, -LARGEST_INTEGER - 1, 10**400])
def test_an_integer_that_json_cannot_hold_exactly_is_refused(number: int) -> None:
    with pytest.raises(UnrecordableError, match=r"beyond 2\^53 - 1.*string"):
        encode({"n": number})


def test_the_largest_exact_integers_are_kept() -> None:
    assert encode([LARGEST_INTEGER, -LARGEST_INTEGER]) == b"[9007199254740991,-9007199254740991]"


@pytest.mark.parametrize("value", [Decimal("1.5"), b"x", {1, 2}, object()])
def test_what_is_not_json_is_refused(value: object) -> None:
    with pytest.raises(UnrecordableError, match=type(value).__name__):
        encode({"x": value})


def test_a_key_that_is_not_text_is_refused() -> None:
    with pytest.raises(UnrecordableError, match="keys must be text"):
        encode({"outer": {1: "a"}})


@pytest.mark.parametrize("value", ["\ud800", {"\udfff": 1}, {"\u00e9": "\ud800"}])
def test_half_a_surrogate_pair_is_refused(value: object) -> None:
    with pytest.raises(UnrecordableError, match="surrogate"):
        encode(value)


def test_nesting_without_end_is_refused() -> None:
    endless: list[object] = []
    endless.append(endless)
    with pytest.raises(UnrecordableError, match=f"deeper than {DEEPEST}"):
        encode(endless)


def test_any_mapping_and_tuple_is_taken() -> None:
    table: Mapping[str, object] = MappingProxyType({"b": (1, 2), "a": None})
    assert encode(table) == b'{"a":null,"b":[1,2]}'


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b'{"a":1,"a":1}', "key 'a' twice"),
        (b'{"b":1,"a":2}', "not in its canonical form"),
        (b'{"a": 1}', "not in its canonical form"),
        (b'"\\u0041"', "not in its canonical form"),
        (b'"\\/"', "not in its canonical form"),
        (b"-0", "not in its canonical form"),
        (b"1.5", "floats are never written"),
        (b"1e3", "floats are never written"),
        (b"NaN", "floats are never written"),
        (b"9007199254740992", "beyond 2\\^53"),
        (b"9" * 5000, "is not JSON"),
        (b'"\\ud800"', "surrogate"),
        (b'"\xff"', "is not UTF-8"),
        (b'\xef\xbb\xbf"a"', "is not JSON"),
        ('"a"'.encode("utf-16"), "is not UTF-8"),
        (b"", "is not JSON"),
        (b'{"a":1', "is not JSON"),
        (b"[" * 200_000, "deeper than"),
        (b"[" * 40 + b"]" * 40, "deeper than"),
    ],
)
def test_bytes_that_are_never_written_are_refused_with_the_reason(data: bytes, reason: str) -> None:
    with pytest.raises(NotCanonicalError, match=reason):
        decode(data)
