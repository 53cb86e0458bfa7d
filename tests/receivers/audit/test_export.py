"""What is exported is verified by one file that knows nothing of this program, and only then."""

from __future__ import annotations

import contextlib
import gzip
import json
import subprocess
import sys
import zlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hand_made_exports import NOW, SIGNER, a_chain, as_lines, audited, ended, resealed
from hypothesis import given, settings
from hypothesis import strategies as st
from signed_notes import NoteSigner, checkpoint, rfc9162_root

from risk_receivers.audit import tables
from risk_receivers.audit.chain import Head
from risk_receivers.audit.export import Written, lines, plan
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.selection import Selection
from riskwarden.auditor import riskwarden_verify as auditor


def exported(place: Path, selection: Selection | None = None, *, sign: bool = True) -> bytes:
    """An export of a store, with a checkpoint over all of it."""
    what = plan(place, selection or Selection())
    if sign:
        rows = tables.read(place, lambda connection: list(tables.rows(connection)))
        leaves = [row.checksum for row in rows if isinstance(row.checksum, bytes)]
        note = checkpoint(len(leaves), rfc9162_root(leaves), SIGNER)
        what = replace(what, checkpoints=((len(leaves), note),))
    return b"".join(lines(place, what, NOW, Written(), lambda *_: None))


def test_what_was_exported_is_intact_for_whoever_has_the_key(
    database: Path, tmp_path: Path
) -> None:
    report = audited(tmp_path, exported(database), key=SIGNER.vkey)
    assert (report.code, report.problems, report.unchecked) == (0, [], [])
    assert (report.first, report.last, report.signed_size) == (1, 12, 12)
    assert Head(report.last, report.checksum) == tables.read(database, tables.head)


def test_without_anything_from_elsewhere_nothing_is_called_proven(
    database: Path, tmp_path: Path
) -> None:
    report = audited(tmp_path, exported(database))
    assert report.code == 3
    assert "pin the signer's key" in report.unchecked[0]
    report = audited(tmp_path, exported(database, sign=False), key=SIGNER.vkey)
    assert report.code == 3
    assert "no signed checkpoint" in report.unchecked[0]


def test_a_head_that_was_seen_proves_as_far_as_it_reaches(database: Path, tmp_path: Path) -> None:
    content = exported(database, sign=False)
    head = tables.read(database, tables.head)
    root = audited(tmp_path, content).root
    for seen in (str(head), f"12:{root}"):
        assert audited(tmp_path, content, heads=(seen,)).code == 0
    row = tables.read(database, lambda connection: tables.row_at(connection, 7))
    assert row is not None
    assert isinstance(row.checksum, bytes)
    report = audited(tmp_path, content, heads=(f"7:{row.checksum.hex()}",))
    assert report.code == 3
    assert "records 8 to 12" in report.unchecked[0]
    assert audited(tmp_path, content, heads=(f"7:{'ab' * 32}",)).code == 1
    assert audited(tmp_path, content, heads=(f"13:{'ab' * 32}",)).code == 3
    assert audited(tmp_path, content, heads=(f"0:{'0' * 64}",)).code == 3


def test_every_stretch_is_proven_by_the_checkpoint_of_the_whole(
    database: Path, tmp_path: Path
) -> None:
    for first in range(1, 13):
        for last in range(first, 13):
            content = exported(database, Selection(first=first, last=last))
            report = audited(tmp_path, content, key=SIGNER.vkey)
            assert (report.code, report.problems) == (0, []), (first, last)
            assert content.count(b'"payload"') == last - first + 1


@pytest.mark.parametrize("processes", [1, 2])
def test_a_filter_withholds_payloads_and_nothing_else(
    tmp_path: Path, database: Path, processes: int
) -> None:
    content = exported(database, Selection(text="alert 4"))
    report = audited(tmp_path, content, key=SIGNER.vkey, processes=processes)
    assert (report.code, report.withheld) == (0, 11)
    assert b"alert 4" in content
    assert b"alert 5" not in content


def test_a_changed_record_is_named(database: Path, tmp_path: Path) -> None:
    content = exported(database).replace(b"alert 4", b"alert 5")
    report = audited(tmp_path, content, key=SIGNER.vkey)
    assert report.code == 1
    assert "record 5: the payload is not the one" in report.problems[0]


def test_a_store_that_was_changed_is_not_exported(
    database: Path, tamper: Callable[..., None], tmp_path: Path
) -> None:
    tamper(database, "UPDATE audit_payload SET payload = CAST('{}' AS BLOB) WHERE seq = 5")
    with pytest.raises(Exception, match="record 5"):
        exported(database, sign=False)


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
    # Time, extra flags and system of gzip's header (RFC 1952, 2.3.1), and the bits that fill up the
    # last byte of the compressed data (RFC 1951, 3.2.3) are no part of the content.
    ignorable = content_of(bytes(packed)) == content
    try:
        code = audited(folder, bytes(packed), key=SIGNER.vkey).code
    except auditor.UnreadableError:
        return
    assert code == 1 or ignorable, (at, bit)


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


@pytest.fixture
def alone(tmp_path: Path) -> Path:
    """The verifier by itself in a folder with nothing else."""
    path = tmp_path / "elsewhere" / "riskwarden_verify.py"
    path.parent.mkdir()
    path.write_bytes(Path(auditor.__file__).read_bytes())
    return path


def test_it_runs_by_itself_and_imports_nothing_of_the_project(
    alone: Path, database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl.gz"
    path.write_bytes(gzip.compress(exported(database)))
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
    alone: Path, database: Path, tmp_path: Path
) -> None:
    path = tmp_path / "out.jsonl"
    for content, code, said in (
        (exported(database), 3, "cryptography is missing"),
        (exported(database).replace(b"alert 4", b"alert 5"), 1, "record 5"),
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


def content_of(packed: bytes) -> bytes | None:
    """What gzip finds in it; None if it finds it damaged."""
    try:
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error):
        return None
