"""A chain that tells of incidents, made record by record, without a service that would write it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import checkpoint_table, tables
from risk_receivers.audit.chain import EMPTY, Record, TreeHead, follow
from risk_receivers.audit.checkpoint import Checkpoint
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.merkle import Tree
from risk_receivers.audit.note import SigningKey, sign
from risk_receivers.audit.record import StoredRow
from risk_receivers.audit.verify import verify
from risk_receivers.kill.chain import restore
from risk_receivers.schema import SCHEMA
from risk_receivers.store.transaction import Transaction
from riskwarden.dossier.trail import Gatherer, Trail

START = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
KILL = "0b8e7a4e-54b0-4c62-b9b5-5f8d3c9ad001"
INCIDENT = "drawdown/main:emergency:1"
_NAMES = {"warning": "DRAWDOWN_WARNING", "emergency": "DRAWDOWN_EMERGENCY"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def labels_of(incident: str) -> dict[str, str]:
    risk_id, tier, _ = incident.rsplit(":", 2)
    return {
        "account": "main", "action": "kill_switch" if tier == "emergency" else "notify",
        "alertname": _NAMES.get(tier, "DRAWDOWN_CRITICAL"), "limit": risk_id.partition("/")[0],
        "risk_id": risk_id, "severity": tier, "tier": tier,
    }  # fmt: skip


@dataclass
class IncidentChain:
    """Records in order; each call adds one."""

    records: list[Record] = field(default_factory=list)

    def add(
        self,
        event_type: EventType,
        seconds: float,
        *,
        message: str = "",
        incident: str | None = None,
        details: dict[str, Any] | None = None,
        severity: Severity | None = None,
        actor: str | None = None,
        actor_type: ActorType = ActorType.SYSTEM,
    ) -> None:
        event = AuditEvent(
            event_type,
            message or event_type.value.lower(),
            severity=severity,
            category=Category.DRAWDOWN,
            alert_id=incident,
            details=details or {},
            actor_type=actor_type,
            actor_id=actor,
            id=f"event-{len(self.records)}",
        )
        head = self.records[-1].head if self.records else EMPTY
        salt = bytes([len(self.records) % 256]) * 16
        self.records.append(
            follow(head, event, origin="test", recorded_at=at(seconds), keep_days=90, salt=salt)
        )

    def created(
        self, seconds: float, incident: str = INCIDENT, *, fired: float | None = None, by: str = ""
    ) -> None:
        annotations = {"value": "20.6%", "threshold": "20%", "description": f"{incident} is bad."}
        if by:
            annotations["raised_by"] = by
        self.add(
            EventType.ALERT_CREATED, seconds, incident=incident,
            severity=Severity(labels_of(incident)["severity"]),
            details={
                "labels": labels_of(incident), "annotations": annotations,
                "starts_at": at(seconds if fired is None else fired).isoformat(),
                "policy_digest": "d" * 64,
            },
        )  # fmt: skip

    def change(self, event_type: EventType, seconds: float, incident: str = INCIDENT) -> None:
        self.add(event_type, seconds, incident=incident, details={"labels": labels_of(incident)})

    def acked(self, seconds: float, tiers: list[str], event: EventType | None = None) -> None:
        self.add(
            event or EventType.ALERT_ACKNOWLEDGED, seconds, actor="olga",
            actor_type=ActorType.USER,
            details={"risk_id": "drawdown/main", "tiers": tiers, "comment": "mine",
                     "starts_at": at(seconds - 1).isoformat()},
        )  # fmt: skip

    def killed(self, seconds: float, incident: str = INCIDENT, kill: str = KILL) -> None:
        self.add(
            EventType.KILL_SWITCH_ACTIVATED, seconds, incident=incident,
            severity=Severity.EMERGENCY, message="kill switch tripped",
            details={"kill_id": kill, "mode": "immediate", "requested_mode": "immediate",
                     "scope": "*", "trigger": f"incident:{incident}", "cause": "DRAWDOWN_EMERGENCY",
                     "level": "emergency"},
        )  # fmt: skip

    def reported(
        self, event_type: EventType, seconds: float, *, reported: float, **more: Any
    ) -> None:
        self.add(
            event_type, seconds, message=f"{event_type.value.lower()} by the runtime",
            actor="main", actor_type=ActorType.RUNTIME,
            details={"account": "main", "reported_at": at(reported).isoformat(), **more},
        )  # fmt: skip

    def sent(self, seconds: float, channel: str, subject: str = INCIDENT) -> None:
        self.add(
            EventType.NOTIFICATION_SENT, seconds,
            details={"channel": channel, "subject": subject, "kind": "firing",
                     "title": "DRAWDOWN_EMERGENCY", "text": "Drawdown is 20.6%.",
                     "due_at": at(seconds - 2).isoformat()},
        )  # fmt: skip

    @property
    def rows(self) -> list[StoredRow]:
        return [StoredRow(r.seq, r.header, r.checksum, r.salt, r.payload) for r in self.records]

    def write(self, database: Path, signed: int = 0) -> Path:
        """As the service would have left it; the first so many records are signed."""
        database.parent.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(database)) as connection:
            tables.prepare(connection)
            for record in self.records:
                tables.insert(connection, record)
            for statement in SCHEMA:
                connection.execute(statement)
            restore(Transaction(connection, START, EMPTY, "test", AuditRetention()))
            if signed:
                _sign(connection, self.records[:signed])
            connection.commit()
        return database


def _sign(connection: sqlite3.Connection, records: list[Record]) -> None:
    tree = Tree()
    tree.extend(record.checksum for record in records)
    checkpoint = Checkpoint("test", TreeHead(tree.size, tree.root), 0)
    note = sign(checkpoint.text, SigningKey("test", bytes(32)))
    checkpoint_table.insert(connection, note.encode(), tree.frontier)


def gather(rows: Iterable[StoredRow], incident: str) -> Trail:
    """What a chain holds of an incident, and whether it is intact."""
    kept = list(rows)
    gatherer = Gatherer(incident)
    for row in kept:
        gatherer.add(row)
    return gatherer.finish(verify(kept))


def emergency() -> IncidentChain:
    """From breach to flat, with people told and somebody who takes it on."""
    chain = IncidentChain()
    chain.created(-60, "drawdown/main:warning:1", fired=-61)
    chain.created(0.02, fired=0, by="fast lane")
    chain.killed(0.02)
    chain.reported(EventType.ORDERS_CANCELLED, 0.11, reported=0.05, kill_id=KILL)
    chain.reported(EventType.POSITION_FORCE_CLOSED, 0.12, reported=0.07, kill_id=KILL)
    chain.reported(EventType.KILL_SWITCH_FLAT_CONFIRMED, 0.12, reported=0.09, kill_id=KILL)
    chain.change(EventType.ALERT_DISPATCHED, 1.5)
    chain.sent(3, "slack")
    chain.sent(4, "telegram", KILL)
    chain.reported(EventType.TRADE_BLOCKED, 5, reported=4.5, symbol="AAPL")
    chain.acked(30, ["warning", "critical", "emergency"])
    chain.change(EventType.ALERT_RESOLVED, 600)
    return chain
