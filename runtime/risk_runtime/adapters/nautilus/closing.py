"""The kill switch's order of closing where everything takes time, as a pure decision.

reduce-only -> cancel working orders -> reduce-only closes of the exact quantity -> confirm flat
by looking again -> halt -> cancel again.

Invariants: what to do next follows from what the account looks like now and from what was asked
for and not answered yet, so that it goes on from anywhere, after a restart too. A position is
closed once its instrument has no order working that could fill beside the close, or has refused
to lose it for ``RETRY_SECONDS``: one order that cannot be cancelled keeps nothing open, one
instrument that is halted keeps no other open. No unit is closed twice: what a close of ours is
still working on is not closed again; one that is not filled in time is cancelled first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import Final

#: A venue answers within milliseconds, and one that is asked more often only throttles.
RETRY_SECONDS: Final = 5.0


class Mode(StrEnum):
    """What nautilus's own RiskEngine lets through; the names of its TradingState."""

    ACTIVE = "ACTIVE"
    REDUCING = "REDUCING"
    HALTED = "HALTED"


@dataclass(frozen=True, slots=True)
class Working:
    """An order that may still be filled; ``closes`` if it is one of the guard's own closes."""

    order_id: str
    instrument: str
    closes: bool = False


@dataclass(frozen=True, slots=True)
class Held:
    """An open position.

    Attributes:
        quantity: signed units.
        closing: units that closes of ours are still working on.
    """

    position_id: str
    instrument: str
    quantity: Decimal
    closing: Decimal = Decimal(0)


@dataclass(frozen=True, slots=True)
class View:
    """What a kill covers, at one instant.

    Attributes:
        mode: of the whole account; None if the kill covers a part of it, and leaves the mode alone.
    """

    mode: Mode | None
    working: tuple[Working, ...]
    positions: tuple[Held, ...]

    @property
    def flat(self) -> bool:
        """Nothing held and nothing working."""
        return not self.positions and not self.working


@dataclass(slots=True)
class Asked:
    """When what was asked for.

    Attributes:
        cancels: the last time for each order.
        first_cancels: the first time for each order.
        closes: when each of our closes was sent.
        refused_closes: when a close of each position was refused last.
    """

    cancels: dict[str, float] = field(default_factory=dict)
    first_cancels: dict[str, float] = field(default_factory=dict)
    closes: dict[str, float] = field(default_factory=dict)
    refused_closes: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class SetMode:
    """Act: let reduce-only orders through alone, or none."""

    mode: Mode


@dataclass(frozen=True, slots=True)
class Cancel:
    """Act: withdraw working orders."""

    order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Close:
    """Act: a reduce-only order of exactly what is held and not being closed yet."""

    position_id: str
    quantity: Decimal
    buys: bool


@dataclass(frozen=True, slots=True)
class ConfirmFlat:
    """Act: look again; what is confirmed was seen twice."""


@dataclass(frozen=True, slots=True)
class CancelAgain:
    """Act: withdraw what was sent beside the first cancels and survived them."""


Act = SetMode | Cancel | Close | ConfirmFlat | CancelAgain


def next_acts(
    view: View, asked: Asked, now: float, *, confirmed: bool, cancelled_again: bool
) -> tuple[Act, ...]:
    """What to do now; nothing while everything waits for an answer, or is done.

    Args:
        now: seconds, by the clock that ``asked`` was noted with.
        confirmed: the last look found it flat too, with nothing done in between.
        cancelled_again: what follows a confirmed flat account was done.
    """
    if view.mode is Mode.ACTIVE or (view.mode is Mode.HALTED and view.positions):
        return (SetMode(Mode.REDUCING),)
    acts: list[Act] = []
    others = [order for order in view.working if not order.closes]
    stuck = [o for o in view.working if o.closes and _is_due(asked.closes, o.order_id, now)]
    if due := tuple(
        o.order_id for o in (*others, *stuck) if _is_due(asked.cancels, o.order_id, now)
    ):
        acts.append(Cancel(due))
    patient = {o.instrument for o in others if not _has_waited(asked.first_cancels, o, now)}
    for held in view.positions:
        left = abs(held.quantity) - held.closing
        refused = not _is_due(asked.refused_closes, held.position_id, now)
        if left > 0 and held.instrument not in patient and not refused:
            acts.append(Close(held.position_id, left, buys=held.quantity < 0))
    if acts:
        return tuple(acts)
    if not view.flat:
        return ()
    if not confirmed:
        return (ConfirmFlat(),)
    if view.mode is Mode.REDUCING:
        return (SetMode(Mode.HALTED),)
    return () if cancelled_again else (CancelAgain(),)


def _is_due(asked: Mapping[str, float], name: str, now: float) -> bool:
    at = asked.get(name)
    return at is None or now - at >= RETRY_SECONDS


def _has_waited(first: Mapping[str, float], order: Working, now: float) -> bool:
    at = first.get(order.order_id)
    return at is not None and now - at >= RETRY_SECONDS
