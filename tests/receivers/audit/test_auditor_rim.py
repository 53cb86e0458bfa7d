"""Whatever is handed to the auditor, on whatever machine, gets an answer that it deserves."""

from __future__ import annotations

import copy
import gzip
import json
import os
import subprocess
import sys
from datetime import timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hand_made_exports import NOW, SIGNER, a_chain, as_lines, audited, ended, signed
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_notes import checkpoint, rfc9162_root

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import EMPTY, follow
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import verify as verify_rows
from riskwarden.auditor import riskwarden_verify as auditor


@pytest.mark.parametrize("first", [1, 5])
def test_an_export_of_nothing_proves_nothing(tmp_path: Path, first: int) -> None:
    records = a_chain(4)
    leaves = [one.checksum for one in records]
    before = [rfc9162_root(leaves).hex()] if first > 1 else []
    start = {"riskwarden_export": 1, "first": first, "last": first - 1, "before": before}
    note = checkpoint(first - 1, rfc9162_root(leaves[: first - 1]), SIGNER)
    for tail in ([], [f"{json.dumps({'checkpoint': note})}\n".encode()]):
        content = ended([f"{json.dumps(start)}\n".encode(), *tail], 0)
        path = tmp_path / "nothing.jsonl"
        path.write_bytes(content)
        assert auditor.main([str(path), "--key", SIGNER.vkey]) == auditor.UNREADABLE


@pytest.mark.parametrize(
    ("honest", "changed"),
    [
        (b'{"end":', b'{ "end":'),
        (b'{"end":', b'{"note":"checked and approved","end":'),
        (b'"sha256":', b'"sha256" :'),
        (b'"}\n', b'","more":0}\n'),
    ],
)
def test_nothing_is_added_to_the_line_that_no_digest_covers(
    tmp_path: Path, honest: bytes, changed: bytes
) -> None:
    content = signed(a_chain(6))
    body, _, end = content[:-1].rpartition(b"\n")
    end = (end + b"\n").replace(honest, changed)
    assert audited(tmp_path, content, key=SIGNER.vkey).code == 0
    report = audited(tmp_path, body + b"\n" + end, key=SIGNER.vkey)
    assert report.code == 1
    assert "last lines" in report.problems[0]


def test_a_large_export_is_checked_where_there_is_no_linux(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "_WORTH_A_PROCESS", 1000)
    monkeypatch.delattr(os, "sched_getaffinity")
    content = signed(a_chain(8))
    assert audited(tmp_path, content, key=SIGNER.vkey, processes=0).code == 0
    monkeypatch.setattr(auditor, "get_all_start_methods", lambda: ["spawn"])  # as on Windows
    for processes in (0, 4):
        assert audited(tmp_path, content, key=SIGNER.vkey, processes=processes).code == 0


@pytest.mark.parametrize("packed", [False, True])
def test_it_reads_what_another_program_decrypts(tmp_path: Path, packed: bool) -> None:
    content = signed(a_chain(200))
    done = subprocess.run(
        [sys.executable, auditor.__file__, "/dev/stdin", "--key", SIGNER.vkey],
        input=gzip.compress(content) if packed else content,
        capture_output=True,
        timeout=60,
    )
    assert (done.returncode, done.stderr) == (0, b"")


#: What retention and holds put on record, in short.
TOLD: list[tuple[EventType, dict[str, Any]]] = [
    (
        EventType.LEGAL_HOLD_PLACED,
        {
            "name": "case",
            "filter": {"first": 2, "since": "2030-01-01T00:00:00.000000Z", "accounts": ["main"]},
            "unfinished": {"retention": 3, "next": 2},
        },
    ),
    (
        EventType.LEGAL_HOLD_EXTENDED,
        {"name": "case", "looked_at": 2, "found": [{"first": 2, "last": 2}]},
    ),
    (
        EventType.RETENTION_APPLIED,
        {
            "ranges": [{"type": "ALERT_CREATED", "first": 1, "last": 2, "count": 2}],
            "due_before": "2030-06-20T00:00:00.000000Z",
        },
    ),
]


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if isinstance(value, dict) else enumerate(value)
    found = []
    for key, item in inner:
        found.append((*path, key))
        if isinstance(item, dict | list):
            found += places(item, (*path, key))
    return found


def put(value: Any, path: tuple[Any, ...], new: Any) -> None:
    for key in path[:-1]:
        value = value[key]
    value[path[-1]] = new


