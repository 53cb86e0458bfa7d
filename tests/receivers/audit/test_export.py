"""What is exported is verified by one file that knows nothing of this program, and only then."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_notes import NoteSigner, checkpoint, rfc9162_root

from risk_policy.contracts.audit import PAYLOAD_FIELDS, ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.canonical import encode
from risk_receivers.audit.chain import EMPTY, Head, Record, follow, leaf_hash, payload_hash
from risk_receivers.audit.errors import UnrecordableError
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.export import ALWAYS_TOLD, Written, lines, plan
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.selection import Selection
from risk_receivers.audit.verify import verify as verify_rows
from riskwarden.auditor import riskwarden_verify as auditor

NOW = datetime(2030, 6, 1, tzinfo=UTC)
SIGNER = NoteSigner("desk.example/audit")


def a_chain(count: int) -> list[Record]:
    head, records = EMPTY, []
    for number in range(count):
        event = AuditEvent(
            EventType.KILL_SWITCH_ACTIVATED if number % 5 == 3 else EventType.ALERT_CREATED,
            f'alert {number}: "quoted" \\ back\nslash ∂€\U0001f600',
            details={"n": number, "deep": {"é": [1, None, True], "a": "0.1"}},
        )
        salt = sha256(bytes([number])).digest()[:16]
        record = follow(head, event, origin="tést", recorded_at=NOW, keep_days=90, salt=salt)
        records.append(record)
        head = record.head
    return records


def as_lines(records: list[Any], **first_line: Any) -> list[bytes]:
    """An export by hand, whatever stands in the records."""
    first, last = records[0].seq, records[-1].seq
    start = {"riskwarden_export": 1, "first": first, "last": last, **first_line}
    found = [json.dumps(start)]
    for one in records:
        told = {
            "seq": one.seq,
            "header": one.header.decode(),
            "checksum": one.checksum.hex(),
            "salt": one.salt.hex() if one.salt is not None else None,
            "payload": one.payload.decode() if one.payload is not None else None,
        }
        found.append(json.dumps(told, ensure_ascii=False, separators=(",", ":")))
    return [f"{line}\n".encode() for line in found]


def ended(written: list[bytes], count: int) -> bytes:
    body = b"".join(written)
    return body + f'{{"end":{count},"sha256":"{sha256(body).hexdigest()}"}}\n'.encode()


def audited(
    tmp_path: Path,
    content: bytes,
    *,
    key: str = "",
    heads: tuple[str, ...] = (),
    processes: int = 1,
) -> auditor.Report:
    path = tmp_path / "export"
    path.write_bytes(content)
    keys = (auditor.Key.parse(key),) if key else ()
    pinned = [(int(text.partition(":")[0]), text.partition(":")[2]) for text in heads]
    return auditor.verify(path, auditor.Pinned(keys, pinned, ()), processes)


@pytest.fixture
def kept(database: Path) -> Path:
    return database


def exported(place: Path, selection: Selection | None = None, *, sign: bool = True) -> bytes:
    """An export of a store, with a checkpoint over all of it."""
    what = plan(place, selection or Selection())
    if sign:
        rows = tables.read(place, lambda connection: list(tables.rows(connection)))
        leaves = [row.checksum for row in rows if isinstance(row.checksum, bytes)]
        note = checkpoint(len(leaves), rfc9162_root(leaves), SIGNER)
        what = type(what)(
            what.selection, what.origin, what.first, what.last, what.size, (len(leaves), note)
        )
    return b"".join(lines(place, what, NOW, Written(), lambda *_: None))


def test_what_was_exported_is_intact_for_whoever_has_the_key(kept: Path, tmp_path: Path) -> None:
    report = audited(tmp_path, exported(kept), key=SIGNER.vkey)
    assert (report.code, report.problems, report.unchecked) == (0, [], [])
    assert (report.first, report.last, report.signed_size) == (1, 12, 12)
    assert Head(report.last, report.checksum) == tables.read(kept, tables.head)


def test_without_anything_from_elsewhere_nothing_is_called_proven(
    kept: Path, tmp_path: Path
) -> None:
    report = audited(tmp_path, exported(kept))
    assert report.code == 3
    assert "pin the signer's key" in report.unchecked[0]
    report = audited(tmp_path, exported(kept, sign=False), key=SIGNER.vkey)
    assert report.code == 3
    assert "no signed checkpoint" in report.unchecked[0]


def test_a_head_that_was_seen_proves_as_far_as_it_reaches(kept: Path, tmp_path: Path) -> None:
    content = exported(kept, sign=False)
    head = tables.read(kept, tables.head)
    root = audited(tmp_path, content).root
    for seen in (str(head), f"12:{root}"):
        assert audited(tmp_path, content, heads=(seen,)).code == 0
    row = tables.read(kept, lambda connection: tables.row_at(connection, 7))
    assert row is not None
    assert isinstance(row.checksum, bytes)
    report = audited(tmp_path, content, heads=(f"7:{row.checksum.hex()}",))
    assert report.code == 3
    assert "records 8 to 12" in report.unchecked[0]
    assert audited(tmp_path, content, heads=(f"7:{'ab' * 32}",)).code == 1
    assert audited(tmp_path, content, heads=(f"13:{'ab' * 32}",)).code == 3
    assert audited(tmp_path, content, heads=(f"0:{'0' * 64}",)).code == 3


def test_every_stretch_is_proven_by_the_checkpoint_of_the_whole(kept: Path, tmp_path: Path) -> None:
    for first in range(1, 13):
        for last in range(first, 13):
            content = exported(kept, Selection(first=first, last=last))
            report = audited(tmp_path, content, key=SIGNER.vkey)
            assert (report.code, report.problems) == (0, []), (first, last)
            assert content.count(b'"payload"') == last - first + 1


@pytest.mark.parametrize("processes", [1, 2])
def test_a_filter_withholds_payloads_and_nothing_else(
    tmp_path: Path, kept: Path, processes: int
) -> None:
    content = exported(kept, Selection(text="alert 4"))
    report = audited(tmp_path, content, key=SIGNER.vkey, processes=processes)
    assert (report.code, report.withheld) == (0, 11)
    assert b"alert 4" in content
    assert b"alert 5" not in content


def test_a_changed_record_is_named(kept: Path, tmp_path: Path) -> None:
    content = exported(kept).replace(b"alert 4", b"alert 5")
    report = audited(tmp_path, content, key=SIGNER.vkey)
    assert report.code == 1
    assert "record 5: the payload is not the one" in report.problems[0]


def test_a_store_that_was_changed_is_not_exported(
    kept: Path, tamper: Callable[..., None], tmp_path: Path
) -> None:
    tamper(kept, "UPDATE audit_payload SET payload = CAST('{}' AS BLOB) WHERE seq = 5")
    with pytest.raises(Exception, match="record 5"):
        exported(kept, sign=False)


@pytest.fixture(scope="module")
def honest(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, bytes]:
    """A signed export to be mutated."""
    folder = tmp_path_factory.mktemp("honest")
    records = a_chain(6)
    note = checkpoint(6, rfc9162_root([one.checksum for one in records]), SIGNER)
    tail = f"{json.dumps({'checkpoint': note})}\n".encode()
    content = ended([*as_lines(records), tail], 6)
    assert audited(folder, content, key=SIGNER.vkey).code == 0
    return folder, content


@settings(max_examples=400, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), change=st.integers(1, 255), how=st.integers(0, 2))
def test_no_byte_can_be_changed_added_or_removed(
    honest: tuple[Path, bytes], where: float, change: int, how: int
) -> None:
    folder, content = honest
    at = int(where * len(content))
    other = bytes([content[at] ^ change])
    mutated = content[:at] + (b"", other, other + content[at : at + 1])[how] + content[at + 1 :]
    if mutated == content:
        return
    with contextlib.suppress(auditor.UnreadableError):  # its first line is none any more
        assert audited(folder, mutated, key=SIGNER.vkey).code == 1


def test_it_cannot_be_cut_off_anywhere(honest: tuple[Path, bytes]) -> None:
    folder, content = honest
    for end in (*range(0, len(content), 97), len(content) - 1):
        try:
            assert audited(folder, content[:end], key=SIGNER.vkey).code == 1, end
        except auditor.UnreadableError:
            assert b"\n" not in content[:end]


@settings(max_examples=150, deadline=None)
@given(where=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
def test_compressed_only_what_gzip_says_of_itself_is_nobodys(
    honest: tuple[Path, bytes], where: float, bit: int
) -> None:
    folder, content = honest
    packed = bytearray(gzip.compress(content, mtime=0))
    at = int(where * len(packed))
    packed[at] ^= 1 << bit
    # Flags, time, extra flags and system of gzip's header: RFC 1952, 2.3.1.
    ignorable = at in range(3, 10)
    try:
        code = audited(folder, bytes(packed), key=SIGNER.vkey).code
    except auditor.UnreadableError:
        return
    assert code == 1 or ignorable


def resealed(rows: list[StoredRow], edit: Callable[[int, dict[str, Any]], None]) -> list[Any]:
    """Rows whose headers and payloads somebody edited, and all hashes made anew."""
    head, found = EMPTY, []
    for row in rows:
        assert isinstance(row.header, bytes)
        assert isinstance(row.payload, bytes)
        assert isinstance(row.salt, bytes)
        whole = {"header": json.loads(row.header), "payload": json.loads(row.payload)}
        assert isinstance(row.seq, int)
        edit(row.seq, whole)
        payload = encode(whole["payload"])
        fields = {
            **whole["header"],
            "payload_hash": payload_hash(row.salt, payload).hex(),
            "previous_checksum": head.checksum,
        }
        header = encode(fields)
        record = Record(row.seq, header, leaf_hash(header), row.salt, payload)
        found.append(record)
        head = record.head
    return found


def test_a_chain_made_anew_does_not_lead_to_what_was_signed(
    honest: tuple[Path, bytes], tmp_path: Path
) -> None:
    records = a_chain(6)
    note = checkpoint(6, rfc9162_root([one.checksum for one in records]), SIGNER)
    rows = [StoredRow(r.seq, r.header, r.checksum, r.salt, r.payload) for r in records]

    def soften(seq: int, whole: dict[str, Any]) -> None:
        if seq == 4:
            whole["payload"]["message"] = "nothing happened"

    forged = as_lines(resealed(rows, soften))
    tail = f"{json.dumps({'checkpoint': note})}\n".encode()
    report = audited(tmp_path, ended([*forged, tail], 6), key=SIGNER.vkey)
    assert report.code == 1
    assert "do not lead to the root that was signed" in report.problems[0]
    mallory = NoteSigner(SIGNER.name, seed=2)
    root = bytes.fromhex(audited(tmp_path, ended(forged, 6)).root)
    for signers, said in (((mallory,), "none of the keys"), ((SIGNER,), "")):
        tail = f"{json.dumps({'checkpoint': checkpoint(6, root, *signers)})}\n".encode()
        report = audited(tmp_path, ended([*forged, tail], 6), key=SIGNER.vkey)
        assert report.code == (1 if said else 0)  # with the key itself, only a head kept tells
        assert said in "".join(report.problems)
    assert audited(
        tmp_path, ended([*forged, tail], 6), key=SIGNER.vkey, heads=(str(records[4].head),)
    ).code == 1  # fmt: skip


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
    event = AuditEvent(EventType.ALERT_CREATED, "m")
    object.__setattr__(event, "payload", payload)
    record = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=1, salt=bytes(16))
    row = StoredRow(record.seq, record.header, record.checksum, record.salt, record.payload)
    line = as_lines([record])[1]
    block = auditor.check_block(1, line)
    assert bool(block.problems) == bool(check_record(row).problems)
    assert block.leaves in (record.checksum, bytes(32))


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
    for text in ('{"a":0.5}', '{"a":NaN}', '{"a":1e3}', '{"a":1,"a":1}', '{"b":1,"a":1}'):
        with pytest.raises(auditor.WrongError):
            auditor._canonical(text)


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The verifier by itself in a folder with nothing else."""
    path = tmp_path / "elsewhere" / "riskwarden_verify.py"
    path.parent.mkdir()
    path.write_bytes(Path(auditor.__file__).read_bytes())
    return path


