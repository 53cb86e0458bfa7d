"""The auditor's program as a command: what it is given, what it prints, how it ends."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hand_made_exports import NOW, SIGNER, a_chain, as_lines, ended, signed
from signed_notes import checkpoint, rfc9162_root

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import EMPTY, follow
from risk_receivers.audit.event import AuditEvent
from riskwarden.auditor import riskwarden_verify as auditor


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


def test_a_key_file_that_is_not_there_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "export"
    path.write_bytes(signed(a_chain(3)))
    assert auditor.main([str(path), "--key", "sining.key.pub"]) == auditor.UNREADABLE
    assert "is no file that can be read" in capsys.readouterr().err


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


@pytest.mark.parametrize(("year", "code"), [(2020, auditor.INTACT), (2999, auditor.BROKEN)])
def test_the_command_goes_by_the_clock_of_its_machine(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], year: int, code: int
) -> None:
    details: dict[str, Any] = {
        "ranges": [],
        "due_before": f"{year}-01-01T00:00:00.000000Z",
    }
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


def test_a_file_that_is_not_there_is_said_to_be_unreadable(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in (tmp_path / "gone", tmp_path):
        assert auditor.main([str(path)]) == auditor.UNREADABLE
        assert str(path) in capsys.readouterr().err


def test_so_many_processes_look_as_were_asked_for_or_as_suit_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "export"
    path.write_bytes(signed(a_chain(3)))
    took: list[int] = []
    side_by_side = auditor._Export._side_by_side

    def noted(export: auditor._Export, processes: int) -> Iterator[auditor.Block]:
        took.append(processes)
        return side_by_side(export, processes)

    monkeypatch.setattr(auditor._Export, "_side_by_side", noted)
    monkeypatch.setattr(auditor, "_processes", lambda _: 2)
    for asked in ([], ["--processes", "0"], ["--processes", "3"], ["--processes", "1"]):
        assert auditor.main([str(path), "--key", SIGNER.vkey, *asked]) == auditor.INTACT
    assert took == [2, 2, 3]
    auditor.verify(path, auditor.Pinned())
    assert took == [2, 2, 3, 2]