@settings(max_examples=200, deadline=None)
@given(data=st.data())
def test_whatever_stands_in_records_of_retention_both_verifiers_answer_alike(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    told = copy.deepcopy(TOLD)
    which = data.draw(st.integers(0, len(told) - 1))
    details = told[which][1]
    new = data.draw(
        st.sampled_from(
            [None, True, "", "1", 1, 5, -1, [], {}, [1], ["main"], {"first": 1}, "2030-06-20",
             "2030-06-20T00:00:00", "2030-06-20T00:00:00+14:00", "0001-01-01T00:00:00+14:00"]
        )
    )  # fmt: skip
    put(details, data.draw(st.sampled_from(places(details))), new)
    events = [AuditEvent(EventType.ALERT_CREATED, "alert") for _ in range(2)]
    events += [AuditEvent(kind, "told", details=detail) for kind, detail in told]
    head, rows = EMPTY, []
    for number, event in enumerate(events):
        record = follow(
            head,
            event,
            origin="o",
            recorded_at=NOW + timedelta(days=10 * number),
            keep_days=5 if number < 2 else None,
            salt=sha256(bytes([number])).digest()[:16],
        )
        head = record.head
        row = StoredRow(record.seq, record.header, record.checksum, record.salt, record.payload)
        rows.append(row._replace(salt=None, payload=None) if number < 2 else row)
    now = NOW + timedelta(days=60)
    ours = verify_rows(rows, now=now)
    theirs = audited(tmp_path_factory.getbasetemp(), signed(rows), key=SIGNER.vkey, now=now)
    assert ours.ok == (theirs.code == 0), (ours.problems, theirs.problems)
    assert sorted(str(one).partition(":")[0] for one in ours.problems) == sorted(
        one.partition(":")[0] for one in theirs.problems
    )


@pytest.mark.parametrize(
    ("honest", "changed", "says"),
    [
        (b'"payload":"{', b'"payload":"\\u007b', "not written as an export's is"),
        (b'"payload":"{', b'"payload":}', "its payload is no text"),
        (b'"payload":"{', b'"payload":"', "the payload is not the one"),
        (b'"header":"{', b'"header":"\\u007b', "not written as an export's is"),
    ],
)
def test_a_line_has_one_way_to_be_written(
    tmp_path: Path, honest: bytes, changed: bytes, says: str
) -> None:
    first, line = as_lines(a_chain(1))
    other = line.replace(honest, changed)
    if changed.endswith(b"}"):
        other = other[: other.index(changed) + len(changed)] + b"\n"
    (problem,) = audited(tmp_path, ended([first, other], 1)).problems
    assert says in problem


def test_a_changed_byte_of_the_whole_is_said_to_be_one(tmp_path: Path) -> None:
    content = signed(a_chain(3)).replace(b'{"riskwarden_export": 1', b'{"riskwarden_export":  1')
    (problem,) = audited(tmp_path, content, key=SIGNER.vkey).problems
    assert "a byte of the export was changed" in problem


def test_where_python_has_no_c_parts_canonical_json_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(json.encoder, "c_make_encoder", None)
    for sort_keys, told in (
        (True, '{"a":"é","é":[1,null,"\\""]}'),
        (False, '{"é":[1,null,"\\""],"a":"é"}'),
    ):
        encode = auditor._encoder(sort_keys=sort_keys)
        assert "".join(encode({"é": [1, None, '"'], "a": "é"}, 0)) == told


def test_a_last_line_without_its_end_is_told_and_counts_as_little_as_it_holds(
    tmp_path: Path,
) -> None:
    content = signed(a_chain(3))
    report = audited(tmp_path, content[:-1], key=SIGNER.vkey)
    assert report.problems == ["its last line has no end: the export was cut off"]
    report = audited(tmp_path, content[: content.index(b'{"checkpoint"') - 1], key=SIGNER.vkey)
    assert "its last line has no end: the export was cut off" in report.problems
    assert "has no end: it was cut off" in report.problems
    assert "record" not in "".join(report.problems)


def test_a_large_export_is_shared_out_among_the_cores_that_it_may_use(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "export"
    path.touch()
    os.truncate(path, 4 * 1024 * 1024 - 1)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {1, 2})
    assert auditor._processes(path) == 1
    os.truncate(path, 4 * 1024 * 1024)
    for cores, processes in ((1, 1), (3, 3), (20, 8)):
        allowed = {0: set(range(cores))}
        monkeypatch.setattr(os, "sched_getaffinity", lambda who, allowed=allowed: allowed[who])
        assert auditor._processes(path) == processes
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, processes in ((5, 5), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert auditor._processes(path) == processes


def test_an_export_of_another_format_is_not_read_as_one_of_this(tmp_path: Path) -> None:
    content = signed(a_chain(3)).replace(b'"riskwarden_export": 1', b'"riskwarden_export": 2')
    with pytest.raises(auditor.UnreadableError, match="has format 2, this program reads 1"):
        audited(tmp_path, content, key=SIGNER.vkey)


def _dies(*_: object) -> None:
    os._exit(1)


def test_processes_that_are_ended_leave_an_export_unread_and_not_half_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "check_block", _dies)
    with pytest.raises(auditor.UnreadableError, match="try --processes 1"):
        audited(tmp_path, signed(a_chain(3)), key=SIGNER.vkey, processes=2)
