"""Whoever asks and then does not read what comes is let go.

What is written to them waits in this process, and whatever writes it waits with it: a stream's
place, of which there are few, would be theirs for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState


class Stalled:
    """Counts the time in which nothing more can be written to one connection."""

    def __init__(self, loop: asyncio.AbstractEventLoop, patience_seconds: float) -> None:
        self._loop = loop
        self._patience_seconds = patience_seconds
        self._timer: asyncio.TimerHandle | None = None

    def begins(self, transport: asyncio.Transport) -> None:
        """As much waits as may; unless that gets less, it is over."""
        if self._timer is None:
            self._timer = self._loop.call_later(self._patience_seconds, transport.abort)

    def ends(self) -> None:
        """Somebody reads, or has gone."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """uvicorn's WebSocket, with an end to waiting for whoever does not read or answer."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        patience_seconds: float,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._stalled = Stalled(self.loop, patience_seconds)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stalled.ends()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """As much waits to be read as may."""
        super().pause_writing()
        self._stalled.begins(self.transport)

    def resume_writing(self) -> None:
        """It is read."""
        super().resume_writing()
        self._stalled.ends()

    def keepalive_timeout(self) -> None:
        """A ping was not answered: nobody is there to say good-bye to."""
        self.stop_keepalive()
        self.transport.abort()
