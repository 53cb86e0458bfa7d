"""An incident as steps in the order of time. Pure.

Every time is one that was written down by whoever acted: the exporter or Prometheus for the breach
and the alert, the runtime for what it did at the market, the receivers for everything else. Whose
clock it was stands beside it, since clocks may differ; the order on record is that of the chain.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from risk_policy.contracts.alert import FAST_LANE, RAISED_BY, THRESHOLD, VALUE
from risk_policy.contracts.audit import ActorType, EventType
from riskwarden.dossier.trail import Record, Trail

BREACH: Final = "breach"
FIRED: Final = "fired"
EVALUATED: Final = "evaluated"
RECORDED: Final = "recorded"
NOTIFIED: Final = "notified"
KILLED: Final = "kill switch"
FLAT: Final = "flat"
ACKNOWLEDGED: Final = "acknowledged"

RECEIVERS: Final = "receivers"
RUNTIME: Final = "runtime"
PROMETHEUS: Final = "Prometheus"
EXPORTER: Final = "exporter"
ALERTMANAGER: Final = "Alertmanager"

_NAMES: Final[Mapping[str, str]] = {
    EventType.THRESHOLD_BREACHED: "breach recorded",
    EventType.ALERT_CREATED: RECORDED,
    EventType.ALERT_DISPATCHED: "handed on",
    EventType.ALERT_ESCALATED: "escalated",
    EventType.ALERT_DEESCALATED: "de-escalated",
    EventType.ALERT_ACKNOWLEDGED: ACKNOWLEDGED,
    EventType.ALERT_ACK_CHANGED: "acknowledgement changed",
    EventType.ALERT_ACK_ENDED: "acknowledgement ended",
    EventType.ALERT_RESOLVED: "resolved",
    EventType.ALERT_EXPIRED: "expired",
    EventType.ALERT_CONTINUED: "continued",
    EventType.NOTIFICATION_SENT: NOTIFIED,
    EventType.NOTIFICATION_FAILED: "not delivered",
    EventType.NOTIFICATION_FAILED_OVER: "taken over",
    EventType.DIGEST_WRITTEN: "put into a digest",
    EventType.TRADE_BLOCKED: "order refused",
    EventType.ORDERS_CANCELLED: "orders cancelled",
    EventType.POSITION_FORCE_CLOSED: "position closed",
    EventType.KILL_SWITCH_ACTIVATED: KILLED,
    EventType.KILL_SWITCH_TIGHTENED: "kill switch tightened",
    EventType.KILL_SWITCH_TRIGGER_RECORDED: "triggered again",
    EventType.KILL_SWITCH_FLAT_CONFIRMED: FLAT,
    EventType.KILL_SWITCH_CLEARED: "kill switch cleared",
    EventType.RESTRICTION_IMPOSED: "restricted",
    EventType.RESTRICTION_LIFTED: "restriction lifted",
}
#: What the runtime reports, with a time of its own.
_REPORTED: Final = (
    EventType.TRADE_BLOCKED,
    EventType.ORDERS_CANCELLED,
    EventType.POSITION_FORCE_CLOSED,
    EventType.KILL_SWITCH_FLAT_CONFIRMED,
)
_TRIPS: Final = (EventType.KILL_SWITCH_ACTIVATED, EventType.KILL_SWITCH_TIGHTENED)
#: A trip that is recorded later than this was kept in the spool, while the store took nothing.
_LATE: Final = timedelta(seconds=1)
#: Of what may be told a thousand times, the first few; the rest is counted.
_MANY: Final = {EventType.TRADE_BLOCKED: 5, EventType.KILL_SWITCH_TRIGGER_RECORDED: 3}


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happened.

    Attributes:
        clock: whose time it is.
        actor: who did it; empty where it is a part of the system, which ``clock`` names.
        channel: through which people were told; empty if it is not about that.
        said_value: what was measured, and ``said_threshold`` what that was held against, as the
            record itself has it.
        record: the record that tells of it; None for what Prometheus alone knows.
    """

    name: str
    at: datetime
    clock: str
    what: str
    actor: str = ""
    channel: str = ""
    said_value: str = ""
    said_threshold: str = ""
    record: Record | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """The steps of an incident, and what was left out of them: name and number."""

    steps: tuple[Step, ...]
    left_out: Mapping[str, int]

    def first(self, name: str) -> Step | None:
        """The first of a name."""
        return next((step for step in self.steps if step.name == name), None)

    def last(self, name: str) -> Step | None:
        """The last of a name."""
        return next((step for step in reversed(self.steps) if step.name == name), None)


