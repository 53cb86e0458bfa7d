"""The whole service in this process, asked as over the wire but without one."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final
from unittest import mock

import httpx
import pyotp
from argon2 import Parameters, Type

from risk_policy import parse_policy
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.service import Service, running

OWNER: Final = "operator-secret"
TOKENS: Final = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": OWNER,
}
PASSWORD: Final = "a slow train to Trieste"
HERE: Final = "192.0.2.7"
#: A hash in no time, for those who log in often.
QUICK: Final = Parameters(Type.ID, 19, 16, 32, 1, 64, 1)


@dataclass
class Browser:
    """Somebody's: keeps the cookie and the token against forged requests."""

    desk: SignInDesk
    address: str = HERE
    cookie: str = ""
    csrf: str = ""

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
    ) -> httpx.Response:
        """A request of a page of the service's own."""
        sent = {"Cookie": self.cookie} if self.cookie else {}
        if method != "GET" and self.csrf:
            sent["X-CSRF-Token"] = self.csrf
        return self.desk.call(method, path, body, {**sent, **(headers or {})}, self.address)

    def log_in(self, name: str, password: str = PASSWORD, totp: str = "") -> httpx.Response:
        body = {"name": name, "password": password, "totp": totp}
        answer = self.desk.call("POST", "/api/v1/session", body, {}, self.address)
        if answer.status_code == 200:
            self.cookie = answer.headers["set-cookie"].partition(";")[0]
            self.csrf = answer.json()["csrf_token"]
        return answer

    def log_out(self) -> httpx.Response:
        return self.call("DELETE", "/api/v1/session")


@dataclass
class SignInDesk:
    """A service that runs, and those who speak to it."""

    service: Service
    data: Path
    loop: asyncio.Runner
    secrets: dict[str, str] = field(default_factory=dict)

    def call(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        address: str = HERE,
    ) -> httpx.Response:
        """One request, and its answer."""

        return self.loop.run(self.ask(method, path, body, headers, address))

    async def ask(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        address: str = HERE,
    ) -> httpx.Response:
        """The same, for several at a time."""
        app: Any = self.service.front
        transport = httpx.ASGITransport(app, client=(address, 4711))
        request = httpx.Request(method, f"http://127.0.0.1:9465{path}", json=body, headers=headers)
        answer = await transport.handle_async_request(request)
        answer.request = request
        await answer.aread()
        return answer

    def listen(self, path: str, headers: Mapping[str, str] | None = None) -> int:
        """Ask for a stream and leave at once; 200 if there was one."""
        kind = "websocket" if path.startswith("/ws/") else "http"
        sent: list[MutableMapping[str, Any]] = []
        scope: dict[str, Any] = {
            "type": kind,
            "method": "GET",
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": b"",
            "headers": [
                (b"host", b"127.0.0.1:9465"),
                *(
                    (name.lower().encode(), value.encode())
                    for name, value in (headers or {}).items()
                ),
            ],
            "client": (HERE, 4711),
        }
        arriving = [{"type": f"{kind}.disconnect"}]
        if kind == "websocket":
            arriving.insert(0, {"type": "websocket.connect"})

        async def receive() -> MutableMapping[str, Any]:
            return arriving.pop(0) if len(arriving) > 1 else arriving[0]

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        app: Any = self.service.front
        self.loop.run(app(scope, receive, send))
        return int(sent[0].get("status", 200)) if sent else 200

    def owner(self, method: str, path: str, body: Any = None) -> httpx.Response:
        """A request with the machine owner's token, from that machine."""
        return self.call(method, path, body, {"Authorization": f"Bearer {OWNER}"}, "127.0.0.1")

    def add(self, name: str, *roles: str, password: str = PASSWORD) -> None:
        """A user."""
        body = {"name": name, "roles": roles, "password": password, "actor": "owner"}
        answer = self.owner("POST", "/api/v1/users", body)
        assert answer.status_code == 200, answer.text

    def enrol(self, name: str) -> str:
        """Give somebody an authenticator; its secret."""
        path, body = f"/api/v1/users/{name}/totp", {"actor": "owner"}
        uri = self.owner("POST", path, body).json()["uri"]
        totp = pyotp.parse_uri(uri)
        assert isinstance(totp, pyotp.TOTP)
        # That of half a minute ago is still good, and leaves the present one for a log-in.
        code = totp.at(datetime.now(UTC) - timedelta(seconds=30))
        answer = self.owner("POST", path, {**body, "code": code})
        assert answer.status_code == 200, answer.text
        self.secrets[name] = totp.secret
        return totp.secret

    def browser(self, name: str = "", address: str = HERE, totp: str = "") -> Browser:
        """One in which somebody is logged in, if a name is given."""
        browser = Browser(self, address)
        if name:
            answer = browser.log_in(name, totp=totp)
            assert answer.status_code == 200, answer.text
        return browser

    def metric(self, series: str) -> float | None:
        text = self.call("GET", "/metrics").text
        for line in text.splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None

    def chain(self, prefix: str = "") -> list[StoredEvent]:
        """What is on record, of types that begin so."""
        found = events(self.data / "audit" / "audit.db", 0, 100_000)
        return [event for event in found if event.event_type.startswith(prefix)]

    def payloads(self, prefix: str) -> list[Payload]:
        """What these say."""
        return [event.payload for event in self.chain(prefix) if event.payload is not None]

    def recorded(self, prefix: str, count: int) -> list[Payload]:
        """The last so many of these, once there are so many."""
        until = time.monotonic() + 15
        while len(found := self.payloads(prefix)) < count:
            assert time.monotonic() < until, [payload.message for payload in found]
            signal.sigtimedwait([], 0.01)
        return found[-count:]


@contextmanager
def sign_in_desk(
    folder: Path, policy: str = "", hashing: Parameters = QUICK
) -> Iterator[SignInDesk]:
    """A desk with a policy of its own."""
    with mock.patch.dict(os.environ, TOKENS):
        read = parse_policy(policy.encode(), environ={})
        with (
            running(read, folder / "data", "127.0.0.1:1", hashing=hashing) as service,
            asyncio.Runner() as loop,
        ):
            yield SignInDesk(service, folder / "data", loop)
