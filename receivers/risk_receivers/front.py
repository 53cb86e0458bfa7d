"""The ASGI front: what has to be recorded goes through its doors, the rest is Flask's.

Flask has few threads, and each waits for what it asks. So nothing that writes goes there, and
nobody takes a thread who has no token, or whose body is still on its way.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import replace
from http import HTTPStatus
from typing import Any, Final

from risk_receivers.access import NEEDS, Access, Refusal, Refused
from risk_receivers.body import BodyReader, End, Receive
from risk_receivers.doors.door import Door, GetDoor, Reply, SignedDoor
from risk_receivers.telemetry import AUTH_FAILED, Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: Bodies that are read at a time of whoever brings no token. People press one button after the
#: other, and what they send must not fill the memory.
_MOST_STRANGERS: Final = 16
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """Routes a request to a door or to the application behind."""

    def __init__(
        self,
        *,
        doors: Mapping[str, Door],
        behind: Asgi,
        access: Access,
        telemetry: Telemetry,
        bodies: BodyReader,
        refused: Refused,
        signed: Mapping[str, SignedDoor],
        shown: Mapping[str, GetDoor],
    ) -> None:
        """``doors``, ``signed`` and ``shown`` are by path; ``refused`` is told from where somebody
        came in vain to a signed one, to which, and why. Raises LookupError for one in no table.
        """
        served = {f"POST {path}" for path in doors} | {f"GET {path}" for path in shown}
        if unknown := served - NEEDS.keys():
            raise LookupError(f"say in risk_receivers.access who may have {unknown}")
        self._doors = dict(doors)
        self._signed = dict(signed)
        self._shown = dict(shown)
        self._strangers = 0
        self._behind = behind
        self._access = access
        self._telemetry = telemetry
        self._bodies = bodies
        self._refused = refused

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        if scope["type"] != "http":
            await self._behind(scope, receive, send)
            return
        if (signed := self._signed.get(scope["path"])) is not None:
            await _respond(send, await self._answer_signed(signed, scope, receive))
            return
        if (shown := self._shown.get(scope["path"])) is not None:
            await _respond(send, await self._show(shown, scope, receive))
            return
        named = self._named(scope["path"])
        door = self._doors.get(named[0])
        if door is None:
            await self._hand_on(scope, receive, send)
            return
        try:
            reply = await self._answer(door, named, scope, receive)
        except Exception:  # the server answers 500, which a sender takes for "send it again"
            self._telemetry.unexpected()
            raise
        door.answered(reply.code)
        await _respond(send, reply)

    def _named(self, path: str) -> tuple[str, str]:
        """As which path its door is known, and what stands in it where that has ``{id}``."""
        rest, _, last = path.rpartition("/")
        before, _, subject = rest.rpartition("/")
        known = f"{before}/{{id}}/{last}"
        return (known, subject) if known in self._doors else (path, "")

    async def _answer(
        self, door: Door, named: tuple[str, str], scope: Scope, receive: Receive
    ) -> Reply:
        known, subject = named
        if scope["method"] != "POST":
            return Reply(405, {"error": f"{scope['path']} takes POST only"})
        path, address = scope["path"], _address(scope)
        by = self._access.decide(_authorization(scope), address, f"POST {known}", path)
        if isinstance(by, Refusal):
            return Reply(by.code, {"error": by.error})
        body = await self._bodies.read(receive)
        if body.end is End.LEFT:
            return Reply(400, {"error": "the connection was closed before the body was complete"})
        if body.end is not End.COMPLETE and not door.takes_parts:
            return Reply(body.code, {"error": self._bodies.complaints[body.end]})
        return await door.take(replace(body, address=address, by=by, subject=subject))

    async def _show(self, door: GetDoor, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "GET":
            return Reply(405, {"error": f"{scope['path']} takes GET only"})
        path, address = scope["path"], _address(scope)
        by = self._access.decide(_authorization(scope), address, f"GET {path}", path)
        if isinstance(by, Refusal):
            return Reply(by.code, {"error": by.error})
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        query = bytes(scope["query_string"]).decode("latin-1")
        return await door.show(query, headers, receive)

    async def _answer_signed(self, door: SignedDoor, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return Reply(405, {"error": f"{scope['path']} takes POST only"})
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        if complaint := door.complaint(headers):
            return self._not_genuine(scope, complaint)
        if self._strangers >= _MOST_STRANGERS:
            return Reply(503, {"error": "too many such requests are on their way; try again"}, 1)
        self._strangers += 1
        try:
            body = await door.bodies.read(receive)
        finally:
            self._strangers -= 1
        if body.end is not End.COMPLETE:
            complaint = door.bodies.complaints.get(body.end, "the body is not complete")
            return Reply(body.code, {"error": complaint})
        reply = await door.take(headers, body)
        return self._not_genuine(scope, reply) if isinstance(reply, str) else reply

    def _not_genuine(self, scope: Scope, why: str) -> Reply:
        self._telemetry.count(*AUTH_FAILED)
        self._refused(_address(scope), scope["path"], why)
        return Reply(403, {"error": why})

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer once the whole body is here.

        From somebody without any token no body is read at all: nothing that takes one answers
        them.
        """
        if not self._access.knows(_authorization(scope)):
            await self._behind(scope, _replay(b"", receive), send)
            return
        body = await self._bodies.read(receive)
        if body.end is End.COMPLETE:
            await self._behind(scope, _replay(body.data, receive), send)
        elif body.end is not End.LEFT:
            await _respond(send, Reply(body.code, {"error": self._bodies.complaints[body.end]}))


def _replay(data: bytes, receive: Receive) -> Receive:
    """A receive that gives a body that was read already, then whatever follows it."""
    waiting = [data]

    async def replayed() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


def _authorization(scope: Scope) -> bytes:
    for name, value in scope["headers"]:
        if name == b"authorization":
            return bytes(value)
    return b""


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


async def _respond(send: Send, reply: Reply) -> None:
    has_body = reply.code != HTTPStatus.NOT_MODIFIED
    body = json.dumps(reply.content).encode() if has_body else b""
    headers = list(reply.headers)
    if has_body:
        headers.append((b"content-type", b"application/json"))
        headers.append((b"content-length", str(len(body)).encode()))
    if reply.code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if reply.code == 408:  # the rest of the body must not be taken for the next request
        headers.append((b"connection", b"close"))
    if reply.retry_after_seconds is not None:
        headers.append((b"retry-after", str(reply.retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": reply.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
