"""The service on its sockets: it stands by if another one leads, then serves, and ends in order.

The lease is withdrawn before anything else when a stop begins: from then on nobody new is
listened to, so nothing may go on allowing risk while the last requests are answered.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import FrameType
from typing import Final

from risk_policy import Policy
from risk_receivers.errors import StartError
from risk_receivers.exposure import require_safe
from risk_receivers.http_server import HttpServer
from risk_receivers.leadership.standby import Sockets, lead
from risk_receivers.retreat import Retreat, begin_anew
from risk_receivers.service import Service, running
from risk_receivers.store.errors import StoreError
from risk_receivers.strangers import Strangers, most_strangers
from risk_receivers.tls import Certificate, secured
from risk_receivers.turn import wait_for_turn

#: How long a stop waits for requests that are being answered.
_STOP_SECONDS: Final = 5
#: The runtime has to come through to the gate; the other folders in it are closed to its group.
_DATA_MODE: Final = 0o710
#: A leader that has lost its connection knows by then.
_LOSS_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


def serve(
    policy: Policy,
    data: Path,
    host: str,
    port: int,
    alertmanager: str = "",
    *,
    take_over_seconds: float = 0.0,
    may_start: Callable[[], str] = lambda: "",
) -> None:
    """Run until a signal asks to stop. Raises StartError or StoreError.

    ``take_over_seconds`` is how long another service on this data folder may take to end first;
    ``may_start`` says what would keep a new process from starting now.
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
        tls_listener = None
        if tls is not None:
            tls_listener = stack.enter_context(_bound(tls.host, tls.port))
        sockets = Sockets(listener, tls_listener, tls)
        leadership = None
        if policy.alerting.audit.storage_backend == "postgresql":
            leadership = lead(policy, data, sockets, stopping=lambda: stopping.asked)
            if leadership is None:
                return
            stack.callback(leadership.let_go)
        try:
            service = stack.enter_context(
                running(policy, data, alertmanager, leadership=leadership)
            )
        except StoreError:
            if leadership is None or not leadership.wait_for_its_end(_LOSS_SECONDS):
                raise
            begin_anew()  # the server went, or another one leads: that is no reason to give up
        strangers = Strangers(service.parts.access.knows, most_strangers())
        server = _Server(policy, service, strangers)
        if tls is not None and tls_listener is not None:
            server.also_serve(tls_listener, tls.context, strangers)
            certificate = Certificate(tls, service.parts.telemetry)
            certificate.start()
            service.parts.health.watch(certificate)
            stack.callback(certificate.stop)
        retreat = Retreat(
            *(service, data, leadership),
            may_start=may_start,
            is_stopping=lambda: stopping.asked or server.should_exit,
        )
        stack.enter_context(retreat)
        if not stopping.asked:
            _log.info("serving on %s:%d", host, port)
            server.run(sockets=[listener])


class _Server(HttpServer):
    """The server of the service, which shows that it is alive and withdraws the lease at a stop."""

    def __init__(self, policy: Policy, service: Service, strangers: Strangers) -> None:
        super().__init__(policy, service.front, strangers, stop_seconds=_STOP_SECONDS)
        self._service = service
        self._beating: asyncio.Task[None] | None = None

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and let the heartbeat begin."""
        await super().startup(sockets)
        self._beating = asyncio.create_task(self._service.heartbeat.beat_forever())

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Withdraw the lease, then answer what is still to be answered."""
        # In a thread: the gate's own thread may be writing to a disk that is slow.
        await asyncio.to_thread(self._service.parts.gate.withdraw)
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
