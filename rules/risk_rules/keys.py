"""Which keys of the policy a rule follows from, the decisive one first.

For limits this stands in the catalogue; for conditions of their own it stands here. A test
turns every key of the policy and sees that these, and no others, change those rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit
from risk_policy.catalogue.system import SYSTEM_ALERTS, SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.unanswered import LAST, STEPS
from risk_policy.vocabulary import Escalation

_S: Final = "alerting.system."
_FREQUENCY: Final = "alerting.escalation.frequency_based."
_TREND: Final = "alerting.escalation.threshold_based."
_FAILURES: Final = _S + "failure_window_minutes"
_EVENT: Final = _S + "event_seconds"
#: Decides when a breach is over.
CLEAR_KEY: Final = "alerting.latch.clear_margin_pct"
_HOLD: Final = "alerting.latch.hold_missing_minutes"

#: Beside the duration, which stands in the catalogue.
_CONDITIONS: Final[dict[str, tuple[str, ...]]] = {
    system.DATA_STALE.name: (_S + "snapshot_stale_seconds", _S + "exporter_down_seconds"),
    system.RUNTIME_SILENT.name: (
        "alerting.dead_man.runtime_seconds",
        _S + "snapshot_stale_seconds",
        _HOLD,
    ),
    system.NO_ACCOUNT.name: (_S + "snapshot_stale_seconds", _S + "exporter_down_seconds"),
    system.CLOCK_SKEW.name: (_S + "clock_skew_seconds",),
    system.LIMIT_UNEVALUABLE.name: (_S + "required_limits", _HOLD),
    system.VAR_INCOMPLETE.name: (_S + "var_covered_min_pct",),
    system.STATE_UNSAVED.name: (_S + "snapshot_stale_seconds",),
    system.POLICY_DRIFT.name: (_S + "policy_drift_seconds", _S + "exporter_down_seconds"),
    system.RULES_FAILING.name: (_FAILURES,),
    system.RULES_LATE.name: (_FAILURES,),
    system.ALERTS_UNDELIVERED.name: (_FAILURES,),
    system.CHANNEL_FAILING.name: (_S + "channel_down_seconds", _FAILURES),
    system.UNEXPECTED_ERRORS.name: (_FAILURES,),
    system.CHAIN_TRUNCATED.name: (_S + "audit_witness_hours",),
    system.CHAIN_REWRITTEN.name: (_S + "audit_witness_hours",),
    system.CHAIN_UNSIGNED.name: (_S + "audit_unsigned_seconds",),
    system.DISK_LOW.name: (_S + "disk_free_warning_pct",),
    system.DISK_FULL.name: (_S + "disk_free_critical_pct",),
    system.CERTIFICATE_EXPIRING.name: (_S + "certificate_warning_days",),
    system.CERTIFICATE_ENDING.name: (_S + "certificate_critical_days",),
    system.LIVE_ORDERS_POSSIBLE.name: (_EVENT,),
    system.KILL_SWITCH_ARMED.name: (_EVENT,),
    system.KILL_SWITCH_TRIGGERED.name: (_HOLD,),
    system.KILL_SWITCH_NOT_CONFIRMED.name: (
        "alerting.kill_switch.confirm_flat_within_seconds",
        _HOLD,
    ),
    system.STOP_LOSS_TRIGGERED.name: (_EVENT,),
    system.TAKE_PROFIT_TRIGGERED.name: (_EVENT,),
    system.KILL_SWITCH_EVALUATION.name: (LAST,),
    system.ALERT_STORM.name: (
        _FREQUENCY + "storm_alert_at_count",
        _FREQUENCY + "window_minutes",
    ),
    **{
        alert.name: (f"alerting.security.{kind}_count", "alerting.security.window_minutes")
        for kind, alert in system.SECURITY_ALERTS.items()
    },
}
_LIMITS: Final = {limit.name: limit for limit in LIMITS}
_SYSTEM: Final = {alert.limit: alert for alert in SYSTEM_ALERTS}


def limit_of(rule_labels: Mapping[str, str]) -> Limit | None:
    """The limit that a rule's labels name."""
    return _LIMITS.get(rule_labels.get(labels.LIMIT, ""))


def spec_of(rule_labels: Mapping[str, str]) -> AlertSpec | None:
    """The tier of a limit that a rule's labels name."""
    limit, tier = limit_of(rule_labels), rule_labels.get(labels.TIER, "")
    return next((spec for spec in limit.alerts if spec.tier == tier), None) if limit else None


def system_keys(alert: SystemAlert) -> tuple[str, ...]:
    """What decides when an alert with a condition of its own fires."""
    own = _CONDITIONS.get(alert.name, ())
    return tuple(dict.fromkeys((*own, alert.duration) if alert.duration else own))


def rule_key(record: str, rule_labels: Mapping[str, str]) -> str:
    """The key that decides about a rule, by the series it records; empty if none does.

    Args:
        record: the recorded series, empty for an alert.
    """
    escalation = rule_labels.get(labels.ESCALATION, "")
    if escalation and escalation != Escalation.NONE:
        return _escalation_key(escalation, rule_labels.get(labels.SEVERITY, ""))
    if record == m.HELD_UNTIL.name and (limit := limit_of(rule_labels)):
        return f"{limit.cooldown}.cooldown_minutes" if limit.cooldown else ""
    if record in _OF_RECORDS:
        return _OF_RECORDS[record]
    if spec := spec_of(rule_labels):
        return spec.threshold
    if limit := limit_of(rule_labels):
        return limit.alerts[0].threshold
    alert = _SYSTEM.get(rule_labels.get(labels.LIMIT, ""))
    return next(iter(system_keys(alert)), "") if alert else ""


_OF_RECORDS: Final = {
    m.ACCOUNT_KNOWN.name: _HOLD,
    m.BREACH_EPISODES.name: _FREQUENCY + "window_minutes",
    m.TREND_VALUE.name: _TREND + "trend_window_minutes",
    m.TREND_RATE.name: _TREND + "trend_window_minutes",
}


def setting(policy: Policy, key: str) -> str:
    """What a key is set to, as it would be written."""
    node: object = policy
    for part in key.split("."):
        node = getattr(node, part)
    if isinstance(node, tuple):
        return "[" + ", ".join(str(each) for each in node) + "]"
    if isinstance(node, bool):
        return str(node).lower()
    return f"{node:g}" if isinstance(node, int | float) else str(node)


def _escalation_key(escalation: str, severity: str) -> str:
    match escalation:
        case Escalation.TIME:
            return next((key for key, worse in STEPS if worse == severity), "")
        case Escalation.FREQUENCY:
            return _FREQUENCY + "escalate_at_count"
        case Escalation.TREND:
            return _TREND + "project_minutes"
        case _:
            return ""
