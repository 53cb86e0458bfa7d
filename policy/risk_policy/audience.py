"""Who is told about an alert, how fast, and when not: for runbooks and for ``rules explain``."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from risk_policy import second_way
from risk_policy.model import Policy
from risk_policy.model.mute_times import BusinessHours, MuteTime
from risk_policy.quiet import NEVER_MUTED_ACTIONS, quiet_of
from risk_policy.spoken import listed, spoken
from risk_policy.vocabulary import Action, Category, Severity

#: Categories of which nothing waits.
_URGENT: Final = (Category.KILL_SWITCH, Category.SECURITY)
_RECEIVERS: Final = "receivers"


@dataclass(frozen=True, slots=True)
class Told:
    """Who is told about a severity, and at what pace.

    Attributes:
        channels: enabled ones that take this severity.
        silent: those that do not, with the reason.
        first_seconds: after how long the first message goes out.
        more_seconds: after how long a change of the same group does.
        repeat_seconds: after how long it is repeated while nothing changes.
        muted: when people are not told of it all the same.
        by: who tells them.
        instead: who takes over from a channel, and when.
    """

    severity: str
    channels: tuple[str, ...]
    silent: tuple[str, ...]
    first_seconds: float
    more_seconds: float
    repeat_seconds: float
    muted: tuple[str, ...] = ()
    by: str = _RECEIVERS
    instead: tuple[str, ...] = ()


def told(policy: Policy, severity: Severity, category: Category, action: Action, name: str) -> Told:
    """Channels, pace and windows of an alert that counts as a severity."""
    if name in {alert.name for alert in second_way.ALERTS}:
        return _told_past_receivers(policy, severity)
    channels, silent = [], []
    for name in policy.alerting.channels.names():
        channel = getattr(policy.alerting.channels, name)
        if not channel.enabled:
            silent.append(f"{name} (not enabled)")
        elif channel.min_severity.rank > severity.rank:
            silent.append(f"{name} (from {channel.min_severity})")
        else:
            channels.append(name)
    pace = policy.alerting.routing.of(severity)
    return Told(
        severity.value,
        tuple(channels),
        tuple(silent),
        pace.group_wait_seconds,
        pace.group_interval_seconds,
        pace.repeat_interval_seconds,
        () if action in NEVER_MUTED_ACTIONS else tuple(_muted(policy, severity, category)),
        instead=tuple(_instead(policy, channels)),
    )


def _instead(policy: Policy, channels: list[str]) -> Iterator[str]:
    for name in channels:
        channel = getattr(policy.alerting.channels, name)
        if channel.fallback:
            yield (
                f"what {name} refuses, or does not confirm within "
                f"{spoken(channel.deadline_seconds)}, is taken over by "
                f"{listed(channel.fallback, 'or')}"
            )


def _told_past_receivers(policy: Policy, severity: Severity) -> Told:
    """Of what the receivers cannot tell, as they are dead or cannot record."""
    own, channels = policy.alerting.second_way, second_way.channels(policy)
    return Told(
        severity.value,
        channels,
        tuple(
            f"{name} (the receivers do not work)"
            for name in policy.alerting.channels.names()
            if getattr(policy.alerting.channels, name).enabled and name not in channels
        ),
        policy.alerting.routing.critical.group_wait_seconds,
        own.group_interval_seconds,
        own.repeat_minutes * 60,
        by="Alertmanager itself",
    )


def _muted(policy: Policy, severity: Severity, category: Category) -> Iterator[str]:
    quiet = quiet_of(policy, severity, category)
    windows = policy.alerting.mute_times.enabled()
    for name in quiet.mute_times:
        yield f"in mute_times.{name} ({within(windows[name])})"
    if quiet.business_hours:
        yield f"outside of business hours ({within(policy.alerting.business_hours)})"


def lines(every: tuple[Told, ...], waiting: Iterable[str]) -> Iterator[str]:
    """Who is told, in sentences: for each severity, then what waits for a digest."""
    for each in every:
        first = f"after {spoken(each.first_seconds)}" if each.first_seconds else "at once"
        silent = f"; not {', '.join(each.silent)}" if each.silent else ""
        pace = f"{first}, repeated every {spoken(each.repeat_seconds)}"
        channels = f"{', '.join(each.channels)}, {pace}" if each.channels else "nobody"
        yield f"{each.severity}: {channels}{silent}"
        yield from (f"{each.severity}: {other}" for other in each.instead)
        if each.muted:
            yield f"{each.severity}: nobody {' or '.join(each.muted)}; what lasts is told after it"
    if not every:
        yield "Nobody: people are told when it stops."
    elif any(each.by != _RECEIVERS for each in every):
        yield f"Told by {every[0].by}, as the receivers do not work while it fires."
        if not any(each.channels for each in every):
            yield "Enable email or Slack, and alerting.second_way, or nobody hears of it."
    elif any(each.channels for each in every):
        yield "Repeats reach the receivers, which decide how often they bother people."
    yield from waiting


def waits(policy: Policy, severity: Severity, category: Category) -> Iterator[str]:
    """Messages that are told later, in a digest. What is new or worse never is, but in a storm."""
    how = policy.alerting
    if category in _URGENT or severity is Severity.EMERGENCY:
        return
    if how.cooldown.enabled and (seconds := how.cooldown.of(category)):
        yield (
            f"If it ends and begins again within {spoken(seconds)} of being told, no worse, it "
            "waits for a digest."
        )
    if (most := how.rate_limits.of(severity)) is not None:
        yield f"Ends and repeats beyond {most} {severity} messages a minute wait for a digest."


def within(window: MuteTime | BusinessHours) -> str:
    """When a window is, e.g. ``22:00-06:00, saturday, UTC``."""
    if isinstance(window, MuteTime) and window.start and window.end:
        parts = [f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M}"]
    else:
        parts = [*window.times, *window.weekdays]
    if isinstance(window, MuteTime):
        parts += [f"day {day} of the month" for day in window.days_of_month]
        parts += window.months
    return ", ".join([*parts, window.location])
