"""The kill switch of one scope: a latch that can be tightened at any time, and loosened by clearing
alone. Pure. (:mod:`.board` holds those of all scopes.)

It fails towards tripped. A trigger trips it, or tightens it, or is at least recorded; the end of
an alert is not even an input. What happened is a list of events; the state is their fold, so a
restart arrives at the same state.

    ARMED -> TRIPPED -> CLOSING -> FLAT_CONFIRMED
      ^  <- CLEARED, from any of the three
      v
    DISARMED: triggers are recorded and trip nothing, but for a person's

Who may clear or disarm is decided elsewhere (:mod:`.clearing`); here it is an event that names the
kill it clears, and that no other kill heeds. What was seen before a clearing trips no more by being
repeated, unless it holds at that very moment: an emergency that fires on trips again.

Flat is what each account says of itself: the switch counts as flat once every account that is
known to be concerned has confirmed it, and no longer if another one turns up.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from typing import Final, assert_never

from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode, Severity


class Phase(StrEnum):
    """How far it has come. From a later phase it never goes back to TRIPPED."""

    ARMED = "ARMED"
    TRIPPED = "TRIPPED"
    CLOSING = "CLOSING"  # the first act of closing was reported, or one of several is flat
    FLAT_CONFIRMED = "FLAT_CONFIRMED"  # every account looked again and holds nothing
    DISARMED = "DISARMED"  # trips for people alone


class EventKind(StrEnum):
    """What can happen to it."""

    TRIPPED = "TRIPPED"
    TIGHTENED = "TIGHTENED"
    TRIGGER_RECORDED = "TRIGGER_RECORDED"
    ACCOUNT_CONCERNED = "ACCOUNT_CONCERNED"
    CLOSING_STARTED = "CLOSING_STARTED"
    FLAT_CONFIRMED = "FLAT_CONFIRMED"
    CLEARED = "CLEARED"
    DISARMED = "DISARMED"
    ARMED = "ARMED"


#: What was seen before one of these counts again if it still holds.
BEGINS_ANEW: Final = frozenset({EventKind.CLEARED, EventKind.ARMED})


@dataclass(frozen=True, slots=True)
class Trigger:
    """A reason to trip.

    Attributes:
        key: the same reason always has the same key, so a repeat is recognised.
        kill_id: the id of the kill that this trigger starts, should it be the first.
        cause: e.g. ``DRAWDOWN_EMERGENCY`` or an operator's reason.
        level: severity or role behind the cause.
        holds: whether the reason is there at this moment, and not only news of it.
        by_person: whether somebody asked for it; that trips a disarmed switch, too.
        only_tightens: whether it is about the kill that it names and no reason to trip by itself.
        over_at: when the reason ended, if it did; None if it may be there.
        scope: what it is to cover, if it is not about a kill that is in force.
    """

    key: str
    kill_id: str
    mode: KillMode
    cause: str
    level: str
    at: datetime
    holds: bool = False
    by_person: bool = False
    only_tightens: bool = False
    over_at: datetime | None = None
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class KillEvent:
    """One thing that happened; ``key`` and ``mode`` are set where a trigger was involved.

    Attributes:
        account: whom it is about, where it is not about everybody.
        scope: of the switch that it happened to.
    """

    kind: EventKind
    kill_id: str
    at: datetime
    key: str = ""
    mode: KillMode | None = None
    cause: str = ""
    level: str = ""
    account: str = ""
    scope: Scope = EVERYTHING


@dataclass(frozen=True, slots=True)
class KillSwitch:
    """The state. ``mode`` and what follows it are set once it has been tripped.

    Attributes:
        scope: what it covers.
        waiting: accounts that have not confirmed that they are flat.
        flat: when each of the others did.
        flat_at: since when all of them are.
        mode_since: when the mode in force was taken.
        cleared: the ids of all kills that were cleared.
        seen: the keys of all triggers.
        settled: those from before the latest clearing or arming.
        epoch: how many of these there were.
        anew_at: when the latest of them was.
    """

    phase: Phase = Phase.ARMED
    kill_id: str = ""
    mode: KillMode | None = None
    cause: str = ""
    level: str = ""
    since: datetime | None = None
    flat_at: datetime | None = None
    waiting: frozenset[str] = frozenset()
    flat: Mapping[str, datetime] = field(default_factory=dict, hash=False)
    mode_since: datetime | None = None
    cleared: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    settled: frozenset[str] = frozenset()
    epoch: int = 0
    anew_at: datetime | None = None
    scope: Scope = EVERYTHING

    @property
    def is_tripped(self) -> bool:
        """Whether the gate has to be closed."""
        return self.mode is not None

    @property
    def restriction(self) -> Kill | None:
        """What it holds at the gate."""
        if self.mode is None or self.since is None:
            return None
        return Kill(
            mode=self.mode,
            id=self.kill_id,
            scope=self.scope,
            cause=self.cause,
            level=self.level,
            since=self.since,
        )

    def would_loosen(self, mode: KillMode) -> bool:
        """Whether a mode is looser than the one in force."""
        return self.mode is not None and mode.rank < self.mode.rank

    def heeds(self, trigger: Trigger) -> bool:
        """Whether a trigger means that the gate has to be closed."""
        if trigger.only_tightens and trigger.kill_id != self.kill_id:
            return False
        return trigger.by_person or self.phase is not Phase.DISARMED

    def heeds_unrecorded(self, trigger: Trigger) -> bool:
        """The same of one that is not on record, and whose repeats may be there already.

        News of what was over when somebody cleared the switch goes on coming for a while. Whether
        it is any, only the record can tell.
        """
        over_at, anew_at = trigger.over_at, self.anew_at
        was_over = over_at is not None and anew_at is not None and over_at <= anew_at
        return self.heeds(trigger) and not was_over

    def on_trigger(self, trigger: Trigger) -> KillEvent | None:
        """What a trigger does; None for a repeat of one that was already recorded."""
        if trigger.only_tightens and trigger.kill_id != self.kill_id:
            return None
        key = trigger.key
        if trigger.holds and key in self.settled:
            key = f"{key}@{self.epoch}"
        if key in self.seen:
            return None
        if not self.heeds(trigger):
            kind, kill_id = EventKind.TRIGGER_RECORDED, self.kill_id
        elif self.mode is None:
            kind, kill_id = EventKind.TRIPPED, trigger.kill_id
        elif trigger.mode.rank > self.mode.rank:
            kind, kill_id = EventKind.TIGHTENED, self.kill_id
        else:
            kind, kill_id = EventKind.TRIGGER_RECORDED, self.kill_id
        return KillEvent(
            kind,
            kill_id,
            trigger.at,
            key,
            trigger.mode,
            trigger.cause,
            trigger.level,
            scope=self.scope,
        )

    def on_timeout(self, at: datetime) -> Trigger | None:
        """The time for closing at targets is over; None unless it is being waited for."""
        if self.mode is not KillMode.GRACEFUL or self.phase is Phase.FLAT_CONFIRMED:
            return None
        return timeout_of(self.kill_id, at)

    def on_clear(self, kill_id: str, at: datetime) -> KillEvent | None:
        """Somebody who may cleared a kill; None unless it is the one in force."""
        if not self.is_tripped or kill_id != self.kill_id:
            return None
        return KillEvent(EventKind.CLEARED, kill_id, at, scope=self.scope)

    def on_disarm(self, at: datetime) -> KillEvent | None:
        """Somebody who may disarmed it; None unless it is armed: what is tripped is cleared."""
        return KillEvent(EventKind.DISARMED, "", at) if self.phase is Phase.ARMED else None

    def on_arm(self, at: datetime) -> KillEvent | None:
        """Somebody armed it; None unless it is disarmed."""
        return KillEvent(EventKind.ARMED, "", at) if self.phase is Phase.DISARMED else None

    def on_account(self, account: str, at: datetime) -> KillEvent | None:
        """An account turned up; None unless it is tripped and has a name, and that is news."""
        if not (self.is_tripped and account) or account in self.waiting or account in self.flat:
            return None
        return self._of_account(EventKind.ACCOUNT_CONCERNED, account, at)

    def on_closing(
        self, kill_id: str, account: str, at: datetime, *, held_at: datetime | None = None
    ) -> KillEvent | None:
        """An account began to close; None unless that is news about this kill.

        ``held_at`` is when it still held something: it is not flat if that is later than its word.
        """
        if not self.is_tripped or kill_id != self.kill_id:
            return None
        flat_at = self.flat.get(account)
        if flat_at is not None and (held_at is None or held_at <= flat_at):
            return None
        if account in self.waiting and self.phase is Phase.CLOSING:
            return None
        return self._of_account(EventKind.CLOSING_STARTED, account, at)

    def on_flat(self, kill_id: str, account: str, at: datetime) -> KillEvent | None:
        """An account confirmed that it is flat; None unless that is news about this kill."""
        if not self.is_tripped or kill_id != self.kill_id or account in self.flat:
            return None
        return self._of_account(EventKind.FLAT_CONFIRMED, account, at)

    def _of_account(self, kind: EventKind, account: str, at: datetime) -> KillEvent:
        return KillEvent(kind, self.kill_id, at, account=account, scope=self.scope)

    def after(self, event: KillEvent) -> KillSwitch:
        """The state once an event has happened."""
        moved = self.moved(event)
        return replace(moved, seen=moved.seen | {event.key}) if event.key else moved

    def moved(self, event: KillEvent) -> KillSwitch:
        """The same but for the keys of triggers that were seen."""
        match event.kind:
            case EventKind.TRIPPED:
                return KillSwitch(
                    phase=Phase.TRIPPED,
                    kill_id=event.kill_id,
                    mode=event.mode,
                    cause=event.cause,
                    level=event.level,
                    since=event.at,
                    mode_since=event.at,
                    cleared=self.cleared,
                    seen=self.seen,
                    settled=self.settled,
                    epoch=self.epoch,
                    anew_at=self.anew_at,
                    scope=self.scope,
                )
            case EventKind.TIGHTENED:
                return replace(self, mode=event.mode, mode_since=event.at)
            case EventKind.TRIGGER_RECORDED:
                return self
            case EventKind.ACCOUNT_CONCERNED | EventKind.CLOSING_STARTED:
                started = event.kind is EventKind.CLOSING_STARTED or self.phase is not Phase.TRIPPED
                return replace(
                    self,
                    phase=Phase.CLOSING if started else Phase.TRIPPED,
                    # A record from before accounts were told apart names none.
                    waiting=self.waiting | {event.account} if event.account else self.waiting,
                    flat={name: at for name, at in self.flat.items() if name != event.account},
                    flat_at=None,
                )
            case EventKind.FLAT_CONFIRMED:
                waiting = self.waiting - {event.account}
                return replace(
                    self,
                    phase=Phase.CLOSING if waiting else Phase.FLAT_CONFIRMED,
                    waiting=waiting,
                    flat={**self.flat, event.account: event.at},
                    flat_at=None if waiting else event.at,
                )
            case EventKind.CLEARED | EventKind.ARMED:
                return KillSwitch(
                    cleared=self.cleared | {event.kill_id} if event.kill_id else self.cleared,
                    seen=self.seen,
                    settled=self.seen,
                    epoch=self.epoch + 1,
                    anew_at=event.at,
                    scope=self.scope,
                )
            case EventKind.DISARMED:
                return replace(self, phase=Phase.DISARMED)
        assert_never(event.kind)

    def begun_anew(self, at: datetime) -> KillSwitch:
        """The same, of which what was seen counts again if it still holds."""
        return replace(self, settled=self.seen, epoch=self.epoch + 1, anew_at=at)


def timeout_of(kill_id: str, at: datetime) -> Trigger:
    """What tightens a graceful kill once its time is over."""
    return Trigger(
        key=f"timeout:{kill_id}",
        kill_id=kill_id,
        mode=KillMode.IMMEDIATE,
        cause="the time for closing at targets is over",
        level=Severity.EMERGENCY.value,
        at=at,
        only_tightens=True,
    )


def tightest(held: KillSwitch, new: KillSwitch) -> KillSwitch:
    """The newer of two states, at the tighter of both modes unless the one held was cleared.

    For whoever must not loosen what it holds, in whatever order states arrive.
    """
    if new.kill_id in held.cleared:
        return held  # from before that was cleared
    if held.mode is None or held.kill_id in new.cleared:
        if held.mode is None and new.mode is None:
            # Within one epoch it is armed first and disarmed then.
            older = (new.epoch, new.phase is Phase.DISARMED) < (
                held.epoch,
                held.phase is Phase.DISARMED,
            )
            return held if older else new
        return new
    if new.mode is None:
        return held
    if held.mode.rank <= new.mode.rank:
        return new
    return replace(new, mode=held.mode)
