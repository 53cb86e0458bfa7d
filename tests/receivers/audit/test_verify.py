"""Tampering, one kind at a time, and any at all."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.audit.canonical import LARGEST_INTEGER
from risk_receivers.audit.chain import EMPTY, Head, Record, leaf_hash, payload_hash
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import parse_header
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import verify

Rows = list[StoredRow]
Chain = Callable[[Sequence[AuditEvent]], list[Record]]
Stored = Callable[[Sequence[Record]], Rows]

DETAILS = st.dictionaries(
    st.text(),
    st.recursive(
        st.none() | st.booleans() | st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=6,
    ),
    max_size=3,
)
EVENTS = st.builds(
    AuditEvent,
    event_type=st.sampled_from(EventType),
    message=st.text(),
    severity=st.none() | st.sampled_from(Severity),
    alert_id=st.none() | st.text(),
    details=DETAILS,
    actor_id=st.none() | st.text(),
)


def blob(cell: object) -> bytes:
    assert isinstance(cell, bytes)
    return cell


def number(cell: object) -> int:
    assert isinstance(cell, int)
    return cell


def messages(rows: Rows) -> list[str]:
    return [str(problem) for problem in verify(rows).problems]


def forged(row: StoredRow, **changes: Any) -> StoredRow:
    """A row whose header was changed by somebody who knows how checksums are made."""
    header = parse_header(blob(row.header))._replace(**changes).encode()
    return row._replace(header=header, checksum=leaf_hash(header))


def moved(row: StoredRow, by: int) -> StoredRow:
    seq = number(row.seq) + by
    return forged(row, seq=seq)._replace(seq=seq)


def head_of(row: StoredRow) -> Head:
    return Head(number(row.seq), blob(row.checksum).hex())


def test_an_untouched_chain_verifies(rows: Rows) -> None:
    found = verify(rows, expected=head_of(rows[-1]))
    assert (found.ok, found.events, found.head) == (True, 6, head_of(rows[5]))
    assert found.problems == found.warnings == ()


def test_a_chain_without_events_verifies() -> None:
    found = verify([], expected=EMPTY)
    assert (found.ok, found.events, found.head) == (True, 0, EMPTY)


@given(st.lists(EVENTS, max_size=6))
@settings(max_examples=50)
def test_any_events_make_a_chain_that_verifies(
    chain: Chain, stored: Stored, events: list[AuditEvent]
) -> None:
    records = chain(events)
    assert verify(stored(records)).problems == ()


def test_every_single_bit_flipped_in_any_stored_byte_is_caught(rows: Rows) -> None:
    for position, row in enumerate(rows[:2]):
        for name in ("header", "checksum", "salt", "payload"):
            cell = getattr(row, name)
            for index in range(len(cell)):
                flipped = bytearray(cell)
                flipped[index] ^= 1 << (index % 8)
                changed = list(rows[:2])
                changed[position] = row._replace(**{name: bytes(flipped)})
                assert not verify(changed).ok, (position, name, index)


@given(st.data())
@settings(max_examples=150)
def test_any_single_byte_changed_removed_or_added_is_caught(
    chain: Chain, stored: Stored, data: st.DataObject
) -> None:
    rows = stored(chain(data.draw(st.lists(EVENTS, min_size=1, max_size=4))))
    position = data.draw(st.integers(0, len(rows) - 1))
    name = data.draw(st.sampled_from(("header", "checksum", "salt", "payload")))
    cell: bytes = getattr(rows[position], name)
    index = data.draw(st.integers(0, len(cell) - 1))
    other = data.draw(st.integers(0, 255).filter(lambda byte: byte != cell[index]))
    how = data.draw(st.sampled_from(("change", "remove", "add")))
    middle = b"" if how == "remove" else bytes([other])
    rest = cell[index:] if how == "add" else cell[index + 1 :]
    rows[position] = rows[position]._replace(**{name: cell[:index] + middle + rest})
    found = verify(rows)
    assert not found.ok
    assert found.problems[0].seq == position + 1


def test_an_edited_payload_is_caught(rows: Rows) -> None:
    rows[2] = rows[2]._replace(payload=blob(rows[2].payload).replace(b"7 %", b"1 %"))
    assert messages(rows) == [
        "record 3: the payload is not the one that the header's hash was made of"
    ]


def test_an_edited_payload_with_its_hash_is_caught(rows: Rows) -> None:
    payload = blob(rows[2].payload).replace(b"7 %", b"1 %")
    hashed = payload_hash(blob(rows[2].salt), payload).hex()
    header = parse_header(blob(rows[2].header))._replace(payload_hash=hashed).encode()
    rows[2] = rows[2]._replace(payload=payload, header=header)
    assert "record 3: the stored checksum is not the header's; one of them was changed" in messages(
        rows
    )


def test_an_edited_record_with_its_own_checksum_is_caught_by_the_next(rows: Rows) -> None:
    payload = blob(rows[2].payload).replace(b"7 %", b"1 %")
    rows[2] = forged(
        rows[2]._replace(payload=payload),
        payload_hash=payload_hash(blob(rows[2].salt), payload).hex(),
    )
    assert messages(rows) == [
        "record 4: does not follow from the record before it; the link between them is broken"
    ]


def test_a_changed_event_type_is_caught(rows: Rows) -> None:
    rows[3] = forged(rows[3], event_type=EventType.ALERT_CREATED)
    assert [problem.seq for problem in verify(rows).problems] == [5]


def test_a_deleted_record_is_caught(rows: Rows) -> None:
    del rows[2]
    assert messages(rows)[0] == "record 4: record 3 is missing before it"


def test_several_deleted_records_are_named(rows: Rows) -> None:
    del rows[1:4]
    assert messages(rows)[0] == "record 5: 2 to 4 are missing before it"


def test_a_deleted_first_record_is_caught(rows: Rows) -> None:
    assert messages(rows[1:])[0] == "record 2: record 1 is missing before it"


def test_a_deleted_record_with_the_rest_renumbered_is_caught(rows: Rows) -> None:
    later = [moved(row, -1) for row in rows[3:]]
    assert verify([*rows[:2], *later]).problems[0].seq == 3


def test_swapped_records_are_caught(rows: Rows) -> None:
    rows[1], rows[2] = rows[2]._replace(seq=2), rows[1]._replace(seq=3)
    assert "record 2: the header says seq 3; it was moved here or copied from there" in messages(
        rows
    )


def test_an_inserted_record_is_caught(rows: Rows) -> None:
    later = [moved(row, 1) for row in rows[3:]]
    extra = forged(rows[2], seq=4, previous_checksum=head_of(rows[2]).checksum)._replace(seq=4)
    assert verify([*rows[:3], extra, *later]).problems[0].seq == 5


def test_a_replayed_record_is_caught(rows: Rows) -> None:
    assert messages([*rows[:4], rows[3], *rows[4:]])[0] == (
        "record 4: stands where record 5 should; it is repeated or moved"
    )
    assert not verify([*rows, rows[3]._replace(seq=7)]).ok


def test_swapped_payloads_are_caught(rows: Rows) -> None:
    first, second = rows[0], rows[1]
    rows[0] = first._replace(salt=second.salt, payload=second.payload)
    rows[1] = second._replace(salt=first.salt, payload=first.payload)
    assert [problem.seq for problem in verify(rows).problems] == [1, 2]


def test_a_duplicate_key_is_caught_even_with_matching_hashes(rows: Rows) -> None:
    header = blob(rows[5].header).replace(b'"origin":"test"', b'"origin":"evil","origin":"test"')
    rows[5] = rows[5]._replace(header=header, checksum=leaf_hash(header))
    assert messages(rows) == ["record 6: the header has the key 'origin' twice"]


def test_a_duplicate_key_in_a_payload_is_caught_even_with_matching_hashes(rows: Rows) -> None:
    payload = blob(rows[5].payload).replace(b'"samples":5', b'"samples":5,"samples":5')
    rows[5] = forged(
        rows[5]._replace(payload=payload),
        payload_hash=payload_hash(blob(rows[5].salt), payload).hex(),
    )
    assert messages(rows) == ["record 6: the payload has the key 'samples' twice"]


def test_a_header_encoded_in_another_way_is_caught_even_with_its_checksum(rows: Rows) -> None:
    header = json.dumps(json.loads(blob(rows[5].header))).encode()
    rows[5] = rows[5]._replace(header=header, checksum=leaf_hash(header))
    assert messages(rows) == ["record 6: the header is JSON, but not in its canonical form"]


@pytest.mark.parametrize("name", ["header", "checksum", "salt", "payload"])
@pytest.mark.parametrize("garbage", [b"", b"\x00\xff" * 20, b"{}", b"[]", b"null"])
def test_garbage_in_any_blob_is_caught(rows: Rows, name: str, garbage: bytes) -> None:
    rows[5] = rows[5]._replace(**{name: garbage})
    assert not verify(rows).ok


@pytest.mark.parametrize("name", ["header", "checksum", "salt", "payload"])
def test_a_truncated_blob_is_caught(rows: Rows, name: str) -> None:
    rows[5] = rows[5]._replace(**{name: getattr(rows[5], name)[:-1]})
    assert not verify(rows).ok


@pytest.mark.parametrize("name", ["seq", "header", "checksum", "salt", "payload"])
@pytest.mark.parametrize("cell", [None, "text", 1.5, -1])
def test_a_cell_of_the_wrong_type_is_caught(rows: Rows, name: str, cell: object) -> None:
    rows[1] = rows[1]._replace(**{name: cell})
    assert not verify(rows).ok


def test_text_that_equals_the_bytes_is_still_the_wrong_type(rows: Rows) -> None:
    rows[5] = rows[5]._replace(payload=blob(rows[5].payload).decode())
    assert messages(rows) == ["record 6: the payload is str, not bytes"]


def test_a_missing_payload_is_caught(rows: Rows) -> None:
    rows[1] = rows[1]._replace(salt=None, payload=None)
    assert messages(rows) == ["record 2: the payload is missing, and no retention allowed that"]


def test_a_payload_with_a_wrong_field_is_caught_even_with_matching_hashes(rows: Rows) -> None:
    payload = blob(rows[5].payload).replace(b'"severity":"warning"', b'"severity":"fatal"')
    rows[5] = forged(
        rows[5]._replace(payload=payload),
        payload_hash=payload_hash(blob(rows[5].salt), payload).hex(),
    )
    assert "the payload severity is 'fatal'" in messages(rows)[0]


def test_a_clock_that_stepped_back_is_a_warning_and_no_problem(
    chain: Chain, stored: Stored
) -> None:
    records = chain([AuditEvent(EventType.ALERT_CREATED, "x")] * 2)
    first = parse_header(records[0].header)
    later = first._replace(recorded_at=first.recorded_at + timedelta(hours=1)).encode()
    second = parse_header(records[1].header)
    linked = second._replace(previous_checksum=leaf_hash(later).hex()).encode()
    found = verify(
        stored(
            [
                replace(records[0], header=later, checksum=leaf_hash(later)),
                replace(records[1], header=linked, checksum=leaf_hash(linked)),
            ]
        )
    )
    assert found.ok
    assert [warning.seq for warning in found.warnings] == [2]


def test_a_chain_cut_off_at_its_end_is_caught_by_a_head_noted_before(rows: Rows) -> None:
    noted = head_of(rows[5])
    assert verify(rows[:4]).ok
    found = verify(rows[:4], expected=noted)
    assert not found.ok
    assert "cut off" in found.problems[0].message
    assert not verify([], expected=noted).ok


def test_a_chain_rewritten_as_a_whole_is_caught_by_a_head_noted_before(
    rows: Rows, chain: Chain, stored: Stored
) -> None:
    rewritten = stored(chain([AuditEvent(EventType.ALERT_CREATED, "all is well")] * 9))
    assert verify(rewritten).ok
    found = verify(rewritten, expected=head_of(rows[5]))
    assert not found.ok
    assert "rewritten" in found.problems[0].message


def test_a_chain_that_grew_still_passes_through_a_head_noted_before(rows: Rows) -> None:
    assert verify(rows, expected=head_of(rows[2])).ok
    assert verify(rows, expected=EMPTY).ok


def test_a_head_that_was_cut_short_is_held_against_the_chain_all_the_same(rows: Rows) -> None:
    tree = str(verify(rows).tree)
    for head in (tree[:24], tree[:14]):
        assert verify(rows, expected=Head.parse(head)).ok
        other = head[:-1] + ("0" if head[-1] != "0" else "1")
        assert "rewritten" in str(verify(rows, expected=Head.parse(other)).problems[0])
    with pytest.raises(ValueError, match="the first of them"):
        Head.parse(tree[:13])


def test_the_head_of_an_empty_chain_is_one_that_every_chain_passes_through(rows: Rows) -> None:
    empty = verify([])
    for expected in (Head.parse(str(empty.tree)), empty.head):
        assert verify(rows, expected=expected).ok
    assert not verify(rows, expected=Head(0, "1" * 64)).ok


def test_all_problems_are_counted_and_only_the_first_are_kept(rows: Rows) -> None:
    broken = [row._replace(payload=b"{}") for row in rows]
    found = verify(broken, keep=3)
    assert len(found.problems) == 3
    assert found.problem_count == 12
    assert len(verify(broken).problems) == 10
