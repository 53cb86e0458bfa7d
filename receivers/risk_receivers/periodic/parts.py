"""Parts that several reports have: what is to be known first, and tables of what happened."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from risk_policy.vocabulary import Severity
from risk_receivers.document.model import (
    Bar,
    BarChart,
    Block,
    Document,
    Figure,
    Figures,
    Paragraph,
    Point,
    Series,
    Table,
    TimeChart,
    Tone,
    tone_of,
)
from risk_receivers.periodic import figures
from risk_receivers.periodic.amounts import amount, span
from risk_receivers.periodic.subject import Subject

#: Pieces that a period's activity is shown in.
_PIECES: Final = 28
_SHOWN: Final = (Severity.WARNING, Severity.CRITICAL, Severity.EMERGENCY)
_NOBODY: Final = "nobody"


def document(title: str, subject: Subject, *blocks: Block) -> Document:
    """A report: what it is about, what to know first, and what it says."""
    zone = subject.period.zone
    meta = (
        ("Period", str(subject.period)),
        ("Generated", f"{subject.period.shown(subject.made_at)} ({zone})"),
        ("Audit chain", f"{subject.verification.events} events, head {subject.verification.tree}"),
        ("On record until", _last_record(subject)),
        ("Measured by", subject.measured.source or "nobody"),
        ("Policy of this report", f"sha256 {subject.policy_digest}"),
    )
    return Document(title, meta, (*_first(subject), *blocks), about=str(subject.period))


def _last_record(subject: Subject) -> str:
    """The last before the period's end; whether what was open then still is, nobody knows."""
    last = subject.told.last
    zone = subject.period.zone
    return "nothing" if last is None else f"{subject.period.shown(last)} ({zone})"


def _first(subject: Subject) -> list[Paragraph]:
    """Whatever limits what the rest is worth."""
    found = []
    if not subject.verification.ok:
        problems = amount(subject.verification.problem_count, "problem")
        found.append(
            Paragraph(
                f"The audit chain is broken: {problems}. What is not what was written is left out "
                "of every figure below, so the figures are incomplete. See riskwarden audit "
                "verify.",
                Tone.EMERGENCY,
            )
        )
    if subject.damaged:
        left_out = amount(subject.damaged, "damaged record")
        found.append(Paragraph(f"Left out: {left_out}.", Tone.CRITICAL))
    if subject.unread:
        found.append(
            Paragraph(
                f"The chain could not be read to its end ({subject.unread}); what stands behind "
                "that is missing here.",
                Tone.CRITICAL,
            )
        )
    if gone := subject.totals.gone:
        found.append(
            Paragraph(
                f"The payloads of {gone} of {subject.totals.events} records of this period are "
                "gone, as retention removes them: these records are counted, and their details "
                "are not known any more.",
                Tone.WARNING,
            )
        )
    if subject.measured.chain_size > subject.verification.events:
        seen = amount(subject.measured.chain_size, "record")
        found.append(
            Paragraph(
                f"{subject.measured.source} has seen an audit chain of {seen}: either it watches "
                "another stack, and what it measured is about that one, or records are missing "
                "here.",
                Tone.CRITICAL,
            )
        )
    first = subject.told.first
    if first is None or first >= subject.period.end:
        found.append(Paragraph("Nothing is on record for this period.", Tone.WARNING))
    elif first > subject.period.start:
        found.append(
            Paragraph(
                f"The record begins {subject.period.shown(first)}, after the period's start; "
                "nothing is known of the time before.",
                Tone.WARNING,
            )
        )
    last = subject.told.last
    if first is not None and last is not None and first < subject.period.end:
        found += _ends_early(subject, last)
    return found


def _ends_early(subject: Subject, last: datetime) -> list[Paragraph]:
    """A copy of an older chain is as intact as the chain itself, and knows nothing since."""
    if last >= subject.period.start:
        return []
    return [
        Paragraph(
            "Nothing was recorded in this period: the last record before it is of "
            f"{subject.period.shown(last)}. Whether nothing happened, nobody recorded, or this is "
            "an older copy, the chain does not tell.",
            Tone.WARNING,
        )
    ]


def carried_over(count: int) -> tuple[Paragraph, ...]:
    """That some of what is listed began earlier, and is in no total of what began."""
    if not count:
        return ()
    breaches = amount(count, "breach", "breaches")
    return (
        Paragraph(
            f"{breaches} began before the period and stood open in it; totals of the period count "
            "what began in it."
        ),
    )


def compared(
    subject: Subject, label: str, now: int, before: int, tone: Tone = Tone.PLAIN
) -> Figure:
    """A count beside that of the period before, if that is on record."""
    note = f"{before:,} in the period before" if subject.knows_before else "nothing to compare with"
    return Figure(label, f"{now:,}", note, tone if now else Tone.PLAIN)


def counted(label: str, count: int, tone: Tone = Tone.PLAIN, note: str = "") -> Figure:
    """A count that is meant in a tone unless it is 0."""
    return Figure(label, f"{count:,}", note, tone if count else Tone.PLAIN)


def headline(*shown: Figure) -> Figures:
    """The numbers that count."""
    return Figures(shown)


def activity(subject: Subject) -> TimeChart:
    """How many alerts began to fire, piece by piece of the period."""
    period = subject.period
    step = timedelta(seconds=period.seconds / _PIECES)
    counts = {severity: [0] * _PIECES for severity in _SHOWN}
    for alert in subject.told.alerts_in(period):
        piece = min(int((alert.at - period.start) / step), _PIECES - 1)
        if alert.severity in counts:
            counts[alert.severity][piece] += 1
    series = tuple(
        Series(
            severity.value,
            tuple(
                Point(period.local(period.start + step * number), float(count))
                for number, count in enumerate(found)
            ),
            tone=tone_of(severity),
        )
        for severity, found in counts.items()
        if any(found)
    )
    title = f"Alerts that began, for each {span(round(step.total_seconds()))}"
    return TimeChart(title, series, stacked=True)


def distribution(subject: Subject) -> tuple[BarChart, Table]:
    """Alerts by category, with their share."""
    counts = figures.by_category(subject.told, subject.period)
    ordered = counts.most_common()
    shares = figures.percents([count for _, count in ordered])
    rows = [
        (name.replace("_", " "), f"{count:,}", f"{share}%")
        for (name, count), share in zip(ordered, shares, strict=True)
    ]
    if rows:
        rows.append(("all", f"{sum(counts.values()):,}", "100%"))
    bars = tuple(Bar(name.replace("_", " "), count) for name, count in counts.most_common())
    table = Table.of("", ("Category", "Count", "%"), rows, numeric=(1, 2), empty="no alerts")
    return BarChart("Alerts by category", bars, is_in_table=True), table
