"""What the audit chain holds of one incident. Pure: rows in, records out.

An incident's records are those that name it, those of the kills that it led to, those of messages
about either, and the acknowledgements of its breach. The whole chain is verified on the way, so a
record is never shown without what is known of its truth.

Invariant: nothing that cannot be read is passed over in silence. A damaged record is kept with
what is wrong with it, and one whose payload retention has deleted is counted.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from risk_policy.contracts import alert as labels
from risk_policy.contracts.audit import EventType
from risk_receivers.audit.chain import leaf_hash
from risk_receivers.audit.header import Header
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import StoredRow, check_record
from risk_receivers.audit.verifier import Verification
from riskwarden.dossier.proof import Signed, prove

#: Who trips the switch names the incident; who is told of it afterwards names the kill.
_TRIPS: Final = (
    EventType.KILL_SWITCH_ACTIVATED,
    EventType.KILL_SWITCH_TIGHTENED,
    EventType.KILL_SWITCH_TRIGGER_RECORDED,
)
_CLOSINGS: Final = (EventType.ORDERS_CANCELLED, EventType.POSITION_FORCE_CLOSED)
_ACKS: Final = (
    EventType.ALERT_ACKNOWLEDGED,
    EventType.ALERT_ACK_CHANGED,
    EventType.ALERT_ACK_ENDED,
)
#: What an account's orders met while a kill was in force names neither.
_BLOCKED: Final = EventType.TRADE_BLOCKED
#: What a pre-trade limit refused would have been refused without the kill as well.
_BY_LIMIT: Final = b'"limit":'
#: How the gate words a refusal by a kill (`risk_policy.contracts.restriction`).
_KILL_NAMED: Final = "kill switch"
_ENDS: Final = (EventType.ALERT_RESOLVED, EventType.ALERT_EXPIRED)
#: What was too much to tell by itself is told with others.
_DIGEST: Final = EventType.DIGEST_WRITTEN
_CLEARED: Final = EventType.KILL_SWITCH_CLEARED


@dataclass(frozen=True, slots=True)
class Record:
    """One record of the chain, read.

    Attributes:
        event_type: plain text if a newer version wrote a type that this one does not know.
        problems: why it is not to be trusted; empty if it is what was written.
    """

    seq: int
    event_type: str
    recorded_at: datetime
    checksum: str
    previous_checksum: str
    payload: Payload
    problems: tuple[str, ...] = ()

    @property
    def details(self) -> Mapping[str, Any]:
        """What the payload tells beside its fixed fields."""
        return self.payload.details

    def text(self, name: str) -> str:
        """A text of the details; empty if there is none."""
        value = self.details.get(name)
        return value if isinstance(value, str) else ""

    @property
    def labels(self) -> Mapping[str, str]:
        """The alert's labels; empty if the record holds none."""
        found = self.details.get("labels")
        return found if isinstance(found, dict) else {}

    @property
    def annotations(self) -> Mapping[str, str]:
        """The alert's annotations; empty if the record holds none."""
        found = self.details.get("annotations")
        return found if isinstance(found, dict) else {}


@dataclass(frozen=True, slots=True)
class Trail:
    """Everything on record of one incident.

    Attributes:
        incident: its id, ``risk_id:tier:episode``.
        records: in the order of the chain; empty if there is no such incident.
        kills: the ids of the kills that it led to.
        pruned: records of its time whose payload is gone, so nobody can tell what they were about.
        recorded_until: when the last record of the whole chain was written.
        verification: of the whole chain.
        signed: what the newest signed checkpoint proves of the records; None if there is none.
    """

    incident: str
    records: tuple[Record, ...]
    kills: tuple[str, ...]
    pruned: int
    recorded_until: datetime | None
    verification: Verification
    signed: Signed | None = None

    def of(self, *event_types: EventType) -> list[Record]:
        """Those of some types, in order."""
        return [record for record in self.records if record.event_type in event_types]

    @property
    def not_flat(self) -> tuple[str, ...]:
        """Accounts that its kills were about or closed in, and that never confirmed to be flat."""
        concerned = {one.labels.get("account", "") for one in self.of(*_TRIPS)}
        concerned |= {one.text("account") for one in self.of(*_CLOSINGS)}
        flat = {one.text("account") for one in self.of(EventType.KILL_SWITCH_FLAT_CONFIRMED)}
        return tuple(sorted(concerned - flat - {"", labels.NO_ACCOUNT}))


