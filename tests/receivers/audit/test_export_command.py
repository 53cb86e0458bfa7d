"""`riskwarden audit export`: what is handed out is on record, sealed as asked, or not there."""

from __future__ import annotations

import csv
import gzip
import io
import json
import os
from hashlib import sha256
from pathlib import Path

import pyrage
import pytest
from typer.testing import CliRunner, Result
from writers import append, writing

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import query
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Segmented
from riskwarden.app import application
from riskwarden.auditor import riskwarden_verify as auditor


def export(database: Path, target: Path, *arguments: object) -> Result:
    given = ["audit", "export", str(target), "--database", str(database), *map(str, arguments)]
    return CliRunner().invoke(application(given), given)


def policy(folder: Path, terms: str) -> Path:
    path = folder / "alerting.toml"
    path.write_text(f"[alerting.audit.export]\n{terms}\n")
    return path


@pytest.fixture(autouse=True)
def without_a_passphrase(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RISKWARDEN_EXPORT_PASSPHRASE", "RISKWARDEN_EXPORT_PASSPHRASE_FILE"):
        monkeypatch.delenv(name, raising=False)


def test_what_was_exported_by_whom_is_on_record(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LOGNAME", "ann")
    target = tmp_path / "out.jsonl"
    done = export(database, target, "--first", 3, "--text", "alert 4", "--reason", "request 7")
    assert done.exit_code == 0, done.stderr
    written = tmp_path / "out.jsonl.gz"
    assert list(tmp_path.glob("*out*")) == [written]
    assert written.stat().st_mode & 0o777 == 0o600
    (event,) = query.events(database, 12)
    assert event.event_type == "AUDIT_EXPORTED"
    assert event.payload is not None
    told = event.payload.details
    assert event.payload.action_reason == "request 7"
    assert (told["first"], told["last"], told["shown"], told["withheld"]) == (3, 12, 1, 9)
    assert told["file_sha256"] == sha256(written.read_bytes()).hexdigest()
    assert told["file_sha256"] in done.stdout
    body, _, _ = gzip.decompress(written.read_bytes()).rstrip(b"\n").rpartition(b"\n")
    assert told["content_sha256"] == sha256(body + b"\n").hexdigest()
    assert auditor.verify(written, auditor.Pinned()).problems == []


def test_a_file_that_is_there_is_replaced_only_by_force(database: Path, tmp_path: Path) -> None:
    target = tmp_path / "out.jsonl"
    target.write_text("mine")
    done = export(database, target, "--no-gzip")
    assert done.exit_code == 2
    assert "--force" in done.stderr
    assert target.read_text() == "mine"
    assert query.head(database).size == 12
    assert export(database, target, "--no-gzip", "--force").exit_code == 0
    assert target.read_text().startswith('{"riskwarden_export":1,')


def test_csv_says_that_it_proves_nothing_and_holds_no_formula(
    database: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out.csv"
    done = export(database, target, "--no-gzip", "--last", 3)
    assert done.exit_code == 0
    assert "proves nothing" in done.stderr
    first, _, rest = target.read_text().partition("\n")
    assert "for reading only" in first
    assert [row["message"] for row in csv.DictReader(io.StringIO(rest))] == [
        "alert 0", "alert 1", "alert 2",
    ]  # fmt: skip
    with pytest.raises(auditor.UnreadableError, match="for reading only"):
        auditor.verify(target, auditor.Pinned())
    (event,) = query.events(database, 12)
    assert event.payload is not None
    assert event.payload.details["content_sha256"] == sha256(target.read_bytes()).hexdigest()


def test_only_who_has_the_key_reads_what_was_encrypted_for_it(
    database: Path, tmp_path: Path
) -> None:
    mine, other = pyrage.x25519.Identity.generate(), pyrage.x25519.Identity.generate()
    done = export(database, tmp_path / "out.jsonl", "--age-recipient", mine.to_public())
    assert done.exit_code == 0, done.stderr
    sealed = tmp_path / "out.jsonl.gz.age"
    assert b"alert 4" not in sealed.read_bytes()
    with pytest.raises(auditor.UnreadableError, match="age --decrypt"):
        auditor.verify(sealed, auditor.Pinned())
    with pytest.raises(pyrage.DecryptError):
        pyrage.decrypt(sealed.read_bytes(), [other])
    plain = tmp_path / "plain"
    plain.write_bytes(pyrage.decrypt(sealed.read_bytes(), [mine]))
    assert auditor.verify(plain, auditor.Pinned()).problems == []
    (event,) = query.events(database, 12)
    assert event.payload is not None
    assert event.payload.details["recipients"] == [str(mine.to_public())]


def test_a_passphrase_never_stands_on_the_command_line(database: Path, tmp_path: Path) -> None:
    (tmp_path / "pass").write_text("correct horse\n")
    given = ("--passphrase-file", tmp_path / "pass")
    assert export(database, tmp_path / "out.jsonl", *given).exit_code == 0
    sealed = (tmp_path / "out.jsonl.gz.age").read_bytes()
    opened = gzip.decompress(pyrage.passphrase.decrypt(sealed, "correct horse"))
    assert opened.startswith(b'{"riskwarden_export":1,')
    assert b"correct horse" not in database.read_bytes()


def test_a_passphrase_of_the_environment_seals_like_one_in_a_file(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What age makes of a passphrase takes it two seconds, and is shown above."""
    given: list[tuple[bytes, str]] = []

    def age(content: bytes, passphrase: str) -> bytes:
        given.append((content, passphrase))
        return b"sealed by age"

    monkeypatch.setattr(pyrage.passphrase, "encrypt", age)
    monkeypatch.setenv("RISKWARDEN_EXPORT_PASSPHRASE", "correct horse")
    assert export(database, tmp_path / "out.jsonl").exit_code == 0
    ((content, passphrase),) = given
    assert passphrase == "correct horse"
    assert gzip.decompress(content).startswith(b'{"riskwarden_export":1,')
    (written,) = tmp_path.glob("*out*")
    assert (written.name, written.read_bytes()) == ("out.jsonl.gz.age", b"sealed by age")
    assert b"correct horse" not in database.read_bytes()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("RISKWARDEN_EXPORT_PASSPHRASE", ""),
        ("RISKWARDEN_EXPORT_PASSPHRASE_FILE", ""),
        ("RISKWARDEN_EXPORT_PASSPHRASE_FILE", "/nowhere"),
        ("RISKWARDEN_EXPORT_PASSPHRASE_FILE", "/"),
        ("RISKWARDEN_EXPORT_PASSPHRASE_FILE", os.devnull),
    ],
)
def test_a_passphrase_that_cannot_be_had_lets_nothing_out_unencrypted(
    database: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    monkeypatch.setenv(name, value)
    done = export(database, tmp_path / "out.jsonl")
    assert done.exit_code == 2
    assert f"{name} is set" in done.stderr
    assert not list(tmp_path.glob("*out*"))
    assert query.head(database).size == 12


def test_a_file_is_what_its_name_says(database: Path, tmp_path: Path) -> None:
    for options in ([], ["--no-gzip"]):
        for name in ("out.jsonl.age", "out.jsonl.gz.age"):
            done = export(database, tmp_path / name, *options)
            assert done.exit_code == 2
            assert "is called encrypted" in done.stderr
    assert not list(tmp_path.glob("*out*"))
    plain = policy(tmp_path, "compress = false")
    assert export(database, tmp_path / "out.jsonl.gz", "--policy", plain).exit_code == 0
    packed = (tmp_path / "out.jsonl.gz").read_bytes()
    assert gzip.decompress(packed).startswith(b'{"riskwarden_export":1,')


def test_only_a_file_is_ever_replaced(database: Path, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    folder.mkdir()
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for target in (folder, pipe):
        for options in ([], ["--no-gzip"], ["--no-gzip", "--force"]):
            done = export(database, target, *options)
            assert done.exit_code == 2
            assert "is no file" in done.stderr
    assert sorted(tmp_path.glob("out*")) == [folder]
    assert query.head(database).size == 12


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--age-recipient", "age1nobody"], "no age recipient"),
        (["--passphrase-file", "/nowhere"], "cannot be read"),
        (["--first", "13"], "the chain has records 1 to 12"),
        (["--since", "2000-01-01", "--until", "2000-01-02"], "no record lies"),
        (["--no-record"], "is a store and no copy"),
    ],
)
def test_what_cannot_be_done_leaves_no_file(
    database: Path, tmp_path: Path, arguments: list[str], said: str
) -> None:
    before = sorted(tmp_path.iterdir())
    done = export(database, tmp_path / "out.jsonl", *arguments)
    assert done.exit_code == 2
    assert said in " ".join(done.stderr.split())
    assert sorted(tmp_path.iterdir()) == before


def test_the_policy_says_what_an_export_is_and_whether_it_has_to_be_encrypted(
    database: Path, tmp_path: Path
) -> None:
    target = tmp_path / "out"
    strict = policy(tmp_path, 'formats = ["csv"]\ncompress = false\nencrypt = true')
    done = export(database, target, "--policy", strict)
    assert done.exit_code == 2
    assert "encrypt = true" in done.stderr
    done = export(database, target, "--policy", strict, "--format", "json")
    assert done.exit_code == 2
    assert "allows csv, not json" in done.stderr
    plain = policy(tmp_path, 'formats = ["csv", "json"]\ncompress = false')
    assert export(database, target, "--policy", plain).exit_code == 0
    assert target.read_text().startswith("# for reading only")
    named = tmp_path / "out.jsonl"
    assert export(database, named, "--policy", plain).exit_code == 0
    assert named.read_text().startswith("{")


def test_a_damaged_store_is_not_exported_and_says_which_record(
    database: Path, tmp_path: Path
) -> None:
    import sqlite3

    with sqlite3.connect(database) as connection:
        connection.execute("UPDATE audit_payload SET salt = zeroblob(16) WHERE seq = 9")
    connection.close()
    done = export(database, tmp_path / "out.jsonl")
    assert done.exit_code == 1
    assert "record 9" in done.stderr
    assert not list(tmp_path.glob("*out*"))
    assert query.head(database).size == 12


def test_a_chain_in_segment_files_is_exported_alike(tmp_path: Path) -> None:
    store = tmp_path / "audit" / "audit.db"
    store.parent.mkdir()
    with writing(Segmented(store)) as writer:
        append(writer, AuditEvent(EventType.ALERT_CREATED, "alert"))
    assert export(store, tmp_path / "out.jsonl").exit_code == 0
    assert auditor.verify(tmp_path / "out.jsonl.gz", auditor.Pinned()).problems == []
    assert query.events(store)[-1].event_type == "AUDIT_EXPORTED"


def test_a_copy_is_exported_without_a_trace(database: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy" / "audit.db"
    copy.parent.mkdir()
    copy.write_bytes(database.read_bytes())
    before = sha256(copy.read_bytes()).hexdigest()
    done = export(copy, tmp_path / "out.jsonl")
    assert done.exit_code == 2
    assert "--no-record" in done.stderr
    assert export(copy, tmp_path / "out.jsonl", "--no-record").exit_code == 0
    assert sha256(copy.read_bytes()).hexdigest() == before
    assert list(copy.parent.iterdir()) == [copy]


def test_the_verifier_is_printed_as_it_is(tmp_path: Path) -> None:
    given = ["audit", "verifier"]
    done = CliRunner().invoke(application(given), given)
    assert done.stdout == Path(auditor.__file__).read_text()


def test_the_command_tells_in_words_and_in_json(
    database: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    export(database, tmp_path / "out.jsonl")
    path = str(tmp_path / "out.jsonl.gz")
    head = next(
        line.split()[1] for line in _said(capsys, [path])[1].splitlines() if line.startswith("head")
    )
    code, said = _said(capsys, [path, "--head", head])
    assert (code, said.splitlines()[-1][:6]) == (0, "INTACT")
    code, said = _said(capsys, [path, "--head", head, "--json"])
    assert (code, json.loads(said)["result"]) == (0, "intact")
    code, said = _said(capsys, [path, "--head", f"4:{'ab' * 32}"])
    assert (code, said.splitlines()[-1][:6]) == (1, "BROKEN")
    for wrong in (["/nowhere"], [path, "--key", "x+y+z"], [path, "--head", "4"]):
        assert _said(capsys, wrong)[0] == 2


def _said(capsys: pytest.CaptureFixture[str], arguments: list[str]) -> tuple[int, str]:
    code = auditor.main(arguments)
    return code, capsys.readouterr().out
