"""What a change does to people, and to the kill switch."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.audience import within
from risk_policy.model import Policy
from risk_policy.model.mute_times import BusinessHours, MuteTime
from risk_policy.spoken import listed, spoken
from risk_policy.vocabulary import KillMode, Severity
from risk_rules.diff.change import Change, Kind
from risk_rules.diff.settings import Settings

_MODE: Final = "alerting.kill_switch.mode"
_TIMEOUT: Final = "alerting.kill_switch.graceful_timeout_minutes"
_LANE: Final = "alerting.fast_lane.enabled"
_SNAPSHOTS: Final = "alerting.fast_lane.confirm_snapshots"
_MODES: Final = {
    KillMode.PAUSE: "refuses new entries and manages what is open",
    KillMode.GRACEFUL: "refuses new entries and lets positions close at their targets",
    KillMode.IMMEDIATE: "cancels orders and closes every position at once",
}
#: Of a pace: what its key does when it gets shorter, and when it gets longer.
_PACES: Final = {
    "group_wait_seconds": ("the first message", "goes out sooner", "goes out later"),
    "group_interval_seconds": ("a change", "is told sooner", "is told later"),
    "repeat_interval_seconds": ("the reminder", "comes more often", "comes more rarely"),
}


def kill_switch(settings: Settings) -> Iterator[Change]:
    """What an automatic trip does."""
    if settings.take(_MODE):
        before, after = settings.shown(_MODE)
        tighter = KillMode(after).rank > KillMode(before).rank
        yield Change(
            Kind.KILL_SWITCH,
            "an automatic trip",
            before,
            after,
            f"{'tighter' if tighter else 'looser'}: it {_MODES[KillMode(after)]}",
            _MODE,
        )
    if settings.take(_TIMEOUT):
        before, after = (
            spoken(float(side[_TIMEOUT]) * 60) for side in (settings.old, settings.new)
        )
        effect = "what is left is closed " + ("later" if settings.rose(_TIMEOUT) else "sooner")
        yield Change(Kind.KILL_SWITCH, "a graceful trip", before, after, effect, _TIMEOUT)
    if settings.take(_LANE):
        before, after = settings.shown(_LANE)
        waits = "does not wait" if settings.new[_LANE] else "waits"
        effect = f"a trip {waits} for Prometheus to see the breach"
        yield Change(Kind.KILL_SWITCH, "the fast lane", before, after, effect, _LANE)
    if settings.take(_SNAPSHOTS):
        before, after = settings.shown(_SNAPSHOTS)
        effect = (
            f"it trips on {'more' if settings.rose(_SNAPSHOTS) else 'fewer'} snapshots in a row"
        )
        yield Change(Kind.KILL_SWITCH, "the fast lane", before, after, effect, _SNAPSHOTS)


def channels(old: Policy, new: Policy, settings: Settings) -> Iterator[Change]:
    """Who is told of what. The least severity of a channel that is off changes nothing."""
    for name in new.alerting.channels.names():
        prefix = f"alerting.channels.{name}."
        enabled, least = prefix + "enabled", prefix + "min_severity"
        before, after = _takes(old, name), _takes(new, name)
        if before == after:
            continue
        key = enabled if settings.take(enabled) else least
        settings.take(least)
        gained = [word for word in after if word not in before]
        lost = [word for word in before if word not in after]
        effect = f"is told of {', '.join(gained)} too" if gained else ""
        if lost:
            effect = f"is no longer told of {', '.join(lost)}"
        yield Change(
            Kind.CHANNEL, name, _from(before), _from(after), effect, key
        )  # fmt: skip


def quiet(old: Policy, new: Policy, settings: Settings) -> Iterator[Change]:
    """When people are not told, and of what. A window that is off changes nothing."""
    before, after = _windows(old), _windows(new)
    for key in dict.fromkeys((*before, *after)):
        differing = list(settings.changed(f"{key}."))
        if before.get(key) == after.get(key):
            continue
        settings.told.update(differing)
        was, now = before.get(key), after.get(key)
        yield Change(
            Kind.QUIET,
            key.removeprefix("alerting."),
            within(was) if was else "off",
            within(now) if now else "off",
            _muted(now) if now else "people are told at any time again",
            key,
        )


def routing(settings: Settings) -> Iterator[Change]:
    """How fast people are told."""
    for severity in Severity:
        for name, (what, sooner, later) in _PACES.items():
            key = f"alerting.routing.{severity}.{name}"
            if settings.take(key):
                before, after = (spoken(float(side[key])) for side in (settings.old, settings.new))
                effect = f"{what} {later if settings.rose(key) else sooner}"
                yield Change(Kind.ROUTING, f"{severity} alerts", before, after, effect, key)


def _windows(policy: Policy) -> dict[str, MuteTime | BusinessHours]:
    """Those in force, by their keys."""
    found: dict[str, MuteTime | BusinessHours] = {
        f"alerting.mute_times.{name}": window
        for name, window in policy.alerting.mute_times.enabled().items()
    }
    if policy.alerting.business_hours.enabled:
        found["alerting.business_hours"] = policy.alerting.business_hours
    return found


def _muted(window: MuteTime | BusinessHours) -> str:
    of = listed([severity.value for severity in window.severities])
    if isinstance(window, BusinessHours):
        return f"people are told of {of} alerts in these hours only"
    about = listed([category.value for category in window.categories])
    return f"people are not told of {of} alerts about {about} then"


def _takes(policy: Policy, name: str) -> tuple[str, ...]:
    channel = getattr(policy.alerting.channels, name)
    least = channel.min_severity.rank
    every = (severity for severity in Severity if severity.rank >= least)
    return tuple(severity.value for severity in every) if channel.enabled else ()


def _from(severities: tuple[str, ...]) -> str:
    return f"{severities[0]} and worse" if severities else "off"
