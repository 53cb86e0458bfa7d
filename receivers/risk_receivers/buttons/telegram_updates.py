"""What Telegram says of presses and commands, and the message under which one was made. Pure.

Everything in here came from somebody's client by way of Telegram. What makes no sense is
passed over, but never counted as unread: it would come again for ever.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, TypeVar

import msgspec

from risk_receivers.channels.cutting import clean, cut, units

T = TypeVar("T")
#: The longest message Telegram takes.
_MOST_UNITS: Final = 4096
_LONGEST_STATUS: Final = 600
#: What separates a message from what became of it. Nothing we write holds it.
_RULE: Final = "\n\n\N{BLACK RIGHT-POINTING SMALL TRIANGLE} "


class Chat(msgspec.Struct, frozen=True):
    """Where."""

    id: int


class User(msgspec.Struct, frozen=True):
    """Who; names are what they call themselves."""

    id: int
    first_name: str = ""
    last_name: str = ""
    username: str = ""

    @property
    def name(self) -> str:
        """What people call them."""
        return f"{self.first_name} {self.last_name}".strip() or self.username


class _Key(msgspec.Struct, frozen=True):
    callback_data: str = ""


class _Keyboard(msgspec.Struct, frozen=True):
    inline_keyboard: list[list[_Key]] = []


class Shown(msgspec.Struct, frozen=True):
    """A message as it stands in a chat; one that is too old has neither text nor buttons."""

    message_id: int
    chat: Chat
    text: str = ""
    entities: list[dict[str, Any]] = []
    reply_markup: _Keyboard | None = None

    @property
    def buttons(self) -> list[str]:
        """What the buttons under this message are known by, as far as Telegram says."""
        rows = self.reply_markup.inline_keyboard if self.reply_markup is not None else []
        return [key.callback_data for row in rows for key in row]


class Press(msgspec.Struct, frozen=True):
    """A callback query."""

    id: str
    sender: User = msgspec.field(name="from")
    message: Shown | None = None
    data: str = ""


class Said(msgspec.Struct, frozen=True):
    """A message that somebody wrote; whatever was only forwarded was said elsewhere."""

    message_id: int
    chat: Chat
    sender: User = msgspec.field(name="from")
    text: str = ""
    forward_origin: msgspec.Raw | None = None
    forward_date: int | None = None

    @property
    def is_forwarded(self) -> bool:
        """Whether somebody else said it, or said it elsewhere."""
        return self.forward_origin is not None or self.forward_date is not None


class _Update(msgspec.Struct, frozen=True):
    update_id: int
    callback_query: msgspec.Raw = msgspec.Raw(b"null")
    message: msgspec.Raw = msgspec.Raw(b"null")


class Update(msgspec.Struct, frozen=True):
    """One thing that happened; neither if it is something else, or makes no sense."""

    id: int
    press: Press | None = None
    said: Said | None = None


_decode = msgspec.json.Decoder(list[_Update]).decode
_decode_press = msgspec.json.Decoder(Press).decode
_decode_user = msgspec.json.Decoder(User).decode
_decode_said = msgspec.json.Decoder(Said).decode


def name_of(result: msgspec.Raw) -> str:
    """How a bot is called in chats; empty if that is not to be read."""
    found = _made(_decode_user, result)
    return found.username if found is not None else ""


def updates(result: bytes) -> list[Update]:
    """What is listed, in the order of the ids. Raises msgspec.DecodeError if it is no list."""
    return sorted((_update(one) for one in _decode(result)), key=lambda update: update.id)


def _update(found: _Update) -> Update:
    return Update(
        found.update_id,
        _made(_decode_press, found.callback_query),
        _made(_decode_said, found.message),
    )


def _made(decode: Callable[[msgspec.Raw], T], found: msgspec.Raw) -> T | None:
    try:
        return decode(found)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def with_status(message: Shown, status: str) -> tuple[str, list[Mapping[str, Any]]]:
    """A message's text and entities with what became of it below, instead of what stood there.

    The text is cut where both would be too long for one message.
    """
    below = _RULE + cut(clean(status), _LONGEST_STATUS)
    text = message.text.rpartition(_RULE)[0] or message.text
    text = cut(text, _MOST_UNITS - units(below))
    return text + below, _within(message.entities, units(text))


def _within(entities: Sequence[Mapping[str, Any]], length: int) -> list[Mapping[str, Any]]:
    """The entities of a text's beginning, none of them beyond it."""
    found: list[Mapping[str, Any]] = []
    for entity in entities:
        offset, size = entity.get("offset"), entity.get("length")
        if isinstance(offset, int) and isinstance(size, int) and 0 <= offset < length:
            found.append({**entity, "length": min(size, length - offset)})
    return found
