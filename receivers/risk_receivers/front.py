"""The ASGI front: the two feeds, answered as fast as they can be recorded; the rest is Flask's.

An answer is only given once everything that the request held is on record and the gate has
been closed if it had to be. What a sender could not send again is kept before it is refused.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import replace
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_receivers.auth import Role, Tokens
from risk_receivers.intake.alert import Batch, Feed, Malformed
from risk_receivers.intake.parse import Parser
from risk_receivers.pulse import Pulse
from risk_receivers.recorder import Received, Recorder, trips_of
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]

_MIB: Final = 1024 * 1024
_FEEDS: Final = {
    "/api/v2/alerts": (Feed.ALERTS, Role.ALERT_FEED),
    "/api/v1/notifications": (Feed.NOTIFICATIONS, Role.NOTIFICATION_FEED),
}
_log = logging.getLogger(__name__)


class Front:
    """Routes a request to a feed or to the application behind."""

    def __init__(
        self,
        *,
        behind: Asgi,
        tokens: Tokens,
        parser: Parser,
        recorder: Recorder,
        telemetry: Telemetry,
        pulse: Pulse,
        heard: Callable[[Feed], None],
        max_body_mib: float,
        deadline_seconds: float,
    ) -> None:
        self._behind = behind
        self._tokens = tokens
        self._parser = parser
        self._recorder = recorder
        self._telemetry = telemetry
        self._pulse = pulse
        self._heard = heard
        self._max_body_bytes = round(max_body_mib * _MIB)
        self._max_body_mib = max_body_mib
        self._deadline_seconds = deadline_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        route = _FEEDS.get(scope.get("path", "")) if scope["type"] == "http" else None
        if route is None:
            await self._behind(scope, receive, send)
            return
        feed, role = route
        try:
            code, content = await self._answer(feed, role, scope, receive)
        except Exception:  # the server answers 500, which a sender takes for "send it again"
            self._telemetry.unexpected()
            raise
        self._telemetry.count(m.FEED_REQUESTS, feed.value, str(code))
        await _respond(send, code, content)

    async def _answer(
        self, feed: Feed, role: Role, scope: Scope, receive: Receive
    ) -> tuple[int, dict[str, Any]]:
        if scope["method"] != "POST":
            return 405, {"error": f"{scope['path']} takes POST only"}
        if not self._tokens.allow(_authorization(scope), role, address=_address(scope)):
            return 401, {"error": f"send the bearer token that alerting.auth.{role.value} names"}
        body, complete = await self._read(receive)
        if body is None:
            return 400, {"error": "the connection was closed before the body was complete"}
        received = Received()
        batch = self._parser.parse(feed, body, received.at)
        if not complete:
            # A sender does not repeat what got a 4xx: keep what has arrived.
            batch = _cut_off(batch, body, f"the body exceeds {self._max_body_mib:g} MiB")
        if refusal := await self._record(batch, received):
            return refusal
        if not complete:
            return 413, {
                "error": f"at most alerting.intake.max_body_mib = {self._max_body_mib:g} MiB; "
                "what came before that was recorded"
            }
        return 200, {"status": "recorded"}

    async def _record(self, batch: Batch, received: Received) -> tuple[int, dict[str, Any]] | None:
        """Put a batch on record; the answer if that failed."""
        counts: dict[str, int] = {}
        if not batch.is_empty:
            trips = trips_of(batch, received)
            future = asyncio.wrap_future(self._recorder.take_batch(batch, received, trips))
            # Whoever stops waiting must not withdraw the work, nor leave its error unread.
            future.add_done_callback(lambda done: done.cancelled() or done.exception())
            try:
                waiting = asyncio.shield(future)
                counts = dict((await asyncio.wait_for(waiting, self._deadline_seconds)).counts)
            except TimeoutError:
                await asyncio.wrap_future(self._recorder.act_first(trips, received))
                return self._not_recorded("the store is too slow; nothing was promised")
            except StoreError as error:
                _log.error("not recorded: %s", error)
                return self._not_recorded("the store cannot record this now")
            except Exception:  # noqa: BLE001 - a mistake must end as "send it again", never as 2xx
                _log.exception("not recorded")
                self._telemetry.unexpected()
                return 503, {"error": "this could not be recorded; see the service's log"}
        self._count(batch, counts, received)
        return None

    def _not_recorded(self, why: str) -> tuple[int, dict[str, Any]]:
        complaint = self._recorder.complaint
        return 503, {"error": f"{why}, send it again{complaint and '; '}{complaint}"}

    def _count(self, batch: Batch, counts: dict[str, int], received: Received) -> None:
        feed = batch.feed.value
        for outcome, number in counts.items():
            self._telemetry.count(m.FEED_ALERTS, feed, outcome, by=number)
        if batch.ignored:
            self._telemetry.count(m.FEED_ALERTS, feed, "ignored", by=batch.ignored)
        if batch.malformed:
            self._telemetry.count(m.FEED_QUARANTINED, feed, by=len(batch.malformed))
        if batch.watchdog:
            if batch.feed is Feed.ALERTS:
                self._pulse.beat()
            self._heard(batch.feed)
            self._telemetry.set(m.WATCHDOG_TIMESTAMP, feed, value=received.at.timestamp())

    async def _read(self, receive: Receive) -> tuple[bytes | None, bool]:
        """The body up to the limit, and whether that is all of it; None if the sender left."""
        chunks: list[bytes] = []
        size = 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None, False
            chunk = message.get("body", b"")
            more = message.get("more_body", False)
            if size + len(chunk) > self._max_body_bytes:
                chunks.append(chunk[: self._max_body_bytes - size])
                if more:
                    await self._discard(receive)
                return b"".join(chunks), False
            chunks.append(chunk)
            size += len(chunk)
            if not more:
                return b"".join(chunks), True

    async def _discard(self, receive: Receive) -> None:
        """Let a sender that sends too much come to the point where it reads the answer."""
        patience = 4 * self._max_body_bytes
        while patience > 0:
            message = await receive()
            if message["type"] == "http.disconnect" or not message.get("more_body", False):
                return
            patience -= len(message.get("body", b""))


def _cut_off(batch: Batch, body: bytes, reason: str) -> Batch:
    return replace(batch, malformed=(*batch.malformed, Malformed(reason, body)))


def _authorization(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    return b""


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


async def _respond(send: Send, code: int, content: dict[str, Any]) -> None:
    body = json.dumps(content).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
    ]
    if code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
