"""TLS for people: a listener of its own, beside the plain one on loopback that machines use.

The handshake is done after a connection was counted among those of strangers, so whoever connects
and says nothing makes way for others here, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy.model.dashboard import Dashboard
from risk_receivers.errors import StartError
from risk_receivers.strangers import Strangers

_HANDSHAKE_SECONDS: Final = 10.0
_BACKLOG: Final = 1024
#: After nothing could be accepted, as when all files are in use.
_PAUSE_SECONDS: Final = 0.1
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Secured:
    """Where TLS is served, and with what."""

    host: str
    port: int
    context: ssl.SSLContext


def secured(dashboard: Dashboard, folder: Path) -> Secured | None:
    """Where TLS is to be served, if the policy says so; paths are relative to a folder.

    Raises StartError.
    """
    tls = dashboard.tls
    if not tls.is_served:
        return None
    found = Secured(dashboard.host, dashboard.port, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER))
    found.context.minimum_version = ssl.TLSVersion.TLSv1_2
    cert, key = folder / tls.cert_file, folder / tls.key_file
    try:
        found.context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"alerting.dashboard.tls: {cert} and {key} are not to be had, or no PEM certificate "
            f"and its key: {error}"
        ) from error
    return found


class TlsListener:
    """Accepts connections, agrees upon TLS, and hands them on. One event loop's."""

    def __init__(
        self,
        listener: socket.socket,
        context: ssl.SSLContext,
        then: Callable[[], asyncio.Protocol],
        strangers: Strangers,
    ) -> None:
        """``then`` makes what has a connection afterwards."""
        self._listener = listener
        self._context = context
        self._then = then
        self._strangers = strangers
        self._shaking: set[asyncio.Task[None]] = set()

    async def serve_forever(self) -> None:
        """Until it is cancelled."""
        self._listener.listen(_BACKLOG)
        self._listener.setblocking(False)  # noqa: FBT003 - as Python calls it
        loop = asyncio.get_running_loop()
        while True:
            try:
                accepted, _ = await loop.sock_accept(self._listener)
            except OSError as error:
                _log.error("no connection can be accepted over TLS now: %s", error)
                await asyncio.sleep(_PAUSE_SECONDS)
                continue
            task = loop.create_task(self._shake(_Accepted(accepted)))
            self._shaking.add(task)
            task.add_done_callback(self._shaking.discard)

    async def _shake(self, accepted: _Accepted) -> None:
        self._strangers.heard(accepted)
        try:
            await asyncio.get_running_loop().connect_accepted_socket(
                self._then,
                accepted.socket,
                ssl=self._context,
                ssl_handshake_timeout=_HANDSHAKE_SECONDS,
            )
        except (OSError, ssl.SSLError) as error:
            _log.info("a TLS handshake failed: %s", error)
            accepted.socket.close()
        finally:
            self._strangers.no_more(accepted)


class _Accepted:
    """A connection over which nothing was agreed upon yet."""

    def __init__(self, accepted: socket.socket) -> None:
        self.socket: Final = accepted
        accepted.setblocking(False)  # noqa: FBT003

    def make_way(self) -> None:
        """Nobody knows whose it is, and others come."""
        with contextlib.suppress(OSError):  # they have left themselves
            self.socket.shutdown(socket.SHUT_RDWR)
