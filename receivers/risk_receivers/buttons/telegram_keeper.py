"""Keeps the buttons under earlier Telegram messages true, whoever changed what they are about.

A button stays under a message until somebody takes it away: one that offers to acknowledge what
is acknowledged or over would make people press in vain. So where buttons stand is kept, and they
are changed to what can be done by now. That is for show, since a press is judged by itself; so it
waits while any message has to go out, goes slowly, and gives way to whatever Telegram says.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Sequence
from contextlib import closing
from functools import partial
from typing import Final

from risk_policy import Policy
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.audit.tables import open_read_only
from risk_receivers.buttons.desk import Desk
from risk_receivers.buttons.telegram import CHANNEL
from risk_receivers.channels import Channel
from risk_receivers.channels.bot_api import BotApi, keyboard, reply_of
from risk_receivers.channels.buttons import Ask, Buttons, Placed
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import answered, retry_after, revealed
from risk_receivers.channels.outbox import owed_since
from risk_receivers.channels.telegram import TelegramChannel, has_buttons
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_LOOK_SECONDS: Final = 2.0
#: Telegram lets a bot write about twenty times a minute into a group; half of that is for news.
_EDIT_SECONDS: Final = 6.0
_FIRST_RETRY_SECONDS: Final = 30.0
_LAST_RETRY_SECONDS: Final = 600.0
_PATIENCE_SECONDS: Final = 10.0
#: Beyond these the oldest are forgotten.
_MOST_KEPT: Final = 300
#: The message is gone, too old, or as it should be: nothing to try again.
_BAD_REQUEST: Final = 400
_NEWEST: Final = "SELECT chat, message, incident, digest, asks FROM placed_button ORDER BY n DESC"
_KEEP: Final = (
    "INSERT INTO placed_button (chat, message, incident, digest, asks) VALUES (?, ?, ?, ?, ?)"
)
_FORGET: Final = "DELETE FROM placed_button WHERE chat = ? AND message = ?"
_CUT: Final = (
    "DELETE FROM placed_button WHERE n NOT IN (SELECT n FROM placed_button ORDER BY n DESC LIMIT ?)"
)
_log = logging.getLogger(__name__)


class TelegramKeeper(Worker):
    """Changes the buttons of one message a round."""

    def __init__(
        self,
        *,
        placed: deque[Placed],
        bot: BotApi,
        desk: Desk,
        buttons: Buttons,
        database: Place,
        writer: Writer,
        telemetry: Telemetry,
    ) -> None:
        """``placed`` is where the channel notes what it has put up."""
        super().__init__("telegram-keeper", telemetry)
        self._placed = placed
        self._bot = bot
        self._desk = desk
        self._buttons = buttons
        self._database = database
        self._writer = writer
        self._retry_seconds = _FIRST_RETRY_SECONDS

    def stop(self) -> None:
        """End, and leave Telegram waiting if need be."""
        self._stopping.set()
        self._bot.http.give_up()
        super().stop()

    def round(self) -> float | None:
        """Note what is new, and change what is not true any more."""
        try:
            self._keep_new()
            return self._change_one()
        except DeliveryError as error:
            return self._later(str(error))
        except ROUND_ERRORS as error:  # of the store, which others complain about
            return self._later(f"the store: {error}")

    def _keep_new(self) -> None:
        new: list[Placed] = []
        while self._placed:
            new.append(self._placed.popleft())
        if not new:
            return
        try:
            self._writer.run(partial(_keep, new=new), _PATIENCE_SECONDS)
        except ROUND_ERRORS:
            self._placed.extendleft(reversed(new))
            raise

    def _change_one(self) -> float:
        with closing(open_read_only(self._database)) as connection:
            kept = _kept(connection)
            if not kept or owed_since(connection, CHANNEL)[0]:
                return _LOOK_SECONDS
        offers = self._desk.offers({one.incident for one in kept})
        for one in kept:
            if (asks := offers[one.incident]) and "".join(asks) == one.asks:
                continue
            return self._change(one, asks)
        return _LOOK_SECONDS

    def _change(self, one: Placed, asks: Sequence[Ask]) -> float:
        answer = self._bot.call(
            "editMessageReplyMarkup",
            {
                "chat_id": one.chat,
                "message_id": one.message,
                "reply_markup": keyboard(self._buttons.made(asks, one.incident, one.digest)),
            },
        )
        reply = reply_of(answer)
        if not answer.is_fine and answer.status != _BAD_REQUEST:
            said = answered(answer, reply.description)
            asked_for = retry_after(reply.parameters.retry_after) or answer.retry_after_seconds
            return self._later(str(self._bot.http.temporary(said)), asked_for)
        self._retry_seconds = _FIRST_RETRY_SECONDS
        self._writer.run(partial(_changed, one=one, asks=asks), _PATIENCE_SECONDS)
        return _EDIT_SECONDS

    def _later(self, why: str, asked_for: float | None = None) -> float:
        if not self._stopping.is_set():
            _log.info("buttons under earlier Telegram messages stay as they are: %s", why)
        pause = self._retry_seconds
        self._retry_seconds = min(2 * pause, _LAST_RETRY_SECONDS)
        return max(pause, asked_for or 0.0)


def _kept(connection: Connection) -> list[Placed]:
    return [Placed(*row) for row in connection.execute(_NEWEST)]


def _keep(transaction: Transaction, new: Sequence[Placed]) -> None:
    rows = [(one.chat, one.message, one.incident, one.digest, one.asks) for one in new]
    # What is placed anew is the latest again.
    transaction.connection.executemany(_FORGET, [(one.chat, one.message) for one in new])
    transaction.connection.executemany(_KEEP, rows)
    transaction.connection.execute(_CUT, (_MOST_KEPT,))


def _changed(transaction: Transaction, one: Placed, asks: Sequence[Ask]) -> None:
    if asks:
        transaction.connection.execute(
            "UPDATE placed_button SET asks = ? WHERE chat = ? AND message = ?",
            ("".join(asks), one.chat, one.message),
        )
    else:  # over, and what is over stays so
        transaction.connection.execute(_FORGET, (one.chat, one.message))


def telegram_keeper(
    policy: Policy,
    keeper: AckKeeper,
    database: Place,
    writer: Writer,
    telemetry: Telemetry,
    channel: Channel | None,
) -> TelegramKeeper | None:
    """One for a channel, if that is Telegram with buttons. Raises StartError."""
    settings = policy.alerting.channels.telegram
    if not (isinstance(channel, TelegramChannel) and has_buttons(settings)):
        return None
    terms = policy.alerting.acknowledgement
    token = revealed(settings.bot_token, "alerting.channels.telegram.bot_token")
    buttons = Buttons(token, terms)
    return TelegramKeeper(
        placed=channel.placed,
        bot=BotApi(token, settings.api_url, settings.timeout_seconds),
        desk=Desk(keeper, buttons, database=database, terms=terms, via="Telegram button"),
        buttons=buttons,
        database=database,
        writer=writer,
        telemetry=telemetry,
    )
