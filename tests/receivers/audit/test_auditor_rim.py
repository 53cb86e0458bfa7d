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


def test_a_key_that_is_none_is_not_taken_for_no_key(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export.jsonl.gz"
    path.write_bytes(gzip.compress(signed(a_chain(3))))
    empty = tmp_path / "empty.pub"
    empty.write_text("\n")
    for key in ("", str(empty)):
        assert auditor.main([str(path), "--key", key]) == auditor.UNREADABLE
        assert "holds no key" in capsys.readouterr().err


def test_it_says_what_it_found_in_any_terminal(tmp_path: Path) -> None:
    records = a_chain(3)
    path = tmp_path / "export.jsonl"
    path.write_bytes(signed(records))
    seen = f"2:{'ab' * 32}"
    done = subprocess.run(
        [sys.executable, auditor.__file__, str(path), "--key", SIGNER.vkey, "--head", seen],
        capture_output=True,
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        timeout=60,
    )
    assert done.returncode == auditor.BROKEN
    assert b"head 2:abababab" in done.stdout
    assert done.stderr == b""


def test_a_head_is_taken_as_a_short_message_has_it(tmp_path: Path) -> None:
    records = a_chain(5)
    path = tmp_path / "export"
    path.write_bytes(signed(records))
    root = rfc9162_root([one.checksum for one in records]).hex()
    for digits, code in ((64, 0), (22, 0), (12, 0), (11, 2)):
        assert auditor.main([str(path), "--head", f"5:{root[:digits]}"]) == code
    other = f"{root[:11]}{int(root[11], 16) ^ 1:x}"
    assert auditor.main([str(path), "--head", f"5:{other}"]) == auditor.BROKEN


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


def test_a_key_file_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export"
    path.write_bytes(signed(a_chain(3)))
    assert auditor.main([str(path), "--key", "sining.key.pub"]) == auditor.UNREADABLE
    assert "is no file that can be read" in capsys.readouterr().err


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
    ("start", "says"),
    [
        (b"age-encryption.org/v1\n", "is encrypted"),
        (b"-----BEGIN AGE ENCRYPTED FILE-----\n", "is encrypted"),
        (b"# seq,event_type\n", "is CSV"),
        (b"seq,event_type\n", "is CSV"),
    ],
)
def test_what_is_another_form_of_an_export_is_said_to_be_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], start: bytes, says: str
) -> None:
    path = tmp_path / "export"
    path.write_bytes(start + signed(a_chain(3)))
    assert auditor.main([str(path)]) == auditor.UNREADABLE
    assert says in capsys.readouterr().err


def test_it_ends_with_the_exit_code_of_what_it_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export"
    for content, code, said in (
        (signed(a_chain(3)), 0, "INTACT: nothing was changed"),
        (signed(a_chain(3)) + b"\n", 1, "BROKEN: this is not what was recorded"),
        (ended(as_lines(a_chain(3)), 3), 3, "NO FAULT FOUND, but not everything could be checked"),
    ):
        path.write_bytes(content)
        monkeypatch.setattr(sys, "argv", ["riskwarden-verify", str(path), "--key", SIGNER.vkey])
        with pytest.raises(SystemExit) as ended_with:
            auditor.command()
        assert ended_with.value.code == code
        out = capsys.readouterr().out
        assert said in out
        assert "more" not in out.replace("whether more followed", "")


def test_the_first_ten_problems_are_shown_and_all_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = as_lines(a_chain(13))
    path = tmp_path / "export"
    path.write_bytes(
        ended([lines[0], *(line.replace(b"alert", b"ALERT") for line in lines[1:])], 13)
    )
    assert auditor.main([str(path)]) == auditor.BROKEN
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("WRONG")]
    assert [line.split()[2] for line in told[:10]] == [f"{n}:" for n in range(1, 11)]
    assert told[10:] == ["WRONG      and 3 more"]


