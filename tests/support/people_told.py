"""Alerts in, messages out: the receivers' whole way between them, on a clock that is set."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from risk_policy import parse_policy
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.chain import EMPTY
from risk_receivers.audit.payload import parse_payload
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.incidents import table as incidents
from risk_receivers.incidents.recording import record_alert, record_expiry
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.quiet import table
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.schema import SCHEMA
from risk_receivers.store.transaction import Transaction

START = datetime(2026, 3, 1, 12, tzinfo=UTC)
ALL: Mapping[str, Severity] = {"all": Severity.DEBUG}


class Fate(NamedTuple):
    number: int
    incident: str
    risk_id: str
    kind: str
    severity: str
    reason: str
    until: str | None
    told_at: str | None

    @property
    def was_held(self) -> bool:
        return self.until is not None


class People:
    """Those who are told, and the receivers that tell them."""

    def __init__(self, policy: str = "", channels: Mapping[str, Severity] = ALL) -> None:
        self.policy = parse_policy(policy.encode(), environ={})
        self.channels = dict(channels)
        self.connection = sqlite3.connect(":memory:", isolation_level=None)
        tables.prepare(self.connection)
        for statement in SCHEMA:
            self.connection.execute(statement)
        self.transaction = Transaction(
            self.connection, START, EMPTY, "test", self.policy.alerting.audit.retention
        )
        self.restart()

    def restart(self) -> None:
        """All that is not in the database is forgotten."""
        self.teller = Teller(Outbox(self.channels), Terms.from_policy(self.policy))

    @property
    def now(self) -> datetime:
        return self.transaction.now

    def close(self) -> None:
        self.connection.close()

    def after(self, seconds: float, step: float = 1) -> None:
        """Let time pass; the receivers look at what waits in every step of it."""
        end = self.now + timedelta(seconds=seconds)
        while self.now < end:
            self.transaction.now = min(self.now + timedelta(seconds=step), end)
            self.teller.digest(self.transaction)

    def begins(self, risk_id: str, severity: Severity = Severity.WARNING, **more: Any) -> None:
        """Prometheus and Alertmanager both say that it fires."""
        for feed in (Feed.ALERTS, Feed.NOTIFICATIONS):
            self.take(feed, risk_id, severity, firing=True, **more)

    def ends(self, risk_id: str, severity: Severity = Severity.WARNING, **more: Any) -> None:
        """Both say that it is over."""
        for feed in (Feed.ALERTS, Feed.NOTIFICATIONS):
            self.take(feed, risk_id, severity, firing=False, **more)

    def ends_wholly(self, risk_id: str, *feeds: Feed, **more: Any) -> None:
        """Everything that was ever heard of a breach is over, say some feeds."""
        rows = self.connection.execute(
            "SELECT severity, escalation FROM incident_alert WHERE risk_id = ?", (risk_id,)
        ).fetchall()
        for feed in feeds:
            for severity, why in rows:
                names = {"firing": False, "escalation": why, **more}
                self.take(feed, risk_id, Severity(severity), **names)

    def expire(self) -> None:
        """What is no longer repeated expires."""
        overdue = incidents.overdue(self.connection, self.now)
        record_expiry(self.transaction, self.teller, self.now, overdue)

    def take(
        self,
        feed: Feed,
        risk_id: str,
        severity: Severity,
        *,
        firing: bool,
        name: str = "POSITION_LOSS_WARNING",
        category: Category = Category.PORTFOLIO,
        action: str = "notify",
        escalation: str = "none",
        lasts: float | None = None,
        starts: datetime | None = None,
    ) -> None:
        ends_at = None if firing else self.now
        alert = Alert(
            feed=feed,
            firing=firing,
            alertname=name,
            risk_id=risk_id,
            tier="warning",
            severity=severity,
            category=category,
            action=action,
            starts_at=starts or (self.now if firing else self.now - timedelta(microseconds=1)),
            ends_at=ends_at if lasts is None else self.now + timedelta(seconds=lasts),
            labels={"escalation": escalation},
            annotations={"summary": f"{risk_id} is in trouble"},
        )
        record_alert(self.transaction, self.teller, alert, self.now)

    def messages(self, channel: str = "all") -> list[Message]:
        """What a channel was given to deliver, in that order."""
        rows = self.connection.execute(
            "SELECT body FROM message WHERE channel = ? ORDER BY id", (channel,)
        )
        return [msgspec.json.decode(body, type=Message) for (body,) in rows]

    def told(self, channel: str = "all") -> list[tuple[str, str]]:
        """The same in short: kind, and what it is about or, of a digest, what it says."""
        return [
            (one.kind.value, one.summary if one.kind is Kind.DIGEST else one.risk_id)
            for one in self.messages(channel)
        ]

    def digests(self, channel: str = "all") -> list[Message]:
        return [one for one in self.messages(channel) if one.kind is Kind.DIGEST]

    def events(self, kind: str) -> dict[int, Any]:
        """The audit events of a type, by their number."""
        rows = self.connection.execute(
            "SELECT seq, header, payload FROM audit_header JOIN audit_payload USING (seq)"
        )
        return {
            seq: parse_payload(payload)
            for seq, header, payload in rows
            if msgspec.json.decode(header)["event_type"] == kind
        }

    def covered(self) -> dict[str, dict[str, int]]:
        """What each digest covers by the record: how many messages of which incident."""
        return {
            f"digest:{seq}": {
                one["incident"]: one["messages"] for one in event.details["incidents"]
            }
            for seq, event in self.events("DIGEST_WRITTEN").items()
        }

    @property
    def is_storm(self) -> bool:
        return table.going_on(self.connection) is not None

    def fates(self, after: int = 0) -> list[Fate]:
        """What became of each message about an incident."""
        rows = self.connection.execute(
            "SELECT n, risk_id, tier, episode, kind, severity, reason, until, told_at "
            "FROM announcement WHERE n > ? ORDER BY n",
            (after,),
        )
        return [
            Fate(n, f"{risk_id}:{tier}:{episode}", risk_id, *rest)
            for n, risk_id, tier, episode, *rest in rows
        ]
