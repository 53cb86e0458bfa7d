"""Whether a message is told now or waits for a digest. Pure: values and a time in, a verdict out.

Invariants:

- An emergency, an escalation, the kill switch, security, what somebody no longer acknowledges,
  that a channel fails and what the receivers say about themselves never wait.
- The first announcement of a breach waits in a storm only, and that a storm began has been told.
- An end never comes before what announces its beginning.
- Whatever waits has a time at which it is due; nothing is dropped.

The one exception to the first is the rules' own ALERT_STORM while a storm is on that people were
told of: it would say the same again, and is named in the next digest.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from risk_policy.catalogue.system import ALERT_STORM, CHANNEL_FAILING, DEAD_LETTERS
from risk_policy.vocabulary import Action, Category, Severity
from risk_receivers.channels.message import Kind, Message
from risk_receivers.quiet.terms import MINUTE, Terms

#: What can be too much. All else is rare, or an answer to what somebody did.
_MAY_WAIT: Final = (Kind.FIRING, Kind.CONTINUED, Kind.EXPIRED, Kind.RESOLVED)
#: What makes people look; an end does not.
_NEWS: Final = (Kind.FIRING, Kind.ESCALATED, Kind.CONTINUED, Kind.EXPIRED)
_NEVER_WAIT: Final = (Category.KILL_SWITCH, Category.SECURITY)
#: A digest might go through the very channel that fails.
_ABOUT_CHANNELS: Final = (CHANNEL_FAILING.name, DEAD_LETTERS.name)
_TRIPPING: Final = frozenset(action.value for action in Action if action.trips_kill_switch)
_CATEGORIES: Final = {category.value: category for category in Category}


class Reason(StrEnum):
    """Why a message waits."""

    UNANNOUNCED = "unannounced"  # what it continues or ends waits itself
    DUPLICATE = "duplicate"
    COOLDOWN = "cooldown"
    STORM = "storm"
    RATE_LIMIT = "rate_limit"


@dataclass(frozen=True, slots=True)
class Recent:
    """What has happened of late, as far as it matters to one message.

    Attributes:
        announced: whether people were told anything about its incident.
        waiting_until: until when something about its incident waits.
        same_at: when the same kind was last told of its incident, within the window.
        breach_at: when its breach was last told to be at least as bad, within the cooldown.
        storm_until: the end of the storm's present window, if one is on.
        news: how much news there was within the window, told or held back for a storm; no more
            than would begin one. Not asked while one is on, nor is ``told_at``.
        told_at: the messages of its severity that were told within the last minute, oldest first.
    """

    announced: bool = False
    waiting_until: datetime | None = None
    same_at: datetime | None = None
    breach_at: datetime | None = None
    storm_until: datetime | None = None
    news: int = 0
    told_at: tuple[datetime, ...] = ()


@dataclass(frozen=True, slots=True)
class Verdict:
    """What becomes of a message.

    Attributes:
        reason: why it waits; None if it is told now.
        until: when it is due in a digest.
        storm: what began a storm, if this message is what did.
    """

    reason: Reason | None = None
    until: datetime | None = None
    storm: str = ""


TOLD_NOW: Final = Verdict()


def category_of(message: Message) -> Category | None:
    """What kind of thing is at risk, if it is known."""
    return _CATEGORIES.get(message.category)


def never_waits(message: Message) -> bool:
    """Whether it reaches people at once whatever else there is to tell."""
    return (
        message.kind not in _MAY_WAIT
        or message.severity is Severity.EMERGENCY
        or message.action in _TRIPPING
        or category_of(message) in _NEVER_WAIT
        or message.title in _ABOUT_CHANNELS
    )


def is_news(message: Message) -> bool:
    """Whether it counts towards a storm."""
    exempt = message.kind is not Kind.ESCALATED and never_waits(message)
    calm = message.severity is Severity.EMERGENCY or category_of(message) is Category.SYSTEM
    return message.kind in _NEWS and not exempt and not calm


def decide(terms: Terms, message: Message, recent: Recent, now: datetime) -> Verdict:
    """What becomes of a message."""
    follows = not recent.announced and recent.waiting_until is not None
    if follows and message.kind is Kind.RESOLVED:
        return Verdict(Reason.UNANNOUNCED, recent.waiting_until)
    if never_waits(message):
        repeats_storm = message.title == ALERT_STORM.name and message.kind in _MAY_WAIT
        if repeats_storm and recent.storm_until and message.severity is not Severity.EMERGENCY:
            return Verdict(Reason.STORM, recent.storm_until)
        return TOLD_NOW
    if follows:
        return Verdict(Reason.UNANNOUNCED, recent.waiting_until)
    if terms.folds_repeats and recent.same_at:
        return Verdict(Reason.DUPLICATE, recent.same_at + terms.window)
    category = category_of(message)
    if message.kind is Kind.FIRING and recent.breach_at:
        return Verdict(Reason.COOLDOWN, recent.breach_at + terms.cooldown(category))
    if category is Category.SYSTEM:  # why everything else may be wrong, and never that much of it
        return TOLD_NOW
    if recent.storm_until:
        return Verdict(Reason.STORM, recent.storm_until)
    if cause := _storm(terms, message, recent):
        return Verdict(Reason.STORM, now + terms.window, cause)
    limit = terms.limit(message.severity)
    if limit is not None and len(recent.told_at) >= limit:  # due when there is room for it
        return Verdict(Reason.RATE_LIMIT, recent.told_at[-limit] + MINUTE)
    return TOLD_NOW


def goes_on(terms: Terms, news: int, firing: Mapping[Severity, int]) -> bool:
    """Whether a storm is not over, given the news and the beginnings of its last window."""
    if terms.storm_count is not None and news > terms.storm_count:
        return True
    minutes = max(terms.window / MINUTE, 1)
    return any(
        limit is not None and firing[severity] > limit * minutes
        for severity, limit in ((one, terms.limit(one)) for one in firing)
    )


def _storm(terms: Terms, message: Message, recent: Recent) -> str:
    """Why this message begins a storm; empty if it does not."""
    count = terms.storm_count
    if count is not None and is_news(message) and recent.news >= count:
        return f"more than {count} alerts began within {terms.window.total_seconds():g} s"
    limit = terms.limit(message.severity)
    if message.kind is Kind.FIRING and limit is not None and len(recent.told_at) >= limit:
        return f"more than {limit} {message.severity.value} messages came within a minute"
    return ""
