"""What holds for every request before anybody looks what it is: from where, and what goes back.

The address of who sends it is that of the connection, or what a proxy says that the policy names.
From outside the allowed networks people get no answer; machines, probes and the kill have doors of
their own, which no list closes. And every answer tells a browser what it may do with it: next to
nothing.
"""

from __future__ import annotations

import ipaddress
import json
import logging
from collections.abc import Awaitable, Callable, Collection, Iterable, MutableMapping
from typing import Any, Final

from risk_policy.model.dashboard import Dashboard
from risk_receivers.access import NEEDS, Refused
from risk_receivers.auth import Key
from risk_receivers.body import Receive
from risk_receivers.front import Asgi
from risk_receivers.problem import CONTENT_TYPE, problem_of
from risk_receivers.sessions.credentials import CSRF_HEADER

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

CONTENT_SECURITY_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
#: On every answer.
_HEADERS: Final[Headers] = [
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"x-frame-options", b"DENY"),
    (b"referrer-policy", b"no-referrer"),
    (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=()"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
]
#: A year, as usual. Whoever goes back to plain HTTP before has to wait, or take another name.
_HSTS: Final = (b"strict-transport-security", b"max-age=31536000")
_NO_STORE: Final = (b"cache-control", b"no-store")
#: Paths whose answers are about the account, and in no cache's hands.
_PRIVATE: Final = ("/api/", "/ws/")
#: What is there for whoever watches the service, and for whoever was told of an alert.
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_RUNBOOKS: Final = "/runbooks/"
_PREFLIGHT_SECONDS: Final = b"600"
_METHODS: Final = b"GET, POST, PUT, DELETE"
_ASKED_WITH: Final = f"authorization, content-type, {CSRF_HEADER}".encode()
_OUTSIDE: Final = "comes from outside alerting.dashboard.api.allowed_networks"
_log = logging.getLogger(__name__)


class Perimeter:
    """Stands around everything that is served."""

    def __init__(
        self,
        inside: Asgi,
        dashboard: Dashboard,
        *,
        refused: Refused,
        signed: Collection[str] = (),
    ) -> None:
        """``signed`` are paths for those who sign; ``refused`` is told who was kept out."""
        self._inside = inside
        self._refused = refused
        self._networks = _networks(dashboard.api.allowed_networks)
        self._proxies = _networks(dashboard.api.trusted_proxies)
        self._origins = frozenset(origin.encode() for origin in dashboard.api.cors_origins)
        self._unfenced = frozenset(signed) | _PROBES | _machines()
        #: Nobody was told yet of one that is not believed.
        self._looks_for_proxies = True
        self._headers = [*_HEADERS, _HSTS] if dashboard.tls.is_used else _HEADERS

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if self._looks_for_proxies:
            self._look_for_a_proxy(scope)
        if self._proxies:
            scope["client"] = (self._client(scope), 0)
        if self._networks and not self._lets_in(scope):
            await self._keep_out(scope, send)
            return
        more = list(self._headers)
        # However many slashes it begins with, it is answered as with one.
        if f"/{scope['path'].lstrip('/')}".startswith(_PRIVATE):
            more.append(_NO_STORE)
        if self._origins:
            origin = _header(scope, b"origin")
            more.append((b"vary", b"origin"))
            if origin in self._origins:
                more.append((b"access-control-allow-origin", origin))
                more.append((b"access-control-allow-credentials", b"true"))
                if _is_preflight(scope):
                    await send(_preflight(more))
                    await send({"type": "http.response.body", "body": b""})
                    return

        async def send_more(message: MutableMapping[str, Any]) -> None:
            if message["type"] in ("http.response.start", "websocket.http.response.start"):
                message = {**message, "headers": _merged(message.get("headers", ()), more)}
            await send(message)

        await self._inside(scope, receive, send_more)

    def _look_for_a_proxy(self, scope: Scope) -> None:
        """Behind one that is not named everybody has its address: who guesses makes all wait."""
        address = _peer(scope)
        if _header(scope, b"x-forwarded-for") and not _is_in(address, self._proxies):
            self._looks_for_proxies = False
            _log.warning(
                "what %s says in X-Forwarded-For is not believed: whoever comes through it counts "
                "as one address, for log-ins, blocks and the record. If it is the proxy in front, "
                "name it in alerting.dashboard.api.trusted_proxies",
                address,
            )

    def _client(self, scope: Scope) -> str:
        """Who sends it: of what a trusted proxy says, the last that is no such proxy itself."""
        address = _peer(scope)
        if not _is_in(address, self._proxies):
            return address
        said = b",".join(value for name, value in scope["headers"] if name == b"x-forwarded-for")
        for hop in reversed(said.decode("latin-1").split(",")):
            found = _address_in(hop.strip())
            if not found:  # nobody knows what is meant; so far it is known
                return address
            address = found
            if not _is_in(address, self._proxies):
                return address
        return address

    def _lets_in(self, scope: Scope) -> bool:
        path, address = scope["path"], _peer(scope)
        if path in self._unfenced or path.startswith(_RUNBOOKS):
            return True
        return _is_in(address, self._networks) or _is_loopback(address)

    async def _keep_out(self, scope: Scope, send: Send) -> None:
        self._refused(_peer(scope), scope["path"], _OUTSIDE)
        if scope["type"] == "websocket":
            await send({"type": "websocket.close", "code": 1008})
            return
        body = json.dumps(problem_of(403, f"the request {_OUTSIDE}")).encode()
        headers = [
            *self._headers,
            (b"content-type", CONTENT_TYPE.encode()),
            (b"content-length", str(len(body)).encode()),
        ]
        await send({"type": "http.response.start", "status": 403, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _machines() -> frozenset[str]:
    """Paths for machines, one of which is the kill."""
    theirs = (what for what, needs in NEEDS.items() if any(isinstance(one, Key) for one in needs))
    return frozenset(what.partition(" ")[2] for what in theirs)


def _networks(texts: Iterable[str]) -> tuple[Network, ...]:
    return tuple(ipaddress.ip_network(text) for text in texts)


def _is_in(address: str, networks: Iterable[Network]) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    mapped = getattr(found, "ipv4_mapped", None)
    return any((mapped or found) in network for network in networks)


def _is_loopback(address: str) -> bool:
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    return (getattr(found, "ipv4_mapped", None) or found).is_loopback


def _peer(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


def _address_in(hop: str) -> str:
    """The address of a part of X-Forwarded-For, which may have a port; empty if it is none."""
    host = hop.rpartition(":")[0] if hop.count(":") == 1 else hop
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return ""


def _header(scope: Scope, wanted: bytes) -> bytes:
    return next((bytes(value) for name, value in scope["headers"] if name == wanted), b"")


def _is_preflight(scope: Scope) -> bool:
    return scope.get("method") == "OPTIONS" and bool(
        _header(scope, b"access-control-request-method")
    )


def _preflight(more: Headers) -> dict[str, Any]:
    headers = [
        *more,
        (b"access-control-allow-methods", _METHODS),
        (b"access-control-allow-headers", _ASKED_WITH),
        (b"access-control-max-age", _PREFLIGHT_SECONDS),
        (b"content-length", b"0"),
    ]
    return {"type": "http.response.start", "status": 204, "headers": headers}


def _merged(headers: Iterable[tuple[bytes, bytes]], more: Headers) -> Headers:
    """What an answer says itself counts."""
    own = [(bytes(name), bytes(value)) for name, value in headers]
    named = {name.lower() for name, _ in own}
    return [*own, *[header for header in more if header[0] not in named]]
