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
from riskwarden.dossier.proof import Signed
from riskwarden.dossier.steps import (
    ACKNOWLEDGED,
    BREACH,
    FIRED,
    FLAT,
    KILLED,
    NOTIFIED,
    RECORDED,
    Step,
    Told,
)
from riskwarden.dossier.trail import Record, Trail
from riskwarden.dossier.undone import asks_for_kill, undone
from riskwarden.dossier.watched import Watched

_NOT_KNOWN: Final = "not on record"
#: What times are counted from: the first of these that is known.
_STARTS: Final = {
    BREACH: "after the breach",
    FIRED: "after it fired",
    RECORDED: "after it was recorded",
}


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
            Figures(tuple(_spans(case))),
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
        began = _start(case.told)
        yield "Began", _NOT_KNOWN if began is None else f"{at_shown(began.at)} UTC"
        yield "Policy", created.text("policy_digest") or _NOT_KNOWN
        yield "Runbook", created.annotations.get("runbook_url", "none")
    yield "Counted as", worst.value
    yield "Values from", case.watched.source or "nowhere"
    until = trail.recorded_until
    yield "On record until", f"{at_shown(until)} UTC" if until else _NOT_KNOWN
    yield "Audit chain", f"{case.database}, head {trail.verification.tree}"
    yield "Made at", f"{at_shown(case.made_at)} UTC"


def _summary(created: Record | None) -> Iterator[Block]:
    if created is not None:
        text = created.annotations.get("description") or created.payload.message
        yield Paragraph(text, tone_of(created.payload.severity))


def _start(told: Told) -> Step | None:
    """What the incident began with: whatever else stands before it is about something earlier."""
    return next((step for name in _STARTS if (step := told.first(name)) is not None), None)


def _spans(case: Case) -> Iterator[Figure]:
    """How long what mattered took, from the breach on."""
    told = case.told
    start = _start(told)
    if start is None:
        return
    asks = case.trail.kills or asks_for_kill(case.trail)
    for label, name, is_due in (
        ("On record", RECORDED, True),
        ("Kill switch", KILLED, asks),
        ("Flat", FLAT, asks),
        ("Somebody told", NOTIFIED, True),
        ("Acknowledged", ACKNOWLEDGED, True),
    ):
        step = told.last(name) if name == FLAT else told.first(name)
        if name == FLAT and step is not None and case.trail.not_flat:
            yield Figure(label, "not all", f"not confirmed: {', '.join(case.trail.not_flat)}")
        elif step is not None:
            yield Figure(label, span_shown(step.at - start.at), _STARTS[start.name])
        elif is_due:
            yield Figure(label, "never", _NOT_KNOWN)


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
    if verification.ok:
        yield Paragraph(
            f"All {verification.events} records of the chain were verified for this dossier: every "
            "checksum is that of its record, and every record names the checksum of the one "
            f"before it, up to the head {verification.tree}.",
            Tone.GOOD,
        )
    else:
        yield Paragraph(f"The chain does not verify: {verification.problems[0]}", Tone.EMERGENCY)
    yield from _signature(trail)
    yield Table.of(
        "Records",
        ("record", "type", "recorded at (UTC)", "checksum", "follows", "content", "signed"),
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
                _signed(trail.signed, record),
            )
            for record in _shown(case)
        ],
        numeric=(0,),
    )
    yield from _paths(case)
    yield Paragraph("To check it yourself:")
    shown = _shown(case)
    lines = [f"riskwarden audit verify --database {case.database} --head {verification.tree}"]
    if shown:
        lines.append(f"riskwarden audit prove {shown[0].seq} --database {case.database}")
    yield Preformatted("\n".join(lines))


def _shown(case: Case) -> list[Record]:
    """The records that a step tells of, in the order of the chain."""
    found = [step.record for step in case.told.steps if step.record is not None]
    return sorted(found, key=lambda record: record.seq)


def _signature(trail: Trail) -> Iterator[Block]:
    signed, verification = trail.signed, trail.verification
    if signed is None:
        yield Paragraph("Nothing of the chain is signed: no checkpoint is stored.", Tone.WARNING)
        return
    if signed.problem:
        yield Paragraph(f"The newest checkpoint proves nothing: {signed.problem}.", Tone.EMERGENCY)
    else:
        by = f" by {verification.key}" if verification.key else ""
        yield Paragraph(
            f"The newest checkpoint is over {signed.size} records and signed{by}. Whether that is "
            "the key of the right signer, only somebody who has kept it can tell: give it to "
            "audit verify as --key."
        )
    yield Preformatted(signed.note)


def _signed(signed: Signed | None, record: Record) -> Mark:
    if signed is None or signed.problem:
        return Mark("no proof", Tone.WARNING)
    if record.seq in signed.paths:
        return Mark(f"in the {signed.size}", Tone.GOOD)
    return Mark("not yet", Tone.WARNING)


def _paths(case: Case) -> Iterator[Block]:
    """What leads from each record to the signed root, for whoever wants to walk it."""
    signed = case.trail.signed
    if signed is None or not signed.paths:
        return
    lines = []
    for record in _shown(case):
        if record.seq in signed.paths:
            lines += [f"record {record.seq}, leaf {record.seq - 1} of {signed.size}"]
            lines += [f"  {one.hex()}" for one in signed.paths[record.seq]]
    yield Section(
        "Inclusion proofs",
        (
            Paragraph(
                "From each record's checksum, which is its leaf hash, to the root of the "
                "checkpoint above, as RFC 9162 has it in 2.1.3."
            ),
            Preformatted("\n".join(lines)),
        ),
    )
