"""Daily operations: what the next shift has to know."""

from __future__ import annotations

from risk_policy.quantities import duration
from risk_policy.vocabulary import Severity
from risk_receivers.document.model import Block, Document, Paragraph, Section, Table, Tone
from risk_receivers.periodic import figures, parts, tables
from risk_receivers.periodic.advice import advice
from risk_receivers.periodic.amounts import share
from risk_receivers.periodic.subject import Subject


def daily(subject: Subject) -> Document:
    """The report on a day, or on whatever time it is asked for."""
    now, before = subject.totals, subject.totals_before
    end = subject.period.end
    standing = [
        one
        for one in subject.told.alerts
        if one.is_open_at(end) and one.severity.rank >= Severity.WARNING.rank
    ]
    standing.sort(key=lambda one: (-one.worst.rank, one.at))
    return parts.document(
        "Daily Operations Report",
        subject,
        parts.headline(
            parts.counted("Open now", len(standing), Tone.WARNING, "warning or worse"),
            parts.compared(subject, "Alerts", now.alerts, before.alerts),
            parts.compared(subject, "Critical", now.critical, before.critical, Tone.CRITICAL),
            parts.compared(subject, "Emergency", now.emergency, before.emergency, Tone.EMERGENCY),
            parts.compared(subject, "Trades blocked", now.blocked, before.blocked),
            parts.compared(subject, "Lost messages", now.given_up, before.given_up, Tone.CRITICAL),
        ),
        *advice(subject)[:1],
        Section(
            "Open now",
            (tables.alert_rows(subject, "", standing, "no alert of warning or worse is open"),),
        ),
        Section("What fired", (parts.activity(subject), tables.alert_groups(subject))),
        Section("Acknowledgements", tables.acks(subject)),
        Section("Messages", _messages(subject)),
        Section("Kill switch", (tables.kills(subject),)),
        Section("Restrictions at the gate", (tables.restrictions(subject),)),
        Section("Trades blocked", (tables.blocked(subject),)),
        Section("Gaps", _gaps(subject)),
        Section("Drills", (tables.drills(subject),)),
        *advice(subject)[1:],
    )


def _messages(subject: Subject) -> tuple[Block, ...]:
    lost = [
        (subject.period.shown(one.at), one.channel, f"{one.kind} {one.subject}", one.reason)
        for one in subject.told.deliveries
        if one.at in subject.period and not one.is_delivered
    ]
    heads = ("When", "Channel", "Message", "Why")
    return (
        tables.deliveries(subject),
        Table.of("Not delivered", heads, lost, empty="everything was delivered"),
    )


def _gaps(subject: Subject) -> tuple[Block, ...]:
    """Time of which nobody knows anything."""
    silent = figures.silent_seconds(subject.told, subject.period)
    rows = [
        (f"feed of {'Prometheus' if feed == 'alerts' else 'Alertmanager'} silent", took)
        for feed, seconds in silent.items()
        if (took := duration(round(seconds, 1)))
    ]
    rows += [
        (f"account {account}: time with measured snapshots", share(covered))
        for account, covered in sorted(subject.measured.covered.items())
    ]
    starts = subject.told.counts(subject.period)["SERVICE_STARTED"]
    rows.append(("starts of the receivers", str(starts)))
    found: list[Block] = [Table.of("", ("What", "How much"), rows, numeric=(1,))]
    if subject.measured.problem:
        found.append(Paragraph(f"{subject.measured.problem}."))
    return tuple(found)
