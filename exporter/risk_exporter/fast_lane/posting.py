"""One attempt to hand alerts to the receivers, and what became of it."""

from __future__ import annotations

import http.client
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from urllib.parse import urlsplit

from risk_exporter.errors import StartError
from risk_exporter.fast_lane.alert import ALERTS_PATH


class Outcome(StrEnum):
    """What became of an attempt."""

    ACKNOWLEDGED = "acknowledged"  # on record, and the gate is closed
    REFUSED = "refused"  # a token or an address that cannot be right, most likely
    FAILED = "failed"  # they could not record it now
    UNREACHABLE = "unreachable"


@dataclass(frozen=True, slots=True)
class Door:
    """Where the receivers take alerts. Its text shows no token."""

    is_secure: bool
    host: str
    port: int | None
    path: str

    @classmethod
    def parse(cls, url: str) -> Door:
        """From ``http://host:port``. Raises StartError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise StartError(
                f"the receivers' URL is {url!r}; write http://host:port or https://host:port"
            )
        return cls(parts.scheme == "https", host, port, parts.path.rstrip("/") + ALERTS_PATH)

    def post(
        self,
        body: bytes,
        token: str,
        timeout_seconds: float,
        sent: Callable[[], None] = lambda: None,
    ) -> tuple[Outcome, str]:
        """Send a request and wait for its answer; what became of it, and in words.

        Args:
            sent: is called once the request is out, before the answer is waited for.
        """
        kind = http.client.HTTPSConnection if self.is_secure else http.client.HTTPConnection
        connection = kind(self.host, self.port, timeout=timeout_seconds)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {token}"}
        try:
            connection.request("POST", self.path, body, headers)
            sent()
            status = connection.getresponse().status
        except (OSError, http.client.HTTPException) as error:
            return Outcome.UNREACHABLE, f"cannot be reached ({type(error).__name__})"
        finally:
            connection.close()
        if status == http.client.OK:
            return Outcome.ACKNOWLEDGED, "have it on record"
        server = status >= http.client.INTERNAL_SERVER_ERROR
        return (Outcome.FAILED if server else Outcome.REFUSED), f"said {status}"
