"""Listens to Telegram for presses of buttons and for ``/kill``, by asking: nobody has to reach us.

Either counts from a user and in a chat that the policy names (or that became of one), and from
nobody else; that is
looked at before anything they sent is. Whatever Telegram does, this thread waits for it alone.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.model.channels import Telegram
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.buttons.desk import REFUSED, Desk, Outcome, Presser, Verdict
from risk_receivers.buttons.offsets import Offsets
from risk_receivers.buttons.telegram_chats import Chats
from risk_receivers.buttons.telegram_kill import NOT_YOURS, KillCommands, Trips, command_in
from risk_receivers.buttons.telegram_updates import (
    Press,
    Shown,
    Update,
    name_of,
    updates,
    with_status,
)
from risk_receivers.channels import Channel
from risk_receivers.channels.bot_api import BotApi, BotReply, keyboard, reply_of
from risk_receivers.channels.buttons import Buttons
from risk_receivers.channels.cutting import clean, cut
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import Answer, answered, retry_after, revealed
from risk_receivers.channels.telegram import TelegramChannel, has_buttons
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import AUTH_FAILED, Telemetry
from risk_receivers.workers import Worker

CHANNEL: Final = "telegram"
#: How long Telegram holds a request while nothing happens: shorter than proxies cut it off.
HELD_SECONDS: Final = 25
_AT_A_TIME: Final = 20
_FIRST_RETRY_SECONDS: Final = 1.0
_LAST_RETRY_SECONDS: Final = 60.0
#: A token that is refused stays refused until somebody changes it.
_REFUSED_RETRY_SECONDS: Final = 300.0
#: How long the store may take to note that an update was taken.
_PATIENCE_SECONDS: Final = 10.0
#: The longest answer to a press.
_LONGEST_ANSWER: Final = 200
_CONFLICT: Final = 409
_ANOTHER_LISTENS: Final = (
    "a bot tells one program only what happens: stop the other one (or its webhook), or give "
    "Riskwarden a bot of its own"
)
_WRONG_TOKEN: Final = (401, 404)
_log = logging.getLogger(__name__)


class _NotHeardError(ReceiversError):
    """Telegram did not say what happened.

    Attributes:
        pause_seconds: when it is right to ask again; None if nobody can say.
    """

    def __init__(self, message: str, pause_seconds: float | None = None) -> None:
        super().__init__(message)
        self.pause_seconds = pause_seconds


class TelegramButtons(Worker):
    """One poll per round."""

    def __init__(
        self,
        *,
        settings: Telegram,
        bot: BotApi,
        desk: Desk,
        chats: Chats,
        offsets: Offsets,
        writer: Writer,
        telemetry: Telemetry,
        refused: Callable[[str, str, str], None],
        held_seconds: float = HELD_SECONDS,
        trips: Trips | None = None,
    ) -> None:
        """``refused`` is told who came in vain, to what, and why; ``trips`` does what ``/kill``
        asks for, unless nobody obeys that.
        """
        super().__init__("telegram-buttons", telemetry)
        self._chats = chats
        self._users = frozenset(settings.allowed_users)
        self._bot = bot
        self._desk = desk
        self._offsets = offsets
        self._writer = writer
        self._refused = refused
        self._held_seconds = held_seconds
        self._kills = KillCommands(trips, offsets.bot_id, self._bot_name) if trips else None
        self._obeyed = -1  # the latest update whose command was answered
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._trouble = ""
        self._is_heard = False
        telemetry.set(m.BUTTONS_HEARD, CHANNEL, value=0)
        for verdict in Verdict:
            telemetry.count(m.BUTTON_PRESSES, CHANNEL, verdict.value, by=0)

    def stop(self) -> None:
        """End, and leave Telegram waiting if need be."""
        self._stopping.set()
        self._bot.http.give_up()
        super().stop()

    def round(self) -> float | None:
        """Ask once, and do what was asked for."""
        try:
            self._follow()
            found = self._ask()
            self._heard()
            for update in found:  # nothing goes before a kill
                self._obey(update)
            for update in found:
                if self._stopping.is_set():
                    break  # it is asked for again
                self._take(update)
                if self._kills and update.press:
                    break  # a press may wait for Alertmanager: look for a kill before the next one
        except _NotHeardError as error:
            return self._not_heard(str(error), error.pause_seconds)
        except DeliveryError as error:
            return self._not_heard(str(error), None)
        except (StoreError, OSError, *DATABASE_ERRORS) as error:
            return self._not_heard(f"the store: {error}", None)
        return 0

    def _follow(self) -> None:
        """Keep what became of a group, while somebody knows."""
        if news := self._chats.news:
            self._writer.run(partial(self._chats.keep, news=news), _PATIENCE_SECONDS)
            self._chats.kept(news)

    def _ask(self) -> list[Update]:
        first = self._offsets.next()
        # Whether it answers at all is known soon; after that it may take its time.
        held_seconds = self._held_seconds if self._is_heard else 0
        answer = self._bot.call(
            "getUpdates",
            {
                **({} if first is None else {"offset": first}),
                "limit": _AT_A_TIME,
                "timeout": round(held_seconds),
                "allowed_updates": ["callback_query", *(["message"] if self._kills else [])],
            },
            held_seconds=held_seconds,
        )
        reply = reply_of(answer)
        if not (answer.is_fine and reply.ok):
            raise self._refusal(answer, reply)
        try:
            return updates(bytes(reply.result))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise _NotHeardError(f"what happened cannot be read: {error}") from error

    def _refusal(self, answer: Answer, reply: BotReply) -> _NotHeardError:
        said = str(self._bot.http.temporary(answered(answer, reply.description or answer.text)))
        if answer.status in _WRONG_TOKEN:
            return _NotHeardError(said, _REFUSED_RETRY_SECONDS)
        if answer.status == _CONFLICT:
            return _NotHeardError(f"{said}; {_ANOTHER_LISTENS}")
        asked_for = retry_after(reply.parameters.retry_after) or answer.retry_after_seconds
        return _NotHeardError(said, asked_for or None)

    def _take(self, update: Update) -> None:
        took = partial(self._offsets.took, update_id=update.id)
        press = update.press
        outcome = None
        if press is not None:
            try:
                outcome = self._outcome(press, update.id)
            except (StoreError, OSError, *DATABASE_ERRORS):
                raise
            except Exception:  # noqa: BLE001 - those behind must not wait, whatever it is
                _log.exception("a press could not be taken")
                self._telemetry.unexpected()
                outcome = Outcome(Verdict.FAILED, "This went wrong: see the log of the receivers.")
        # Also of what changed nothing, or it would come again with every poll.
        self._writer.run(took, _PATIENCE_SECONDS)
        if press is not None and outcome is not None:
            self._telemetry.count(m.BUTTON_PRESSES, CHANNEL, outcome.verdict.value)
            self._tell(press, outcome)

    def _obey(self, update: Update) -> None:
        """Do what a command says, and answer it. A second time it does and says nothing."""
        said = update.said
        if said is None or self._kills is None or update.id <= self._obeyed:
            return
        command = command_in(said.text)
        if command is None or said.is_forwarded or not self._kills.is_for_us(command):
            return
        user, chat = str(said.sender.id), str(said.chat.id)
        if not self._may(user, chat, "/kill in Telegram"):
            answer = NOT_YOURS if self._chats.allow(chat) else ""
        else:
            answer = self._kills.obey(command, said, Presser(f"{CHANNEL}:{user}", said.sender.name))
        self._obeyed = update.id
        if answer:
            self._try(
                "sendMessage",
                {
                    "chat_id": said.chat.id,
                    "text": answer,
                    "reply_parameters": {
                        "message_id": said.message_id,
                        "allow_sending_without_reply": True,
                    },
                },
            )

    def _bot_name(self) -> str:
        """How the bot is called; empty if Telegram does not say."""
        try:
            return name_of(reply_of(self._bot.call("getMe", {})).result)
        except DeliveryError as error:
            _log.info("getMe: %s", error)
            return ""

    def _may(self, user: str, chat: str, what: str) -> bool:
        """Whether somebody may do something there; on record if not."""
        if user in self._users and self._chats.allow(chat):
            return True
        key = "allowed_users" if user not in self._users else "allowed_chats"
        self._telemetry.count(*AUTH_FAILED)
        self._refused(f"{CHANNEL}:{user}", what, f"not in alerting.channels.telegram.{key}")
        return False

    def _outcome(self, press: Press, update_id: int) -> Outcome:
        user, message = str(press.sender.id), press.message
        chat = str(message.chat.id) if message is not None else ""
        if not self._may(user, chat, "a Telegram button"):
            return REFUSED
        return self._desk.take(
            press.data,
            Presser(f"{CHANNEL}:{user}", press.sender.name),
            shown=message.buttons if message is not None else (),
            also=partial(self._offsets.took, update_id=update_id),
        )

    def _tell(self, press: Press, outcome: Outcome) -> None:
        """Say what became of it, as far as Telegram lets; it is so whoever hears of it."""
        self._try(
            "answerCallbackQuery",
            {
                "callback_query_id": press.id,
                "text": cut(clean(outcome.said), _LONGEST_ANSWER),
                "show_alert": not outcome.is_done,
            },
        )
        message = press.message
        if message is not None and message.text and outcome.status is not None:
            self._edit(message, outcome.status, outcome)

    def _edit(self, message: Shown, status: str, outcome: Outcome) -> None:
        text, entities = with_status(message, status)
        self._try(
            "editMessageText",
            {
                "chat_id": message.chat.id,
                "message_id": message.message_id,
                "text": text,
                "entities": entities,
                "link_preview_options": {"is_disabled": True},
                "reply_markup": keyboard(outcome.buttons),
            },
        )

    def _try(self, method: str, parameters: dict[str, object]) -> None:
        try:
            answer = self._bot.call(method, parameters)
        except DeliveryError as error:
            _log.info("%s: %s", method, error)
            return
        if not answer.is_fine:
            said = answered(answer, reply_of(answer).description)
            _log.info("%s: %s", method, self._bot.http.temporary(said))

    def _heard(self) -> None:
        self._telemetry.set(m.BUTTONS_HEARD, CHANNEL, value=1)
        if self._trouble:
            _log.warning("Telegram buttons are heard of again")
        self._is_heard, self._trouble = True, ""
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def _not_heard(self, trouble: str, pause_seconds: float | None) -> float:
        if self._stopping.is_set():
            return 0
        self._telemetry.set(m.BUTTONS_HEARD, CHANNEL, value=0)
        if trouble != self._trouble:
            _log.error("presses of Telegram buttons are not heard of: %s", trouble)
        self._is_heard, self._trouble = False, trouble
        if pause_seconds is not None:
            return pause_seconds
        pause = self._retry_seconds
        self._retry_seconds = min(2 * pause, _LAST_RETRY_SECONDS)
        return pause


def telegram_buttons(
    policy: Policy,
    keeper: AckKeeper,
    database: Place,
    writer: Writer,
    telemetry: Telemetry,
    refused: Callable[[str, str, str], None],
    channel: Channel | None,
    trips: Trips,
) -> TelegramButtons | None:
    """The listener, if the policy wants buttons. Raises StartError."""
    settings = policy.alerting.channels.telegram
    obeyed = trips if settings.kill_command else None
    if not (settings.enabled and has_buttons(settings)):
        return None
    terms = policy.alerting.acknowledgement
    token = revealed(settings.bot_token, "alerting.channels.telegram.bot_token")
    return TelegramButtons(
        settings=settings,
        bot=BotApi(token, settings.api_url, settings.timeout_seconds),
        desk=Desk(
            keeper, Buttons(token, terms), database=database, terms=terms, via="Telegram button"
        ),
        chats=Chats(
            settings.allowed_chats,
            database,
            channel.followed if isinstance(channel, TelegramChannel) else {},
        ),
        offsets=Offsets(database, token.partition(":")[0]),
        writer=writer,
        telemetry=telemetry,
        refused=refused,
        trips=obeyed,
    )
