"""What the security monitor has seen."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.base import WHOLE, Time


@WHOLE
class Suspect(TypedDict):
    """An address that stands out; ``score`` is what its acts still count."""

    address: str
    score: float
    blocked: bool
    blocked_seconds: int


@WHOLE
class KeyAge(TypedDict):
    """How old a secret is, by its name; null where nobody knows, which is never called fine."""

    secret: str
    changed_at: Time | None
    age_seconds: int | None
    rotate_after_seconds: int
    overdue: bool | None


@WHOLE
class Security(TypedDict):
    """Addresses, the worst first, and at which score one is blocked (null where none ever is); and
    secrets, those of which nobody knows the age first.
    """

    block_at: float | None
    addresses: list[Suspect]
    secrets: list[KeyAge]


@WHOLE
class Lifted(TypedDict):
    """A block that ended before its time."""

    address: str
    lifted: bool
