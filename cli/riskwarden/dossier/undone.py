"""What was not done, and what is not known. Pure: each sentence follows from what is on record.

"Not" means: not on record. Whoever did something that the record does not tell of did it unseen.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

from risk_policy.contracts import alert as labels
from risk_policy.contracts.audit import EventType
from risk_policy.quantities import duration
from risk_policy.vocabulary import Action, KillMode, Severity
from risk_receivers.document.model import Finding, Tone
from riskwarden.dossier.steps import FIRED, KILLED, Told
from riskwarden.dossier.trail import Record, Trail
from riskwarden.dossier.watched import Watched

_OVER = (EventType.ALERT_RESOLVED, EventType.ALERT_EXPIRED)


def undone(trail: Trail, told: Told, watched: Watched) -> Iterator[Finding]:
    """Everything that somebody who reads the dossier has to know."""
    yield from _proof(trail)
    created = trail.of(EventType.ALERT_CREATED)
    if not created:
        yield Finding("How it began is not on record any more.", "", Tone.WARNING)
        return
    first, until = created[0], trail.recorded_until or created[0].recorded_at
    yield from _people(trail, first, until)
    yield from _kill(trail)
    yield from _ending(trail, until)
    yield from _late(told)
    yield from _clocks(told)
    if watched.why_not:
        yield Finding("No values stand beside the steps.", watched.why_not, Tone.PLAIN)


def _proof(trail: Trail) -> Iterator[Finding]:
    verification = trail.verification
    if not verification.ok:
        yield Finding(
            "The audit chain does not verify: what stands here may not be what happened.",
            f"{verification.problem_count} problems, the first: {verification.problems[0]}",
            Tone.EMERGENCY,
        )
    damaged = [record for record in trail.records if record.problems]
    if damaged:
        listed = ", ".join(str(record.seq) for record in damaged)
        yield Finding(f"Records of this incident are damaged: {listed}.", "", Tone.EMERGENCY)
    if trail.pruned:
        yield Finding(
            "Some records of that time have no content any more, so nobody can tell whether they "
            "were about this.",
            f"{trail.pruned} records, deleted by retention or damaged",
        )


def _people(trail: Trail, first: Record, until: datetime) -> Iterator[Finding]:
    sent = trail.of(EventType.NOTIFICATION_SENT)
    if not sent:
        handed_on = trail.of(EventType.ALERT_DISPATCHED)
        because = (
            "it was handed on, and written for the console and the file at most"
            if handed_on
            else "Alertmanager never handed it on: silenced, inhibited, or not yet"
        )
        yield Finding("No channel has confirmed that anybody was told.", because, Tone.CRITICAL)
    elif all(one.text("subject") in trail.kills for one in sent):
        yield Finding("People were told of the kill switch, and not of the alert itself.", "")
    failed = trail.of(EventType.NOTIFICATION_FAILED)
    if failed:
        channels = ", ".join(sorted({one.text("channel") for one in failed}))
        yield Finding("Messages were given up.", f"{len(failed)}, through {channels}")
    acked = trail.of(EventType.ALERT_ACKNOWLEDGED)
    over = trail.of(*_OVER)
    end = over[0].recorded_at if over else until
    if not acked:
        severity = first.payload.severity or Severity.INFO
        yield Finding(
            "Never acknowledged.",
            f"{'over' if over else 'open'} after {_long(end - first.recorded_at)}",
            Tone.CRITICAL if severity.rank >= Severity.CRITICAL.rank else Tone.WARNING,
        )
    ended = trail.of(EventType.ALERT_ACK_ENDED)
    if ended and (not over or ended[0].recorded_at < over[0].recorded_at):
        yield Finding("An acknowledgement ended before the incident did.", ended[0].payload.message)


def asks_for_kill(trail: Trail) -> bool:
    """Whether the alert is one that trips the kill switch."""
    asked = {record.labels.get(labels.ACTION) for record in trail.of(EventType.ALERT_CREATED)}
    return any(action in asked for action in Action if action.trips_kill_switch)


def _kill(trail: Trail) -> Iterator[Finding]:
    trips = trail.of(EventType.KILL_SWITCH_ACTIVATED, EventType.KILL_SWITCH_TIGHTENED)
    further = trail.of(EventType.KILL_SWITCH_TRIGGER_RECORDED)
    if asks_for_kill(trail) and not trips and not further:
        yield Finding(
            "It asks for the kill switch, and no trip is on record.",
            "only Alertmanager told of it, or it had been heeded before",
            Tone.CRITICAL,
        )
    if not trips:
        return
    mode = trips[-1].text("mode")
    flat = trail.of(EventType.KILL_SWITCH_FLAT_CONFIRMED)
    if not flat:
        closes = mode != KillMode.PAUSE
        yield Finding(
            "Not confirmed flat." if closes else "Positions were left open, as mode pause has it.",
            f"kill {trips[0].text('kill_id')} in mode {mode}: nobody has reported that nothing is "
            "open and nothing working",
            Tone.EMERGENCY if closes else Tone.WARNING,
        )
    elif trail.not_flat:
        yield Finding(
            "Not every account is confirmed flat.",
            f"{', '.join(trail.not_flat)}: nobody has reported that nothing is open and nothing "
            "working there",
            Tone.EMERGENCY,
        )
    if not trail.of(EventType.KILL_SWITCH_CLEARED):
        yield Finding(
            "The kill switch had not been cleared when the record ended: new risk is refused.",
            f"kill {', '.join(trail.kills)}" if trail.kills else "",
        )


def _ending(trail: Trail, until: datetime) -> Iterator[Finding]:
    ends = trail.of(*_OVER, EventType.ALERT_CONTINUED)
    last = ends[-1] if ends else None
    if last is None or last.event_type == EventType.ALERT_CONTINUED:
        yield Finding("Not over when the record ended.", f"{until:%Y-%m-%d %H:%M:%S} UTC")
    elif last.event_type == EventType.ALERT_EXPIRED:
        yield Finding(
            "It expired: the alert was not repeated, and nobody knows whether it is over.",
            last.payload.message,
        )


def _late(told: Told) -> Iterator[Finding]:
    for step in told.steps:
        if step.name == KILLED and step.record is not None and step.record.recorded_at > step.at:
            late = _long(step.record.recorded_at - step.at)
            yield Finding(
                "The kill switch acted before it could be recorded.", f"on record {late} later"
            )


def _clocks(told: Told) -> Iterator[Finding]:
    fired = told.first(FIRED)
    records = [step.record for step in told.steps if step.record is not None]
    if fired is not None and records:
        earliest = min(record.recorded_at for record in records)
        if earliest < fired.at:
            yield Finding(
                "Clocks differ: it was on record before it fired, so the times between steps of "
                "different clocks are off.",
                f"by {_long(fired.at - earliest)}",
            )
    reported = [
        step for step in told.steps
        if step.record is not None and step.at > step.record.recorded_at
    ]  # fmt: skip
    if reported:
        ahead = max(step.at - step.record.recorded_at for step in reported if step.record)
        yield Finding(
            "Clocks differ: something was on record before it happened by the clock of who did it.",
            f"by {_long(ahead)}, {reported[0].clock}",
        )
    killed = told.first(KILLED)
    if killed is not None and fired is not None and killed.at < fired.at:
        yield Finding("The kill switch was tripped before this alert fired.", "", Tone.PLAIN)


def _long(span: timedelta) -> str:
    return duration(span.total_seconds())
