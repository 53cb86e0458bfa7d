"""Channels and what they gave up."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


class Channel(TypedDict, total=False):
    """How a channel fares; of one that is off only its name and what is left over."""

    name: str
    enabled: bool
    dead_letters: int
    up: bool | None
    late: bool
    min_severity: str
    fallback: list[str]
    deadline_seconds: float
    confirmed_at: Time | None
    error: str | None
    failed_at: Time | None
    waiting: int
    oldest_seconds: float | None


@WHOLE
class Channels(TypedDict):
    """All channels, as the policy orders them."""

    channels: list[Channel]


@WHOLE
class Trial(TypedDict):
    """What became of a test through one channel."""

    channel: str
    confirmed: bool
    error: str | None


@WHOLE
class Trials(TypedDict):
    """What became of a test."""

    results: list[Trial]


@WHOLE
class DeadLetter(TypedDict):
    """A message that was given up; ``fate`` is what became of its news."""

    number: int
    channel: str
    subject: str
    kind: str
    due_at: Time
    given_up_at: Time
    reason: str
    fate: str
    by: str


@WHOLE
class DeadLetters(TypedDict):
    """Messages that were given up, the latest first."""

    dead_letters: list[DeadLetter]


@WHOLE
class Resent(TypedDict):
    """Numbers of the messages that are owed again."""

    resent: list[int]


@WHOLE
class Dismissed(TypedDict):
    """The number of the message that is let be."""

    dismissed: int
