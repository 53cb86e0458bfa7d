"""One HTTP request to somebody who may be slow, wrong or gone, within a bound of time and size.

Invariant: a request ends when its time is over, however slowly the other side trickles: the time
counts from the first to the last byte, not from one byte to the next. Only looking up a name may
take longer; write an address where that matters.
"""

from __future__ import annotations

import http.client
import socket
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from risk_exporter.errors import ExporterError, StartError

_CHUNK: Final = 65_536


class FetchError(ExporterError):
    """No answer, or none that can be used. Temporary: the next request may well succeed."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Whom to ask. Its text shows no secret, since it may hold none."""

    is_secure: bool
    host: str
    port: int | None
    path: str

    @classmethod
    def parse(cls, url: str, whose: str) -> Origin:
        """From ``http://host:port/path``. Raises StartError, which does not repeat the URL."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port, parts = None, None, urlsplit("")
        if not host or parts.scheme not in ("http", "https"):
            raise StartError(f"{whose} cannot be used; write http://host:port or https://host:port")
        if parts.username or parts.password:
            raise StartError(f"{whose} holds credentials; name them in the environment instead")
        path = parts.path + (f"?{parts.query}" if parts.query else "")
        return cls(parts.scheme == "https", host, port, path)

    def __str__(self) -> str:
        port = f":{self.port}" if self.port else ""
        return f"{'https' if self.is_secure else 'http'}://{self.host}{port}"


@dataclass(frozen=True, slots=True)
class Answered:
    """What came back, whatever its status."""

    status: int
    body: bytes


def fetch(
    origin: Origin,
    method: str,
    path: str,
    *,
    headers: Mapping[str, str],
    timeout_seconds: float,
    most_bytes: int,
    body: bytes | None = None,
) -> Answered:
    """Ask once. Redirects are not followed: credentials go where they were meant to go.

    Raises:
        FetchError: nobody answered in time, or with more than ``most_bytes``.
    """
    kind = http.client.HTTPSConnection if origin.is_secure else http.client.HTTPConnection
    connection = kind(origin.host, origin.port, timeout=timeout_seconds)
    watchdog = _Watchdog(timeout_seconds)
    try:
        with watchdog:
            connection.connect()
            watchdog.watch(connection.sock)
            connection.request(method, path or "/", body, dict(headers))
            received = bytearray()
            # Whoever hangs up after the answer leaves the connection to the response alone.
            with connection.getresponse() as response:
                while chunk := response.read(min(_CHUNK, most_bytes + 1 - len(received))):
                    received += chunk
                    if len(received) > most_bytes:
                        raise FetchError(f"{origin} answered with more than {most_bytes} bytes")
    except (OSError, http.client.HTTPException) as error:
        why = f"took longer than {timeout_seconds:g} s" if watchdog.has_bitten else _named(error)
        raise FetchError(f"{origin} {why}") from error
    finally:
        connection.close()
    if watchdog.has_bitten:
        raise FetchError(f"{origin} took longer than {timeout_seconds:g} s")
    return Answered(response.status, bytes(received))


def _named(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "did not answer in time"
    return f"cannot be reached ({type(error).__name__})"


class _Watchdog:
    """Ends a conversation once its time is over."""

    def __init__(self, seconds: float) -> None:
        self._ends = time.monotonic() + seconds
        self._timer = threading.Timer(seconds, self._bite)
        self._timer.daemon = True
        self._stream: socket.socket | None = None
        self.has_bitten = False

    def watch(self, stream: socket.socket) -> None:
        """Whom to stop; a connection itself forgets its socket before the body is read."""
        self._stream = stream
        if self.has_bitten:
            raise TimeoutError

    def _bite(self) -> None:
        self.has_bitten = True
        if self._stream is not None:
            try:
                self._stream.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it is over already

    def __enter__(self) -> None:
        self._timer.start()

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        # A thread that starts late must not let a late answer pass.
        self.has_bitten = self.has_bitten or time.monotonic() > self._ends
