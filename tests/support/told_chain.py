"""A day on a desk, hand-made so that every figure of it can be counted by hand.

All times are UTC, on 2 March 2026. Alerts and kills are recorded as the receivers record them,
with a clock of the story's own; what people, channels and runtimes did is written as they do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from writers import started

from risk_policy import Policy, parse_policy
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, KillMode, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.place import Place
from risk_receivers.incidents.recording import record_alert
from risk_receivers.intake.alert import Alert, Feed
from risk_receivers.kill import journal
from risk_receivers.kill.journal import Witness
from risk_receivers.kill.switch import Trigger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.store.writer import Transaction

T = TypeVar("T")
DAY = datetime(2026, 3, 2, tzinfo=UTC)
NEXT_DAY = DAY + timedelta(days=1)
KILL_ID = "6f0c2f6e-0000-4000-8000-000000000001"


def clock(text: str) -> datetime:
    """``10:00:31`` on that day."""
    hours, minutes, seconds = (int(part) for part in text.split(":"))
    return DAY + timedelta(hours=hours, minutes=minutes, seconds=seconds)


class Desk:
    """Puts things on record at times of its own."""

    def __init__(self, database: Place, policy: Policy | None = None) -> None:
        self.database = database
        self.policy = policy or parse_policy(b"")
        self._now = DAY
        self._teller = Teller(Outbox({}), Terms.from_policy(self.policy))
        self._writer = started(
            database,
            retention=self.policy.alerting.audit.retention,
            batch=1,
            clock=lambda: self._now,
        )

    def stop(self) -> None:
        self._writer.stop()

    def at(self, when: str | datetime, work: Callable[[Transaction], T]) -> T:
        self._now = clock(when) if isinstance(when, str) else when
        return self._writer.run(work, 10)

    def event(
        self,
        when: str | datetime,
        kind: EventType,
        message: str = "it happened",
        /,
        *,
        by: str | None = None,
        alert_id: str | None = None,
        why: str = "",
        **details: JsonValue,
    ) -> int:
        """Anything that is told by an event alone; its number."""
        event = AuditEvent(
            kind,
            message,
            category=Category.SYSTEM,
            alert_id=alert_id,
            details=details,
            action_reason=why,
            actor_type=ActorType.USER if by else ActorType.SYSTEM,
            actor_id=by,
        )
        return self.at(when, lambda transaction: transaction.append(event))

    def alert(
        self,
        when: str | datetime,
        starts: str | datetime,
        name: str,
        risk_id: str,
        tier: str,
        severity: Severity,
        *,
        category: Category = Category.DRAWDOWN,
        firing: bool = True,
        feed: Feed = Feed.ALERTS,
        escalation: str = "none",
        action: str = "notify",
        value: str = "10.5%",
        threshold: str = "10%",
    ) -> None:
        """A feed delivers one."""
        received = clock(when) if isinstance(when, str) else when
        begins = clock(starts) if isinstance(starts, str) else starts
        labels = {
            "alertname": name,
            "risk_id": risk_id,
            "tier": tier,
            "severity": severity.value,
            "category": category.value,
            "escalation": escalation,
            "account": risk_id.split("/")[1],
            "action": action,
        }
        alert = Alert(
            feed=feed,
            firing=firing,
            alertname=name,
            risk_id=risk_id,
            tier=tier,
            severity=severity,
            category=category,
            action=action,
            starts_at=begins,
            ends_at=received + timedelta(seconds=12) if firing else received,
            labels=labels,
            annotations={"value": value, "threshold": threshold, "summary": "a limit was crossed"},
        )
        self.at(received, lambda it: record_alert(it, self._teller, alert, received))

    def sent(self, when: str, channel: str, subject: str, kind: str = "firing") -> None:
        self.event(when, EventType.NOTIFICATION_SENT, channel=channel, subject=subject, kind=kind)

    def failed(self, when: str, channel: str, subject: str, taker: str = "") -> None:
        self.event(
            when,
            EventType.NOTIFICATION_FAILED,
            channel=channel,
            subject=subject,
            kind="firing",
            reason="554 no such user",
            taken_over_by=taker,
        )

    def acked(self, when: str, by: str, risk_id: str, tier: str) -> None:
        self.event(
            when,
            EventType.ALERT_ACKNOWLEDGED,
            by=by,
            alert_id=f"{risk_id}:{tier}:1",
            risk_id=risk_id,
            tiers=[tier],
            comment="I am on it",
            author=by,
        )

    def kill(self, when: str, starts: str) -> None:
        trigger = Trigger(
            key="incident:drawdown/main:emergency:1:DRAWDOWN_EMERGENCY",
            kill_id=KILL_ID,
            mode=KillMode.IMMEDIATE,
            cause="DRAWDOWN_EMERGENCY",
            level="emergency",
            at=clock(when),
            holds=True,
        )
        witness = Witness(
            reason="drawdown is 21 %",
            alert_id="drawdown/main:emergency:1",
            details={"starts_at": clock(starts).isoformat(), "labels": {"account": "main"}},
            account="main",
        )
        self.at(when, lambda it: journal.pull(it, trigger, witness))

    def flat(self, when: str) -> None:
        seq = self.event(
            when, EventType.KILL_SWITCH_FLAT_CONFIRMED, kill_id=KILL_ID, account="main"
        )

        def note(transaction: Transaction) -> None:
            state = journal.load(transaction.connection).everything
            event = state.on_flat(KILL_ID, "main", transaction.now)
            assert event is not None
            journal.write(transaction.connection, event, seq)

        self.at(when, note)

    def cleared(self, when: str, by: str, why: str) -> None:
        seq = self.event(
            when, EventType.KILL_SWITCH_CLEARED, by=by, why=why, kill_id=KILL_ID, scope="*"
        )

        def note(transaction: Transaction) -> None:
            state = journal.load(transaction.connection).everything
            event = state.on_clear(KILL_ID, transaction.now)
            assert event is not None
            journal.write(transaction.connection, event, seq)

        self.at(when, note)


def tell_the_day(desk: Desk) -> None:
    """Four alerts, two acknowledgements, a kill, three refused orders, and what went with them."""
    warning, critical, emergency = Severity.WARNING, Severity.CRITICAL, Severity.EMERGENCY
    main = "drawdown/main"
    desk.event("08:00:00", EventType.SERVICE_STARTED, "receivers started")
    # 1: told after 11 s, acknowledged after 4 min, never over.
    desk.alert("09:00:01", "09:00:00", "DRAWDOWN_WARNING", main, "warning", warning)
    desk.sent("09:00:11", "slack", "drawdown/main:warning:1")
    desk.acked("09:04:01", "olga", main, "warning")
    # 2: held at the gate after 1 s, told after 31 s, acknowledged after 10 min, over after 30.
    desk.alert("10:00:01", "10:00:00", "DRAWDOWN_CRITICAL", main, "critical", critical)
    desk.event(
        "10:00:01",
        EventType.RESTRICTION_IMPOSED,
        alert_id="drawdown/main:critical:1",
        restriction="r1",
        kind="halt_new_trades",
        scope="account=main",
        cause="DRAWDOWN_CRITICAL",
    )
    desk.sent("10:00:31", "email", "drawdown/main:critical:1")
    desk.acked("10:10:01", "ivan", main, "critical")
    desk.alert(
        "10:30:01", "10:00:00", "DRAWDOWN_CRITICAL", main, "critical", critical, firing=False
    )
    desk.event(
        "10:30:01", EventType.RESTRICTION_LIFTED, why="its incident is resolved", restriction="r1"
    )
    # 3: its only message was given up; escalated; nobody has answered; never over.
    size, position = "position_size/main/AAPL", Category.POSITION
    name = "POSITION_SIZE_BREACH"
    desk.alert("11:00:01", "11:00:00", name, size, "critical", critical, category=position)
    desk.failed("11:00:20", "email", "position_size/main/AAPL:critical:1")
    desk.alert(
        "11:05:01", "11:05:00", name, size, "critical", emergency, category=position,
        escalation="time",
    )  # fmt: skip
    # 4: tripped the kill switch after 3 s, told after 12 s, over after 20 min.
    desk.alert("12:00:02", "12:00:00", "DRAWDOWN_EMERGENCY", main, "emergency", emergency)
    desk.kill("12:00:03", "12:00:00")
    for symbol in ("AAPL", "IBM"):
        desk.event(
            "12:00:04", EventType.POSITION_FORCE_CLOSED, kill_id=KILL_ID, symbol=symbol, price="1"
        )
    desk.flat("12:00:05")
    desk.sent("12:00:12", "slack", "drawdown/main:emergency:1")
    desk.alert(
        "12:20:02", "12:00:00", "DRAWDOWN_EMERGENCY", main, "emergency", emergency, firing=False
    )
    desk.cleared("12:30:03", "olga", "the feed was wrong")
    for _ in range(3):
        desk.event(
            "13:00:00", EventType.TRADE_BLOCKED, why="exposure", account="main", side="buy",
            quantity="10", symbol="IBM", price="99.5", limit="exposure",
        )  # fmt: skip
    desk.event("14:00:00", EventType.FEED_SILENT, feed="alerts")
    desk.event("14:02:24", EventType.FEED_HEARD, feed="alerts")
    desk.failed("15:00:00", "slack", "kill:1", taker="email")
    desk.sent("15:00:02", "email", "kill:1", "kill_switch")
    desk.event("15:30:00", EventType.ACCESS_REFUSED, "a token was refused")
    desk.event("15:40:00", EventType.CONFIG_CHANGED, "the policy changed", by="olga")
    desk.event(
        "16:00:00", EventType.DRILL_ENDED, scenario="kill", environment="paper", result="PASS"
    )
