"""Which buttons a message carries, and what each of them is known by. Pure.

What comes back from a press went through hands that are not ours: a client may send whatever it
likes. So what a button is known by is sealed with a key that only the receivers have, over what
is asked for, the incident and the message. It fits the 64 bytes that Telegram takes, needs no
memory, and means the same after a restart.
"""

from __future__ import annotations

import binascii
import hashlib
import hmac
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final

from risk_policy.model.escalation import Acknowledgement
from risk_receivers.channels.message import Owed

_HOUR: Final = timedelta(hours=1)
#: What these buttons are told from others by, and from those of another make.
_MARK: Final = "rw1"
_INCIDENT_BYTES: Final = 15
_MESSAGE_BYTES: Final = 6
#: Nobody can try 2^120 of them, least of all through Telegram.
_SEAL_BYTES: Final = 15
_PURPOSE: Final = b"riskwarden: buttons under messages"


class Ask(StrEnum):
    """What a button asks for."""

    HOUR = "h"
    DEFAULT = "d"  # for as long as the policy says
    BACK = "b"  # take it back


@dataclass(frozen=True, slots=True)
class Button:
    """One button: what people read on it, and what it is known by."""

    ask: Ask
    label: str
    data: str


@dataclass(frozen=True, slots=True)
class Placed:
    """Buttons that stand under a message in a chat.

    Attributes:
        digest: of the message, by which its buttons are told from others.
        asks: what they ask for, one letter each.
    """

    chat: int
    message: int
    incident: str
    digest: bytes
    asks: str


@dataclass(frozen=True, slots=True)
class Pressed:
    """What a genuine button asks for; incident and message as their digests."""

    ask: Ask
    incident: bytes
    message: bytes


class Buttons:
    """Makes buttons, and knows its own."""

    def __init__(self, secret: str, terms: Acknowledgement) -> None:
        """``secret`` is the service's own: whoever changes it retires every button."""
        self._key = hmac.digest(secret.encode(), _PURPOSE, "sha256")
        self._terms = terms

    def under(self, owed: Owed) -> tuple[Button, ...]:
        """The buttons of a message as it goes out."""
        message = owed.message
        if not message.kind.goes_on:
            return ()
        return self.made(to_acknowledge(self._terms), message.subject, digest_of_message(owed.id))

    def made(self, asks: Iterable[Ask], incident: str, message: bytes) -> tuple[Button, ...]:
        """Buttons about an incident, under one message."""
        return tuple(
            Button(ask, _label(ask, self._terms), self._sealed(ask, incident, message))
            for ask in asks
        )

    def read(self, data: str) -> Pressed | None:
        """What a button asks for; None if it is none of these."""
        mark, ask, packed = data[:3], data[3:4], data[4:]
        if mark != _MARK or ask not in list(Ask):
            return None
        try:
            raw = urlsafe_b64decode(packed.encode("ascii"))
        except (UnicodeEncodeError, binascii.Error):
            return None
        body, seal = raw[:-_SEAL_BYTES], raw[-_SEAL_BYTES:]
        if len(body) != _INCIDENT_BYTES + _MESSAGE_BYTES:
            return None
        if not hmac.compare_digest(seal, self._seal(ask, body)):
            return None
        if urlsafe_b64encode(raw).decode() != packed:  # one spelling, and no other
            return None
        return Pressed(Ask(ask), body[:_INCIDENT_BYTES], body[_INCIDENT_BYTES:])

    def _sealed(self, ask: Ask, incident: str, message: bytes) -> str:
        body = digest_of_incident(incident) + message
        packed = urlsafe_b64encode(body + self._seal(ask.value, body)).decode()
        return f"{_MARK}{ask.value}{packed}"

    def _seal(self, ask: str, body: bytes) -> bytes:
        return hmac.digest(self._key, ask.encode() + body, "sha256")[:_SEAL_BYTES]


def digest_of_incident(incident: str) -> bytes:
    """What an incident's id is recognised by; the id itself has no bound."""
    return hashlib.sha256(incident.encode("utf-8", "surrogatepass")).digest()[:_INCIDENT_BYTES]


def digest_of_message(message_id: str) -> bytes:
    """What tells the buttons of one message from those of another."""
    return hashlib.sha256(message_id.encode()).digest()[:_MESSAGE_BYTES]


def to_acknowledge(terms: Acknowledgement) -> tuple[Ask, ...]:
    """The ways to acknowledge that the policy leaves, each once."""
    default, longest = terms.default_minutes, terms.max_minutes
    hour = _HOUR.total_seconds() / 60
    return (Ask.DEFAULT,) if default == hour or longest < hour else (Ask.HOUR, Ask.DEFAULT)


def lasting(ask: Ask) -> timedelta | None:
    """How long what is asked for is to last; None if the policy says so."""
    return _HOUR if ask is Ask.HOUR else None


def _label(ask: Ask, terms: Acknowledgement) -> str:
    match ask:
        case Ask.HOUR:
            return "Ack 1 h"
        case Ask.DEFAULT:
            return f"Ack {_in_short(timedelta(minutes=terms.default_minutes))}"
        case Ask.BACK:
            return "Un-ack"


def _in_short(time: timedelta) -> str:
    seconds = time.total_seconds()
    for unit, size in (("h", 3600), ("min", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g} {unit}"
    return f"{seconds / 60:.3g} min" if seconds >= 60 else f"{seconds:.3g} s"
