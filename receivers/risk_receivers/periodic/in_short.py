"""A report in a few lines, for those who are told that there is one."""

from __future__ import annotations

from typing import Final

from risk_receivers.document.model import Document, Findings, Section
from risk_receivers.periodic.amounts import amount
from risk_receivers.periodic.subject import Subject

_MOST_ACTIONS: Final = 5
_MORE: Final = {"emergency": "emergencies"}


def in_short(document: Document, subject: Subject) -> tuple[str, ...]:
    """What it is, what it counted, what has to be done."""
    counts = subject.totals
    counted = {
        "alert": counts.alerts,
        "critical alert": counts.critical,
        "emergency": counts.emergency,
        "refused order": counts.blocked,
        "kill": counts.kills,
        "lost message": counts.given_up,
    }
    told = ", ".join(
        amount(count, name, _MORE.get(name, "")) for name, count in counted.items() if count
    )
    lines = [f"{document.title}, {subject.period}: {told or 'nothing on record'}"]
    if not subject.is_trustworthy:
        lines.append("The audit chain is broken: what is damaged was left out of the report.")
    missed = [one.name for one in subject.levels if one.is_met is False]
    if missed:
        lines.append(f"Objectives missed: {', '.join(missed)}.")
    actions = [
        finding.text
        for block in document.blocks
        if isinstance(block, Section) and block.title == "Action items"
        for part in block.blocks
        if isinstance(part, Findings)
        for finding in part.findings
    ]
    lines += [f"- {text}" for text in actions[:_MOST_ACTIONS]]
    return tuple(lines)
