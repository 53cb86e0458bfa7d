"""The Telegram channel: a bot that writes to one chat.

Long messages go out in parts. What Telegram cannot read as HTML is sent again as plain text. A
group that became a supergroup is followed to its new id for as long as the service runs, and
the log says which id to write into the policy.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from risk_policy import Policy
from risk_receivers.channels.cutting import clean, html_to_plain, split, split_html
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.http import Answer, Http, answered, retry_after, revealed
from risk_receivers.channels.message import Owed
from risk_receivers.channels.progress import Progress
from risk_receivers.channels.rendered import Render, Rendered
from risk_receivers.channels.words import never_empty

#: The longest message Telegram takes.
_MOST_UNITS: Final = 4096
_BAD_REQUEST: Final = 400
_CANNOT_PARSE: Final = "can't parse entities"
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
_log = logging.getLogger(__name__)


class _Parameters(msgspec.Struct, frozen=True):
    migrate_to_chat_id: int | None = None
    retry_after: float | None = None


class _Reply(msgspec.Struct, frozen=True):
    ok: bool
    description: str = ""
    parameters: _Parameters = _Parameters()


class _Part(msgspec.Struct, frozen=True):
    text: str
    is_html: bool


_read = msgspec.json.Decoder(_Reply).decode


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
    ) -> None:
        self._render = never_empty("telegram", render)
        self._chat_id = chat_id
        self._base = f"{api_url}/bot{quote(bot_token, safe=':')}/"
        # What stands before the colon is the bot's id, which is no secret.
        secrets = [bot_token, bot_token.partition(":")[2], self._base]
        self._http = Http("Telegram", timeout_seconds, secrets)
        self._progress: Progress[_Part] = Progress()

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> TelegramChannel:
        """The channel as the policy wants it. Raises StartError."""
        del data
        settings = policy.alerting.channels.telegram
        return cls(
            render=render,
            bot_token=revealed(settings.bot_token, "alerting.channels.telegram.bot_token"),
            chat_id=settings.chat_id,
            api_url=settings.api_url,
            timeout_seconds=settings.timeout_seconds,
        )

    def deliver(self, owed: Owed) -> None:
        """Send one message, what is left of it if it was tried before. Raises DeliveryError."""
        left = self._progress.left(owed.id, lambda: _parts(self._render(owed)))
        while left:
            part = left[0]
            answer = self._send(part)
            if part.is_html and _is_unreadable(answer):
                left[0] = _Part(html_to_plain(part.text), is_html=False)
                continue
            self._require_ok(answer)
            del left[0]
        self._progress.forget(owed.id)

    def check(self) -> None:
        """Ask who the bot is and whether it sees the chat. Raises DeliveryError."""
        self._require_ok(self._call("getMe", {}))
        self._require_ok(self._about_the_chat("getChat", {}))

    def close(self) -> None:
        """Nothing is held open."""

    def _send(self, part: _Part) -> Answer:
        return self._about_the_chat(
            "sendMessage",
            {
                "text": part.text,
                "link_preview_options": {"is_disabled": True},
                **({"parse_mode": "HTML"} if part.is_html else {}),
            },
        )

    def _about_the_chat(self, method: str, parameters: Mapping[str, Any]) -> Answer:
        answer = self._call(method, {"chat_id": self._chat_id, **parameters})
        moved_to = _reply(answer).parameters.migrate_to_chat_id
        if answer.is_fine or moved_to is None:
            return answer
        _log.warning(
            "the Telegram group has become a supergroup: write %d into "
            "alerting.channels.telegram.chat_id; until then every start has to find it again",
            moved_to,
        )
        self._chat_id = str(moved_to)
        return self._call(method, {"chat_id": self._chat_id, **parameters})

    def _call(self, method: str, parameters: Mapping[str, Any]) -> Answer:
        return self._http.send(
            "POST",
            self._base + method,
            headers={"Content-Type": "application/json"},
            content=msgspec.json.encode(parameters),
        )

    def _require_ok(self, answer: Answer) -> None:
        reply = _reply(answer)
        if answer.is_fine and reply.ok:
            return
        raise self._error(answer, reply)

    def _error(self, answer: Answer, reply: _Reply) -> DeliveryError:
        words = reply.description or answer.text
        if answer.is_temporary:
            seconds = retry_after(reply.parameters.retry_after)
            return self._http.temporary(
                answered(answer, words),
                answer.retry_after_seconds if seconds is None else seconds,
            )
        about_the_message = answer.status == _BAD_REQUEST and not any(
            hint in words.lower() for hint in _ABOUT_THE_CHAT
        )
        return self._http.refused(answered(answer, words), whole_channel=not about_the_message)


def _parts(rendered: Rendered) -> list[_Part]:
    text = clean(rendered.text)
    if (marked_up := split_html(text, _MOST_UNITS)) is not None:
        return [_Part(part, is_html=True) for part in marked_up]
    return [_Part(part, is_html=False) for part in split(html_to_plain(text), _MOST_UNITS)]


def _reply(answer: Answer) -> _Reply:
    try:
        return _read(answer.body)
    except (
        msgspec.DecodeError,
        UnicodeDecodeError,
    ):  # a page of some proxy, perhaps; it confirms nothing
        return _Reply(ok=False)


def _is_unreadable(answer: Answer) -> bool:
    return answer.status == _BAD_REQUEST and _CANNOT_PARSE in _reply(answer).description
