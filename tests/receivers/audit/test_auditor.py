"""The auditor's verifier and this program's call the same things wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from chain_archive import Archive
from hand_made_exports import NOW, SIGNER, a_chain, as_lines, audited, ended
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import force_setattr
from signed_notes import NoteSigner, checkpoint, rfc9162_root

from risk_policy.contracts.audit import PAYLOAD_FIELDS, ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import checkpoint_table, export, tables
from risk_receivers.audit.canonical import encode
from risk_receivers.audit.chain import EMPTY, Head, Record, follow, leaf_hash
from risk_receivers.audit.errors import UnrecordableError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.export import ALWAYS_TOLD
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.selection import Selection
from risk_receivers.audit.verify import verify as verify_rows
from risk_receivers.store.writer import Transaction
from riskwarden.auditor import riskwarden_verify as auditor

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) - 5, 2**53 + 5) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=300, deadline=None)
@given(details=_JSON, spaced=st.booleans(), ascii_only=st.booleans())
def test_both_verifiers_agree_on_what_a_record_may_hold(
    details: Any, spaced: bool, ascii_only: bool
) -> None:
    fields: dict[str, Any] = dict.fromkeys(PAYLOAD_FIELDS)
    fields |= {"id": "1", "message": "m", "action_taken": "", "action_reason": ""}
    fields |= {"actor_type": "SYSTEM", "details": details}
    try:
        payload = json.dumps(
            fields,
            ensure_ascii=ascii_only,
            sort_keys=True,
            separators=(", " if spaced else ",", ":"),
        ).encode()
    except UnicodeEncodeError:
        return
    agreed(payload)


def agreed(payload: bytes) -> bool:
    """Whether a record with this payload is right: all ways to look at it say the same."""
    event = AuditEvent(EventType.ALERT_CREATED, "m")
    force_setattr(event, "payload", payload)
    record = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=1, salt=bytes(16))
    row = StoredRow(record.seq, record.header, record.checksum, record.salt, record.payload)
    line = as_lines([record])[1]
    block = auditor.check_block(1, line)
    is_right = not block.problems
    assert is_right == (not check_record(row).problems)
    assert is_right == (not check_record(row, reads_others=False).problems)
    assert block.leaves in (record.checksum, bytes(32))
    return is_right


_PLAIN = AuditEvent(
    EventType.ALERT_CREATED, "drawdown is 10 %", details={"n": 1, "why": "}"}, alert_id="d/main"
).payload


@pytest.mark.parametrize("sign", [1, -1])
def test_both_verifiers_agree_on_the_largest_integer(sign: int) -> None:
    for number, right in ((2**53 - 1, True), (2**53, False)):
        assert agreed(_PLAIN.replace(b'"n":1', b'"n":%d' % (sign * number))) is right


def test_a_line_that_names_another_record_or_cannot_be_read_is_told_in_its_place() -> None:
    event, salt = AuditEvent(EventType.ALERT_CREATED, "m"), bytes(16)
    first = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=1, salt=salt)
    second = follow(first.head, event, origin="o", recorded_at=NOW, keep_days=1, salt=salt)
    _, one, two = as_lines([first, second])
    whole = auditor.check_block(1, one + two)
    assert (whole.problems, whole.leaves) == ([], first.checksum + second.checksum)
    renamed = auditor.check_block(1, one.replace(b'{"seq":1,', b'{"seq":3,') + two)
    assert [seq for seq, _ in renamed.problems] == [1]
    assert "stands where record 1 should" in renamed.problems[0][1]
    broken = auditor.check_block(1, b'{"seq":1}\n' + two)
    assert [seq for seq, _ in broken.problems] == [1]
    assert broken.stamps == "0001-01-01T00:00:00.000000Z" + whole.stamps[27:], "one for each line"
    assert broken.leaves == bytes(32) + second.checksum
    assert auditor.check_block(2, two).previous == first.checksum.hex()


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(_PLAIN)), st.integers(0, 3), st.text('"\\{}[],:an0 \x01\x7fé', max_size=3)
)
def test_a_glance_takes_no_payload_that_care_refuses(at: int, gone: int, put: str) -> None:
    agreed(_PLAIN[:at] + put.encode() + _PLAIN[at + gone :])


def test_both_verifiers_agree_on_what_each_field_of_a_payload_may_hold() -> None:
    honest = json.loads(_PLAIN)
    right = dict.fromkeys(PAYLOAD_FIELDS, 0)
    for name in PAYLOAD_FIELDS:
        for value in (None, "", "x", "warning", "system", "USER", 7, True, [], {}, ["x"], {"x": 1}):
            right[name] += agreed(encode({**honest, name: value}))
        for gone in ({name: None}, {name: "x", "more": "x"}):
            rest = {key: one for key, one in honest.items() if key != name}
            assert not agreed(encode({**rest, **{f"{key}s": one for key, one in gone.items()}}))
        assert not agreed(encode({key: one for key, one in honest.items() if key != name}))
    assert right == {
        **dict.fromkeys(("id", "message", "action_taken", "action_reason"), 5),
        **dict.fromkeys(("alert_id", "trade_id", "position_id", "actor_id"), 6),
        "severity": 2,
        "category": 2,
        "actor_type": 1,
        "details": 2,
    }


def test_a_payload_may_be_nested_as_deep_for_a_glance_as_for_care() -> None:
    assert agreed(_PLAIN)
    for levels, is_right in ((29, True), (30, True), (31, False), (32, False)):
        nested = b"[" * levels + b"]" * levels
        assert agreed(_PLAIN.replace(b'"n":1', b'"n":' + nested)) == is_right, levels
        beside = b"[[]," + nested[1:]  # more brackets than levels
        assert agreed(_PLAIN.replace(b'"n":1', b'"n":' + beside)) == is_right, levels


@pytest.mark.parametrize(
    "edit",
    [
        lambda text: text.replace(b'"schema":1', b'"schema":2'),
        lambda text: text.replace(b'"schema":1', b'"schema":true'),
        lambda text: text.replace(b',"seq":1', b""),
        lambda text: text.replace(b'"seq":1', b'"seq":1,"seq":1'),
        lambda text: text.replace(b"{", b"{ ", 1),
        lambda text: text.replace(b"2030-06-01T", b"2030-02-30T", 1),
        lambda text: text.replace(b"T00:00:00.000000Z", b"T00:00:00Z"),
        lambda text: text.replace(b"T00:00:00.000000Z", b"T24:00:00.000000Z"),
        lambda text: text.replace(b'"origin":"o"', b'"origin":""'),
        lambda text: text.replace(b'"origin":"o"', b'"origin":"\\u006f"'),
        lambda text: text.replace(b"ALERT_CREATED", b"alert"),
        lambda text: text.replace(b"0" * 64, b"G" * 64),
        lambda text: text,
    ],
)
def test_both_verifiers_agree_on_headers(edit: Callable[[bytes], bytes]) -> None:
    event = AuditEvent(EventType.ALERT_CREATED, "m")
    honest = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=1, salt=bytes(16))
    header = edit(honest.header)
    record = Record(1, header, leaf_hash(header), honest.salt, honest.payload)
    row = StoredRow(1, header, record.checksum, record.salt, record.payload)
    block = auditor.check_block(1, as_lines([record])[1])
    assert bool(block.problems) == (not verify_rows([row]).ok)
    assert bool(block.problems) == (header != honest.header)


def test_it_knows_the_vocabulary_of_this_version() -> None:
    words = auditor._WORDS
    assert words["severity"] == {None, *(one.value for one in Severity)}
    assert words["category"] == {None, *(one.value for one in Category)}
    assert words["actor_type"] == {one.value for one in ActorType}
    assert set(PAYLOAD_FIELDS) == auditor._PAYLOAD_FIELDS
    assert auditor._TELLING == ALWAYS_TOLD


def test_payloads_that_no_json_of_ours_holds_are_refused_alike() -> None:
    with pytest.raises(UnrecordableError):
        encode({"a": 0.5})
    for text in (
        *('{"a":0.5}', '{"a":NaN}', '{"a":1e3}', '{"a":1,"a":1}', '{"b":1,"a":1}'),
        *('{"b":1,"a":1,"é":1}', '{"a":1,"é":1,"b":1}', '{"a":1,"é":1,"é":1}'),
    ):
        with pytest.raises(auditor.WrongError):
            auditor._canonical(text)


OLD, NEW, MALLORY = NoteSigner("desk", 1), NoteSigner("desk", 2), NoteSigner("desk", 3)


def rotated(old: NoteSigner, new: NoteSigner) -> list[Record]:
    """Four records, of which the second hands over."""
    records, head = [], EMPTY
    for number in range(4):
        kind = EventType.SIGNING_KEY_ROTATED if number == 1 else EventType.ALERT_CREATED
        details = {"verifier_key": old.vkey, "new_verifier_key": new.vkey}
        event = AuditEvent(kind, f"{number}", details=details)
        record = follow(head, event, origin="o", recorded_at=NOW, keep_days=None, salt=bytes(16))
        records.append(record)
        head = record.head
    return records


@pytest.mark.parametrize(
    ("at_two", "at_four", "pinned", "code"),
    [
        ((OLD, NEW), (NEW,), OLD, 0),
        ((OLD, NEW), (NEW,), NEW, 0),
        ((OLD, NEW), (OLD,), OLD, 1),  # what was handed over is nobody's any more
        ((OLD,), (NEW,), OLD, 1),  # the new one has not agreed
        ((NEW,), (NEW,), OLD, 1),  # nor the old one here
        ((OLD, NEW), (MALLORY,), OLD, 1),
        ((OLD, MALLORY), (MALLORY,), OLD, 1),  # nothing on record hands over to that one
        ((OLD, NEW), (NEW,), MALLORY, 1),
    ],
)
def test_only_who_the_pinned_key_handed_over_to_may_sign(
    at_two: tuple[NoteSigner, ...],
    at_four: tuple[NoteSigner, ...],
    pinned: NoteSigner,
    code: int,
    tmp_path: Path,
) -> None:
    records = rotated(OLD, NEW)
    leaves = [one.checksum for one in records]
    notes = [
        checkpoint(2, rfc9162_root(leaves[:2]), *at_two),
        checkpoint(4, rfc9162_root(leaves), *at_four),
    ]
    tail = [f"{json.dumps({'checkpoint': note})}\n".encode() for note in notes]
    report = audited(tmp_path, ended([*as_lines(records), *tail], 4), key=pinned.vkey)
    assert report.code == code, (report.problems, report.unchecked)


def test_a_stretch_from_behind_a_handover_wants_the_key_of_today(tmp_path: Path) -> None:
    records = rotated(OLD, NEW)
    leaves = [one.checksum for one in records]
    before = [rfc9162_root(leaves[:2]).hex()]
    note = checkpoint(4, rfc9162_root(leaves), NEW)
    tail = f"{json.dumps({'checkpoint': note})}\n".encode()
    content = ended([*as_lines(records[2:], before=before), tail], 2)
    assert audited(tmp_path, content, key=NEW.vkey).code == 0
    report = audited(tmp_path, content, key=OLD.vkey)
    assert report.code == 3
    assert "may have handed over before record 3" in report.unchecked[0]


LAST = NoteSigner("desk", 4)


@pytest.mark.parametrize("pinned", [OLD, NEW, LAST])
def test_every_stretch_is_proven_to_whoever_knows_a_key_of_then_or_later(
    tmp_path: Path, pinned: NoteSigner
) -> None:
    archive = Archive(tmp_path)
    for old, new in ((OLD, NEW), (NEW, LAST)):
        archive.add(count=3)
        details: dict[str, Any] = {"verifier_key": old.vkey, "new_verifier_key": new.vkey}
        archive.add(EventType.SIGNING_KEY_ROTATED, details=details)
    archive.add(count=2)
    rows = tables.read(archive.database, lambda connection: list(tables.rows(connection)))
    leaves = [row.checksum for row in rows if isinstance(row.checksum, bytes)]

    def sign(transaction: Transaction) -> None:
        for size in range(1, 11):
            signers = [OLD] * (size <= 4) + [NEW] * (4 <= size <= 8) + [LAST] * (size >= 8)
            note = checkpoint(size, rfc9162_root(leaves[:size]), *signers)
            checkpoint_table.insert(transaction.connection, note.encode(), [])

    archive.writer.run(sign, 30)
    archive.writer.stop()
    for first, last in ((1, 2), (1, 4), (1, 6), (1, 10), (2, 3), (3, 7)):
        what = export.plan(archive.database, Selection(first=first, last=last))
        lines = export.lines(archive.database, what, NOW, export.Written(), lambda *_: None)
        report = audited(tmp_path, b"".join(lines), key=pinned.vkey)
        assert (report.code, report.problems, report.unchecked) == (0, [], []), (first, last)
    content = b"".join([*as_lines(rows[:2]), *lines_of(checkpoint(2, b"0" * 32, pinned))])
    assert audited(tmp_path, ended([content], 2), key=pinned.vkey).code == 1


def lines_of(note: str) -> list[bytes]:
    return [f"{json.dumps({'checkpoint': note})}\n".encode()]


def test_a_head_that_was_kept_must_be_the_checksum_of_that_very_record(tmp_path: Path) -> None:
    records = a_chain(5)
    content = ended(as_lines(records), 5)
    for number, record in enumerate(records, 1):
        kept = f"{number}:{record.checksum.hex()}"
        assert audited(tmp_path, content, heads=(kept,)).problems == []
        other = f"{number}:{records[number % 5].checksum.hex()}"
        assert "not on this chain" in audited(tmp_path, content, heads=(other,)).problems[0]


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[]\n", "has no riskwarden_export"),
        (b"{}\n", "has no riskwarden_export"),
        (ended(as_lines(a_chain(1), first=-1), 1), "first is no number of records"),
        (ended(as_lines(a_chain(1), first="1"), 1), "first is no number of records"),
        (ended(as_lines(a_chain(1), first=True), 1), "first is no number of records"),
    ],
)
def test_what_does_not_begin_like_an_export_is_none(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    with pytest.raises(auditor.UnreadableError, match=problem):
        audited(tmp_path, content)


def test_a_signature_that_is_written_in_another_way_is_none(tmp_path: Path) -> None:
    records = a_chain(2)
    note = checkpoint(2, rfc9162_root([one.checksum for one in records]), SIGNER)
    assert note.endswith("=\n")
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    other = f"{note[:-3]}{alphabet[alphabet.index(note[-3]) + 1]}=\n"
    for told, problems in ((note, ""), (other, "not base64")):
        content = b"".join([*as_lines(records), *lines_of(told)])
        report = audited(tmp_path, ended([content], 2), key=SIGNER.vkey)
        assert problems in "".join(report.problems)
        assert (report.problems == []) is (told == note)


def test_a_chain_begins_with_a_record_that_follows_none(tmp_path: Path) -> None:
    event = AuditEvent(EventType.ALERT_CREATED, "m")
    head = Head(0, "1" * 64)
    first = follow(head, event, origin="o", recorded_at=NOW, keep_days=1, salt=bytes(16))
    assert audited(tmp_path, ended(as_lines([first]), 1)).problems == [
        "record 1: is not the first of a chain, as its number says"
    ]


def test_a_checkpoint_beyond_the_export_has_the_hashes_that_lead_there_and_no_others(
    tmp_path: Path,
) -> None:
    records = a_chain(5)
    leaves = [one.checksum for one in records]
    note = checkpoint(5, rfc9162_root(leaves), SIGNER)
    for after, problem in (
        ([leaves[3], leaves[4]], ""),
        ([leaves[3]], "not as many"),
        ([leaves[3], leaves[4], leaves[4]], "not as many"),
        ([leaves[4], leaves[3]], "do not lead to the root that was signed for 5"),
    ):
        told = {"checkpoint": note, "after": [one.hex() for one in after]}
        content = ended([*as_lines(records[:3]), f"{json.dumps(told)}\n".encode()], 3)
        report = audited(tmp_path, content, key=SIGNER.vkey)
        assert (report.problems == []) is (problem == "")
        assert problem in "".join(report.problems)


@pytest.mark.parametrize("block", [1, 700, 2500, 1 << 20])
@pytest.mark.parametrize("processes", [1, 2])
def test_where_an_export_is_cut_into_blocks_changes_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, block: int, processes: int
) -> None:
    monkeypatch.setattr(auditor, "_BLOCK", block)
    records = a_chain(23)
    leaves = [one.checksum for one in records]
    note = checkpoint(23, rfc9162_root(leaves), SIGNER)
    tail = f"{json.dumps({'checkpoint': note})}\n".encode()
    content = ended([*as_lines(records), tail], 23)

    def found(data: bytes, *heads: str) -> auditor.Report:
        return audited(tmp_path, data, key=SIGNER.vkey, heads=heads, processes=processes)

    assert found(content, *(f"{n}:{rfc9162_root(leaves[:n]).hex()}" for n in range(24))).code == 0
    relinked = [*records[:9], *a_chain(24)[9:23]]  # the same texts with other ids
    report = found(ended([*as_lines(relinked), tail], 23))
    assert report.problems[0].startswith("record 10: does not follow")
    for gone in (1, 8, 23):
        left = [one for one in records if one.seq != gone]
        lines = as_lines(records)[:1] + as_lines(left)[1:]
        report = found(ended([*lines, tail], 22))
        assert report.code == 1
        assert f"record {gone}" in report.problems[0] or "first line says" in report.problems[0]
    assert found(content[:-1]).code == 1
    assert found(content + b"\n").code == 1
    assert found(content + as_lines(records)[1]).code == 1
