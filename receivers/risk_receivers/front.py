"""The ASGI front: what has to be recorded goes through its doors, the rest is Flask's.

Flask has few threads, and each waits for what it asks. So nothing that writes goes there, and
nobody takes a thread who has no token, or whose body is still on its way.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from http import HTTPStatus
from typing import Any, Final

from msgspec.structs import replace

from risk_receivers.access import NEEDS, OPEN, Access, Refusal, Refused
from risk_receivers.body import BodyReader, End, Receive
from risk_receivers.doors.door import Door, GetDoor, OpenDoor, Reply, SignedDoor, problem
from risk_receivers.problem import CONTENT_TYPE, JSON
from risk_receivers.security.monitor import Monitor
from risk_receivers.sessions.credentials import Credentials
from risk_receivers.streams.wire import Wire
from risk_receivers.telemetry import AUTH_FAILED, Telemetry

Scope = MutableMapping[str, Any]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: Bodies that are read at a time of whoever brings no token. People press one button after the
#: other, and what they send must not fill the memory.
_MOST_STRANGERS: Final = 16
#: These are answered to anybody, always: what watches the service must not lose sight of it.
_PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
#: What somebody needs to log in. Wrong passwords have bounds of their own (:mod:`.sessions`).
_WAY_IN: Final = frozenset({"/", "/login", "/api/v1/session"})
_WAY_IN_BELOW: Final = "/console/"
_log = logging.getLogger(__name__)
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]


class Front:
    """Routes a request to a door or to the application behind."""

    def __init__(
        self,
        *,
        doors: Mapping[str, Door],
        behind: Asgi,
        probes: Asgi,
        access: Access,
        telemetry: Telemetry,
        bodies: BodyReader,
        refused: Refused,
        monitor: Monitor,
        is_somebodys: Callable[[str], bool],
        signed: Mapping[str, SignedDoor],
        shown: Mapping[str, GetDoor],
        streams: Wire,
        opened: Mapping[str, OpenDoor],
    ) -> None:
        """``behind`` answers what no door does, and ``probes`` that of what watches the service.

        ``doors``, ``signed``, ``shown`` and ``opened`` are by path; ``refused`` is told from
        where somebody came in vain to a signed one, to which, and why; ``is_somebodys`` says of an
        address whether anybody has logged in from there. Raises LookupError for one in no table.
        """
        served = {f"POST {path}" for path in doors} | {f"GET {path}" for path in shown}
        to_all = {f"{method} {path}" for path, door in opened.items() for method in door.methods}
        if unknown := (served - NEEDS.keys()) | (to_all - OPEN):
            raise LookupError(f"say in risk_receivers.access who may have {unknown}")
        self._doors = dict(doors)
        #: What is asked under a door's path and is Flask's to answer.
        self._behind_too = {
            what
            for what in NEEDS
            if what.partition(" ")[2] in doors and not what.startswith("POST ")
        }
        self._signed = dict(signed)
        self._shown = dict(shown)
        self._streams = streams
        self._opened = dict(opened)
        self._strangers = 0
        self._behind = behind
        self._probes = probes
        self._access = access
        self._telemetry = telemetry
        self._bodies = bodies
        self._refused = refused
        self._monitor = monitor
        self._is_somebodys = is_somebodys

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection."""
        self._look_at(scope)
        if (turned_away := self._turned_away(scope)) is not None:
            await _respond(send, turned_away)
            return
        if self._streams.takes(scope):
            await self._streams.serve(scope, receive, send, lambda: self._may_listen(scope))
            return
        if (signed := self._signed.get(scope["path"])) is not None:
            await _respond(send, await self._sure(self._answer_signed(signed, scope, receive)))
            return
        if (shown := self._shown.get(scope["path"])) is not None:
            await _respond(send, await self._sure(self._show(shown, scope, receive)))
            return
        if (opened := self._opened.get(scope["path"])) is not None:
            await _respond(send, await self._sure(self._answer_open(opened, scope, receive)))
            return
        named = self._named(scope["path"])
        door = self._doors.get(named[0])
        if door is None or f"{scope['method']} {named[0]}" in self._behind_too:
            await self._hand_on(scope, receive, send)
            return
        reply = await self._sure(self._answer(door, named, scope, receive))
        door.answered(reply.code)
        await _respond(send, reply)

    async def _sure(self, answer: Awaitable[Reply]) -> Reply:
        """An answer, whatever happens; a sender takes a 500 for "send it again"."""
        try:
            return await answer
        except Exception:  # noqa: BLE001 - nobody outside may see how the service is made
            _log.exception("a request failed")
            self._telemetry.unexpected()
            return problem(500, "a mistake in the service; see its log")

    def _look_at(self, scope: Scope) -> None:
        """Have the monitor see what is asked, as it came."""
        path = scope.get("raw_path") or scope["path"].encode("utf-8", "replace")
        agent = next((value for name, value in scope["headers"] if name == b"user-agent"), b"")
        self._monitor.asked(_address(scope), path, scope.get("query_string", b""), agent)

    def _turned_away(self, scope: Scope) -> Reply | None:
        """What is answered to strangers from an address that is blocked. Whoever signs requests is
        no stranger, probes and scrapes are nobody's, and where people work they can log in: what
        others do behind the same address keeps nobody from the kill switch.
        """
        path, address = scope["path"], _address(scope)
        if scope["type"] != "http" or path in self._signed or path in _PROBES:
            return None
        wait = self._monitor.blocked_seconds(address)
        if not wait or self._access.knows(scope["headers"]):
            return None
        if (path in _WAY_IN or path.startswith(_WAY_IN_BELOW)) and self._is_somebodys(address):
            return None
        return problem(429, _blocked(wait), math.ceil(wait))

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
            others = (
                what.partition(" ")[0] for what in self._behind_too if what.endswith(f" {known}")
            )
            return _only(", ".join(["POST", *others]), scope)
        path, address, what = scope["path"], _address(scope), f"POST {known}"
        by = self._access.decide(Credentials.of(scope["headers"]), address, what, path)
        if isinstance(by, Refusal):
            return problem(by.code, by.error)
        body = await self._bodies.read(receive)
        if by.key is None and not self._access.knows(scope["headers"]):
            # Who sends slowly may have been shut out meanwhile; the policy's own tokens never are.
            by = self._access.decide(Credentials.of(scope["headers"]), address, what, path)
            if isinstance(by, Refusal):
                return problem(by.code, by.error)
        if body.end is End.LEFT:
            return problem(400, "the connection was closed before the body was complete")
        if body.end is not End.COMPLETE and not door.takes_parts:
            return problem(body.code, self._bodies.complaints[body.end])
        return await door.take(replace(body, address=address, by=by, subject=subject))

    def _may_listen(self, scope: Scope) -> Refusal | None:
        """Asked again and again as long as somebody listens, so it is no use of a session."""
        path, credentials = scope["path"], Credentials.of(scope["headers"])
        if not credentials.comes_from(self._access.origins):
            # No other rule keeps a page of another site from opening one with a cookie of ours.
            return Refusal(403, "a page of another site asks for this")
        address = _address(scope)
        wait = self._monitor.blocked_seconds(address)
        if wait and not self._access.knows(scope["headers"]):
            return Refusal(403, _blocked(wait))
        by = self._access.decide(credentials, address, f"GET {path}", path, is_use=False)
        return by if isinstance(by, Refusal) else None

    async def _show(self, door: GetDoor, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "GET":
            return _only("GET", scope)
        path, address = scope["path"], _address(scope)
        by = self._access.decide(Credentials.of(scope["headers"]), address, f"GET {path}", path)
        if isinstance(by, Refusal):
            return problem(by.code, by.error)
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        query = bytes(scope["query_string"]).decode("latin-1")
        return await door.show(query, headers, receive)

    async def _answer_open(self, door: OpenDoor, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] not in door.methods:
            return _only(", ".join(door.methods), scope)
        credentials = Credentials.of(scope["headers"])
        return await door.answer(scope["method"], credentials, _address(scope), receive)

    async def _answer_signed(self, door: SignedDoor, scope: Scope, receive: Receive) -> Reply:
        if scope["method"] != "POST":
            return _only("POST", scope)
        headers = {bytes(name): bytes(value) for name, value in scope["headers"]}
        if complaint := door.complaint(headers):
            return self._not_genuine(scope, complaint)
        if self._strangers >= _MOST_STRANGERS:
            return problem(503, "too many such requests are on their way; try again", 1)
        self._strangers += 1
        try:
            body = await door.bodies.read(receive)
        finally:
            self._strangers -= 1
        if body.end is not End.COMPLETE:
            complaint = door.bodies.complaints.get(body.end, "the body is not complete")
            return problem(body.code, complaint)
        reply = await door.take(headers, body)
        return self._not_genuine(scope, reply) if isinstance(reply, str) else reply

    def _not_genuine(self, scope: Scope, why: str) -> Reply:
        self._telemetry.count(*AUTH_FAILED)
        self._refused(_address(scope), scope["path"], why)
        return problem(403, why)

    async def _hand_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Let the application answer once the whole body is here.

        From somebody without any token no body is read at all: nothing that takes one answers
        them.
        """
        behind = self._probes if scope["path"] in _PROBES else self._behind
        if not self._access.knows(scope["headers"]):
            await behind(scope, _replay(b"", receive), send)
            return
        body = await self._bodies.read(receive)
        if body.end is End.COMPLETE:
            await behind(scope, _replay(body.data, receive), send)
        elif body.end is not End.LEFT:
            await _respond(send, problem(body.code, self._bodies.complaints[body.end]))


def _replay(data: bytes, receive: Receive) -> Receive:
    """A receive that gives a body that was read already, then whatever follows it."""
    waiting = [data]

    async def replayed() -> MutableMapping[str, Any]:
        if waiting:
            return {"type": "http.request", "body": waiting.pop(), "more_body": False}
        return await receive()

    return replayed


def _blocked(wait: float) -> str:
    return (
        "too much came from this address that was wrong or looked like an attack: without a good "
        f"token or session nobody is listened to for another {math.ceil(wait)} s"
    )


def _only(method: str, scope: Scope) -> Reply:
    refusal = problem(405, f"{scope['path']} takes {method} only")
    return replace(refusal, headers=((b"allow", method.encode()),))


def _address(scope: Scope) -> str:
    return str((scope.get("client") or ("",))[0])


async def _respond(send: Send, reply: Reply) -> None:
    has_body = reply.code != HTTPStatus.NOT_MODIFIED
    body = json.dumps(reply.content).encode() if has_body else b""
    headers = list(reply.headers)
    if has_body:
        kind = JSON if reply.code < HTTPStatus.BAD_REQUEST else CONTENT_TYPE
        headers.append((b"content-type", kind.encode()))
        headers.append((b"content-length", str(len(body)).encode()))
    if reply.code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if reply.code == 408:  # the rest of the body must not be taken for the next request
        headers.append((b"connection", b"close"))
    if reply.retry_after_seconds is not None:
        headers.append((b"retry-after", str(reply.retry_after_seconds).encode()))
    await send({"type": "http.response.start", "status": reply.code, "headers": headers})
    await send({"type": "http.response.body", "body": body})
