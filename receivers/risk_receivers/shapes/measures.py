"""What limits stand at. Values and thresholds are in the base unit: ratios, seconds, numbers."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Texts


@WHOLE
class Account(TypedDict):
    """How fresh what is known of an account is; Unix time, null if it is not a number.

    A stale one is not known.
    """

    account: str
    reported_at: float | None
    age_seconds: float | None
    stale: bool


@WHOLE
class Threshold(TypedDict):
    """A tier of a limit."""

    tier: str
    alertname: str
    severity: str
    action: str
    threshold: float
    clears_at: float


@WHOLE
class Measured(TypedDict):
    """What a limit stands at for one thing that it is about.

    ``used`` is how much of the way to the next threshold is gone: 1 is there; beyond the last, it
    is measured by that. ``value`` is null if it is not a number, ``beyond`` the worst tier that
    is crossed, and ``told`` whether an alert is open about this; null if none is crossed, if that
    cannot be read, or if this is how it stood at another time.
    """

    risk_id: str
    about: Texts
    value: float | None
    beyond: str | None
    next: str | None
    used: float | None
    told: bool | None


@WHOLE
class Watched(TypedDict):
    """A limit, its tiers from the mildest on, and what is closest to them first."""

    limit: str
    title: str
    category: str
    unit: str
    side: str
    thresholds: list[Threshold]
    values: list[Measured]


@WHOLE
class Current(TypedDict):
    """What every limit stands at; Unix time."""

    at: float
    accounts: list[Account]
    limits: list[Watched]


@WHOLE
class Line(TypedDict):
    """Points ``[Unix time, value]`` of one thing."""

    risk_id: str
    about: Texts
    points: list[tuple[float, float | None]]


@WHOLE
class Past(TypedDict):
    """What a limit stood at; ``more_lines`` were left out."""

    limit: str
    title: str
    unit: str
    step_seconds: float
    thresholds: list[Threshold]
    lines: list[Line]
    more_lines: int
