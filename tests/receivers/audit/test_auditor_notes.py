"""What an auditor makes of an export's checkpoints, and of the heads and keys that he brings."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from hand_made_exports import NOW, SIGNER, a_chain, as_lines, audited, ended, signed
from signed_notes import NoteSigner, checkpoint, rfc9162_root

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import EMPTY, Record, follow
from risk_receivers.audit.event import AuditEvent
from riskwarden.auditor import riskwarden_verify as auditor

MALLORY = NoteSigner(SIGNER.name, 9)
RECORDS = a_chain(6)
LEAVES = [one.checksum for one in RECORDS]


def note(size: int, *signers: NoteSigner, root: bytes | None = None) -> dict[str, Any]:
    return {"checkpoint": checkpoint(size, root or rfc9162_root(LEAVES[:size]), *signers)}


def exported(*notes: dict[str, Any], records: Sequence[Record] = RECORDS, **first: Any) -> bytes:
    tail = [f"{json.dumps(one)}\n".encode() for one in notes]
    return ended([*as_lines([*records], **first), *tail], len(records))


def test_without_a_key_every_checkpoint_is_still_held_against_the_records(tmp_path: Path) -> None:
    honest, other = note(3, SIGNER), note(6, SIGNER, root=bytes(32))
    assert audited(tmp_path, exported(honest, note(6, SIGNER))).code == 3
    for notes in ((honest, other), (other, honest)):
        (problem,) = audited(tmp_path, exported(*notes)).problems
        assert "do not lead to the root that was signed for 6" in problem


def test_every_checkpoint_that_is_wrong_is_told(tmp_path: Path) -> None:
    after = {"after": ["00" * 32]}
    content = exported(*(note(size, SIGNER) | after for size in (2, 3)), note(6, SIGNER))
    report = audited(tmp_path, content, key=SIGNER.vkey)
    assert [one.partition(" records:")[0] for one in report.problems] == [
        "its checkpoint of 2",
        "its checkpoint of 3",
    ]
    assert "hashes of records that it does not cover" in report.problems[0]


def test_a_forged_signature_in_a_pinned_keys_name_is_never_passed_over(tmp_path: Path) -> None:
    whole = note(6, SIGNER)["checkpoint"]
    forged = whole.replace("\n6\n", "\n5\n").replace(
        whole.split("\n")[2], checkpoint(5, rfc9162_root(LEAVES[:5]), SIGNER).split("\n")[2]
    )
    for notes in (({"checkpoint": forged},), ({"checkpoint": forged}, note(6, SIGNER))):
        report = audited(tmp_path, exported(*notes), key=SIGNER.vkey)
        assert report.code == 1
        assert f"5 records has a signature that {SIGNER.name} has not made" in report.problems[0]


def test_a_strangers_checkpoint_is_odd_where_another_proves_the_records_and_wrong_alone(
    tmp_path: Path,
) -> None:
    report = audited(tmp_path, exported(note(4, MALLORY), note(6, SIGNER)), key=SIGNER.vkey)
    assert (report.code, report.signed_size, report.signed_by) == (0, 6, [SIGNER.name])
    assert "signed by a key that is not pinned; another one proves them" in report.warnings[0]
    report = audited(tmp_path, exported(note(4, SIGNER), note(6, MALLORY)), key=SIGNER.vkey)
    assert (report.code, report.signed_size) == (1, 4)
    assert report.checksum == LEAVES[-1].hex()
    assert "6 records is signed by none of the keys that were pinned" in report.problems[0]


def test_the_only_record_of_a_chain_needs_a_signature_like_any_other(tmp_path: Path) -> None:
    for signer, code in ((SIGNER, 0), (MALLORY, 1)):
        content = exported(note(1, signer), records=RECORDS[:1])
        assert audited(tmp_path, content, key=SIGNER.vkey).code == code


def test_what_nobody_vouches_for_is_said_with_what_it_would_take(tmp_path: Path) -> None:
    root = rfc9162_root(LEAVES).hex()
    for content, given, why in (
        (exported(note(6, SIGNER)), {}, "records 1 to 6: pin the signer's key with --key"),
        (exported(), {"heads": (f"4:{rfc9162_root(LEAVES[:4]).hex()}",)}, "records 5 to 6: the "),
        (exported(), {"key": SIGNER.vkey}, "records 1 to 6: the export holds no signed checkpoint"),
        (exported(note(4, SIGNER)), {"key": SIGNER.vkey}, "records 5 to 6: no checkpoint by a"),
    ):
        report = audited(tmp_path, content, **given)
        assert (report.code, len(report.unchecked)) == (3, 1)
        assert f"who wrote {why}" in report.unchecked[0]
    assert audited(tmp_path, exported(), heads=(f"6:{root}",)).code == 0
    both = (f"6:{root}", f"2:{rfc9162_root(LEAVES[:2]).hex()}")
    report = audited(tmp_path, exported(), heads=both)
    assert (report.code, report.seen_size) == (0, 6)


def test_a_head_from_outside_the_export_is_said_to_be_unchecked(tmp_path: Path) -> None:
    before = [rfc9162_root(LEAVES[:2]).hex()]
    content = exported(note(6, SIGNER), records=RECORDS[2:], before=before)
    for size in (1, 7):
        report = audited(tmp_path, content, key=SIGNER.vkey, heads=(f"{size}:{'ab' * 32}",))
        assert (report.code, report.problems) == (3, [])
        assert f"head {size}:abababab…: it lies outside records 3 to 6" in report.unchecked[0]


def test_a_checkpoint_from_before_the_export_says_nothing_of_it(tmp_path: Path) -> None:
    before = [rfc9162_root(LEAVES[:2]).hex()]
    content = exported(
        note(1, MALLORY, root=bytes(32)), note(6, SIGNER), records=RECORDS[2:], before=before
    )
    assert audited(tmp_path, content, key=SIGNER.vkey).code == 0


@pytest.mark.parametrize(
    "before",
    [[], ["00" * 32, "00" * 32], ["zz" * 32], ["00" * 31], [1], "00" * 32, None, {"00" * 32: 1}],
)
def test_hashes_before_the_first_record_that_are_none_prove_nothing(
    tmp_path: Path, before: object
) -> None:
    content = exported(note(6, SIGNER), records=RECORDS[2:], before=before)
    report = audited(tmp_path, content, key=SIGNER.vkey)
    assert report.code == 1
    assert "hashes" in report.problems[0]


def test_more_records_than_the_first_line_says_are_told_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in (1, 1 << 20):
        monkeypatch.setattr(auditor, "_BLOCK", block)
        for last in (3, 7):
            content = exported(note(3, SIGNER), first=1, last=last)
            report = audited(tmp_path, content, key=SIGNER.vkey)
            assert report.code == 1
            assert report.problems[0] == (f"holds 6 records, and its first line says 1 to {last}")


def test_a_clock_that_stepped_back_is_told_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    head, records = EMPTY, []
    for hour in (1, 3, 2, 2, 1, 5):
        record = follow(
            head,
            AuditEvent(EventType.ALERT_CREATED, "m"),
            origin="o",
            recorded_at=NOW.replace(hour=hour),
            keep_days=1,
            salt=bytes(16),
        )
        records.append(record)
        head = record.head
    for block in (1, 700, 1 << 20):
        monkeypatch.setattr(auditor, "_BLOCK", block)
        report = audited(tmp_path, signed(records), key=SIGNER.vkey)
        assert (report.code, report.warning_count) == (0, 2)
        assert [one.partition(":")[0] for one in report.warnings] == ["record 3", "record 5"]


def test_a_checksum_that_was_kept_is_found_wherever_a_block_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for block in (1, 1500, 1 << 20):
        monkeypatch.setattr(auditor, "_BLOCK", block)
        kept = tuple(f"{one.seq}:{one.checksum.hex()[:12]}" for one in RECORDS)
        report = audited(tmp_path, exported(), heads=kept)
        assert (report.code, report.seen_size) == (0, 6)
        for size in range(1, 6):
            other = (f"{size}:{RECORDS[size].checksum.hex()[:12]}",)
            assert "not on this chain" in audited(tmp_path, exported(), heads=other).problems[0]


def test_a_new_key_that_cannot_be_read_is_a_problem_of_the_record_that_names_it(
    tmp_path: Path,
) -> None:
    for details in (
        {"verifier_key": SIGNER.vkey, "new_verifier_key": "desk+00000000+AAAA"},
        {"verifier_key": SIGNER.vkey},
    ):
        event = AuditEvent(EventType.SIGNING_KEY_ROTATED, "m", details=details)
        record = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=None, salt=bytes(16))
        report = audited(tmp_path, signed([record]), key=SIGNER.vkey)
        assert report.code == 1
        assert report.problems[0].startswith("record 1: tells of a new key that is none")


def test_a_record_that_tells_of_others_is_never_withheld(tmp_path: Path) -> None:
    event = AuditEvent(EventType.RETENTION_APPLIED, "m", details={"ranges": []})
    record = follow(EMPTY, event, origin="o", recorded_at=NOW, keep_days=None, salt=bytes(16))
    lines = as_lines([record])
    start, rest = lines[1].split(b',"salt":')
    for gone in (b'null,"payload":null}\n', b'null,"payload":null,"withheld":true}\n'):
        content = ended([lines[0], start + b',"salt":' + gone], 1)
        (problem,) = audited(tmp_path, content).problems
        assert "that of a RETENTION_APPLIED is always kept" in problem
    assert rest.endswith(b"}\n")


def test_without_the_package_for_signatures_all_else_is_checked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(auditor, "HAS_CRYPTOGRAPHY", False)
    monkeypatch.delattr(auditor, "Ed25519PublicKey")
    report = audited(tmp_path, exported(note(6, MALLORY)), key=SIGNER.vkey)
    assert (report.code, report.problems) == (3, [])
    assert "the package cryptography is missing" in report.unchecked[0]
    assert audited(tmp_path, exported(note(6, SIGNER, root=bytes(32)))).code == 1


TEXT, _, LINE = note(6, SIGNER)["checkpoint"].partition("\n\n")
NAME, SIZE, ROOT = TEXT.split("\n")


@pytest.mark.parametrize(
    "told",
    [
        f"{TEXT}\n{LINE}",
        f"{NAME}\n{SIZE}\n\n{LINE}",
        f"{NAME}\n06\n{ROOT}\n\n{LINE}",
        f"{NAME}\n-6\n{ROOT}\n\n{LINE}",
        f"{NAME}\n٦\n{ROOT}\n\n{LINE}",
        f"{NAME}\n{'9' * 17}\n{ROOT}\n\n{LINE}",
        f"{NAME}\n{SIZE}\nAAAA\n\n{LINE}",
        f"{NAME}\n{SIZE}\n{ROOT[:-4]}\n\n{LINE}",
        f"{NAME}\n{SIZE}\n{ROOT[:-2]}{chr(ord(ROOT[-2]) + 1)}=\n\n{LINE}",
        f"{NAME}\n{SIZE}\n!{ROOT}\n\n{LINE}",
        f"{TEXT}\n\n",
        f"{TEXT}\n\n{LINE}approved\n",
        f"{TEXT}\n\n{LINE[:-1]} approved\n",
        f"{TEXT}\n\n{LINE.replace(' ', '  ')}",
        f"{TEXT}\n\n{LINE.replace('=', '!=')}",
    ],
    ids=lambda _: "told",  # the key, and so the texts, are others in each process
)
def test_what_is_no_checkpoint_is_told_and_proves_nothing(tmp_path: Path, told: str) -> None:
    assert audited(tmp_path, exported(note(6, SIGNER)), key=SIGNER.vkey).code == 0
    for notes in (({"checkpoint": told},), (note(6, SIGNER), {"checkpoint": told})):
        report = audited(tmp_path, exported(*notes), key=SIGNER.vkey)
        assert report.code == 1
        assert "its last lines are not those of an export" in report.problems[0]


def test_a_mangled_key_is_refused() -> None:
    whole = SIGNER.vkey
    assert str(auditor.Key.parse(f" {whole}\n").name) == SIGNER.name
    others = [whole[:at] + whole[at + 1 :] for at in range(len(whole))]
    others += [whole[:at] + chr(ord(whole[at]) + 1) + whole[at + 1 :] for at in range(len(whole))]
    others += [whole[:-4], f"{whole}AAAA", whole.partition("+")[2], "", "+", "++"]
    # With the same ID, as whoever makes one can have it: too long, too short, of another kind.
    for data in (b"\x01" + bytes(33), b"\x01" + bytes(31), b"\x06" + bytes(32), b""):
        key_id = sha256(b"desk\n" + data).digest()[:4].hex()
        others.append(f"desk+{key_id}+{base64.b64encode(data).decode()}")
    nameless = b"\x01" + bytes(32)
    key_id = sha256(b"\n" + nameless).digest()[:4].hex()
    others.append(f"+{key_id}+{base64.b64encode(nameless).decode()}")
    for other in others:
        with pytest.raises(ValueError, match=r"\w"):
            auditor.Key.parse(other)


def test_a_key_has_taken_over_once_it_is_on_record_and_not_before(tmp_path: Path) -> None:
    new, head, records = NoteSigner(SIGNER.name, 7), EMPTY, []
    for number in range(3):
        kind = EventType.SIGNING_KEY_ROTATED if number == 1 else EventType.ALERT_CREATED
        details = {"verifier_key": SIGNER.vkey, "new_verifier_key": new.vkey}
        event = AuditEvent(kind, "m", details=details)
        record = follow(head, event, origin="o", recorded_at=NOW, keep_days=None, salt=bytes(16))
        records.append(record)
        head = record.head
    leaves = [one.checksum for one in records]
    for size, code in ((1, 1), (2, 0)):
        both = note(size, SIGNER, new, root=rfc9162_root(leaves[:size]))
        content = exported(both, note(3, new, root=rfc9162_root(leaves)), records=records)
        assert audited(tmp_path, content, key=SIGNER.vkey).code == code
