"""Service levels: what was promised of the risk layer itself, and what became of it."""

from __future__ import annotations

from risk_receivers.document.model import Document, Finding, Findings, Section, Tone
from risk_receivers.periodic import parts, tables
from risk_receivers.periodic.advice import advice
from risk_receivers.periodic.subject import Subject


def sla(subject: Subject) -> Document:
    """The report on a period."""
    met = sum(one.is_met is True for one in subject.levels)
    missed = sum(one.is_met is False for one in subject.levels)
    unknown = len(subject.levels) - met - missed
    measures = [
        Finding(f"{one.name}: {one.note}.", "", Tone.PLAIN) for one in subject.levels if one.note
    ]
    return parts.document(
        "Service Level Report",
        subject,
        parts.headline(
            parts.counted("Objectives met", met, Tone.GOOD),
            parts.counted("Missed", missed, Tone.CRITICAL),
            parts.counted(
                "Cannot be told", unknown, Tone.WARNING, "too little is known to say either"
            ),
        ),
        Section("Levels", (tables.levels_table(subject.levels),)),
        Section("How they are measured", (Findings(tuple(measures)),)),
        Section("Messages", (tables.deliveries(subject),)),
        Section("Acknowledgements", tables.acks(subject)),
        *advice(subject),
    )
