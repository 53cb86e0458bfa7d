"""What many things answer with."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE


class Problem(TypedDict):
    """What cannot be done, and why (RFC 9457)."""

    type: str
    title: str
    status: int
    detail: str


class Alive(TypedDict):
    """That it is."""

    status: str


class FeedAnswer(TypedDict):
    """That it is on record."""

    status: str


@WHOLE
class Recorded(TypedDict):
    """The number of the record."""

    audit_seq: int


@WHOLE
class Confirmation(TypedDict, total=False):
    """The code that the second step takes."""

    confirmation: str
    expires_in_seconds: float
    needs_second_person: bool
    needs_totp: bool
    what: str
    kill_id: str


class Done(TypedDict, total=False):
    """What was done."""

    done: str
    kill_id: str
