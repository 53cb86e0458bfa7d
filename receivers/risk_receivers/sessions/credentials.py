"""What a request brings to say who sends it, and from which page."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from msgspec import Struct

#: Under TLS a browser takes a cookie of this name from this very host alone, and sends it nowhere
#: else.
SECURE_COOKIE: Final = "__Host-riskwarden"
#: On plain loopback, where it would refuse the other.
PLAIN_COOKIE: Final = "riskwarden"
CSRF_HEADER: Final = "x-csrf-token"
_FIELDS: Final = {
    b"authorization": "authorization",
    b"cookie": "cookie",
    CSRF_HEADER.encode(): "csrf",
    b"origin": "origin",
    b"sec-fetch-site": "fetch_site",
    b"host": "host",
}


class Credentials(Struct, frozen=True):
    """The headers that decide; each is empty if it was not sent.

    Attributes:
        origin: of the page that sends it, as a browser says.
        fetch_site: how that page stands to this service, as a browser says.
    """

    authorization: bytes = b""
    cookie: bytes = b""
    csrf: bytes = b""
    origin: bytes = b""
    fetch_site: bytes = b""
    host: bytes = b""

    @classmethod
    def of(cls, headers: Iterable[tuple[bytes, bytes]]) -> Credentials:
        """Those of a request, whose headers' names are in small letters. The first one counts."""
        found: dict[str, bytes] = {}
        for name, value in headers:
            if name in _FIELDS:
                found.setdefault(_FIELDS[name], value)
        return cls(**found)

    @property
    def has_token(self) -> bool:
        """Whether there is a bearer token, good or not. What a proxy in front asks for is none: a
        browser sends it with every request, beside its cookie.
        """
        scheme, _, token = self.authorization.partition(b" ")
        return scheme.lower() == b"bearer" and bool(token.strip())

    def comes_from(self, origins: Iterable[str]) -> bool:
        """Whether a page of this service sends it, one of these origins, or no page at all.

        The scheme is not compared: what ends TLS in front of this service may speak plainly to it.
        """
        if self.origin and self.origin.decode("latin-1") in origins:
            return True
        if self.fetch_site not in (b"", b"same-origin", b"none"):
            return False
        if not self.origin:
            return True
        _, _, place = self.origin.partition(b"://")
        return bool(place) and place.lower() == self.host.lower()


@dataclass(frozen=True, slots=True)
class Cookie:
    """How a session's token comes and goes.

    Attributes:
        is_secure: whether browsers reach this service over TLS.
    """

    is_secure: bool = False

    @property
    def name(self) -> str:
        """Of the cookie."""
        return SECURE_COOKIE if self.is_secure else PLAIN_COOKIE

    def token_in(self, header: bytes) -> bytes:
        """The token in a Cookie header; of two that differ none, for one is somebody else's."""
        prefix = f"{self.name}=".encode()
        pairs = (pair.strip() for pair in header.split(b";"))
        found = {pair.removeprefix(prefix) for pair in pairs if pair.startswith(prefix)}
        return found.pop() if len(found) == 1 else b""

    def given(self, token: str, seconds: float) -> tuple[bytes, bytes]:
        """The header that gives it to a browser."""
        return b"set-cookie", f"{self.name}={token}; {self._how()}; Max-Age={int(seconds)}".encode()

    def taken(self) -> tuple[bytes, bytes]:
        """The header that takes it away again."""
        return b"set-cookie", f"{self.name}=; {self._how()}; Max-Age=0".encode()

    def _how(self) -> str:
        return f"Path=/; HttpOnly; SameSite=Strict{'; Secure' if self.is_secure else ''}"
