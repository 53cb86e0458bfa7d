"""What has happened in a run, told from its evidence: the journal and the audit chain.

Pure: records go in, the story comes out. Every time in it was written down by the part that
acted, never by the one that watches.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from risk_policy import Policy
from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.catalogue.system import EVENTS
from risk_policy.contracts.alert import ESCALATION, RAISED_BY
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Escalation, Severity, Tier


class Milestone(StrEnum):
    """What a complete run has to show, about in the order in which it happens.

    FIRED is when the breach was raised, by whoever was first; PROMETHEUS when Prometheus did.
    """

    WARNING = "warning"
    CRITICAL = "critical"
    BREACH = "breach"
    FIRED = "fired"
    RECORDED = "recorded"
    GATE_CLOSED = "gate closed"
    PROMETHEUS = "Prometheus"
    FLAT = "flat"
    BLOCKED = "order blocked"
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class Day:
    """The book at one replayed day."""

    market_date: str = ""
    equity: float = 0.0
    peak: float = 0.0
    drawdown_ratio: float = 0.0
    daily_pnl_ratio: float = 0.0
    gross_ratio: float = 0.0
    positions_open: int = 0
    orders_working: int = 0
    gate: str = "unknown"


@dataclass(frozen=True, slots=True)
class ActiveAlert:
    """An alert that has been recorded and not yet resolved."""

    name: str
    risk_id: str
    severity: Severity
    since: datetime
    description: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of the log."""

    at: datetime
    text: str
    severity: Severity = Severity.INFO


def first_sentence(text: str) -> str:
    """What fits on a line; the rest is in the runbook."""
    return text.partition(". ")[0].removesuffix(".")


