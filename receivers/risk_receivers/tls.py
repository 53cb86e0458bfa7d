"""TLS for people: a listener of its own, beside the plain one on loopback that machines use.

A certificate that is renewed is taken up without a restart, for whoever connects from then on.

The handshake is done after a connection was counted among those of strangers, so whoever connects
and says nothing makes way for others here, too.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.model.dashboard import Dashboard
from risk_receivers.errors import StartError
from risk_receivers.strangers import Strangers
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.workers import Worker

_HANDSHAKE_SECONDS: Final = 10.0
_BACKLOG: Final = 1024
#: After nothing could be accepted, as when all files are in use.
_PAUSE_SECONDS: Final = 0.1
#: A renewal is days early.
_LOOK_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)
#: What changes when one of both files does.
Stamp = tuple[tuple[int, int], ...]


@dataclass(slots=True)
class Secured:
    """Where TLS is served, and with what.

    Attributes:
        loaded: the files as they were when the context took what is shown, whoever looked then.
        ends_at: until when that is good; None if nobody knows.
    """

    host: str
    port: int
    context: ssl.SSLContext
    cert: Path
    key: Path
    loaded: Stamp
    ends_at: float | None


class Certificate(Worker):
    """What is shown, and until when it is good; what has been renewed is shown instead."""

    def __init__(self, secured: Secured, telemetry: Telemetry) -> None:
        super().__init__("certificate", telemetry)
        self._secured = secured
        telemetry.add_source(self.gauges)

    def gauges(self) -> Mapping[Metric, Samples]:
        """For Prometheus."""
        if self._secured.ends_at is None:
            return {}
        return {m.CERTIFICATE_EXPIRES: [((), self._secured.ends_at)]}

    def round(self) -> float | None:
        """Look whether there is another one."""
        found = _stamp(self._secured.cert, self._secured.key)
        if found == self._secured.loaded:
            return _LOOK_SECONDS
        try:
            # Tried aside first: what does not fit together would leave the context with half of it.
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(
                self._secured.cert, self._secured.key
            )
            self._secured.context.load_cert_chain(self._secured.cert, self._secured.key)
        except (OSError, ssl.SSLError) as error:
            _log.error(
                "%s was changed and cannot be used, the one before is shown: %s",
                *(self._secured.cert, error),
            )
            return _LOOK_SECONDS
        self._secured.ends_at, self._secured.loaded = _end_of(self._secured.cert), found
        _log.warning("%s was renewed, and is shown from now on", self._secured.cert)
        return _LOOK_SECONDS


def _stamp(*paths: Path) -> Stamp:
    found = []
    for path in paths:
        with contextlib.suppress(OSError):
            status = path.stat()
            found.append((status.st_ino, status.st_mtime_ns))
    return tuple(found)


def _end_of(path: Path) -> float | None:
    """When the first certificate of a file ends; None if it cannot be read."""
    # A megabyte and a half, for nothing where no TLS is served; where it is, this is the start.
    from cryptography.x509 import load_pem_x509_certificate

    try:
        return load_pem_x509_certificate(path.read_bytes()).not_valid_after_utc.timestamp()
    except (OSError, ValueError) as error:
        _log.error("%s: nobody knows until when it is good: %s", path, error)
        return None


def secured(dashboard: Dashboard, folder: Path) -> Secured | None:
    """Where TLS is to be served, if the policy says so; paths are relative to a folder.

    Raises StartError.
    """
    tls = dashboard.tls
    if not tls.is_served:
        return None
    cert, key = folder / tls.cert_file, folder / tls.key_file
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    loaded = _stamp(cert, key)  # before: what comes meanwhile is looked at once more
    try:
        context.load_cert_chain(cert, key)
    except (OSError, ssl.SSLError) as error:
        raise StartError(
            f"alerting.dashboard.tls: {cert} and {key} are not to be had, or no PEM certificate "
            f"and its key: {error}"
        ) from error
    return Secured(dashboard.host, dashboard.port, context, cert, key, loaded, _end_of(cert))


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
