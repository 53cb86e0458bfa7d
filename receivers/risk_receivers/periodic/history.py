"""Puts the story together: one handler for each type of event that tells a part of it.

What was over before the time that is asked about is let go of as it is read, so that a chain of
years costs no more memory than what its reports are about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Final

from risk_policy.contracts.alert import NO_ACCOUNT
from risk_policy.contracts.restriction import HELD_BY_ACTION
from risk_policy.vocabulary import Action, Severity
from risk_receivers.audit.payload import Payload
from risk_receivers.periodic.answers import Answers
from risk_receivers.periodic.facts import Fact
from risk_receivers.periodic.noted import NOTED
from risk_receivers.periodic.told import (
    Alert,
    Blocked,
    Delivery,
    Drill,
    Escalation,
    Kill,
    Note,
    Outage,
    Restriction,
    Told,
)

#: Messages from which people learn that something fires.
_TELLING: Final = ("firing", "escalated", "continued", "expired")
#: A digest stands for the alerts that it names.
_DIGEST: Final = "digest:"
#: An account of which its record says nothing.
_NOBODY: Final = frozenset(("", NO_ACCOUNT))
_EVERYTHING: Final = "*"
#: What an alert can ask for that the gate then holds.
_AT_THE_GATE: Final = frozenset(
    action.value for action in Action if action in HELD_BY_ACTION or action.trips_kill_switch
)


def told(facts: Iterable[Fact], since: datetime) -> Told:
    """What happened, as far as it was not over before a time."""
    telling = _Telling(since)
    for fact in facts:
        telling.add(fact)
    return telling.finish()


class _Telling:
    """What is known so far."""

    def __init__(self, since: datetime) -> None:
        self._since = since
        self._first: datetime | None = None
        self._last: datetime | None = None
        self._types: list[tuple[datetime, str]] = []
        self._gone: list[tuple[datetime, str]] = []
        self._unrecorded: list[tuple[datetime, datetime]] = []
        self._alerts: dict[str, Alert] = {}
        self._digests: dict[str, tuple[str, ...]] = {}
        self._answers = Answers(self._alerts, since)
        self._blocked: list[Blocked] = []
        self._kills: dict[str, Kill] = {}
        self._restrictions: dict[str, Restriction] = {}
        self._deliveries: list[Delivery] = []
        self._outages: list[Outage] = []
        self._drills: list[Drill] = []
        self._notes: list[Note] = []
        self._handlers: Mapping[str, Callable[[Fact, Payload], None]] = {
            "ALERT_CREATED": self._created,
            "ALERT_DISPATCHED": self._handed_on,
            "ALERT_ESCALATED": self._escalated,
            "ALERT_CONTINUED": self._continued,
            "ALERT_ACKNOWLEDGED": self._answers.acknowledged,
            "ALERT_ACK_CHANGED": self._answers.changed,
            "ALERT_ACK_ENDED": self._answers.ended,
            "ALERT_RESOLVED": self._ended,
            "ALERT_EXPIRED": self._ended,
            "TRADE_BLOCKED": self._blocked_trade,
            "KILL_SWITCH_ACTIVATED": self._tripped,
            "KILL_SWITCH_TIGHTENED": self._tightened,
            "KILL_SWITCH_TRIGGER_RECORDED": self._triggered_again,
            "KILL_SWITCH_FLAT_CONFIRMED": self._flat,
            "KILL_SWITCH_CLEARED": self._cleared,
            "POSITION_FORCE_CLOSED": self._force_closed,
            "ORDERS_CANCELLED": self._cancelled,
            "RESTRICTION_IMPOSED": self._imposed,
            "RESTRICTION_LATCHED": self._latched,
            "RESTRICTION_LIFTED": self._lifted,
            "RESTRICTION_RESUMED": self._lifted,
            "NOTIFICATION_SENT": self._sent,
            "NOTIFICATION_FAILED": self._failed,
            "DIGEST_WRITTEN": self._digest,
            "FEED_SILENT": self._silent,
            "FEED_HEARD": self._heard,
            "DRILL_ENDED": self._drill,
        }

    def add(self, fact: Fact) -> None:
        """One event more."""
        if fact.type == "SERVICE_STARTED" and self._last and fact.at >= self._since:
            self._unrecorded.append((self._last, fact.at))
        self._first = self._first or fact.at
        self._last = fact.at
        is_asked_about = fact.at >= self._since
        if is_asked_about:
            self._types.append((fact.at, fact.type))
        if fact.payload is None:
            if is_asked_about:
                self._gone.append((fact.at, fact.type))
            return
        if handler := self._handlers.get(fact.type):
            handler(fact, fact.payload)
        if is_asked_about and fact.type in NOTED:
            by = fact.payload.actor_id or ""
            self._notes.append(Note(fact.seq, fact.type, fact.at, fact.payload.message, by))

    def finish(self) -> Told:
        """Everything that was told."""
        return Told(
            alerts=tuple(self._alerts.values()),
            acks=tuple(self._answers.acks),
            blocked=tuple(self._blocked),
            kills=tuple(self._kills.values()),
            restrictions=tuple(self._restrictions.values()),
            deliveries=tuple(self._deliveries),
            outages=tuple(self._outages),
            drills=tuple(self._drills),
            notes=tuple(self._notes),
            types=tuple(self._types),
            gone=tuple(self._gone),
            unrecorded=tuple(self._unrecorded),
            first=self._first,
            last=self._last,
        )

    # -- alerts ------------------------------------------------------------------------------

    def _created(self, fact: Fact, payload: Payload) -> None:
        labels, said = fact.table("labels"), fact.table("annotations")
        if payload.alert_id is None:
            return
        began = fact.text("incident_starts_at") or fact.text("starts_at")
        breach = labels.get("risk_id", ""), labels.get("tier", "")
        is_held = any(
            one.breach == breach and one.lifted_at is None for one in self._restrictions.values()
        )
        self._alerts[payload.alert_id] = Alert(
            id=payload.alert_id,
            name=labels.get("alertname", payload.alert_id),
            risk_id=breach[0],
            tier=breach[1],
            account=labels.get("account", ""),
            category=payload.category,
            severity=payload.severity or Severity.INFO,
            at=fact.at,
            starts_at=_time(began) or fact.at,
            value=said.get("value", ""),
            threshold=said.get("threshold", ""),
            summary=said.get("summary", ""),
            asks_gate=labels.get("action", "") in _AT_THE_GATE,
            held_at=fact.at if is_held else None,  # what outlived the alert of before
        )

    def _escalated(self, fact: Fact, payload: Payload) -> None:
        if (alert := self._alert(payload)) and payload.severity:
            why = fact.table("labels").get("escalation", "")
            alert.escalations.append(Escalation(fact.at, payload.severity, why))

    def _handed_on(self, fact: Fact, payload: Payload) -> None:
        if alert := self._alert(payload):
            alert.handed_on_at = alert.handed_on_at or fact.at

    def _continued(self, fact: Fact, payload: Payload) -> None:
        del fact
        if alert := self._alert(payload):
            alert.ended_at, alert.ended = None, ""

    def _ended(self, fact: Fact, payload: Payload) -> None:
        if alert := self._alert(payload):
            alert.ended_at = fact.at
            alert.ended = fact.type.removeprefix("ALERT_").lower()
            # One that expired may go on.
            if fact.at < self._since and fact.type == "ALERT_RESOLVED":
                del self._alerts[alert.id]

    def _alert(self, payload: Payload) -> Alert | None:
        return self._alerts.get(payload.alert_id or "")

    # -- what was stopped --------------------------------------------------------------------

    def _blocked_trade(self, fact: Fact, payload: Payload) -> None:
        if fact.at < self._since:
            return
        parts = (fact.text("side"), fact.text("quantity"), fact.text("symbol"))
        price = fact.text("price")
        order = " ".join(filter(None, parts)) + (f" at {price}" if price else "")
        account, limit = fact.text("account"), fact.text("limit")
        reason = payload.action_reason or payload.message
        self._blocked.append(Blocked(fact.at, account, order, reason, limit))

    def _tripped(self, fact: Fact, payload: Payload) -> None:
        kill_id = fact.text("kill_id") or f"record {fact.seq}"
        cause = fact.text("cause")
        self._is_held(fact, payload)
        account = fact.table("labels").get("account", "")
        self._kills[kill_id] = Kill(
            id=kill_id,
            at=fact.at,
            scope=fact.text("scope") or _EVERYTHING,
            mode=fact.text("mode"),
            cause=cause,
            by=payload.actor_id or cause or payload.actor_type.value.lower(),
            reason=payload.action_reason or payload.message,
            starts_at=_time(fact.text("starts_at")),
            accounts={account} - _NOBODY,
        )

    def _is_held(self, fact: Fact, payload: Payload) -> None:
        """What an alert asked for at the gate is there."""
        if alert := self._alert(payload):
            alert.held_at = alert.held_at or fact.at

    def _triggered_again(self, fact: Fact, payload: Payload) -> None:
        self._is_held(fact, payload)

    def _tightened(self, fact: Fact, payload: Payload) -> None:
        self._is_held(fact, payload)
        if kill := self._kills.get(fact.text("kill_id")):
            kill.mode = fact.text("mode") or kill.mode
            kill.tightened.append(fact.at)

    def _flat(self, fact: Fact, payload: Payload) -> None:
        del payload
        if kill := self._kills.get(fact.text("kill_id")):
            kill.flat.setdefault(fact.text("account"), fact.at)

    def _cleared(self, fact: Fact, payload: Payload) -> None:
        kill = self._kills.get(fact.text("kill_id"))
        if kill is None or kill.cleared_at is not None:
            return
        kill.cleared_at = fact.at
        kill.cleared_by = payload.actor_id or ""
        kill.cleared_because = payload.action_reason
        if fact.at < self._since:
            del self._kills[kill.id]

    def _force_closed(self, fact: Fact, payload: Payload) -> None:
        del payload
        if kill := self._kills.get(fact.text("kill_id")):
            kill.closed += 1
            kill.accounts |= {fact.text("account")} - _NOBODY

    def _cancelled(self, fact: Fact, payload: Payload) -> None:
        del payload
        orders = fact.details.get("order_ids")
        if (kill := self._kills.get(fact.text("kill_id"))) and isinstance(orders, (list, tuple)):
            kill.cancelled += len(orders)
            kill.accounts |= {fact.text("account")} - _NOBODY

    def _imposed(self, fact: Fact, payload: Payload) -> None:
        self._is_held(fact, payload)
        alert = self._alert(payload)
        self._restrictions[self._restriction_of(fact)] = Restriction(
            id=self._restriction_of(fact),
            at=fact.at,
            kind=fact.text("kind"),
            scope=fact.text("scope") or _EVERYTHING,
            cause=fact.text("cause"),
            breach=(fact.text("risk_id"), fact.text("tier")),
            starts_at=alert.starts_at if alert else None,
        )

    def _latched(self, fact: Fact, payload: Payload) -> None:
        del payload
        if one := self._restrictions.get(self._restriction_of(fact)):
            one.latched = True

    def _lifted(self, fact: Fact, payload: Payload) -> None:
        if one := self._restrictions.get(self._restriction_of(fact)):
            one.lifted_at = fact.at
            who = f"by {payload.actor_id}: " if payload.actor_id else ""
            one.lifted = f"{who}{payload.action_reason}"
            if fact.at < self._since:
                del self._restrictions[one.id]

    @staticmethod
    def _restriction_of(fact: Fact) -> str:
        return fact.text("restriction") or f"record {fact.seq}"

    # -- who was told, and whether anybody could be ------------------------------------------

    def _sent(self, fact: Fact, payload: Payload) -> None:
        del payload
        subject, channel = fact.text("subject"), fact.text("channel")
        kind = fact.text("kind").partition(":")[0]
        told_of = (subject,) if kind in _TELLING else self._digests.get(subject, ())
        for alert_id in told_of:
            alert = self._alerts.get(alert_id)
            if alert is not None and alert.told_at is None:
                alert.told_at, alert.told_by = fact.at, channel
        if fact.at >= self._since:
            self._deliveries.append(Delivery(fact.at, channel, subject, kind))

    def _failed(self, fact: Fact, payload: Payload) -> None:
        subject, taker = fact.text("subject"), fact.text("taken_over_by")
        if not taker and (alert := self._alerts.get(subject)):
            alert.failed += 1
        if fact.at >= self._since:
            kind = fact.text("kind").partition(":")[0]
            reason = fact.text("reason") or payload.message
            channel = fact.text("channel")
            self._deliveries.append(Delivery(fact.at, channel, subject, kind, reason, taker))

    def _digest(self, fact: Fact, payload: Payload) -> None:
        del payload
        incidents = fact.details.get("incidents")
        if isinstance(incidents, (list, tuple)):
            ids = [one.get("incident") for one in incidents if isinstance(one, Mapping)]
            self._digests[f"{_DIGEST}{fact.seq}"] = tuple(
                one for one in ids if isinstance(one, str)
            )

    def _silent(self, fact: Fact, payload: Payload) -> None:
        del payload
        seconds = _seconds(fact.text("silent_seconds"))  # it is noticed after some time only
        self._outages.append(Outage(fact.text("feed"), fact.at - timedelta(seconds=seconds)))

    def _heard(self, fact: Fact, payload: Payload) -> None:
        del payload
        for outage in self._outages:
            if outage.ended is None and outage.feed == fact.text("feed"):
                outage.ended = fact.at
        self._outages = [
            one for one in self._outages if one.ended is None or one.ended > self._since
        ]

    def _drill(self, fact: Fact, payload: Payload) -> None:
        del payload
        if fact.at >= self._since:
            told = (fact.text("scenario"), fact.text("environment"), fact.text("result"))
            self._drills.append(Drill(fact.at, *told))


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:  # records from before it was told have none
        return 0.0


def _time(text: str) -> datetime | None:
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        return None
    return at if at.tzinfo else at.replace(tzinfo=UTC)