@dataclass(slots=True)
class Story:
    """The state of a run."""

    policy: Policy
    day: Day = field(default_factory=Day)
    active: dict[tuple[str, str], ActiveAlert] = field(default_factory=dict)
    milestones: dict[Milestone, datetime] = field(default_factory=dict)
    log: deque[Line] = field(default_factory=lambda: deque(maxlen=400))
    lines_told: int = 0
    kill: str = ""
    raised_by: str = ""
    blocked: int = 0
    blocked_told: dict[bool, int] = field(default_factory=dict)
    finished: bool = False
    chain_size: int = 0

    @property
    def missing(self) -> list[Milestone]:
        """What has not happened yet, in order."""
        return [milestone for milestone in Milestone if milestone not in self.milestones]

    @property
    def can_no_longer_breach(self) -> bool:
        """Whether the replay ended before anything happened that could trip the kill switch."""
        return self.finished and Milestone.BREACH not in self.milestones

    def reached(self, milestone: Milestone, at: datetime) -> None:
        """Note when something happened for the first time."""
        self.milestones.setdefault(milestone, at)

    def on_journal(self, record: dict[str, Any]) -> None:
        """Take in one line of the runtime's journal."""
        at = datetime.fromisoformat(record["at"])
        match record["kind"]:
            case "day":
                known = Day.__dataclass_fields__
                self.day = Day(**{key: record[key] for key in known if key in record})
                if self.day.drawdown_ratio > self._bound(Tier.EMERGENCY):
                    self.reached(Milestone.BREACH, at)
            case "gate_closed":
                self.reached(Milestone.GATE_CLOSED, at)
            case "flat_confirmed":
                scope = record.get("scope", "*")
                within = "" if scope == "*" else f" within {scope}"
                self._say(
                    at, f"the account is flat{within}: looked again, nothing open, nothing working"
                )
            case "finished":
                self.finished = True
                self._say(at, "the replay has reached its end")
            case _:
                pass

    def on_audit(self, event_type: str, recorded_at: str, payload: dict[str, Any]) -> None:
        """Take in one event of the audit chain."""
        at = datetime.fromisoformat(recorded_at)
        severity = Severity(payload.get("severity") or Severity.INFO)
        details: dict[str, Any] = payload.get("details") or {}
        self.chain_size += 1
        message = str(payload.get("message", ""))
        match event_type:
            case EventType.ALERT_CREATED | EventType.ALERT_CONTINUED:
                self._on_created(at, severity, details, message)
            case EventType.ALERT_RESOLVED | EventType.ALERT_EXPIRED:
                labels = details.get("labels", {})
                name = labels.get("alertname", "")
                self.active.pop((name, labels.get("risk_id", "")), None)
                if name not in EVENTS:  # what merely happened is over as soon as it is told
                    self._say(at, message)
            case EventType.KILL_SWITCH_ACTIVATED:
                self.kill = first_sentence(message)
                self._say(at, self.kill, Severity.EMERGENCY)
            case EventType.RESTRICTION_IMPOSED | EventType.RESTRICTION_LATCHED:
                self._say(at, message, Severity.WARNING)
            case EventType.RESTRICTION_LIFTED | EventType.RESTRICTION_RESUMED:
                self._say(at, message)
            case EventType.KILL_SWITCH_FLAT_CONFIRMED:
                self.reached(Milestone.FLAT, at)
                self._say(at, message, Severity.WARNING)
            case EventType.TRADE_BLOCKED:
                self.blocked += 1
                by_kill = bool(self.kill)  # else by a restriction, which the run may go without
                if by_kill:
                    self.reached(Milestone.BLOCKED, at)
                self.blocked_told[by_kill] = self.blocked_told.get(by_kill, 0) + 1
                if self.blocked_told[by_kill] <= 5:
                    self._say(at, message, Severity.WARNING)
            case EventType.ORDERS_CANCELLED if not details.get("order_ids", True):
                pass  # the final sweep found nothing, as it should
            case EventType.POSITION_FORCE_CLOSED | EventType.ORDERS_CANCELLED:
                self._say(at, message, Severity.WARNING)
            case EventType.SERVICE_STARTED | EventType.CONFIG_CHANGED:
                self._say(at, message)
            case _:
                pass

    def on_prometheus(self, alerts: Iterable[dict[str, Any]]) -> None:
        """Take in the alerts that Prometheus has."""
        emergency = next(spec.name for spec in DRAWDOWN.alerts if spec.tier is Tier.EMERGENCY)
        for alert in alerts:
            labels = alert["labels"]
            own = labels.get(ESCALATION, Escalation.NONE) == Escalation.NONE
            if labels["alertname"] == emergency and own and alert["state"] == "firing":
                self.reached(Milestone.PROMETHEUS, datetime.fromisoformat(alert["activeAt"]))

    def on_verified(self, at: datetime, events: int) -> None:
        """The chain was verified after the account was flat."""
        if Milestone.VERIFIED not in self.milestones:
            self.reached(Milestone.VERIFIED, at)
            self._say(at, f"audit chain verified: {events} events, every checksum and link holds")

    def _on_created(
        self, at: datetime, severity: Severity, details: dict[str, Any], message: str
    ) -> None:
        labels = details.get("labels", {})
        name, risk_id = labels.get("alertname", "?"), labels.get("risk_id", "?")
        description = first_sentence(details.get("annotations", {}).get("description", message))
        self.active[name, risk_id] = ActiveAlert(name, risk_id, severity, at, description)
        self._say(at, f"{name}  {description}", severity)
        tiers = {spec.name: spec.tier for spec in DRAWDOWN.alerts}
        match tiers.get(name):
            case Tier.WARNING:
                self.reached(Milestone.WARNING, at)
            case Tier.CRITICAL:
                self.reached(Milestone.CRITICAL, at)
            case Tier.EMERGENCY:
                self.reached(Milestone.RECORDED, at)
                self.raised_by = details.get("annotations", {}).get(RAISED_BY, "")
                if fired := details.get("starts_at"):
                    self.reached(Milestone.FIRED, datetime.fromisoformat(fired))
            case _:
                pass

    def _say(self, at: datetime, text: str, severity: Severity = Severity.INFO) -> None:
        self.log.append(Line(at, text, severity))
        self.lines_told += 1

    def _bound(self, tier: Tier) -> float:
        spec = next(spec for spec in DRAWDOWN.alerts if spec.tier is tier)
        return DRAWDOWN.bound(self.policy.number(spec.threshold))
