"""Who may loosen the kill switch: in two steps, and never past what still fires. Pure.

The first step says what is wanted and is answered with a code. The second brings the code and the
very same request. It is refused once the time is over, for a code that was used, for any other
request, and if the switch is no longer what was seen when the code was given: somebody who clears
has to know what is cleared.

What is refused changes nothing. Codes are kept in memory alone: a restart forgets them, and then
both steps are taken anew.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from risk_policy.contracts.gate import now_ns
from risk_policy.vocabulary import KillMode
from risk_receivers.errors import ReceiversError
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Phase
from risk_receivers.restrictions.held import InForce
from risk_receivers.store.transaction import AtEnd

_NANOSECONDS: Final = 1_000_000_000
#: Codes that wait for their second step. Who asks for more has forgotten the first.
_MOST: Final = 16
#: So many wrong second steps void a code: they are no slips of the hand any more.
_TRIES: Final = 5
_CODE_BYTES: Final = 4


class LooseningRefusedError(ReceiversError):
    """It is not loosened; the message says why and what to do."""


class What(StrEnum):
    """What can be asked for."""

    TRIP = "trip"
    CLEAR = "clear"
    DISARM = "disarm"
    RESUME = "resume"  # trading, that a restriction holds back
    RESET_MARK = "reset_high_water_mark"


@dataclass(frozen=True, slots=True)
class Request:
    """What somebody wants.

    Attributes:
        kill_id: which kill is to be cleared, which restriction lifted or which mark reset; empty
            for what is about none.
    """

    what: What
    kill_id: str
    actor: str
    reason: str


@dataclass(frozen=True, slots=True)
class Sight:
    """What whoever asks can see of the kill that it is about, or of the whole switch."""

    kill_id: str
    scope: str
    phase: Phase
    mode: KillMode | None
    triggers: int

    @classmethod
    def of(cls, state: KillBoard, kill_id: str) -> Sight:
        """Of a kill in force, or of the whole if there is no such one."""
        one = state.with_id(kill_id)
        if one is None:
            one = state.everything
        return cls(one.kill_id, str(one.scope), one.phase, one.mode, len(one.seen))


@dataclass(frozen=True, slots=True)
class Change:
    """What became of somebody's order to clear, disarm or arm the switch.

    Attributes:
        state: what follows from it; None if nothing does.
        refusal: why it was refused; empty if it was not.
        messages: how many became due.
        in_force: what the gate holds beside the switch, if that has changed.
    """

    state: KillBoard | None = None
    refusal: str = ""
    messages: int = 0
    in_force: AtEnd[InForce] | None = None


@dataclass(slots=True)
class _Asked:
    request: Request
    sight: object
    until_ns: int
    by: str
    tries: int = 0


class Codes:
    """The codes that were given. For one thread."""

    def __init__(
        self,
        lasting_seconds: float,
        clock: Callable[[], int] = now_ns,
        *,
        needs_second_person: bool = False,
        code: Callable[[], str] = lambda: secrets.token_hex(_CODE_BYTES),
    ) -> None:
        self._lasting_ns = round(lasting_seconds * _NANOSECONDS)
        self._clock = clock
        self._needs_second_person = needs_second_person
        self._code = code
        self._asked: dict[str, _Asked] = {}

    def give(self, request: Request, sight: object, by: str = "") -> str:
        """The code with which this request can be confirmed. ``by`` is whose token came with it."""
        now = self._clock()
        self._asked = {code: one for code, one in self._asked.items() if now < one.until_ns}
        while len(self._asked) >= _MOST:
            del self._asked[next(iter(self._asked))]
        code = self._code()
        self._asked[code] = _Asked(request, sight, now + self._lasting_ns, by)
        return code

    def check(self, code: str, request: Request, sight: object, by: str = "") -> None:
        """Whether a second step fits its first. Raises LooseningRefusedError."""
        asked = self._asked.get(code)
        if asked is None or self._clock() >= asked.until_ns:
            raise LooseningRefusedError(
                "the confirmation is unknown, was used or is too old: ask for a new one"
            )
        expected = asked.request
        if self._needs_second_person:
            # However it is written: with the machine owner's tokens somebody says who they are.
            is_same = request.actor.casefold() == expected.actor.casefold()
            if by == asked.by or is_same:
                self.fail(code)
                raise LooseningRefusedError(
                    f"somebody else than {expected.actor} has to confirm it, with a token of their "
                    "own: another named one, or the other of operator_token and approver_token"
                )
            expected = replace(expected, actor=request.actor)
        if request != expected:
            self.fail(code)
            raise LooseningRefusedError(
                "the confirmation was given for another request: repeat what, kill_id, actor and "
                "reason as they were, or ask for a new one"
            )
        if sight != asked.sight:
            del self._asked[code]
            raise LooseningRefusedError(
                "what it is about is not what it was when you asked: look again, then ask again"
            )

    def fail(self, code: str) -> None:
        """A second step with this code was wrong."""
        asked = self._asked.get(code)
        if asked is not None:
            asked.tries += 1
            if asked.tries >= _TRIES:
                del self._asked[code]

    def use(self, code: str) -> None:
        """It was good for one time."""
        self._asked.pop(code, None)


def obstacle(
    request: Request, state: KillBoard, *, firing: Sequence[str], blind: str, unrecorded: bool
) -> str:
    """Why it cannot be done now, whoever asks; empty if it can.

    Args:
        request: what is wanted.
        state: as it is on record.
        firing: what asks, at this moment, for what the kill covers.
        blind: why nobody could tell what fires; empty if that is known.
        unrecorded: whether a trip is on its way to the record.
    """
    if unrecorded:
        return "a trip is not on record yet: mend the store, or try again in a moment"
    if request.what is What.DISARM:
        if state.is_disarmed:
            return "the kill switch is disarmed already"
        return "the kill switch is tripped: clear it first" if state.is_tripped else ""
    in_force = state.in_force
    if not in_force:
        return "the kill switch is not tripped; there is nothing to clear"
    if state.with_id(request.kill_id) is None:
        if len(in_force) == 1:
            return f"kill_id must be {in_force[0].kill_id}, the kill that is in force"
        several = ", ".join(f"{one.kill_id} (covers {one.scope})" for one in in_force)
        return f"kill_id must be one of the kills that are in force: {several}"
    if blind:
        return f"nobody can tell whether an emergency still fires: {blind}"
    if firing:
        return (
            f"still firing, so that it would trip again at once: {', '.join(firing)}. End that "
            "first, a drawdown from the peak with riskwarden reset-high-water-mark; until then "
            "orders that reduce risk are allowed"
        )
    return ""
