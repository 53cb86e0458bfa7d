"""The HTTP server around the service: bounded connections, and an end in the right order.

The lease is withdrawn before anything else when a stop begins: from then on nobody new is
listened to, so nothing may go on allowing risk while the last requests are answered.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import signal
import socket
import ssl
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import uvicorn

from risk_policy import Policy
from risk_receivers.connection import BoundedConnection
from risk_receivers.errors import StartError
from risk_receivers.exposure import require_safe
from risk_receivers.service import Service, running
from risk_receivers.stalled import BoundedWebSocket
from risk_receivers.strangers import Strangers, most_strangers
from risk_receivers.tls import TlsListener, secured
from risk_receivers.turn import wait_for_turn

#: How long a stop waits for requests that are being answered.
_STOP_SECONDS: Final = 5
#: Over a WebSocket nobody has to say anything.
_MOST_SAID: Final = 4096
#: So many rounds without a request, and a sender's connection is not needed any more. A
#: connection that ends just as its owner sends costs an alert one resend delay.
_IDLE_ROUNDS: Final = 5
_LEAST_IDLE_SECONDS: Final = 15
#: The runtime has to come through to the gate; the other folders in it are closed to its group.
_DATA_MODE: Final = 0o710
_log = logging.getLogger(__name__)


def serve(
    policy: Policy,
    data: Path,
    host: str,
    port: int,
    alertmanager: str = "",
    *,
    own_store: bool = False,
    take_over_seconds: float = 0.0,
) -> None:
    """Run until a signal asks to stop. Raises StartError or StoreError.

    ``take_over_seconds`` is how long another service on this data folder may take to end first.
    """
    stopping = _StopRequest()
    os.umask(0o077)  # what it keeps is nobody else's, but for the gate
    if not data.is_dir():
        data.mkdir(parents=True)
        data.chmod(_DATA_MODE)
    with ExitStack() as stack:
        dashboard = policy.alerting.dashboard
        require_safe(host, port, dashboard)
        if take_over_seconds:
            wait_for_turn(data, take_over_seconds, lambda: stopping.asked)
            if stopping.asked:
                return
        listener = stack.enter_context(_bound(host, port))
        tls = secured(dashboard, data)
        if tls is not None:
            tls_listener = stack.enter_context(_bound(tls.host, tls.port))
        service = stack.enter_context(running(policy, data, alertmanager, own_store=own_store))
        strangers = Strangers(service.parts.access.knows, most_strangers())
        server = _Server(_config(policy, service, strangers), service)
        if tls is not None:
            server.also_serve(tls_listener, tls.context, strangers)
        if not stopping.asked:
            _log.info("serving on %s:%d", host, port)
            server.run(sockets=[listener])


def idle_seconds(policy: Policy) -> int:
    """How long a connection may be idle: longer than its owner's pause between two requests."""
    prometheus = policy.alerting.prometheus
    pause = max(
        prometheus.resend_delay_seconds + prometheus.evaluation_interval_seconds,
        prometheus.scrape_interval_seconds,
    )
    return max(_LEAST_IDLE_SECONDS, math.ceil(_IDLE_ROUNDS * pause))


def _config(policy: Policy, service: Service, strangers: Strangers) -> uvicorn.Config:
    patience = policy.alerting.intake.body_timeout_seconds
    connection = partial(BoundedConnection, head_seconds=patience, strangers=strangers)
    websocket = partial(BoundedWebSocket, patience_seconds=patience)
    return uvicorn.Config(
        cast("Any", service.front),
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
        timeout_graceful_shutdown=_STOP_SECONDS,
    )


class _Server(uvicorn.Server):
    """uvicorn's server, which shows that it is alive and withdraws the lease when it stops."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service
        self._beating: asyncio.Task[None] | None = None
        self._listening: asyncio.Task[None] | None = None
        self._secured: tuple[socket.socket, ssl.SSLContext, Strangers] | None = None

    def also_serve(
        self, listener: socket.socket, context: ssl.SSLContext, strangers: Strangers
    ) -> None:
        """Serve the same over TLS on another socket."""
        self._secured = listener, context, strangers

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and let the heartbeat begin."""
        await super().startup(sockets)
        if self._secured is not None:
            listener, context, strangers = self._secured
            tls = TlsListener(listener, context, self._connection, strangers)
            self._listening = asyncio.create_task(tls.serve_forever())
        self._beating = asyncio.create_task(self._service.heartbeat.beat_forever())

    def _connection(self) -> asyncio.Protocol:
        make: Callable[..., asyncio.Protocol] = self.config.http_protocol_class
        return make(
            config=self.config, server_state=self.server_state, app_state=self.lifespan.state
        )

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Withdraw the lease, then answer what is still to be answered."""
        # In a thread: the gate's own thread may be writing to a disk that is slow.
        await asyncio.to_thread(self._service.parts.gate.withdraw)
        if self._listening is not None:
            self._listening.cancel()
        await super().shutdown(sockets)
        if self._beating is not None:
            self._beating.cancel()


class _StopRequest:
    """Notes SIGTERM and SIGINT; uvicorn raises them once more after it has stopped."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket that does not listen yet. Raises StartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise StartError(
                f"{host}:{port} cannot be used: {error.strerror}; choose another --listen"
            ) from error
        yield listener
