"""The compliance report: what an auditor asks of a period, and what the answers are worth."""

from __future__ import annotations

from risk_receivers.audit.verifier import Verification
from risk_receivers.document.model import (
    Document,
    Finding,
    Findings,
    Paragraph,
    Preformatted,
    Section,
    Table,
    Tone,
)
from risk_receivers.periodic import noted, parts, tables
from risk_receivers.periodic.advice import advice
from risk_receivers.periodic.subject import Subject


def compliance(subject: Subject) -> Document:
    """The report on a period."""
    found = subject.totals
    breaches = [
        one for one in subject.told.alerts if one.is_breach and one.is_open_in(subject.period)
    ]
    carried_over = sum(one.at < subject.period.start for one in breaches)
    return parts.document(
        "Risk Audit Report",
        subject,
        Section(
            "Summary",
            (
                *_in_a_word(subject),
                parts.headline(
                    parts.counted("Total Alerts", found.alerts),
                    parts.counted("Critical Alerts", found.critical, Tone.CRITICAL),
                    parts.counted("Emergency Alerts", found.emergency, Tone.EMERGENCY),
                    parts.counted("Trades Blocked", found.blocked, Tone.WARNING),
                    parts.counted("Kill Switch Activations", found.kills, Tone.EMERGENCY),
                    parts.counted("Positions Force-Closed", found.force_closed, Tone.CRITICAL),
                    parts.counted("Escalations to Critical or Worse", found.escalations),
                    parts.counted("Acknowledgements", found.acks),
                ),
                parts.activity(subject),
            ),
        ),
        Section("Alert Distribution", parts.distribution(subject)),
        Section(
            "Risk Breaches",
            (
                *parts.carried_over(carried_over),
                tables.alert_rows(subject, "", breaches, "no breach of a threshold is on record"),
            ),
        ),
        Section("Trades Blocked", _blocked(subject)),
        Section("Kill Switch", (tables.kills(subject),)),
        Section("Restrictions at the Gate", (tables.restrictions(subject),)),
        Section("Acknowledgements", tables.acks(subject)),
        Section(
            "Changes of Configuration",
            (tables.notes(subject, noted.CONFIGURATION, "nothing was changed"),),
        ),
        Section(
            "Users and Tokens",
            (tables.notes(subject, noted.ACCESS, "nobody's rights were changed"),),
        ),
        Section(
            "Silences that Acknowledge Nothing",
            (tables.notes(subject, noted.SILENCES, "nothing was silenced"),),
        ),
        Section(
            "Refused and Suspicious",
            (tables.notes(subject, noted.REFUSED, "nothing of the kind is on record"),),
        ),
        Section(
            "Seen by the Security Monitor",
            (tables.notes(subject, noted.SUSPICIOUS, "nothing of the kind is on record"),),
        ),
        *advice(subject),
        _integrity(subject),
    )


def _blocked(subject: Subject) -> tuple[Table, ...]:
    """Counted first, where there are many; then one by one."""
    groups, each = tables.blocked_groups(subject), tables.blocked(subject)
    return (groups, each) if len(each.rows) > len(groups.rows) else (each,)


def _in_a_word(subject: Subject) -> tuple[Paragraph, ...]:
    """What everything below rests on; that it is broken stands before everything else already."""
    if not subject.is_trustworthy:
        return ()
    return (
        Paragraph(
            f"Chain validation: PASSED, all {subject.verification.events:,} records to the end of "
            f"the chain; {subject.verification.signed:,} of them are signed.",
            Tone.GOOD,
        ),
    )


def _integrity(subject: Subject) -> Section:
    """What the chain's verification said, whole, and what retention took from it."""
    verification = subject.verification
    findings = [_verdict(subject), _signed(verification)]
    if verification.deleted:
        findings.append(_deleted(verification))
    findings += [Finding(str(one), "problem", Tone.CRITICAL) for one in verification.problems[:50]]
    if verification.problem_count > 50:
        more = verification.problem_count - 50
        findings.append(
            Finding(f"{more} more problems: riskwarden audit verify", "", Tone.CRITICAL)
        )
    findings += [Finding(str(one), "warning", Tone.WARNING) for one in verification.warnings[:50]]
    counts = subject.told.counts(subject.period)
    gone = subject.told.gone_in(subject.period)
    rows = [(kind, f"{count:,}", f"{gone[kind]:,}") for kind, count in sorted(counts.items())]
    return Section(
        "Audit Trail Integrity",
        (
            Findings(tuple(findings)),
            Preformatted(f"riskwarden audit verify --head {verification.tree}"),
            Table.of(
                "Records of the period",
                ("Type", "Records", "Payload gone"),
                rows,
                numeric=(1, 2),
                empty="none",
            ),
            Section(
                "Exported, backed up, restored",
                (tables.notes(subject, noted.TAKEN, "nothing of the kind is on record"),),
            ),
            Section(
                "Removed by retention",
                (tables.notes(subject, noted.REMOVED, "nothing was removed in this period"),),
            ),
        ),
    )


def _verdict(subject: Subject) -> Finding:
    verification = subject.verification
    if not subject.is_trustworthy:
        return Finding(
            "Chain validation: FAILED",
            f"{verification.problem_count} problems, {verification.events} records read, "
            f"{subject.damaged} left out",
            Tone.EMERGENCY,
        )
    return Finding(
        "Chain validation: PASSED. Every record has the checksum it was written with and follows "
        "from the one before it; none is missing.",
        f"{verification.events} records, head {verification.tree}",
        Tone.GOOD,
    )


def _signed(verification: Verification) -> Finding:
    if not verification.signed:
        return Finding(
            "No signed checkpoint says how far the chain went: whoever can write the database "
            "could have written all of it anew.",
            f"0 of {verification.events} records signed",
            Tone.WARNING,
        )
    return Finding(
        "A signed checkpoint says how far the chain went.",
        f"{verification.signed} of {verification.events} records, by key {verification.key}",
        Tone.GOOD if verification.ok else Tone.PLAIN,
    )


def _deleted(verification: Verification) -> Finding:
    return Finding(
        "Payloads were deleted by retention, which is on record and was due; their headers are "
        "kept and verified.",
        f"{verification.deleted} in the whole chain",
        Tone.PLAIN,
    )
