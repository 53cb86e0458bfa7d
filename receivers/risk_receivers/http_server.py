"""uvicorn's server as this service uses it: bounded connections, TLS beside the plain socket."""

from __future__ import annotations

import asyncio
import math
import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import Any, Final, cast

import uvicorn

from risk_policy import Policy
from risk_receivers.connection import BoundedConnection
from risk_receivers.front import Asgi
from risk_receivers.stalled import BoundedWebSocket
from risk_receivers.strangers import Strangers
from risk_receivers.tls import TlsListener

#: Over a WebSocket nobody has to say anything.
_MOST_SAID: Final = 4096
#: So many rounds without a request, and a sender's connection is not needed any more. A
#: connection that ends just as its owner sends costs an alert one resend delay.
_IDLE_ROUNDS: Final = 5
_LEAST_IDLE_SECONDS: Final = 15


def idle_seconds(policy: Policy) -> int:
    """How long a connection may be idle: longer than its owner's pause between two requests."""
    prometheus = policy.alerting.prometheus
    pause = max(
        prometheus.resend_delay_seconds + prometheus.evaluation_interval_seconds,
        prometheus.scrape_interval_seconds,
    )
    return max(_LEAST_IDLE_SECONDS, math.ceil(_IDLE_ROUNDS * pause))


class HttpServer(uvicorn.Server):
    """Serves an application until it is told to stop."""

    def __init__(
        self, policy: Policy, application: Asgi, strangers: Strangers, *, stop_seconds: int
    ) -> None:
        """``stop_seconds`` is how long a stop waits for requests that are being answered."""
        super().__init__(_config(policy, application, strangers, stop_seconds))
        self._listening: asyncio.Task[None] | None = None
        self._secured: tuple[socket.socket, ssl.SSLContext, Strangers] | None = None

    def also_serve(
        self, listener: socket.socket, context: ssl.SSLContext, strangers: Strangers
    ) -> None:
        """Serve the same over TLS on another socket."""
        self._secured = listener, context, strangers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen."""
        await super().startup(sockets)
        if self._secured is not None:
            listener, context, strangers = self._secured
            tls = TlsListener(listener, context, self._connection, strangers)
            self._listening = asyncio.create_task(tls.serve_forever())

    def _connection(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Answer what is still to be answered."""
        if self._listening is not None:
            self._listening.cancel()
        await super().shutdown(sockets)


def _config(
    policy: Policy, application: Asgi, strangers: Strangers, stop_seconds: int
) -> uvicorn.Config:
    patience = policy.alerting.intake.body_timeout_seconds
    connection = partial(BoundedConnection, head_seconds=patience, strangers=strangers)
    websocket = partial(BoundedWebSocket, patience_seconds=patience)
    return uvicorn.Config(
        cast("Any", application),
        loop="uvloop",
        http=cast("type[asyncio.Protocol]", connection),
        ws=cast("type[asyncio.Protocol]", websocket),
        ws_max_size=_MOST_SAID,
        ws_per_message_deflate=False,
        lifespan="off",
        access_log=False,
        server_header=False,
        # Addresses go on record, and refusals are counted by them: nobody may choose their own.
        proxy_headers=False,
        log_config=None,
        timeout_keep_alive=idle_seconds(policy),
        timeout_graceful_shutdown=stop_seconds,
    )
