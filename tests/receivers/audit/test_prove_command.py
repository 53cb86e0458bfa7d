"""`riskwarden audit prove`: what an auditor gets is checked here with nothing but hashes."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result
from writers import append, started

from risk_policy.contracts.audit import EventType
from risk_receivers.audit import checkpoint_table
from risk_receivers.audit.chain import TreeHead
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.merkle import Tree, check_consistency, check_inclusion
from risk_receivers.audit.note import SigningKey, sign
from risk_receivers.store.writer import Transaction
from riskwarden.app import application

KEY = SigningKey.generate("riskwarden/test")


@pytest.fixture(scope="module")
def signed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve records, signed at 4 and at 11."""
    path = tmp_path_factory.mktemp("prove") / "audit.db"
    writer = started(path)
    tree, before = Tree(), 0
    for number in range(1, 13):
        event = AuditEvent(EventType.ALERT_CREATED, f"alert {number}", details={"n": number})
        append(writer, event)
        head = writer.tree_head
        tree.append(bytes.fromhex(writer.head.checksum))
        assert tree.root == head.root
        if number in (4, 11):
            made = Checkpoint(KEY.name, TreeHead(number, tree.root), before)
            note, before = sign(made.text, KEY).encode(), number
            store = partial(_store, note=note, frontier=tree.frontier)
            writer.run(store, timeout=30)
    writer.stop()
    return path


def _store(transaction: Transaction, note: bytes, frontier: tuple[bytes, ...]) -> None:
    checkpoint_table.insert(transaction.connection, note, frontier)


def prove(database: Path, *arguments: str) -> Result:
    asked = ["audit", "prove", "--database", str(database), *arguments]
    return CliRunner().invoke(application(asked), asked)


def proven(database: Path, *arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(prove(database, "--json", *arguments).stdout)
    return found


def unpacked(hashes: list[str]) -> tuple[bytes, ...]:
    return tuple(base64.b64decode(one) for one in hashes)


@pytest.mark.parametrize("seq", [1, 2, 4, 7, 11])
def test_a_record_is_proven_with_its_payload_to_whoever_has_the_key(signed: Path, seq: int) -> None:
    told = proven(signed, str(seq))
    checkpoint, note = Checkpoint.of(told["checkpoint"].encode())
    assert note.signed_by([KEY.verifier]) == [KEY.verifier]
    leaf = sha256(b"\x00" + told["header"].encode()).digest()
    check_inclusion(
        *(leaf, seq - 1, checkpoint.head.size, checkpoint.head.root, unpacked(told["inclusion"]))
    )
    salt, payload = bytes.fromhex(told["salt"]), told["payload"].encode()
    hashed = sha256(b"\x02" + salt + payload).hexdigest()
    assert json.loads(told["header"])["payload_hash"] == hashed
    assert json.loads(payload)["message"] == f"alert {seq}"


def test_the_text_is_a_proof_as_the_specification_has_it(signed: Path) -> None:
    text = prove(signed, "3").stdout
    assert text.startswith("record 3, whose header is the leaf:\n\n{")
    proof = text[text.index("c2sp.org/tlog-proof@v1\n") :]
    first, index, *lines = proof.split("\n")
    hashes = lines[: lines.index("")]
    assert (first, index) == ("c2sp.org/tlog-proof@v1", "index 2")
    assert proof == proven(signed, "3")["tlog_proof"] + "\n"
    note = "\n".join(lines[lines.index("") + 1 :]).removesuffix("\n")
    head = Checkpoint.of(note.encode())[0].head
    header = text.split("\n")[2]
    leaf = sha256(b"\x00" + header.encode()).digest()
    check_inclusion(leaf, 2, head.size, head.root, unpacked(hashes))


@pytest.mark.parametrize(("since", "is_signed"), [(4, True), (5, False), (11, True), (1, False)])
def test_that_the_chain_goes_on_from_an_earlier_one_is_proven(
    signed: Path, since: int, is_signed: bool
) -> None:
    told = proven(signed, "3", "--from", str(since))
    size, _, root = told["from"]["head"].partition(":")
    head = Checkpoint.of(told["checkpoint"].encode())[0].head
    proof = unpacked(told["from"]["consistency"])
    check_consistency(int(size), bytes.fromhex(root), head.size, head.root, proof)
    assert bool(told["from"]["checkpoint"]) is is_signed
    assert f"which goes on from {size}:{root}" in prove(signed, "3", "--from", str(since)).stdout


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["12"], "record 12 is not signed yet; the newest checkpoint ends at 11"),
        (["13"], "there is no record 13"),
        (["3", "--from", "12"], "cannot begin with one of 12"),
    ],
)
def test_what_cannot_be_proven_is_said(signed: Path, arguments: list[str], says: str) -> None:
    done = prove(signed, *arguments)
    assert done.exit_code == 1
    assert says in done.stderr.replace("\n", " ")


def test_nothing_is_proven_of_a_chain_that_was_never_signed(database: Path) -> None:
    done = prove(database, "3")
    assert (done.exit_code, "is signed yet" in done.stderr.replace("\n", " ")) == (1, True)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 8",
        "UPDATE audit_header SET header = CAST('{}' AS BLOB) WHERE seq = 3",
        "DELETE FROM audit_header WHERE seq = 9",
    ],
)
def test_no_proof_is_handed_out_of_a_chain_that_was_changed(
    signed: Path, tmp_path: Path, tamper: Callable[..., None], statement: str
) -> None:
    copy = tmp_path / "audit.db"
    copy.write_bytes(signed.read_bytes())
    tamper(copy, statement)
    done = prove(copy, "3")
    assert (done.exit_code, done.stdout) == (1, "")
