"""The dossier of an incident as a document. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from risk_policy.contracts import alert as labels
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.document.model import (
    Block,
    Cell,
    Document,
    Figure,
    Figures,
    Findings,
    Mark,
    Paragraph,
    Preformatted,
    Section,
    Table,
    Tone,
    tone_of,
)
from riskwarden.dossier.course import at_shown, course, span_shown
from riskwarden.dossier.listing import Known
from riskwarden.dossier.steps import (
    ACKNOWLEDGED,
    BREACH,
    FIRED,
    FLAT,
    KILLED,
    NOTIFIED,
    RECORDED,
    Told,
)
from riskwarden.dossier.trail import Record, Trail
from riskwarden.dossier.undone import undone
from riskwarden.dossier.watched import Watched

_NOT_KNOWN: Final = "not on record"


@dataclass(frozen=True, slots=True)
class Case:
    """Everything that a dossier is made of.

    Attributes:
        others: what else is on record of the same figure.
    """

    trail: Trail
    told: Told
    watched: Watched
    others: Sequence[Known]
    database: str
    made_at: datetime


def document(case: Case) -> Document:
    """The whole dossier."""
    trail = case.trail
    created = next(iter(trail.of(EventType.ALERT_CREATED)), None)
    name = created.labels.get(labels.ALERTNAME, "") if created else ""
    return Document(
        f"Incident {trail.incident}{f': {name}' if name else ''}",
        tuple(_meta(case, created)),
        (
            *_summary(created),
            Figures(tuple(_spans(case.told))),
            Section("What to know", (Findings(tuple(undone(trail, case.told, case.watched))),)),
            Section("Step by step", tuple(course(case.told, case.watched))),
            Section("Messages as they were sent", (_messages(trail),)),
            *_others(case),
            Section("Proof", tuple(_proof(case))),
        ),
    )


def _meta(case: Case, created: Record | None) -> Iterator[tuple[str, str]]:
    trail = case.trail
    severities = [one.payload.severity for one in trail.records if one.payload.severity]
    worst = max(severities, key=lambda one: one.rank, default=Severity.INFO)
    if created is not None:
        yield "Account", created.labels.get("account", "none")
        yield "Began", f"{at_shown(min(step.at for step in case.told.steps))} UTC"
        yield "Policy", created.text("policy_digest") or _NOT_KNOWN
        yield "Runbook", created.annotations.get("runbook_url", "none")
    yield "Counted as", worst.value
    yield "Values from", case.watched.source or "nowhere"
    until = trail.recorded_until
    yield "On record until", f"{at_shown(until)} UTC" if until else _NOT_KNOWN
    yield "Audit chain", f"{case.database}, head {trail.verification.head}"
    yield "Made at", f"{at_shown(case.made_at)} UTC"


def _summary(created: Record | None) -> Iterator[Block]:
    if created is not None:
        text = created.annotations.get("description") or created.payload.message
        yield Paragraph(text, tone_of(created.payload.severity))


def _spans(told: Told) -> Iterator[Figure]:
    """How long what mattered took, from the breach on."""
    start = told.first(BREACH) or told.first(FIRED) or told.first(RECORDED)
    if start is None:
        return
    for label, name in (
        ("On record", RECORDED),
        ("Kill switch", KILLED),
        ("Flat", FLAT),
        ("Somebody told", NOTIFIED),
        ("Acknowledged", ACKNOWLEDGED),
    ):
        step = told.first(name)
        if step is None:
            yield Figure(label, "never", f"{_NOT_KNOWN}")
        else:
            yield Figure(label, span_shown(step.at - start.at), f"after the {start.name}")


def _messages(trail: Trail) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (
            at_shown(record.recorded_at),
            record.text("channel"),
            record.text("kind"),
            record.text("title"),
            record.text("text") or "its content is not on record",
            _waited(record),
            str(record.seq),
        )
        for record in trail.of(EventType.NOTIFICATION_SENT)
    ]
    return Table.of(
        "Messages",
        ("confirmed at", "channel", "kind", "title", "text", "due until confirmed", "record"),
        rows,
        numeric=(5, 6),
        empty="None is on record: what is written to the console or a file proves nothing about "
        "anybody.",
    )


def _waited(record: Record) -> str:
    try:
        due_at = datetime.fromisoformat(record.text("due_at"))
    except ValueError:
        return ""
    return span_shown(record.recorded_at - due_at)


def _others(case: Case) -> Iterator[Section]:
    if not case.others:
        return
    rows: list[tuple[Cell, ...]] = [
        (
            Mark(one.id, code=True),
            one.alertname,
            Mark(one.severity.value, tone_of(one.severity)),
            at_shown(one.began_at),
            one.state if one.ended_at is None else f"{one.state} {at_shown(one.ended_at)}",
            "yes" if one.acknowledged else "no",
        )
        for one in case.others
    ]
    heads = ("incident", "alert", "counted as", "began", "state", "acknowledged")
    yield Section("The same figure before and after", (Table.of("Incidents", heads, rows),))


def _proof(case: Case) -> Iterator[Block]:
    trail = case.trail
    verification = trail.verification
    shown = {step.record.seq for step in case.told.steps if step.record is not None}
    if verification.ok:
        yield Paragraph(
            f"All {verification.events} records of the chain were verified for this dossier: every "
            "checksum is that of its record, and every record names the checksum of the one "
            f"before it, up to the head {verification.head}.",
            Tone.GOOD,
        )
    else:
        yield Paragraph(f"The chain does not verify: {verification.problems[0]}", Tone.EMERGENCY)
    yield Table.of(
        "Records",
        ("record", "type", "recorded at (UTC)", "checksum", "follows", "content"),
        [
            (
                str(record.seq),
                record.event_type,
                at_shown(record.recorded_at),
                Mark(record.checksum, code=True),
                Mark(record.previous_checksum, code=True),
                Mark("; ".join(record.problems), Tone.EMERGENCY)
                if record.problems
                else Mark("as written", Tone.GOOD),
            )
            for record in trail.records
            if record.seq in shown
        ],
        numeric=(0,),
    )
    yield Paragraph("To check it yourself:")
    yield Preformatted(
        f"riskwarden audit verify --database {case.database} --head {verification.head}"
    )
