"""Whether people would be told, at any hour, and could do something about it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import PurePosixPath
from typing import Final

from risk_policy import Policy
from risk_policy.model.mute_times import MUTABLE_CATEGORIES, MuteTime
from risk_policy.quiet import quiet_of
from risk_policy.vocabulary import Permission, Severity
from risk_receivers.shapes.channels import Channel, Trial
from risk_receivers.shapes.users import User
from riskwarden.channel_words import is_failing, state_of
from riskwarden.golive.finding import Finding, failed, listed, not_known, passed

#: They write on the machine itself: nobody is woken by a file.
_OF_THE_MACHINE: Final = ("console", "file")
_TOLD_AT_ANY_HOUR: Final = (Severity.CRITICAL, Severity.EMERGENCY)
#: Whoever may do one of these can let real orders out, or whom into the system.
_DANGEROUS: Final = (
    *(Permission.LOOSEN, Permission.CONFIRM, Permission.ARM),
    Permission.MANAGE_TOKENS,
)
_LATEST_DAY: Final = 31


def channels(found: Sequence[Channel]) -> Finding:
    """Whether every channel that is on works."""
    on = [one for one in found if one["enabled"]]
    if not on:
        return failed("no channel is enabled", "enable some in [alerting.channels]")
    if failing := [f"{one['name']} {state_of(one)}" for one in on if is_failing(one)]:
        return failed(listed(failing), "riskwarden channels health says why")
    if untried := [one["name"] for one in on if one["up"] is None]:
        return not_known(f"not tried yet: {listed(untried)}", "riskwarden channels test")
    return passed(f"{', '.join(one['name'] for one in on)}: work")


def trial(results: Sequence[Trial]) -> Finding:
    """Whether each channel has confirmed a message that was marked as a test."""
    if not results:
        return failed("no channel is enabled", "enable some in [alerting.channels]")
    if lost := [f"{one['channel']}: {one['error']}" for one in results if not one["confirmed"]]:
        return failed(listed(lost), "mend it, and try it out: riskwarden channels test")
    return passed(
        f"confirmed by {', '.join(one['channel'] for one in results)}; see that it arrived, too"
    )


def dead_letters(found: Sequence[Channel]) -> Finding:
    """Whether everything that was owed to people was told."""
    dead = [f"{one['dead_letters']} of {one['name']}" for one in found if one["dead_letters"]]
    if dead:
        return failed(
            f"given up, and looked at by nobody: {listed(dead)}",
            "riskwarden channels dead-letters list, then resend or dismiss them",
        )
    return passed("none")


def on_call(policy: Policy, now: datetime) -> Finding:
    """Whether somebody is told of critical alerts and of emergencies at any hour."""
    if not policy.alerting.enabled:
        return failed("alerting.enabled is false", "set it to true, and restart the receivers")
    least = policy.alerting.golive.people_channels
    ways = {one: tuple(_ways(policy, one)) for one in _TOLD_AT_ANY_HOUR}
    for severity, names in ways.items():
        if len(names) < least:
            said = ", ".join(names) or "nobody"
            return failed(
                f"{severity.value}: told by {said}; alerting.golive.people_channels asks for "
                f"{least} (a file or a screen of this machine wakes nobody)",
                "enable more channels in [alerting.channels], or lower their min_severity",
            )
    if quiet := sorted(set(_quiet(policy, now))):
        return failed(
            f"people are kept quiet: {listed(quiet)}",
            "take CRITICAL out of their severities: somebody has to be told at any hour",
        )
    told = "; ".join(f"{one.value} by {', '.join(names)}" for one, names in ways.items())
    return passed(f"at any hour: {told}")


def _ways(policy: Policy, severity: Severity) -> Iterator[str]:
    """An emergency goes to every channel that is enabled; so it is written in docs/channels.md."""
    own = policy.alerting.channels
    for name in own.names():
        one = getattr(own, name)
        is_told = severity is Severity.EMERGENCY or severity.rank >= one.min_severity.rank
        if one.enabled and is_told and name not in _OF_THE_MACHINE:
            yield name


def _quiet(policy: Policy, now: datetime) -> Iterator[str]:
    windows = policy.alerting.mute_times.enabled()
    for severity in _TOLD_AT_ANY_HOUR:
        for category in MUTABLE_CATEGORIES:
            quiet = quiet_of(policy, severity, category)
            for name in quiet.mute_times:
                if _is_to_come(windows[name], now.date()):
                    yield f"alerting.mute_times.{name}"
            if quiet.business_hours:
                yield "alerting.business_hours"


def _is_to_come(window: MuteTime, today: date) -> bool:
    """Whether a window recurs, or is not over yet."""
    return any(
        one.year is None
        or (one.year, max(one.months or {12}), max(one.days or {_LATEST_DAY}))
        >= (today.year, today.month, today.day)
        for one in window.intervals()
    )


@dataclass(frozen=True, slots=True)
class Way:
    """How Alertmanager itself tells people.

    Attributes:
        channel: by what.
        missing: what it lacks, so that it leads nowhere; empty if it lacks nothing.
        unseen: the secret's file, where nobody here can look for it; empty if there is none.
    """

    channel: str
    missing: str = ""
    unseen: str = ""


def without_receivers(ways: Sequence[Way], enabled: Sequence[str]) -> Finding:
    """Whether people are told even if the receivers are dead.

    What Alertmanager runs counts, not what the policy has enabled.
    """
    if broken := [f"{way.channel}: {way.missing}" for way in ways if way.missing]:
        return failed(listed(broken), "give Alertmanager the file: docs/quiet.md, the second way")
    left_out = [name for name in enabled if name not in {way.channel for way in ways}]
    without = f"; not by {', '.join(left_out)}" if left_out else ""
    sure = [way.channel for way in ways if not way.unseen]
    unsure = [f"{way.channel}, if it finds {way.unseen}" for way in ways if way.unseen]
    if not ways:
        return failed(
            f"nobody would be told that the receivers are dead{without}",
            "enable alerting.second_way, and email or slack",
        )
    told = f"Alertmanager itself tells by {', '.join((*sure, *unsure))}{without}"
    if sure:
        return passed(told)
    if all(PurePosixPath(way.unseen).is_absolute() for way in ways):
        return not_known(
            told, "look at it where Alertmanager runs, then --skip second-way --because ..."
        )
    return not_known(told, "give alerting.second_way.secrets_path as an absolute path")


def second_factor(
    users: Sequence[User],
    table: Mapping[Permission, Sequence[str]],
    *,
    can_log_in: bool,
    needs_totp: bool,
) -> Finding:
    """Whether whoever may let orders out shows more than a password or a token.

    Args:
        table: the roles that have each permission.
        needs_totp: whether the policy asks everybody for a code.
    """
    roles = {role for permission in _DANGEROUS for role in table[permission]}
    mighty = [one for one in users if not one["disabled"] and roles.intersection(one["roles"])]
    if not can_log_in or not mighty:
        if needs_totp:
            return passed("nobody logs in; clearing takes a code of alerting.auth.totp_secret")
        return failed(
            "nobody who may clear the kill switch has an authenticator",
            "riskwarden user add NAME --role admin, then riskwarden user totp NAME; or set "
            "alerting.kill_switch.needs_totp",
        )
    if without := sorted(one["name"] for one in mighty if not one["has_totp"]):
        return failed(
            f"without an authenticator: {listed(without)}",
            "; ".join(f"riskwarden user totp {name}" for name in without[:3]),
        )
    return passed(f"{listed(sorted(one['name'] for one in mighty))}: with an authenticator")


@dataclass(frozen=True, slots=True)
class Page:
    """What answered at a URL.

    Attributes:
        status: of HTTP; None if nobody answered, and ``why`` says why then.
    """

    url: str
    status: int | None
    why: str = ""


_OK: Final = 200


def console(pages: Sequence[Page], *, enabled: bool) -> Finding:
    """Whether people reach the console."""
    if not enabled:
        return failed("alerting.dashboard.enabled is false", "set it to true")
    if lost := [f"{one.url}: {one.why or one.status}" for one in pages if one.status != _OK]:
        return failed(listed(lost), "see that the receivers, and the proxy in front, serve it")
    return passed(", ".join(one.url for one in pages))


def runbooks(pages: Sequence[Page]) -> Finding:
    """Whether every alert's runbook opens by the link that people are sent."""
    if lost := [f"{one.url}: {one.why or one.status}" for one in pages if one.status != _OK]:
        return failed(listed(lost), "set alerting.runbooks.base_url to where people reach them")
    return passed(f"all {len(pages)} open, such as {pages[0].url}")
