"""Where the receivers service is, for whoever posts to it: exporter and runtime."""

from __future__ import annotations

import http.client
from dataclasses import dataclass
from urllib.parse import urlsplit

from risk_policy.errors import PolicyError


class ReceiversUrlError(PolicyError):
    """The receivers' URL cannot be used."""


@dataclass(frozen=True, slots=True)
class ReceiversUrl:
    """The service's base address, parsed once.

    Attributes:
        port: None for that of the scheme.
        prefix: what stands before every path, without a slash at its end.
    """

    is_secure: bool
    host: str
    port: int | None
    prefix: str

    @classmethod
    def parse(cls, url: str) -> ReceiversUrl:
        """From ``http://host:port``. Raises ReceiversUrlError."""
        try:
            parts = urlsplit(url)
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise ReceiversUrlError(
                f"the receivers' URL is {url!r}; write http://host:port or https://host:port"
            )
        return cls(parts.scheme == "https", host, port, parts.path.rstrip("/"))

    def connection(self, timeout_seconds: float) -> http.client.HTTPConnection:
        """A connection for one request, which is made as the request is sent."""
        kind = http.client.HTTPSConnection if self.is_secure else http.client.HTTPConnection
        return kind(self.host, self.port, timeout=timeout_seconds)
