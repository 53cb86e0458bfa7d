"""One frame to everybody who listens, each at their own pace, up to a bound.

Whoever falls so far behind that the bound is reached is let go: they come again with their cursor
and miss nothing, and nobody's slowness takes memory or time of anybody else. In one event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from risk_receivers.streams.frames import Frame

#: Of one listener: a storm of alerts, and no more.
_MOST_WAITING: Final = 5000


class Listener:
    """Frames that wait for one connection."""

    def __init__(self) -> None:
        self._waiting: asyncio.Queue[Frame] = asyncio.Queue(_MOST_WAITING)
        self.is_behind = False

    def offer(self, frame: Frame) -> None:
        """One more; too many, and it is let go."""
        try:
            self._waiting.put_nowait(frame)
        except asyncio.QueueFull:
            self.is_behind = True

    async def next(self, seconds: float) -> Frame | None:
        """The next one; None if none comes in time."""
        try:
            async with asyncio.timeout(seconds):
                return await self._waiting.get()
        except TimeoutError:
            return None


class Broadcast:
    """Who listens."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._listeners: set[Listener] = set()

    @property
    def is_full(self) -> bool:
        """Whether nobody else may listen now."""
        return len(self._listeners) >= self._most

    @property
    def is_heard(self) -> bool:
        """Whether anybody listens."""
        return bool(self._listeners)

    @contextmanager
    def listening(self) -> Iterator[Listener]:
        """From now on every frame, until it ends."""
        listener = Listener()
        self._listeners.add(listener)
        try:
            yield listener
        finally:
            self._listeners.discard(listener)

    def send(self, frame: Frame) -> None:
        """To everybody."""
        for listener in self._listeners:
            listener.offer(frame)
