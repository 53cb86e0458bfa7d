"""The HTTP server: it proves that its loop turns, and lets go of the gate before it stops."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any, Final, cast

import uvicorn

from risk_receivers.front import Asgi
from risk_receivers.protocol import bounded_protocol

#: How long a stop waits for requests that are being answered.
_STOP_SECONDS: Final = 5


class Server(uvicorn.Server):
    """uvicorn, with an ear for what happens in it."""

    def __init__(
        self,
        front: Asgi,
        *,
        head_timeout_seconds: float,
        keep_alive_seconds: float,
        turns: Callable[[], None],
        stops: Callable[[], None],
    ) -> None:
        """
        Args:
            keep_alive_seconds: how long a connection may lie idle between two requests.
            turns: called by the event loop, some ten times a second.
            stops: called as soon as nothing new is accepted, before what runs is finished.
        """
        config = uvicorn.Config(
            cast("Any", front),
            loop="uvloop",
            http=bounded_protocol(head_timeout_seconds),
            ws="none",
            lifespan="off",
            access_log=False,
            server_header=False,
            log_config=None,
            timeout_keep_alive=round(keep_alive_seconds),
            timeout_graceful_shutdown=_STOP_SECONDS,
        )
        super().__init__(config)
        self._turns = turns
        self._stops = stops

    async def on_tick(self, counter: int) -> bool:
        """The loop has turned."""
        self._turns()
        return await super().on_tick(counter)

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Stop."""
        self._stops()
        await super().shutdown(sockets)
