"""The Telegram channel: a bot that writes to one chat.

Long messages go out in parts. A part of which nobody knows whether it arrived says so when it is
sent again. What Telegram cannot read as HTML is sent again as plain text. A
group that became a supergroup is followed to its new id for as long as the service runs, and
the log says which id to write into the policy.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import msgspec
from msgspec import structs

from risk_policy import Policy
from risk_policy.model.channels import Telegram
from risk_receivers.channels.bot_api import BotApi, BotReply, keyboard, reply_of
from risk_receivers.channels.buttons import Button, Buttons, Placed, digest_of_message
from risk_receivers.channels.cutting import clean, html_to_plain, split, split_html
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import Answer, answered, retry_after, revealed
from risk_receivers.channels.message import Owed
from risk_receivers.channels.progress import Progress
from risk_receivers.channels.rendered import Render, Rendered

#: The longest message Telegram takes, and room in it for the line of one that is sent again.
_AGAIN_UNITS: Final = 96
_MOST_UNITS: Final = 4096 - _AGAIN_UNITS
_BAD_REQUEST: Final = 400
_CANNOT_PARSE: Final = "can't parse entities"
#: What a 400 says about a keyboard, in small letters.
_ABOUT_BUTTONS: Final = ("button", "keyboard", "reply markup", "reply_markup")
#: What a 400 says about the chat or the bot, in small letters; all others are about the message.
_ABOUT_THE_CHAT: Final = (
    "chat not found",
    "chat_id is empty",
    "chat_id_invalid",
    "peer_id_invalid",
    "user not found",
    "deactivated",
    "chat_write_forbidden",
    "chat_restricted",
    "not enough rights",
    "have no rights",
    "need administrator rights",
    "upgraded to a supergroup",
)
#: More are noted in no time; what is forgotten keeps its buttons until somebody presses one.
_MOST_PLACED: Final = 300
_log = logging.getLogger(__name__)


class _Chat(msgspec.Struct, frozen=True):
    id: int


class _Sent(msgspec.Struct, frozen=True):
    message_id: int
    chat: _Chat


_read_sent = msgspec.json.Decoder(_Sent).decode


class _Part(msgspec.Struct, frozen=True):
    """One message of Telegram's.

    Attributes:
        unclear: whether it may have arrived.
    """

    text: str
    is_html: bool
    buttons: tuple[Button, ...] = ()
    unclear: bool = False


class TelegramChannel:
    """Writes to one chat as one bot."""

    def __init__(
        self,
        *,
        render: Render,
        bot_token: str,
        chat_id: str,
        api_url: str,
        timeout_seconds: float,
        buttons: Buttons | None = None,
    ) -> None:
        """``buttons`` go under what can be acknowledged; without any if nobody may press them."""
        self._buttons = buttons
        self._render = render
        self._chat_id = chat_id
        self._bot = BotApi(bot_token, api_url, timeout_seconds)
        self._progress: Progress[_Part] = Progress()
        #: Buttons that were put somewhere, for whoever looks after them.
        self.placed: Final[deque[Placed]] = deque(maxlen=_MOST_PLACED)
        #: Which group became which, by their ids, for whoever has to know the chat again.
        self.followed: Final[dict[str, str]] = {}

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> TelegramChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        settings = policy.alerting.channels.telegram
        bot_token = revealed(settings.bot_token, "alerting.channels.telegram.bot_token")
        pressed = has_buttons(settings)
        return cls(
            render=render,
            buttons=Buttons(bot_token, policy.alerting.acknowledgement) if pressed else None,
            bot_token=bot_token,
            chat_id=settings.chat_id,
            api_url=settings.api_url,
            timeout_seconds=settings.timeout_seconds,
        )

    def deliver(self, owed: Owed) -> None:
        """Send one message, what is left of it if it was tried before. Raises DeliveryError."""
        left = self._progress.left(owed.id, lambda: self._parts(owed))
        if not left:  # what says nothing must not count as told
            self._progress.forget(owed.id)
            raise self._bot.http.refused("is given nothing to say", whole_channel=False)
        while left:
            part = left[0]
            left[0] = structs.replace(part, unclear=True)
            answer = self._send(part, owed.again if part.unclear else "")
            if answer.is_denied:
                left[0] = part
            if part.is_html and _is_unreadable(answer):
                left[0] = structs.replace(part, text=html_to_plain(part.text), is_html=False)
                continue
            if part.buttons and _is_about_buttons(answer):  # people are told, buttons or none
                left[0] = structs.replace(part, buttons=())
                continue
            self._require_ok(answer)
            self._note_placed(owed, part.buttons, answer)
            del left[0]
        self._progress.forget(owed.id)

    def _note_placed(self, owed: Owed, buttons: tuple[Button, ...], answer: Answer) -> None:
        if not buttons:
            return
        with suppress(msgspec.DecodeError, UnicodeDecodeError):  # people have it all the same
            sent = _read_sent(reply_of(answer).result)
            asks = "".join(button.ask.value for button in buttons)
            digest = digest_of_message(owed.id)
            subject = owed.message.subject
            self.placed.append(Placed(sent.chat.id, sent.message_id, subject, digest, asks))

    def _parts(self, owed: Owed) -> list[_Part]:
        parts = _parts(self._render(owed))
        if self._buttons is not None and parts:
            parts[-1] = structs.replace(parts[-1], buttons=self._buttons.under(owed))
        return parts

    def check(self) -> None:
        """Ask who the bot is and whether it sees the chat. Raises DeliveryError."""
        self._require_ok(self._bot.call("getMe", {}))
        self._require_ok(self._about_the_chat("getChat", {}))

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, part: _Part, again: str) -> Answer:
        shown = f"<i>{again}</i>" if part.is_html else again
        return self._about_the_chat(
            "sendMessage",
            {
                "text": f"{shown}\n{part.text}" if again else part.text,
                "link_preview_options": {"is_disabled": True},
                **({"parse_mode": "HTML"} if part.is_html else {}),
                **({"reply_markup": keyboard(part.buttons)} if part.buttons else {}),
            },
        )

    def _about_the_chat(self, method: str, parameters: Mapping[str, Any]) -> Answer:
        answer = self._bot.call(method, {"chat_id": self._chat_id, **parameters})
        moved_to = reply_of(answer).parameters.migrate_to_chat_id
        if answer.is_fine or moved_to is None:
            return answer
        _log.warning(
            "the Telegram group has become a supergroup: write %d into "
            "alerting.channels.telegram.chat_id; until then every start has to find it again",
            moved_to,
        )
        self.followed[self._chat_id] = str(moved_to)
        self._chat_id = str(moved_to)
        return self._bot.call(method, {"chat_id": self._chat_id, **parameters})

    def _require_ok(self, answer: Answer) -> None:
        reply = reply_of(answer)
        if answer.is_fine and reply.ok:
            return
        raise self._error(answer, reply)

    def _error(self, answer: Answer, reply: BotReply) -> DeliveryError:
        words = reply.description or answer.text
        if answer.is_temporary:
            seconds = retry_after(reply.parameters.retry_after)
            return self._bot.http.temporary(
                answered(answer, words),
                answer.retry_after_seconds if seconds is None else seconds,
            )
        about_the_message = answer.status == _BAD_REQUEST and not any(
            hint in words.lower() for hint in _ABOUT_THE_CHAT
        )
        return self._bot.http.refused(answered(answer, words), whole_channel=not about_the_message)


def has_buttons(settings: Telegram) -> bool:
    """Whether anybody may press anything anywhere."""
    return all((settings.allowed_users, settings.allowed_chats))


def _parts(rendered: Rendered) -> list[_Part]:
    text = clean(rendered.text)
    if (marked_up := split_html(text, _MOST_UNITS)) is not None:
        return [_Part(part, is_html=True) for part in marked_up]
    return [_Part(part, is_html=False) for part in split(html_to_plain(text), _MOST_UNITS)]


def _is_unreadable(answer: Answer) -> bool:
    return answer.status == _BAD_REQUEST and _CANNOT_PARSE in reply_of(answer).description


def _is_about_buttons(answer: Answer) -> bool:
    said = reply_of(answer).description.lower()
    return answer.status == _BAD_REQUEST and any(hint in said for hint in _ABOUT_BUTTONS)
