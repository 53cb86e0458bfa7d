"""A request's body, read with bounds on its size and on how long it may take to arrive.

What came before a bound was hit is handed on: a sender that is refused does not send again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from enum import Enum, auto
from typing import Any, Final

from msgspec import Struct

from risk_receivers.auth import Identity

Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]

_MIB: Final = 1024 * 1024
#: How many bodies' worth of what is too much are read past, so that the answer can be read.
_PATIENCE: Final = 4


class End(Enum):
    """How a body came to its end."""

    COMPLETE = auto()
    TOO_LARGE = auto()
    TOO_SLOW = auto()
    LEFT = auto()  # the sender closed the connection


_CODES: Final = {End.COMPLETE: 200, End.TOO_LARGE: 413, End.TOO_SLOW: 408, End.LEFT: 400}


class Body(Struct, frozen=True):
    """What has arrived, and how it ended.

    Attributes:
        address: from where, as far as that is asked.
        by: whose token came with it, as far as there has to be one.
        subject: what the path names, where a door's path has a place for it.
    """

    data: bytes
    end: End
    address: str = ""
    by: Identity | None = None
    subject: str = ""

    def actor(self, said: str) -> str:
        """Who goes on record for it."""
        return self.by.actor(said) if self.by else said

    @property
    def by_name(self) -> str:
        """Whose token came with it, by name."""
        return self.by.name if self.by else ""

    @property
    def code(self) -> int:
        """What HTTP calls such an end."""
        return _CODES[self.end]


class BodyReader:
    """Reads bodies. One is enough for all requests."""

    def __init__(self, *, max_mib: float, timeout_seconds: float) -> None:
        self._most_bytes = round(max_mib * _MIB)
        self._timeout_seconds = timeout_seconds
        #: What is wrong with a body that came to such an end, as a part of a sentence.
        self.complaints: Final = {
            End.TOO_LARGE: f"the body exceeds alerting.intake.max_body_mib = {max_mib:g} MiB",
            End.TOO_SLOW: "the body did not arrive within "
            f"alerting.intake.body_timeout_seconds = {timeout_seconds:g} s",
        }

    async def read(self, receive: Receive) -> Body:
        """The body up to the limits."""
        chunks: list[bytes] = []
        try:
            async with asyncio.timeout(self._timeout_seconds):
                end = await self._fill(chunks, receive)
        except TimeoutError:
            end = End.TOO_SLOW
        data = b"".join(chunks)
        if len(data) > self._most_bytes:
            return Body(data[: self._most_bytes], End.TOO_LARGE)
        return Body(data, end)

    async def _fill(self, chunks: list[bytes], receive: Receive) -> End:
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return End.LEFT
            chunk = message.get("body", b"")
            size += len(chunk)
            chunks.append(chunk)
            more = message.get("more_body", False)
            if size > self._most_bytes:
                if more:
                    await self._discard(receive)
                return End.TOO_LARGE
            if not more:
                return End.COMPLETE

    async def _discard(self, receive: Receive) -> None:
        """Let a sender that sends too much come to the point where it reads the answer."""
        patience = _PATIENCE * self._most_bytes
        while patience > 0:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
            patience -= len(message.get("body", b""))
