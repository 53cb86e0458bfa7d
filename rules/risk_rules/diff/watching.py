"""What a change does to alerts: when they fire, when they clear, how they escalate."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.catalogue.limits import CVAR, LIMITS, POSITION_SIZE, VAR
from risk_policy.catalogue.system import EXPORTER_DOWN, SYSTEM_ALERTS
from risk_policy.contracts import limit_alert
from risk_policy.model import Policy
from risk_policy.quantities import shown
from risk_policy.spoken import listed, spoken
from risk_policy.unanswered import LAST, STEPS
from risk_policy.vocabulary import Tier
from risk_rules.diff.change import Change, Kind
from risk_rules.diff.settings import Settings
from risk_rules.keys import CLEAR_KEY, system_keys

_E: Final = "alerting.escalation."
_SOONER, _LATER = "sooner", "later"
#: More of these fires earlier, not later.
_LEAST: Final = (
    *("disk_free_warning_pct", "disk_free_critical_pct", "var_covered_min_pct"),
    *("certificate_warning_days", "certificate_critical_days"),
)
#: Words of an escalation's key: what happens, in which unit.
_ESCALATIONS: Final = {
    STEPS[0][0]: ("an unanswered warning counts as critical", "min"),
    STEPS[1][0]: ("an unanswered alert counts as emergency", "min"),
    LAST: ("an unanswered alert calls for a kill-switch decision", "min"),
    _E + "frequency_based.window_minutes": ("window in which beginnings are counted", "min"),
    _E + "frequency_based.escalate_at_count": ("beginnings that raise it one level", "times"),
    _E + "frequency_based.deduplicate_at_count": ("beginnings that raise it two levels", "times"),
    _E + "frequency_based.storm_alert_at_count": ("beginnings that make a storm", "times"),
    _E + "threshold_based.trend_window_minutes": ("window of a trend", "min"),
    _E + "threshold_based.project_minutes": ("how near a threshold has to be in time", "min"),
    _E + "threshold_based.min_datapoints": ("levels that make a trend", "times"),
}
_SWITCHES: Final = {
    _E + "enabled": "every escalation",
    _E + "time_based.enabled": "escalation by time",
    _E + "frequency_based.enabled": "escalation by frequency",
    _E + "threshold_based.enabled": "escalation by trend",
}
_MEASURED_AGAINST: Final = {
    "alerting.limits.position_max_pct": POSITION_SIZE,
    "alerting.limits.var_max_pct": VAR,
    "alerting.limits.cvar_max_pct": CVAR,
}
#: A larger number of these escalates more.
_WIDER: Final = ("window_minutes", "trend_window_minutes", "project_minutes")


def thresholds(old: Policy, new: Policy, settings: Settings) -> Iterator[Change]:
    """Where every alert of a limit begins."""
    for limit in LIMITS:
        for spec in limit.alerts:
            if not settings.take(spec.threshold):
                continue
            before, after = limit_alert.bound(old, limit, spec), limit_alert.bound(new, limit, spec)
            closer = (after - before) * limit.side.sign < 0
            yield Change(
                Kind.THRESHOLD,
                spec.name,
                shown(limit.unit.kind, before),
                shown(limit.unit.kind, after),
                f"fires {'earlier' if closer else 'later'}"
                + (" and trips the kill switch" if spec.action.trips_kill_switch else ""),
                spec.threshold,
            )


def measured(settings: Settings) -> Iterator[Change]:
    """What percentages of a limit refer to."""
    for key, limit in _MEASURED_AGAINST.items():
        if settings.take(key):
            before, after = settings.shown(key)
            names = listed([spec.name for spec in limit.alerts])
            effect = f"{names} fire {'later' if settings.rose(key) else 'earlier'}"
            subject = f"the limit of {limit.title.lower()}"
            yield Change(Kind.THRESHOLD, subject, f"{before}%", f"{after}%", effect, key)


def clear_levels(old: Policy, new: Policy, settings: Settings) -> Iterator[Change]:
    """Where alerts end: the margin for all of them, the level where a threshold was moved."""
    if settings.take(CLEAR_KEY):
        before_pct, after_pct = settings.shown(CLEAR_KEY)
        more = "further" if settings.rose(CLEAR_KEY) else "less far"
        yield Change(
            Kind.CLEAR,
            "every alert of a limit",
            f"{before_pct}% of the threshold",
            f"{after_pct}%",
            f"the value has to come back {more} before it clears",
            CLEAR_KEY,
        )
    for limit in LIMITS:
        for spec in limit.alerts:
            before, after = (limit_alert.clear_level(policy, limit, spec) for policy in (old, new))
            if before == after or not settings.take(spec.threshold):
                continue
            deeper = (after - before) * limit.side.sign < 0
            yield Change(
                Kind.CLEAR,
                spec.name,
                shown(limit.unit.kind, before),
                shown(limit.unit.kind, after),
                f"has to come back {'further' if deeper else 'less far'} before it clears",
                spec.threshold,
            )


def confirmations(settings: Settings) -> Iterator[Change]:
    """How long a breach has to last."""
    for tier in Tier:
        key = f"alerting.confirmation.{tier}_seconds"
        if settings.take(key):
            yield _timed(
                Kind.CONFIRMATION, settings, key, 1, f"every alert of tier {tier}",
                ("fires sooner", "fires later"),
            )  # fmt: skip


def cooldowns(settings: Settings) -> Iterator[Change]:
    """How long circuit breakers hold."""
    for limit in LIMITS:
        names = listed([spec.name for spec in limit.alerts])
        key = f"{limit.cooldown}.cooldown_minutes"
        if limit.cooldown and settings.take(key):
            yield _timed(Kind.COOLDOWN, settings, key, 60, names, ("ends earlier", "holds longer"))
        key = f"{limit.cooldown}.cooldown_from"
        if limit.cooldown and settings.take(key):
            before, after = settings.shown(key)
            effect = f"counts from the {after} of the breach"
            yield Change(Kind.COOLDOWN, names, f"from {before}", f"from {after}", effect, key)


def escalations(settings: Settings) -> Iterator[Change]:
    """By time, frequency and trend."""
    for key, what in _SWITCHES.items():
        if settings.take(key):
            before, after = settings.shown(key)
            effect = "nothing escalates by it any more" if after == "off" else "escalates again"
            yield Change(Kind.ESCALATION, what, before, after, effect, key)
    for key, (what, unit) in _ESCALATIONS.items():
        if not settings.take(key):
            continue
        before, after = settings.shown(key)
        more = settings.rose(key) == key.endswith(_WIDER)
        word = (_SOONER if more else _LATER) if "time_based" in key else (
            "escalates more readily" if more else "escalates less readily"
        )  # fmt: skip
        yield Change(Kind.ESCALATION, what, f"{before} {unit}", f"{after} {unit}", word, key)


def system(settings: Settings) -> Iterator[Change]:
    """When the risk layer complains about itself. A key may decide about several alerts.

    How long the exporter may be down also says how long others hold their figures; that is no
    change that people would see.
    """
    alerts: dict[str, list[str]] = {}
    for alert in SYSTEM_ALERTS:
        for key in system_keys(alert):
            aside = key == EXPORTER_DOWN.duration and alert is not EXPORTER_DOWN
            if key.startswith(("alerting.system.", "alerting.security.")) and not aside:
                alerts.setdefault(key, []).append(alert.name)
    for key, names in alerts.items():
        if not settings.take(key):
            continue
        before, after = settings.shown(key)
        yield Change(Kind.SYSTEM, listed(names), before, after, _complains(settings, key), key)


def _complains(settings: Settings, key: str) -> str:
    name = key.rpartition(".")[2]
    if name in _LEAST:
        return "fires earlier" if settings.rose(key) else "fires later"
    if name == "event_seconds":
        return "is shown longer" if settings.rose(key) else "is shown for less time"
    if name.endswith(("_seconds", "_count")):
        return "fires later" if settings.rose(key) else "fires earlier"
    if name.endswith(("_minutes", "_hours")):
        return "looks further back" if settings.rose(key) else "looks less far back"
    return ""


def _timed(
    kind: Kind, settings: Settings, key: str, unit: int, subject: str, effects: tuple[str, str]
) -> Change:
    before, after = float(settings.old[key]) * unit, float(settings.new[key]) * unit
    return Change(kind, subject, spoken(before), spoken(after), effects[settings.rose(key)], key)