def steps_of(trail: Trail, breached_at: datetime | None = None) -> Told:
    """Every step. ``breached_at`` is when Prometheus saw the threshold crossed, if it was asked."""
    counted: dict[str, int] = {}
    left_out: dict[str, int] = {}
    steps: list[Step] = []
    for record in trail.records:
        name = _NAMES.get(record.event_type, _in_words(record.event_type))
        counted[name] = counted.get(name, 0) + 1
        most = _MANY.get(EventType(record.event_type)) if record.event_type in _MANY else None
        if most is not None and counted[name] > most:
            left_out[name] = left_out.get(name, 0) + 1
            continue
        steps.append(_step(name, record))
    steps[:0] = _before(trail.of(EventType.ALERT_CREATED), breached_at)
    return Told(tuple(sorted(steps, key=_order)), left_out)


def since_before(steps: Sequence[Step]) -> list[timedelta | None]:
    """The time from each step's forerunner to it."""
    return [
        None if number == 0 else step.at - steps[number - 1].at for number, step in enumerate(steps)
    ]


def _order(step: Step) -> tuple[datetime, int]:
    # At one instant the chain's order is that of what happened; the breach has no record.
    return step.at, 0 if step.record is None else step.record.seq


def _before(created: list[Record], breached_at: datetime | None) -> Iterator[Step]:
    """What came before the first record: the breach, and the alert that told of it."""
    if not created:
        return
    first = created[0]
    fired_at = _moment(first.text("starts_at"))
    raised_by = first.annotations.get(RAISED_BY, "")
    in_exporter = raised_by == FAST_LANE
    clock = EXPORTER if in_exporter else PROMETHEUS
    value, threshold = first.annotations.get(VALUE, ""), first.annotations.get(THRESHOLD, "")
    if in_exporter and fired_at is not None:
        # The snapshot that crosses the threshold is what the fast lane raises the alert on.
        yield Step(BREACH, fired_at, clock, "a snapshot crossed the threshold", "", "",
                   value, threshold)  # fmt: skip
        if breached_at is not None:
            yield Step(
                EVALUATED, breached_at, PROMETHEUS, "scraped and evaluated, the same came out"
            )
    elif breached_at is not None and (fired_at is None or breached_at <= fired_at):
        yield Step(BREACH, breached_at, PROMETHEUS, "the threshold was crossed at an evaluation")
    if fired_at is not None:
        by = f"raised by the {raised_by}" if raised_by else "raised by Prometheus"
        name = first.labels.get("alertname", "")
        yield Step(FIRED, fired_at, clock, f"{name} {by}".strip(), "", "", value, threshold)


def _step(name: str, record: Record) -> Step:
    at, clock = record.recorded_at, RECEIVERS
    reported = _moment(record.text("reported_at"))
    if record.event_type in _REPORTED and reported is not None:
        at, clock = reported, f"{RUNTIME} {record.text('account')}".strip()
    received = _moment(record.text("received_at"))
    if record.event_type in _TRIPS and received is not None and at - received > _LATE:
        at = received  # the gate was closed then, and the store had to wait
    if record.event_type == EventType.ALERT_ACKNOWLEDGED:
        made = _moment(record.text("starts_at"))
        # One that was found later was made when Alertmanager says, and not after it was seen.
        if made is not None and made <= record.recorded_at:
            at, clock = made, ALERTMANAGER
    return Step(
        name=name,
        at=at,
        clock=clock,
        what=_what(record).removeprefix(f"{name}: "),
        actor=_actor(record),
        channel=record.text("channel"),
        said_value=record.annotations.get(VALUE, ""),
        said_threshold=record.annotations.get(THRESHOLD, ""),
        record=record,
    )


def _what(record: Record) -> str:
    """The first sentence; the whole of it is on record, and the rest in the runbook."""
    if record.event_type == EventType.ALERT_CREATED:
        return "on record, and only then the alert feed was answered"
    if record.event_type == EventType.NOTIFICATION_SENT:
        return f"{record.text('kind')}: {record.text('title')}".removesuffix(": ")
    message = record.payload.message
    for end in (". ", "; the ", "\n"):
        message = message.partition(end)[0]
    return message.removesuffix(".")


def _actor(record: Record) -> str:
    payload = record.payload
    match payload.actor_type:
        case ActorType.USER:
            return payload.actor_id or "somebody who gave no name"
        case ActorType.KILL_SWITCH:
            return "kill switch"
        case ActorType.RUNTIME:
            return f"runtime {payload.actor_id or ''}".strip()
        case _:
            return ""


def _in_words(event_type: str) -> str:
    return event_type.lower().replace("_", " ")


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo is not None else None
