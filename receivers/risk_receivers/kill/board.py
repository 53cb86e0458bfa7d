"""The kill switches of all scopes, side by side. Pure.

Each scope that was ever tripped has a switch of its own (:mod:`.switch`), latched, with a kill id
that no other has. What they say together:

* in force for an order or a position is the tightest mode of all kills that cover it. A wider kill
  loosens no narrower one, and to clear one leaves every other as it is;
* a trip within what a wider kill covers already is latched for its own scope all the same. It
  changes nothing at the gate, and it is what remains once the wider one is cleared;
* disarmed is the whole or nothing: while it is, what trips by itself is recorded and trips no
  scope. What is tripped is tightened even then, and nobody disarms before all of it is cleared;
* whoever arms it, or clears the kill over everything, begins anew for every scope: what still holds
  then trips again, whatever scope it is about.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from uuid import NAMESPACE_URL, uuid5

from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import EVERYTHING, Scope, Subject
from risk_receivers.kill import switch
from risk_receivers.kill.switch import BEGINS_ANEW, KillEvent, KillSwitch, Phase, Trigger


@dataclass(frozen=True, slots=True)
class KillBoard:
    """The state.

    Attributes:
        everything: the switch over everything.
        narrower: those of other scopes that something ever happened to.
    """

    everything: KillSwitch = field(default_factory=KillSwitch)
    narrower: Mapping[Scope, KillSwitch] = field(default_factory=dict, hash=False)

    # -- what it says ----------------------------------------------------------------------

    def of(self, scope: Scope) -> KillSwitch:
        """The switch of one scope."""
        if scope.is_everything:
            return self.everything
        if (found := self.narrower.get(scope)) is not None:
            return found
        whole = self.everything
        return KillSwitch(scope=scope, epoch=whole.epoch, anew_at=whole.anew_at)

    def with_id(self, kill_id: str) -> KillSwitch | None:
        """The kill in force that has this id."""
        return next((one for one in self.in_force if one.kill_id == kill_id), None)

    @property
    def in_force(self) -> tuple[KillSwitch, ...]:
        """Those that are tripped, the widest first."""
        tripped = (one for one in (self.everything, *self.narrower.values()) if one.is_tripped)
        return tuple(sorted(tripped, key=lambda one: (len(one.scope.labels), str(one.scope))))

    @property
    def is_tripped(self) -> bool:
        """Whether any of them is."""
        return bool(self.in_force)

    @property
    def is_disarmed(self) -> bool:
        """Whether it trips for people alone."""
        return self.everything.phase is Phase.DISARMED

    @property
    def restrictions(self) -> tuple[Kill, ...]:
        """What it holds at the gate."""
        return tuple(kill for one in self.in_force if (kill := one.restriction) is not None)

    @property
    def cleared(self) -> frozenset[str]:
        """The ids of all kills that were cleared."""
        return self.everything.cleared.union(*(one.cleared for one in self.narrower.values()))

    def concerning(self, subject: Subject) -> tuple[KillSwitch, ...]:
        """Those in force of which nothing says that the subject lies outside."""
        return tuple(one for one in self.in_force if one.scope.may_cover(subject))

    # -- what happens to it ----------------------------------------------------------------

    def heeds(self, trigger: Trigger) -> bool:
        """Whether a trigger means that the gate has to be closed."""
        return self._pulled_by(trigger).heeds(trigger)

    def heeds_unrecorded(self, trigger: Trigger) -> bool:
        """The same of one that is not on record, and whose repeats may be there already."""
        return self._pulled_by(trigger).heeds_unrecorded(trigger)

    def on_trigger(self, trigger: Trigger) -> KillEvent | None:
        """What a trigger does; None for a repeat of one that was already recorded."""
        return self._pulled_by(trigger).on_trigger(trigger)

    def on_clear(self, kill_id: str, at: datetime) -> KillEvent | None:
        """Somebody who may cleared a kill; None unless it is one in force."""
        tripped = self.with_id(kill_id)
        return tripped.on_clear(kill_id, at) if tripped else None

    def on_disarm(self, at: datetime) -> KillEvent | None:
        """Somebody who may disarmed it; None unless nothing is tripped and it is armed."""
        return None if self.is_tripped else self.everything.on_disarm(at)

    def on_arm(self, at: datetime) -> KillEvent | None:
        """Somebody armed it; None unless it is disarmed."""
        return self.everything.on_arm(at)

    def after(self, event: KillEvent) -> KillBoard:
        """The state once an event has happened."""
        return self._moved(event, self.of(event.scope).after(event))

    def moved(self, event: KillEvent) -> KillBoard:
        """The same but for the keys of triggers that were seen."""
        return self._moved(event, self.of(event.scope).moved(event))

    def holding(self, one: KillSwitch) -> KillBoard:
        """The same with another switch for a scope."""
        if one.scope.is_everything:
            return replace(self, everything=one)
        return replace(self, narrower={**self.narrower, one.scope: one})

    def _moved(self, event: KillEvent, one: KillSwitch) -> KillBoard:
        board = self.holding(one)
        if not (event.scope.is_everything and event.kind in BEGINS_ANEW):
            return board
        return replace(
            board,
            narrower={scope: one.begun_anew(event.at) for scope, one in board.narrower.items()},
        )

    def _pulled_by(self, trigger: Trigger) -> KillSwitch:
        """The switch that a trigger is for, as disarmed as the whole is."""
        if trigger.only_tightens:
            return self.with_id(trigger.kill_id) or self.everything
        one = self.of(trigger.scope)
        return replace(one, phase=Phase.DISARMED) if self._holds_back(one) else one

    def _holds_back(self, one: KillSwitch) -> bool:
        return self.is_disarmed and not one.is_tripped


def fold(events: Iterable[KillEvent]) -> KillBoard:
    """The state that a history of events leads to."""
    board = KillBoard()
    seen: dict[Scope, set[str]] = {}  # beside the state: a copy for each event would be quadratic
    for event in events:
        board = board.moved(event)
        if event.key:
            seen.setdefault(event.scope, set()).add(event.key)
        if event.kind in BEGINS_ANEW:
            scopes = (EVERYTHING, *board.narrower) if event.scope.is_everything else (event.scope,)
            for scope in scopes:
                keys = frozenset(seen.get(scope, ()))
                board = board.holding(replace(board.of(scope), settled=keys))
    for scope, found in seen.items():
        board = board.holding(replace(board.of(scope), seen=frozenset(found)))
    return board


def tightest(held: KillBoard, new: KillBoard) -> KillBoard:
    """For each scope the newer of two states, at the tighter of both modes unless it was cleared.

    For whoever must not loosen what it holds, in whatever order states arrive.
    """
    return _each(held, new, switch.tightest)


def latched(held: KillBoard, new: KillBoard) -> KillBoard:
    """The same, but that nothing is over which is held: that takes more than to hear of it."""
    return _each(held, new, _latched)


def own_id(kill_id: str, scope: Scope) -> str:
    """The id of the kill that a cause of several scopes starts in one of them."""
    return kill_id if scope.is_everything else str(uuid5(NAMESPACE_URL, f"{kill_id}:{scope}"))


def _latched(held: KillSwitch, new: KillSwitch) -> KillSwitch:
    return held if held.is_tripped and not new.is_tripped else switch.tightest(held, new)


def _each(
    held: KillBoard, new: KillBoard, pick: Callable[[KillSwitch, KillSwitch], KillSwitch]
) -> KillBoard:
    return KillBoard(
        pick(held.everything, new.everything),
        {
            scope: pick(held.of(scope), new.of(scope))
            for scope in dict.fromkeys((*held.narrower, *new.narrower))
        },
    )
