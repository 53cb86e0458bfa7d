"""Alerts to try templates on: ordinary ones, and such as no template expects."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec

from risk_policy.catalogue.limits import DRAWDOWN
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.vocabulary import Action, Severity, Tier
from risk_receivers.channels.message import Kind, Message, Owed
from risk_receivers.channels.trial import trial

_AT: Final = datetime(2026, 3, 1, 12, 5, 0, tzinfo=UTC)
_HEAD: Final = "4711:" + "3f9a" * 16
_TIERS: Final = {
    Severity.CRITICAL: Tier.CRITICAL,
    Severity.EMERGENCY: Tier.EMERGENCY,
}
_LONG: Final = "A drawdown that nobody can put in a few words. " * 5_000
_MARKUP: Final = "<b>1 < 2 & 3 > 2</b> <script>alert(1)</script> *_`[x](y)`_* </code> &amp; \"'"
_UNICODE: Final = (
    "Größe 🦆 مرحبا 本 e\u0301 \u202edrawkcab\u202c \x00\x1b[31m\r\nBcc: all@example.com"
)


def sample(
    kind: Kind = Kind.FIRING,
    severity: Severity = Severity.CRITICAL,
    runbooks: str = "http://127.0.0.1:9465/runbooks/",
) -> Owed:
    """A message as the receivers would write it."""
    if kind in (Kind.KILL_SWITCH, Kind.KILL_SWITCH_TIGHTENED):
        return _owed(_kill(kind))
    if kind is Kind.TEST:
        return _owed(trial("slack", "olga", _AT, 4713))
    if kind in (Kind.STORM, Kind.DIGEST):
        return _owed(_in_a_storm(kind, severity, runbooks))
    if kind is Kind.REPORT:
        return _owed(_report(severity))
    tier = _TIERS.get(severity, Tier.WARNING)
    spec = next(spec for spec in DRAWDOWN.alerts if spec.tier is tier)
    return _owed(
        Message(
            subject=f"drawdown/main:{tier}:3",
            kind=kind,
            severity=severity,
            title=spec.name,
            text=f"Drawdown of main is 21.4%; the {tier} threshold is 20%. {spec.meaning}",
            at=_AT,
            audit_seq=4711,
            risk_id="drawdown/main",
            starts_at=_AT - timedelta(minutes=5),
            runbook_url=f"{runbooks}{spec.name}",
            summary=spec.summary.replace("{subject}", "main"),
            value="21.4%",
            threshold="20%",
            tier=tier.value,
            category="drawdown",
            action=spec.action.value,
            escalation="time" if kind is Kind.ESCALATED else "none",
        )
    )


def ordinary() -> Iterator[tuple[str, Owed]]:
    """Every kind in every severity, each with a name."""
    for kind in Kind:
        for severity in Severity:
            yield f"{kind.value}, {severity.value}", sample(kind, severity)


def awkward() -> Iterator[tuple[str, Owed]]:
    """What comes of alerts that are not ours, or that somebody has tampered with."""
    bare = Message("x", Kind.FIRING, Severity.WARNING, "X", "", _AT, 0)
    yield "an alert with nothing but a name", _owed(bare)
    yield "a huge alert", _all_texts(_LONG)
    yield "an alert full of markup", _all_texts(_MARKUP)
    yield "an alert in many scripts, with control characters", _all_texts(_UNICODE)
    yield (
        "an unknown action",
        _owed(msgspec.structs.replace(sample().message, action="dance", title="NOT_OURS")),
    )
    for action in Action:
        message = msgspec.structs.replace(sample().message, action=action.value)
        yield f"the action {action.value}", _owed(message)


def _owed(message: Message) -> Owed:
    return Owed("0f3c9a5e7b1d4c628a90e1f2b3c4d5e6", message, _HEAD)


def _all_texts(text: str) -> Owed:
    names = (
        "subject", "title", "text", "risk_id", "summary", "value", "threshold", "tier",
        "category", "action", "escalation",
    )  # fmt: skip
    odd = msgspec.structs.replace(sample().message, **dict.fromkeys(names, text))
    return _owed(msgspec.structs.replace(odd, runbook_url=f"http://127.0.0.1/{text}"))


def _kill(kind: Kind) -> Message:
    return Message(
        subject="0b8e7a4e-54b0-4c62-b9b5-5f8d3c9ad001",
        kind=kind,
        severity=Severity.EMERGENCY,
        title="KILL SWITCH tripped" if kind is Kind.KILL_SWITCH else "KILL SWITCH tightened",
        text="kill switch tripped by DRAWDOWN_EMERGENCY in mode graceful; the gate is closed "
        "to new risk",
        at=_AT,
        audit_seq=4712,
    )


def _report(severity: Severity) -> Message:
    summary = "Daily Operations Report, 2026-03-01 (UTC): 4 alert, 2 critical, 1 kill"
    return Message(
        subject="report:daily:2026-03-02T06:00:00.000000+00:00",
        kind=Kind.REPORT,
        severity=severity,
        title="Daily Operations Report",
        text=f"{summary}\nObjectives missed: acknowledgement.\n- The kill switch is in force: look "
        "at what tripped it, and clear it with riskwarden clear.\n"
        "File: /var/lib/riskwarden/reports/daily-20260301-20260302.html",
        at=_AT,
        audit_seq=4714,
        summary=summary,
        attachment="reports/daily-20260301-20260302.html",
    )


def _in_a_storm(kind: Kind, severity: Severity, runbooks: str) -> Message:
    name = severity.value.upper()
    began = "More than 10 alerts began within 60 s"
    storm = Message(
        subject="storm:4712",
        kind=Kind.STORM,
        severity=severity,
        title=ALERT_STORM.name,
        text=f"{began}. Until that ends, people are told of what begins and ends in a digest "
        "every 1m 0s.",
        at=_AT,
        audit_seq=4712,
        runbook_url=f"{runbooks}{ALERT_STORM.name}",
        summary="Alert storm: more than 10 alerts began within 60 s",
        category=ALERT_STORM.category.value,
    )
    if kind is Kind.STORM:
        return storm
    summary = f"5 more of 3 incidents in the last 60 s: 3 {severity.value}"
    return Message(
        subject="digest:4713",
        kind=Kind.DIGEST,
        severity=severity,
        title="DIGEST",
        text=f"{summary}:\n- {name} POSITION_LOSS_WARNING, fires: position_loss/main/AAPL "
        f"(3 messages), position_loss/main/GOOG\n- {name} LEVERAGE_WARNING, over: leverage/main\n"
        "The storm goes on; the next digest comes in 1m 0s.",
        at=_AT,
        audit_seq=4713,
        summary=summary,
    )
