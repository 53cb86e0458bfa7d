"""Streams of alerts and of what limits stand at: as WebSockets, and as server-sent events.

Everybody gets a ``hello`` with the cursor at which they begin, then what they missed since the one
they came with, then what happens. A ``heartbeat`` comes when nothing else does, so that whoever
hears nothing for longer knows that the connection is dead and not the market. A connection ends
with the session or token that opened it, within a second or so, however much is told over it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

from risk_receivers.access import Refusal
from risk_receivers.streams.broadcast import Broadcast, Listener
from risk_receivers.streams.frames import Frame, frame
from risk_receivers.streams.tail import Tail

#: A service that stops is not held up for longer.
_LOOK_SECONDS: Final = 0.25
#: How often it is asked whether somebody still may listen. It must not wait for a heartbeat: where
#: something is told all the time there is none.
_ASK_SECONDS: Final = 1.0
_MOST_CURSOR: Final = 2**53 - 1
_CURSOR: Final = b"last-event-id"


class Follows(Protocol):
    """What sends frames as long as somebody listens."""

    def follow(self) -> None:
        """Begin, unless it is under way."""


@dataclass(frozen=True, slots=True)
class Stream:
    """One of them.

    Attributes:
        tail: what can tell again what somebody missed; None if only the latest counts.
    """

    broadcast: Broadcast
    follows: Follows
    tail: Tail | None = None


class StreamError(Exception):
    """There is no stream for this request; says why.

    Attributes:
        code: of HTTP.
    """

    def __init__(self, code: int, why: str) -> None:
        self.code = code
        super().__init__(why)


class Streams:
    """By path, what is sent over it."""

    def __init__(
        self,
        streams: Mapping[str, Stream],
        *,
        heartbeat_seconds: float,
        most: int,
        stopping: Callable[[], bool],
    ) -> None:
        """``most`` may listen to each stream."""
        self._streams = dict(streams)
        self._heartbeat_seconds = heartbeat_seconds
        self._most = most
        self._stopping = stopping

    def __contains__(self, path: str) -> bool:
        return path in self._streams

    def open(self, scope: Mapping[str, Any], allowed: Callable[[], Refusal | None]) -> Opened:
        """Begin to listen for a request. Raises StreamError."""
        stream = self._streams[scope["path"]]
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        cursor = _cursor_of(bytes(scope["query_string"]).decode("latin-1"), headers)
        if stream.broadcast.is_full:
            raise StreamError(
                503,
                f"{self._most} connections listen already; close one, or raise "
                "alerting.dashboard.websocket.max_connections",
            )
        return Opened(stream, cursor, self._heartbeat_seconds, allowed, self._stopping)


@dataclass(slots=True)
class Opened:
    """A connection that may listen."""

    stream: Stream
    cursor: int | None
    heartbeat_seconds: float
    allowed: Callable[[], Refusal | None]
    stopping: Callable[[], bool]
    _asked_at: float = field(default_factory=time.monotonic)

    async def frames(self) -> AsyncIterator[Frame]:
        """What it is sent, until it may not listen any more, or falls behind."""
        async with aclosing(self._frames()) as frames:
            async for one in frames:
                if self._is_over():
                    return
                yield one

    def _is_over(self) -> bool:
        if (now := time.monotonic()) - self._asked_at < _ASK_SECONDS:
            return False
        self._asked_at = now
        return self.allowed() is not None

    async def _frames(self) -> AsyncGenerator[Frame]:
        with self.stream.broadcast.listening() as listener:
            self.stream.follows.follow()
            tail = self.stream.tail
            begin = tail.cursor if tail else None
            # Whoever goes on has heard nothing beyond their cursor yet, and may be cut off before.
            at = begin if begin is None or self.cursor is None else self.cursor
            yield frame("hello", at, heartbeat_seconds=self.heartbeat_seconds, at=time.time())
            if tail is not None and begin is not None and self.cursor is not None:
                async for missed in tail.since(self.cursor, begin):
                    yield missed
            async for one in self._live(listener):
                yield one

    async def _live(self, listener: Listener) -> AsyncIterator[Frame]:
        tail = self.stream.tail
        said_at = time.monotonic()
        while not (listener.is_behind or self.stopping() or self._is_over()):
            found = await listener.next(_LOOK_SECONDS)
            now = time.monotonic()
            is_due = found is None and now - said_at >= self.heartbeat_seconds
            if is_due and not (tail and tail.is_blind):
                found = frame("heartbeat", tail.cursor if tail else None, at=time.time())
            if found is not None:
                said_at = now
                yield found


async def until_left(opened: Opened, left: asyncio.Future[None]) -> AsyncIterator[Frame]:
    """Frames, until whoever listens has gone."""
    frames = opened.frames()
    try:
        while not left.done():
            following = asyncio.ensure_future(anext(frames))
            await asyncio.wait((following, left), return_when=asyncio.FIRST_COMPLETED)
            if not following.done():
                following.cancel()
                await asyncio.gather(following, return_exceptions=True)
                return
            try:
                yield following.result()
            except StopAsyncIteration:
                return
    finally:
        await frames.aclose()  # type: ignore[attr-defined]


def _cursor_of(query: str, headers: Mapping[bytes, bytes]) -> int | None:
    """From where somebody goes on; None for one who begins. Raises StreamError."""
    asked = parse_qs(query, keep_blank_values=True)
    text = headers.get(_CURSOR, b"").decode("latin-1") or asked.get("after", [""])[-1]
    if not text:
        return None
    if text.isascii() and text.isdigit() and len(text) <= 16 and int(text) <= _MOST_CURSOR:
        return int(text)
    raise StreamError(400, "after must be the cursor of a frame, a whole number")