class Gatherer:
    """Takes the chain's rows in order, one at a time."""

    def __init__(self, incident: str) -> None:
        self._incident = incident
        self._risk_id, self._tier, _ = split_incident(incident)
        self._names = {_as_written(self._risk_id)}
        self._kills: dict[str, bool] = {}
        self._digests: set[str] = set()
        self._records: list[Record] = []
        self._pruned_since = 0
        self._pruned = 0
        self._is_over = False
        self._recorded_until: datetime | None = None
        self._checksums: list[bytes] = []

    def add(self, row: StoredRow) -> None:
        """Keep a row if it is about the incident."""
        self._note_time(row)
        self._checksums.append(leaf_hash(row.header) if isinstance(row.header, bytes) else b"")
        if row.payload is None and row.salt is None:
            self._pruned_since += bool(self._records)
            return
        if not self._may_concern(row):
            return
        checked = check_record(row)
        if checked.header is None or checked.payload is None:
            return  # the verification says so; nobody can say of what it was
        record = _record(checked.header, checked.payload, checked.checksum or b"", checked.problems)
        if self._concerns(record):
            self._keep(record)

    def finish(self, verification: Verification, checkpoint: bytes | None = None) -> Trail:
        """The trail over all rows added so far."""
        seqs = [record.seq for record in self._records]
        signed = None if checkpoint is None else prove(checkpoint, self._checksums, seqs)
        if not self._is_over:
            self._pruned += self._pruned_since
        return Trail(
            self._incident,
            tuple(self._records),
            tuple(self._kills),
            self._pruned,
            self._recorded_until,
            verification,
            signed,
        )

    def _note_time(self, row: StoredRow) -> None:
        moment = recorded_at_of(row)
        if moment is not None:
            self._recorded_until = moment

    def _may_concern(self, row: StoredRow) -> bool:
        """A quick look at the bytes, which spares reading what is about something else."""
        if not isinstance(row.payload, bytes):
            return True
        if any(name in row.payload for name in self._names):
            return True
        blocked = isinstance(row.header, bytes) and _BLOCKED.encode() in row.header
        return self._is_killed and blocked and _BY_LIMIT not in row.payload

    @property
    def _is_killed(self) -> bool:
        return any(self._kills.values())

    def _concerns(self, record: Record) -> bool:
        payload = record.payload
        if payload.alert_id == self._incident or record.text("subject") == self._incident:
            return True
        if record.text("kill_id") in self._kills or record.text("subject") in self._kills:
            return True
        if record.text("subject") in self._digests:
            return True
        if record.event_type == _DIGEST:
            return self._incident in _covered(record)
        if record.event_type in _ACKS:
            tiers = record.details.get("tiers")
            covers = isinstance(tiers, list) and self._tier in tiers
            return covers and record.text("risk_id") == self._risk_id and self._is_open
        is_by_gate = record.event_type == _BLOCKED and "limit" not in record.details
        return is_by_gate and self._is_killed and self._is_since_kill(record)

    def _is_since_kill(self, record: Record) -> bool:
        """What was refused before the trip is told after it as well: for a reason of its own.

        Clocks may differ, so one that names the kill switch is believed to be about it.
        """
        if _KILL_NAMED in record.payload.message:
            return True
        try:
            refused_at = datetime.fromisoformat(record.text("reported_at"))
        except ValueError:
            return True
        tripped = next((one for one in self._records if one.event_type in _TRIPS), None)
        return tripped is None or refused_at >= tripped.recorded_at

    @property
    def _is_open(self) -> bool:
        return bool(self._records) and not self._is_over

    def _keep(self, record: Record) -> None:
        self._records.append(record)
        self._pruned += self._pruned_since
        self._pruned_since = 0
        kill = record.text("kill_id")
        if record.event_type in _TRIPS and record.payload.alert_id == self._incident and kill:
            self._kills.setdefault(kill, True)
            self._names.add(_as_written(kill))
        if record.event_type == _DIGEST:
            digest = f"digest:{record.seq}"
            self._digests.add(digest)
            self._names.add(_as_written(digest))
        if record.event_type == _CLEARED and kill in self._kills:
            self._kills[kill] = False
        if record.event_type in _ENDS and record.payload.alert_id == self._incident:
            self._is_over = True
        elif record.event_type == EventType.ALERT_CONTINUED:
            self._is_over = False


def split_incident(incident: str) -> tuple[str, str, str]:
    """Risk id, tier and episode of an incident's id. Raises ValueError."""
    parts = incident.rsplit(":", 2)
    if len(parts) != 3 or not all(parts) or not parts[2].isdecimal():
        raise ValueError(
            f"{incident!r} is no incident; write RISK_ID:TIER:EPISODE, as in "
            "drawdown/main:emergency:1"
        )
    # An alert without a tier is written "none" where people read it.
    return parts[0], "" if parts[1] == "none" else parts[1], parts[2]


def recorded_at_of(row: StoredRow) -> datetime | None:
    """When a row says that it was recorded, without reading more of it."""
    if not isinstance(row.header, bytes):
        return None
    _, found, rest = row.header.partition(b'"recorded_at":"')
    try:
        return datetime.fromisoformat(rest.partition(b'"')[0].decode()) if found else None
    except ValueError:
        return None


def _record(header: Header, payload: Payload, checksum: bytes, problems: tuple[str, ...]) -> Record:
    return Record(
        seq=header.seq,
        event_type=str(header.event_type),
        recorded_at=header.recorded_at,
        checksum=checksum.hex(),
        previous_checksum=header.previous_checksum,
        payload=payload,
        problems=problems,
    )


def _covered(record: Record) -> set[str]:
    """The incidents that a digest tells of."""
    told = record.details.get("incidents")
    items = told if isinstance(told, list) else []
    return {str(item.get("incident")) for item in items if isinstance(item, dict)}


def _as_written(text: str) -> bytes:
    """A text as canonical JSON holds it."""
    return json.dumps(text, ensure_ascii=False)[1:-1].encode()
