"""Exports made by hand, whatever stands in them, and what an auditor finds."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

from signed_notes import NoteSigner, checkpoint, rfc9162_root

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.canonical import encode
from risk_receivers.audit.chain import EMPTY, Record, follow, leaf_hash, payload_hash
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.record import StoredRow
from riskwarden.auditor import riskwarden_verify as auditor

NOW: Final = datetime(2030, 6, 1, tzinfo=UTC)
SIGNER: Final = NoteSigner("desk.example/audit")


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


def signed(records: Sequence[Record | StoredRow]) -> bytes:
    """An export of all of a chain, signed to its end."""
    leaves = [one.checksum for one in records if isinstance(one.checksum, bytes)]
    note = checkpoint(len(records), rfc9162_root(leaves), SIGNER)
    tail = f"{json.dumps({'checkpoint': note})}\n".encode()
    return ended([*as_lines([*records]), tail], len(records))


def audited(
    tmp_path: Path,
    content: bytes,
    *,
    key: str = "",
    heads: tuple[str, ...] = (),
    processes: int = 1,
    now: datetime | None = None,
) -> auditor.Report:
    path = tmp_path / "export"
    path.write_bytes(content)
    keys = (auditor.Key.parse(key),) if key else ()
    pinned = [(int(text.partition(":")[0]), text.partition(":")[2]) for text in heads]
    return auditor.verify(path, auditor.Pinned(keys, pinned, ()), processes, now)


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