def test_it_runs_by_itself_and_imports_nothing_of_the_project(
    alone: Path, kept: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl.gz"
    path.write_bytes(gzip.compress(exported(kept)))
    program = (
        "import runpy, sys\n"
        "sys.modules.update(dict.fromkeys("
        "('risk_receivers', 'risk_policy', 'riskwarden', 'rfc8785', 'msgspec')))\n"
        f"sys.argv = ['v', {str(path)!r}, '--key', {SIGNER.vkey!r}, '--json']\n"
        f"runpy.run_path({str(alone)!r}, run_name='__main__')\n"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-c", program],
        cwd=alone.parent, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "intact"


def test_without_the_package_for_signatures_it_says_so_and_checks_the_rest(
    alone: Path, kept: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    for content, code, said in (
        (exported(kept), 3, "cryptography is missing"),
        (exported(kept).replace(b"alert 4", b"alert 5"), 1, "record 5"),
    ):
        path.write_bytes(content)
        program = (
            "import runpy, sys\n"
            "sys.modules['cryptography'] = None\n"
            f"sys.argv = ['v', {str(path)!r}, '--key', {SIGNER.vkey!r}]\n"
            f"runpy.run_path({str(alone)!r}, run_name='__main__')\n"
        )
        done = subprocess.run(
            [sys.executable, "-I", "-c", program],
            cwd=alone.parent, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == code
        assert said in done.stdout
