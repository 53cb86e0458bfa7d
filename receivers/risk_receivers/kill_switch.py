"""The kill switch: a latch that can be tightened and never loosened. Pure.

It fails towards tripped. A trigger trips it, or tightens it, or is at least recorded; nothing
in this module takes any of that back, and the end of an alert is not even an input. What
happened is a list of events; the state is their fold, so a restart arrives at the same state.

    ARMED -> TRIPPED -> CLOSING -> FLAT_CONFIRMED
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from typing import assert_never

from risk_policy.contracts.gate import Restriction
from risk_policy.vocabulary import KillMode


class Phase(StrEnum):
    """How far it has come. It only ever moves forward."""

    ARMED = "ARMED"
    TRIPPED = "TRIPPED"
    CLOSING = "CLOSING"  # the runtime reported the first act of closing
    FLAT_CONFIRMED = "FLAT_CONFIRMED"  # the runtime looked again and holds nothing


class EventKind(StrEnum):
    """What can happen to it."""

    TRIPPED = "TRIPPED"
    TIGHTENED = "TIGHTENED"
    TRIGGER_RECORDED = "TRIGGER_RECORDED"
    CLOSING_STARTED = "CLOSING_STARTED"
    FLAT_CONFIRMED = "FLAT_CONFIRMED"


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to trip.

    Attributes:
        key: the same reason always has the same key, so a repeat is recognised.
        kill_id: the id of the kill that this trigger starts, should it be the first.
        cause: e.g. ``DRAWDOWN_EMERGENCY`` or an operator's reason.
        level: severity or role behind the cause.
    """

    key: str
    kill_id: str
    mode: KillMode
    cause: str
    level: str
    at: datetime


@dataclass(frozen=True, slots=True)
class KillEvent:
    """One thing that happened; ``key`` and ``mode`` are set where a trigger was involved."""

    kind: EventKind
    kill_id: str
    at: datetime
    key: str = ""
    mode: KillMode | None = None
    cause: str = ""
    level: str = ""


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The state. ``mode`` and what follows it are set once it has been tripped."""

    phase: Phase = Phase.ARMED
    kill_id: str = ""
    mode: KillMode | None = None
    cause: str = ""
    level: str = ""
    since: datetime | None = None
    flat_at: datetime | None = None
    seen: frozenset[str] = frozenset()

    @property
    def is_tripped(self) -> bool:
        """Whether the gate has to be closed."""
        return self.phase is not Phase.ARMED

    @property
    def restriction(self) -> Restriction | None:
        """What it holds at the gate."""
        if self.mode is None or self.since is None:
            return None
        return Restriction(
            kind="kill_switch",
            mode=self.mode,
            kill_id=self.kill_id,
            cause=self.cause,
            level=self.level,
            since=self.since,
        )

    def would_loosen(self, mode: KillMode) -> bool:
        """Whether a mode is looser than the one in force."""
        return self.mode is not None and mode.rank < self.mode.rank

    def on_trigger(self, trigger: Trigger) -> KillEvent | None:
        """What a trigger does; None for a repeat of one that was already recorded."""
        if trigger.key in self.seen:
            return None
        if self.mode is None:
            kind, kill_id = EventKind.TRIPPED, trigger.kill_id
        elif trigger.mode.rank > self.mode.rank:
            kind, kill_id = EventKind.TIGHTENED, self.kill_id
        else:
            kind, kill_id = EventKind.TRIGGER_RECORDED, self.kill_id
        return KillEvent(
            kind, kill_id, trigger.at, trigger.key, trigger.mode, trigger.cause, trigger.level
        )

    def on_closing(self, kill_id: str, at: datetime) -> KillEvent | None:
        """The runtime began to close; None unless that is news about this kill."""
        if self.phase is not Phase.TRIPPED or kill_id != self.kill_id:
            return None
        return KillEvent(EventKind.CLOSING_STARTED, kill_id, at)

    def on_flat(self, kill_id: str, at: datetime) -> KillEvent | None:
        """The runtime confirmed that it is flat; None unless that is news about this kill."""
        if self.phase not in (Phase.TRIPPED, Phase.CLOSING) or kill_id != self.kill_id:
            return None
        return KillEvent(EventKind.FLAT_CONFIRMED, kill_id, at)

    def after(self, event: KillEvent) -> KillSwitch:
        """The state once an event has happened."""
        seen = self.seen | {event.key} if event.key else self.seen
        match event.kind:
            case EventKind.TRIPPED:
                return KillSwitch(
                    phase=Phase.TRIPPED,
                    kill_id=event.kill_id,
                    mode=event.mode,
                    cause=event.cause,
                    level=event.level,
                    since=event.at,
                    seen=seen,
                )
            case EventKind.TIGHTENED:
                return replace(self, mode=event.mode, seen=seen)
            case EventKind.TRIGGER_RECORDED:
                return replace(self, seen=seen)
            case EventKind.CLOSING_STARTED:
                return replace(self, phase=Phase.CLOSING)
            case EventKind.FLAT_CONFIRMED:
                return replace(self, phase=Phase.FLAT_CONFIRMED, flat_at=event.at)
        assert_never(event.kind)


def fold(events: Iterable[KillEvent]) -> KillSwitch:
    """The state that a history of events leads to."""
    state = KillSwitch()
    for event in events:
        state = state.after(event)
    return state


def tightest(held: KillSwitch, new: KillSwitch) -> KillSwitch:
    """The newer of two states, at the tighter of both modes.

    For whoever must not loosen what it holds, in whatever order states arrive.
    """
    if new.mode is None:
        return held
    if held.mode is None or held.mode.rank <= new.mode.rank:
        return new
    return replace(new, mode=held.mode)
