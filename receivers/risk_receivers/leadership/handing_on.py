"""What a service answers that stands by: its own probes, and everything else by asking the leader.

Nothing is decided here. Who may do what is the leader's to say, and what is in force is the
leader's to know: what it cannot be asked is answered 503, which senders of alerts send again. Only
the allowed networks are looked at before, since the leader sees the address of this service.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, MutableMapping, Sequence
from contextlib import suppress
from typing import Any, Final

import httpx

from risk_policy.contracts.standby import STANDBY, STANDBY_ALONE, STANDBY_ASKED
from risk_receivers.body import BodyReader, End, Receive
from risk_receivers.leadership.standing import Standing
from risk_receivers.problem import CONTENT_TYPE, JSON, problem_of
from risk_receivers.workers import Worker

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Any]
Headers = list[tuple[bytes, bytes]]

#: On what was handed on once: two that take each other for the leader would do so for ever.
_MARK: Final = b"riskwarden-handed-on"
#: About one connection, and no business of the next.
_HOP: Final = frozenset(
    b"connection keep-alive proxy-authenticate proxy-authorization te trailer transfer-encoding "
    b"upgrade content-length".split()
)
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
_CONNECT_SECONDS: Final = 1.0
#: The longest that an answer may keep its sender waiting: a gate that is waited for.
_ANSWER_SECONDS: Final = 40.0
_MOST: Final = 256
_MOST_IDLE: Final = 32
_RETRY_SECONDS: Final = 1
_METRICS: Final = "text/plain; version=0.0.4; charset=utf-8"
_log = logging.getLogger(__name__)


class HandingOn:
    """The application of a service that stands by."""

    def __init__(
        self,
        standing: Standing,
        exposition: Callable[[], bytes],
        bodies: BodyReader,
        workers: Sequence[Worker],
    ) -> None:
        """``workers`` are what else has to go on meanwhile."""
        self._standing = standing
        self._workers = workers
        self._exposition = exposition
        self._bodies = bodies
        self._client = httpx.AsyncClient(
            timeout=httpx.Timeout(_ANSWER_SECONDS, connect=_CONNECT_SECONDS, pool=_CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=_MOST, max_keepalive_connections=_MOST_IDLE),
            trust_env=False,
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1013})  # try again later
            return
        if scope["path"] in _PROBES:
            await self._probe(scope["path"], send)
            return
        leader = self._standing.leader_address
        if not leader or any(name == _MARK for name, _ in scope["headers"]):
            why = self._standing.why_not_ready or "this service stands by"
            await _refuse(send, 503, why, STANDBY_ALONE)
            return
        body = await self._bodies.read(receive)
        if body.end is End.COMPLETE:
            await self._hand_on(leader, body.data, scope, receive, send)
        elif body.end is not End.LEFT:
            await _refuse(send, body.code, self._bodies.complaints[body.end])

    @property
    def _problem(self) -> str:
        found = [self._standing.why_not_ready, *(worker.complaint for worker in self._workers)]
        return "; ".join(one for one in found if one)

    async def _probe(self, path: str, send: Send) -> None:
        if path == "/metrics":
            await _answer(send, 200, _METRICS, await asyncio.to_thread(self._exposition))
        elif path == "/readyz" and (problem := self._problem):
            await _refuse(send, 503, f"not ready: stands by, and {problem}")
        else:
            said = {"status": "standby", "leader": self._standing.leader_address}
            if path == "/healthz":
                said = {"status": "alive"}
            await _answer(send, 200, JSON, json.dumps(said).encode())

    async def _hand_on(
        self, leader: str, body: bytes, scope: Scope, receive: Receive, send: Send
    ) -> None:
        path = scope.get("raw_path") or scope["path"].encode()
        query = scope.get("query_string", b"")
        target = path + (b"?" + query if query else b"")
        request = self._client.build_request(
            scope["method"],
            httpx.URL(f"http://{leader}").copy_with(raw_path=target),
            headers=_asked(scope),
            content=body or None,
        )
        answering = asyncio.ensure_future(self._pass(request, leader, send))
        leaving = asyncio.ensure_future(_left(receive))
        await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
        for task in (answering, leaving):
            task.cancel()
        with suppress(asyncio.CancelledError):
            await answering

    async def _pass(self, request: httpx.Request, leader: str, send: Send) -> None:
        try:
            answer = await self._client.send(request, stream=True)
        except httpx.HTTPError as error:
            _log.warning("the leader at %s does not answer: %s", leader, type(error).__name__)
            await _refuse(
                send,
                503,
                f"this service stands by, and the one that leads, at {leader}, does not answer; "
                "what was asked may have been done or not: look, and try again",
                STANDBY_ASKED,
            )
            return
        try:
            await send(
                {
                    "type": "http.response.start",
                    "status": answer.status_code,
                    "headers": _answered(answer.headers.raw),
                }
            )
            async for chunk in _chunks(answer):
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            await answer.aclose()


async def _chunks(answer: httpx.Response) -> AsyncIterator[bytes]:
    """The body as it came. An answer that breaks off breaks off here, too."""
    async for chunk in answer.aiter_raw():
        yield chunk


def _asked(scope: Scope) -> Headers:
    peer = str((scope.get("client") or ("",))[0]).encode()
    kept = [(bytes(name), bytes(value)) for name, value in scope["headers"] if name not in _HOP]
    return [*kept, (b"x-forwarded-for", peer), (_MARK, b"1")]


def _answered(headers: list[tuple[bytes, bytes]]) -> Headers:
    kept = [(name.lower(), value) for name, value in headers]
    # Without its length a body would be taken for one without end.
    return [one for one in kept if one[0] == b"content-length" or one[0] not in _HOP]


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _refuse(send: Send, code: int, why: str, standby: str = "") -> None:
    body = json.dumps(problem_of(code, why)).encode()
    await _answer(send, code, CONTENT_TYPE, body, retry=code == 503, standby=standby)


async def _answer(
    send: Send, code: int, kind: str, body: bytes, *, retry: bool = False, standby: str = ""
) -> None:
    headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode())]
    if standby:
        headers.append((STANDBY.encode(), standby.encode()))
    if retry:
        headers.append((b"retry-after", str(_RETRY_SECONDS).encode()))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
