"""What the gate says at one instant, and what that means for one order. Pure.

An order that only reduces risk is held by nothing. One that adds risk is refused by a closed gate,
and by every restriction that may cover it: what an order does not say of itself is taken as lying
within.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_policy.contracts.restriction import (
    Kill,
    Restriction,
    kills_of,
    tightest_kill,
)
from risk_policy.contracts.scope import Subject
from risk_runtime.order import Order

#: The reason when nothing refuses an order.
OPEN: Final = "the gate is open"
#: Sizes are computed in floating point, so one that is meant to be half may be a hair more.
_ROUNDING: Final = 1e-9


class GateState(StrEnum):
    """What the lease file amounts to."""

    OPEN = "open"
    HALTED = "halted"
    STALE = "stale"
    IMPLAUSIBLE = "implausible"
    MISSING = "missing"
    UNTRUSTED = "untrusted"


@dataclass(frozen=True, slots=True)
class GateReading:
    """The gate at one instant.

    Attributes:
        state: what the lease file amounts to.
        version: the file's version word; 0 when there is no file to trust.
        reason: why it is closed; empty when it is open.
        restrictions: what is in force, worst first, as far as it is known.
    """

    state: GateState
    version: int = 0
    reason: str = ""
    restrictions: tuple[Restriction, ...] = ()

    @property
    def kills(self) -> tuple[Kill, ...]:
        """The kill switches that are tripped, whatever they cover."""
        return kills_of(self.restrictions)

    def kill_over(self, subject: Subject) -> Kill | None:
        """The tightest kill whose scope holds the whole subject."""
        return tightest_kill(self.restrictions, subject)


@dataclass(frozen=True, slots=True)
class Decision:
    """The answer to one order.

    Attributes:
        allowed: whether it may be sent.
        reason: why, in a sentence for people and for the record.
        state: the gate's state the answer rests on.
        gate_version: the gate's version the answer rests on.
        restriction: what refuses it, if it is one and not the gate as a whole.
    """

    allowed: bool
    reason: str
    state: GateState
    gate_version: int
    restriction: Restriction | None = None


def decide(order: Order, reading: GateReading) -> Decision:
    """Whether an order may be sent, by what the gate says."""
    state, version = reading.state, reading.version
    refusing, why = None, reading.reason
    if state is GateState.OPEN:
        refusing = next((one for one in reading.restrictions if refuses(one, order)), None)
        if refusing is None:
            return Decision(allowed=True, reason=OPEN, state=state, gate_version=version)
        why = f"{refusing}{_size_told(refusing, order)}"
    if order.reduces_risk:
        closed = why if refusing else f"the gate is closed: {why}"
        why = f"it only reduces risk, although {closed}"
        return Decision(allowed=True, reason=why, state=state, gate_version=version)
    return Decision(
        allowed=False, reason=why, state=state, gate_version=version, restriction=refusing
    )


def refuses(restriction: Restriction, order: Order) -> bool:
    """Whether a restriction refuses an order that adds risk."""
    if not restriction.scope.may_cover(order):
        return False
    ratio = restriction.size_ratio
    if ratio is None:
        return True
    full = order.full_quantity
    return full is None or order.quantity > full * ratio * (1 + _ROUNDING)


def size_ratio(restrictions: Iterable[Restriction], subject: Subject) -> float:
    """The share of its full size that a new order may have: 1 unrestricted, 0 for none."""
    ratios = (one.size_ratio or 0.0 for one in restrictions if one.scope.may_cover(subject))
    return min(ratios, default=1.0)


def _size_told(restriction: Restriction, order: Order) -> str:
    if restriction.size_ratio is None:
        return ""
    if order.full_quantity is None:
        return "; the order does not say its full_quantity"
    return f"; {order.quantity:g} is more than that of {order.full_quantity:g}"