def test_the_first_ten_oddities_are_shown_and_all_are_counted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    head, records = EMPTY, []
    for number in range(13):
        record = follow(
            head,
            AuditEvent(EventType.ALERT_CREATED, "m"),
            origin="o",
            recorded_at=NOW - timedelta(hours=number),
            keep_days=1,
            salt=bytes(16),
        )
        records.append(record)
        head = record.head
    path = tmp_path / "export"
    path.write_bytes(signed(records))
    assert auditor.main([str(path), "--key", SIGNER.vkey]) == auditor.INTACT
    told = [line for line in capsys.readouterr().out.splitlines() if line.startswith("odd")]
    assert [line.split()[2] for line in told[:10]] == [f"{n}:" for n in range(2, 12)]
    assert told[10:] == ["odd        and 2 more"]


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
    monkeypatch.setattr(auditor, "_WORTH_A_PROCESS", 100)
    path = tmp_path / "export"
    path.write_bytes(bytes(99))
    assert auditor._processes(path) == 1
    path.write_bytes(bytes(100))
    for cores, processes in ((1, 1), (3, 3), (20, 8)):
        allowed = {0: set(range(cores))}
        monkeypatch.setattr(os, "sched_getaffinity", lambda who, allowed=allowed: allowed[who])
        assert auditor._processes(path) == processes
    monkeypatch.delattr(os, "sched_getaffinity")
    for count, processes in ((5, 5), (None, 1)):
        monkeypatch.setattr(os, "cpu_count", lambda count=count: count)
        assert auditor._processes(path) == processes


def test_a_checkpoint_that_was_kept_proves_as_far_as_it_reaches(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = a_chain(4)
    leaves = [one.checksum for one in records]
    path, kept = tmp_path / "export", tmp_path / "kept"
    path.write_bytes(ended(as_lines(records), 4))
    for root, size, code in (
        (rfc9162_root(leaves), 4, auditor.INTACT),
        (rfc9162_root(leaves[:3]), 3, auditor.INCOMPLETE),
        (rfc9162_root(leaves), 3, auditor.BROKEN),
    ):
        kept.write_text(checkpoint(size, root, SIGNER), encoding="utf-8")
        assert auditor.main([str(path), "--checkpoint", str(kept)]) == code
    for text in ("none", ""):
        kept.write_text(text)
        assert auditor.main([str(path), "--checkpoint", str(kept)]) == auditor.UNREADABLE
    capsys.readouterr()
    assert auditor.main([str(path), "--checkpoint", str(tmp_path / "gone")]) == auditor.UNREADABLE
    assert "--checkpoint" in capsys.readouterr().err


def test_a_key_file_that_is_no_text_and_a_key_as_long_as_no_file_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path, binary = tmp_path / "export", tmp_path / "binary.pub"
    path.write_bytes(signed(a_chain(3)))
    binary.write_bytes(b"\xff" * 40)
    for key in (str(binary), "a" * 5000):
        assert auditor.main([str(path), "--key", key]) == auditor.UNREADABLE
        assert "is no file that can be read" in capsys.readouterr().err


def test_what_it_found_is_told_as_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = a_chain(3)
    path = tmp_path / "export"
    for content, result in (
        (signed(records), "intact"),
        (signed(records) + b"\n", "broken"),
        (ended(as_lines(records), 3), "incomplete"),
        (b"\n", "unreadable"),
    ):
        path.write_bytes(content)
        auditor.main([str(path), "--key", SIGNER.vkey, "--json"])
        told = json.loads(capsys.readouterr().out)
        assert told["result"] == result
        if result == "intact":
            assert (told["first"], told["last"], told["signed_size"]) == (1, 3, 3)
            assert (told["signed_by"], told["problems"]) == ([SIGNER.name], [])
            assert told["checksum"] == records[-1].checksum.hex()
            assert not [name for name in told if name.startswith("_")]


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


@pytest.mark.parametrize(("year", "code"), [(2020, auditor.INTACT), (2999, auditor.BROKEN)])
def test_the_command_goes_by_the_clock_of_its_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], year: int, code: int
) -> None:
    details = {"ranges": [], "due_before": f"{year}-01-01T00:00:00.000000Z"}
    event = AuditEvent(EventType.RETENTION_APPLIED, "m", details=details)
    record = follow(
        EMPTY,
        event,
        origin="o",
        recorded_at=NOW.replace(year=year),
        keep_days=None,
        salt=bytes(16),
    )
    path = tmp_path / "export"
    path.write_bytes(signed([record]))
    assert auditor.main([str(path), "--key", SIGNER.vkey]) == code
    assert ("a time that is yet to come" in capsys.readouterr().out) is (code == auditor.BROKEN)
