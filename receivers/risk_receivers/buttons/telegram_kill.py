"""``/kill MODE REASON`` in a Telegram chat: somebody who may trips the kill switch at once.

One step, as everywhere. What was said is one trip however often Telegram says it: its ids come from
the message. The gate is closed before anything else of what Telegram told is looked at, and the
store is waited for no longer than a moment.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Final, Protocol
from uuid import NAMESPACE_URL, uuid5

from risk_policy.contracts.operator import LONGEST_NAME, LONGEST_REASON
from risk_policy.vocabulary import KillMode
from risk_receivers.buttons.desk import Presser
from risk_receivers.buttons.telegram_updates import Said
from risk_receivers.channels.cutting import clean, cut
from risk_receivers.errors import LooserModeError
from risk_receivers.kill.trip import OperatorKill, SpooledTrip
from risk_receivers.ledger import Outcome
from risk_receivers.recorder import ACT_AFTER_SECONDS, Received
from risk_receivers.store.errors import StoreError

_COMMAND: Final = re.compile(r"/kill(?:@(?P<bot>\w+))?(?:\s+(?P<rest>.*))?", re.DOTALL)
_USAGE: Final = (
    "Nothing was tripped. Say /kill pause|graceful|immediate and why, e.g. "
    "/kill immediate the exchange sends wrong prices"
)
NOT_YOURS: Final = (
    "Nothing was tripped: you may not, ask whoever keeps the policy. This is on record."
)
_log = logging.getLogger(__name__)


class Trips(Protocol):
    """What trips the switch: the recorder."""

    def take_kill(self, trip: SpooledTrip, received: Received) -> Future[Outcome]:
        """Record it, and close the gate."""

    def act_first(self, trips: Sequence[SpooledTrip], received: Received) -> Future[None]:
        """Close the gate without the store."""


@dataclass(frozen=True, slots=True)
class Command:
    """What was said to a bot.

    Attributes:
        bot: whose name it bears, in lower case; empty for every bot in the chat.
        mode: None if it names none.
    """

    bot: str
    mode: KillMode | None
    reason: str


def command_in(text: str) -> Command | None:
    """The command that a message is; None if it is none of ours."""
    found = _COMMAND.fullmatch(text.strip())
    if found is None:
        return None
    mode, _, reason = clean(found["rest"] or "").strip().partition(" ")
    known = mode.lower() in set(KillMode)
    return Command(
        (found["bot"] or "").lower(),
        KillMode(mode.lower()) if known else None,
        cut(reason.strip(), LONGEST_REASON),
    )


class KillCommands:
    """Does what commands ask for."""

    def __init__(self, trips: Trips, bot_id: str, bot_name: Callable[[], str]) -> None:
        """``bot_name`` is how the bot is called in chats; empty if nobody can tell."""
        self._trips = trips
        self._bot_id = bot_id
        self._bot_name = bot_name

    def is_for_us(self, command: Command) -> bool:
        """Whether no other bot is meant. Where nobody can tell, it is taken as meant."""
        if not command.bot:
            return True
        return (self._bot_name() or command.bot).lower() == command.bot

    def obey(self, command: Command, said: Said, sender: Presser) -> str:
        """Trip, or tighten; what is to be answered."""
        if command.mode is None or not command.reason:
            return _USAGE
        received = Received()
        name = f"telegram:{self._bot_id}:{said.chat.id}:{said.message_id}"
        kill = OperatorKill(
            command.mode,
            command.reason,
            cut(sender.author, LONGEST_NAME),
            address=f"telegram:{said.chat.id}",
        )
        trip_id = str(uuid5(NAMESPACE_URL, name))
        trip = SpooledTrip(trip_id, trip_id, received.at, kill)
        recording = self._trips.take_kill(trip, received)
        try:
            outcome = recording.result(ACT_AFTER_SECONDS)
        except LooserModeError as error:
            return f"Nothing was changed: {error}."
        except TimeoutError:
            self._trips.act_first([trip], received)
            return "The gate is closed. The store is slow; the record follows."
        except Exception as error:  # noqa: BLE001 - whatever it is, the recorder closes the gate
            unexpected = not isinstance(error, StoreError)
            _log.error("a kill by Telegram is not on record yet: %s", error, exc_info=unexpected)
            return "The gate is closed. It is not on record yet: see to the store."
        return _in_force(outcome, trip_id)


def _in_force(outcome: Outcome, trip_id: str) -> str:
    board = outcome.kill
    if board is None or not board.everything.is_tripped:
        return "This was said and done before, and the kill was cleared since; nothing was tripped."
    state = board.everything
    assert state.mode is not None
    again = "" if state.kill_id == trip_id else ", which was in force before"
    return (
        f"The kill switch is tripped in mode {state.mode.value}{again}, on record: kill "
        f"{state.kill_id}. New risk is refused. See riskwarden status."
    )
