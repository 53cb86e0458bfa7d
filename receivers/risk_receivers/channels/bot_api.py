"""Telegram's Bot API: requests of one bot, and what is answered. The token stays in here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import quote

import msgspec

from risk_receivers.channels.buttons import Button
from risk_receivers.channels.http import Answer, Http

#: Twenty presses, each with the message under which it was made, fit several times over.
_MOST_BYTES: Final = 4 * 2**20


class Parameters(msgspec.Struct, frozen=True):
    """What an error says about what to do."""

    migrate_to_chat_id: int | None = None
    retry_after: float | None = None


class BotReply(msgspec.Struct, frozen=True):
    """What stands around every result."""

    ok: bool
    description: str = ""
    parameters: Parameters = Parameters()
    result: msgspec.Raw = msgspec.Raw(b"null")


_read = msgspec.json.Decoder(BotReply).decode


class BotApi:
    """Asks as one bot."""

    def __init__(self, bot_token: str, api_url: str, timeout_seconds: float) -> None:
        self._base = f"{api_url}/bot{quote(bot_token, safe=':')}/"
        self._timeout_seconds = timeout_seconds
        # What stands before the colon is the bot's id, which is no secret.
        secrets = [bot_token, bot_token.partition(":")[2], self._base]
        self.http: Final = Http("Telegram", timeout_seconds, secrets, most_bytes=_MOST_BYTES)

    def call(
        self, method: str, parameters: Mapping[str, Any], *, held_seconds: float = 0
    ) -> Answer:
        """One request, which the server may hold for so long. Raises TemporaryDeliveryError."""
        return self.http.send(
            "POST",
            self._base + method,
            headers={"Content-Type": "application/json"},
            content=msgspec.json.encode(parameters),
            timeout_seconds=self._timeout_seconds + held_seconds,
        )


def reply_of(answer: Answer) -> BotReply:
    """What the Bot API says; of a page of some proxy, that nothing is confirmed."""
    try:
        return _read(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return BotReply(ok=False)


def keyboard(buttons: Sequence[Button]) -> dict[str, Any]:
    """Buttons in one row, as the Bot API takes them; none takes a message's buttons away."""
    row = [{"text": button.label, "callback_data": button.data} for button in buttons]
    return {"inline_keyboard": [row] if row else []}
