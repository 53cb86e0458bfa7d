"""A service that listens to Telegram, and somebody there who presses its buttons."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from owed_messages import as_told, owed
from telegram_stand_in import CHAT, TOKEN, TelegramStandIn

from risk_policy.model.channels import Telegram
from risk_receivers.buttons.offsets import Offsets
from risk_receivers.buttons.telegram import TelegramButtons
from risk_receivers.buttons.telegram_chats import Chats
from risk_receivers.buttons.telegram_kill import Trips
from risk_receivers.channels.bot_api import BotApi
from risk_receivers.channels.message import Kind
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.telegram import TelegramChannel

OLGA = "telegram:42 Olga Petrova"
HEARD = 'risk_buttons_heard{channel="telegram"}'
SETTINGS = Telegram(allowed_chats=(CHAT,), allowed_users=("42", "43"))


def presses(outcome: str) -> str:
    return f'risk_button_presses_total{{channel="telegram",outcome="{outcome}"}}'


@dataclass
class Rig:
    """Telegram, what is behind its buttons, and who listens for them."""

    telegram: TelegramStandIn
    behind: Any
    listener: TelegramButtons = field(init=False)
    followed: dict[str, str] = field(default_factory=dict)

    def listen(self, *chats: str, trips: Trips | None = None) -> TelegramButtons:
        """The listener of a service that starts on the same store."""
        self.followed = {}
        desk, _ = self.behind.desk(TOKEN, "Telegram button")
        self.listener = TelegramButtons(
            settings=SETTINGS,
            bot=BotApi(TOKEN, self.telegram.url, 5),
            desk=desk,
            chats=Chats(chats or SETTINGS.allowed_chats, self.behind.database, self.followed),
            offsets=Offsets(self.behind.database, TOKEN.partition(":")[0]),
            writer=self.behind.writer,
            telemetry=self.behind.telemetry,
            refused=self.behind.refusals.note,
            trips=trips,
        )
        return self.listener

    def tell(
        self,
        render: Render = as_told,
        kind: Kind = Kind.FIRING,
        number: int = 7,
        chat: str = CHAT,
    ) -> None:
        """People are told of the breach."""
        _, buttons = self.behind.desk(TOKEN, "")
        channel = TelegramChannel(
            render=render,
            bot_token=TOKEN,
            chat_id=chat,
            api_url=self.telegram.url,
            timeout_seconds=5,
            buttons=buttons,
        )
        channel.deliver(owed(number, kind=kind))
        self.followed.update(channel.followed)

    def press(self, button: str, **more: Any) -> float | None:
        """Somebody presses, and the listener asks once; how long it would wait then."""
        self.telegram.press(button, **more)
        return self.listener.round()
