"""Who is told about an alert, how fast, when not, and what makes it quiet."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from typing import Final

from risk_policy import second_way
from risk_policy.contracts import alert as labels
from risk_policy.model import Policy
from risk_policy.quiet import NEVER_MUTED_ACTIONS, quiet_of
from risk_policy.vocabulary import Action, Category, Severity, Tier
from risk_rules.explain.explanation import Acknowledgement, Told
from risk_rules.explain.windows import within
from risk_rules.explain.words import listed, spoken
from risk_rules.promql import quoted

_OWN: Final = "riskwarden ack INCIDENT --comment=why"
#: Categories of which nothing waits.
_URGENT: Final = (Category.KILL_SWITCH, Category.SECURITY)


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


def acknowledgement(
    policy: Policy,
    limit: str,
    identity: tuple[str, ...],
    tiers: tuple[Tier, ...],
    worse: tuple[Tier, ...],
) -> Acknowledgement:
    """The silence that acknowledges tiers of a limit, the last of them being the one meant.

    Args:
        worse: tiers beyond it, which stay loud.
    """
    if not tiers:
        return Acknowledgement("Nothing: it tells of something, and does not escalate.", "")
    risk_id = labels.risk_id(limit, *(name.upper() for name in identity))
    words = tuple(tier.value for tier in tiers)
    return Acknowledgement(_covers(tiers, worse), command(policy, risk_id, words), _OWN, words)


def command(policy: Policy, risk_id: str, tiers: tuple[str, ...]) -> str:
    """The amtool command that acknowledges tiers of one risk_id for an hour."""
    one = len(tiers) == 1
    tier = f'{labels.TIER}="{tiers[0]}"' if one else f'{labels.TIER}=~"{"|".join(tiers)}"'
    arguments = [
        "amtool", "silence", "add",
        f"--alertmanager.url=http://{policy.alerting.endpoints.alertmanager}",
        "--duration=1h", "--comment=why", f"{labels.RISK_ID}={quoted(risk_id)}", tier,
    ]  # fmt: skip
    return shlex.join(arguments)


def _covers(tiers: tuple[Tier, ...], worse: tuple[Tier, ...]) -> str:
    rest = f"; tier {listed(worse, 'or')} still notifies" if worse else ""
    return (
        "An active silence on its risk_id and tiers, never on its severity. It covers tier "
        f"{listed(tiers)} with all escalations{rest}. When it ends, the clock starts anew."
    )
