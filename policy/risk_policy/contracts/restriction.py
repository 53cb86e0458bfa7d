"""What holds the gate: the kill switch, and what the actions of alerts ask for.

The gate is the fold of all restrictions in force: an order that adds risk passes if none of those
that may cover it refuses it. One that only reduces risk is held by none.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, model_validator

from risk_policy.contracts.scope import Scope, Subject
from risk_policy.vocabulary import Action, KillMode


class RestrictionKind(StrEnum):
    """What is refused to orders that add risk. Ordered from the tightest to the loosest."""

    KILL_SWITCH = "kill_switch"  # all of them; the mode says what becomes of what is open
    HALT_NEW_TRADES = "halt_new_trades"  # all of them
    REDUCE_ONLY = "reduce_only"  # all of them, and positions should be brought down
    PAUSE_NEW_ENTRIES = "pause_new_entries"  # all of them, for the time being
    BLOCK_TRADE = "block_trade"  # all of them, where it would make a breach worse
    REDUCE_SIZE = "reduce_size"  # those larger than a share of their full size

    @property
    def rank(self) -> int:
        """Position in the order, 0 for the tightest."""
        return _ORDER[self]


_ORDER = {kind: rank for rank, kind in enumerate(RestrictionKind)}
#: What an alert's action holds at the gate while its incident is open. The kill switch is none of
#: them: it is tripped, and only a person ends that.
HELD_BY_ACTION = {
    Action.BLOCK_TRADE: RestrictionKind.BLOCK_TRADE,
    Action.REDUCE_SIZE: RestrictionKind.REDUCE_SIZE,
    Action.REDUCE_EXPOSURE: RestrictionKind.REDUCE_ONLY,
    Action.EMERGENCY_REDUCE: RestrictionKind.REDUCE_ONLY,
    Action.PAUSE_NEW_ENTRIES: RestrictionKind.PAUSE_NEW_ENTRIES,
    Action.HALT_NEW_TRADES: RestrictionKind.HALT_NEW_TRADES,
}


class Until(StrEnum):
    """What ends a restriction. When that will be, nobody can know."""

    ALERT_ENDS = "alert_ends"  # its cooldown is part of the alert
    RESUMED = "resumed"  # the alert is over, and a person has resumed trading
    CLEARED = "cleared"  # authorised people have cleared the kill switch


class Restriction(BaseModel):
    """One thing that holds the gate; a kill switch is a :class:`Kill`.

    Attributes:
        scope: what it covers.
        size_ratio: the largest share of its full size that a new order may have; for
            ``reduce_size`` alone.
        cause: what brought it about, e.g. ``DRAWDOWN_EMERGENCY`` or an operator's reason.
        level: severity or role behind the cause.
        since: when it took effect, UTC.
        until: what ends it.
    """

    # Nothing is skipped over: what is not understood could be what matters.
    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: RestrictionKind
    id: str
    scope: Scope = Scope()
    size_ratio: Annotated[float, Field(gt=0, lt=1)] | None = None
    cause: str
    level: str
    since: AwareDatetime
    until: Until = Until.ALERT_ENDS

    @model_validator(mode="after")
    def _fits_its_kind(self) -> Self:
        if (self.kind is RestrictionKind.KILL_SWITCH) != isinstance(self, Kill):
            raise ValueError("a kill switch has a mode, and nothing else has one")
        if (self.size_ratio is not None) != (self.kind is RestrictionKind.REDUCE_SIZE):
            raise ValueError("reduce_size has a size_ratio, and nothing else has one")
        return self

    def __str__(self) -> str:
        """What an order is told that it holds back."""
        share = "" if self.size_ratio is None else f" to {self.size_ratio:.0%}"
        return f"{self.kind}{share}{self._where}: {self.cause} ({self.level})"

    @property
    def looseness(self) -> float:
        """Among those of the same kind: what leaves more room has more of it."""
        return self.size_ratio or 0.0

    @property
    def _where(self) -> str:
        return "" if self.scope.is_everything else f" for {self.scope}"


class Kill(Restriction):
    """A tripped kill switch.

    Attributes:
        mode: how it treats open positions.
    """

    kind: Literal[RestrictionKind.KILL_SWITCH] = RestrictionKind.KILL_SWITCH
    mode: KillMode
    until: Until = Until.CLEARED

    @property
    def looseness(self) -> float:
        """The tighter its mode, the less."""
        return -self.mode.rank

    def __str__(self) -> str:
        """What an order is told that it holds back."""
        return f"kill switch tripped{self._where}, mode {self.mode}: {self.cause} ({self.level})"


class UnknownRestriction(BaseModel):
    """A restriction of a later version, which this reader cannot keep and so must not pass."""

    model_config = ConfigDict(frozen=True, extra="allow")

    kind: str = "unnamed"


def kills_of(restrictions: Iterable[Restriction]) -> tuple[Kill, ...]:
    """The kill switches that are tripped."""
    return tuple(one for one in restrictions if isinstance(one, Kill))


def tightest_kill(restrictions: Iterable[Restriction], subject: Subject) -> Kill | None:
    """The tightest of the kills whose scope holds the whole subject; of two alike the first."""
    within = (one for one in kills_of(restrictions) if one.scope.includes(subject))
    return max(within, key=lambda one: one.mode.rank, default=None)


def in_order(restrictions: Iterable[Restriction]) -> tuple[Restriction, ...]:
    """Worst first, and of the same kind the wider scope first."""
    return tuple(
        sorted(
            restrictions,
            key=lambda one: (
                one.kind.rank,
                len(one.scope.labels),
                one.looseness,
                str(one.scope),
                one.since,
                one.id,
            ),
        )
    )
