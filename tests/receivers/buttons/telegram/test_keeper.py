"""Buttons under earlier Telegram messages: true by now, and in nobody's way."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from owed_messages import as_told, owed
from telegram_stand_in import CHAT, TOKEN, TelegramStandIn, failure

from risk_receivers.buttons.telegram_keeper import TelegramKeeper
from risk_receivers.channels.bot_api import BotApi
from risk_receivers.channels.buttons import Placed
from risk_receivers.channels.telegram import TelegramChannel

WARNING = "drawdown/main:warning:1"
TO_ACK = ["Ack 1 h", "Ack 2 h"]


@dataclass
class Rig:
    """Telegram, what is behind its buttons, and who keeps those true."""

    telegram: TelegramStandIn
    behind: Any
    placed: deque[Placed] = field(default_factory=deque)
    keeper: TelegramKeeper = field(init=False)

    def restart(self, placed: deque[Placed]) -> None:
        """A keeper of a service that starts on the same store, beside a channel."""
        desk, buttons = self.behind.desk(TOKEN, "Telegram button")
        self.keeper = TelegramKeeper(
            placed=placed,
            bot=BotApi(TOKEN, self.telegram.url, 5),
            desk=desk,
            buttons=buttons,
            database=self.behind.database,
            writer=self.behind.writer,
            telemetry=self.behind.telemetry,
        )

    def labels(self) -> list[list[str]]:
        """The buttons of every message, in order."""
        return [list(self.telegram.labels(one)) for one in self.telegram.messages.values()]

    def rounds(self) -> None:
        """Until it has nothing to change any more."""
        for _ in range(10):
            before = len(self.telegram.edited)
            self.keeper.round()
            if len(self.telegram.edited) == before:
                return


@pytest.fixture
def rig(behind: Any) -> Iterator[Rig]:
    """People were told twice of one breach."""
    with TelegramStandIn() as telegram:
        rig = Rig(telegram, behind)
        _, buttons = behind.desk(TOKEN, "")
        channel = TelegramChannel(
            render=as_told,
            bot_token=TOKEN,
            chat_id=CHAT,
            api_url=telegram.url,
            timeout_seconds=5,
            buttons=buttons,
        )
        rig.restart(channel.placed)
        channel.deliver(owed(1))
        channel.deliver(owed(2))
        yield rig


def test_they_follow_what_is_done_elsewhere_across_a_restart_and_go_at_the_end(rig: Rig) -> None:
    rig.rounds()
    assert (rig.labels(), rig.telegram.edited) == ([TO_ACK] * 2, [])
    rig.behind.keeper.give(WARNING, timedelta(hours=1), "olga", "by hand")
    rig.restart(deque())
    rig.rounds()
    assert rig.labels() == [["Un-ack"]] * 2
    rig.behind.keeper.take_back("drawdown/main", "warning", "olga", "by hand")
    rig.rounds()
    assert rig.labels() == [TO_ACK] * 2
    rig.behind.alert(firing=False)
    rig.rounds()
    assert rig.labels() == [[]] * 2
    asked = len(rig.telegram.edited)
    rig.rounds()
    assert len(rig.telegram.edited) == asked, "what has none is not asked for again"


def test_one_after_the_other_and_none_while_a_message_has_to_go_out(rig: Rig) -> None:
    rig.behind.alert(firing=False)

    def owe(transaction: Any) -> None:
        transaction.connection.execute(
            "INSERT INTO message (subject, channel, kind, body, created_at) "
            "VALUES ('x', 'telegram', 'firing', '', '')"
        )

    rig.behind.writer.run(owe, 10)
    rig.rounds()
    assert rig.telegram.edited == []
    rig.behind.writer.run(lambda it: it.connection.execute("DELETE FROM message"), 10)
    pause = rig.keeper.round()
    assert (rig.telegram.edited, rig.labels()) == ([2], [TO_ACK, []])
    assert pause is not None
    assert pause >= 6, "Telegram counts them with the messages"


def test_what_telegram_does_not_let_happen_is_left_alone(rig: Rig) -> None:
    rig.behind.alert(firing=False)
    rig.telegram.failing["editMessageReplyMarkup"] = failure(429, "later", retry_after=77)
    assert rig.keeper.round() == 77
    rig.telegram.failing["editMessageReplyMarkup"] = failure(403, "bot was kicked")
    pauses = [rig.keeper.round() or 0 for _ in range(9)]
    assert pauses == sorted(pauses)
    assert pauses[-1] == 600
    del rig.telegram.failing["editMessageReplyMarkup"]
    rig.telegram.messages.clear()
    rig.rounds()
    rig.rounds()
    assert rig.telegram.edited == [2, 1], "somebody deleted them"
