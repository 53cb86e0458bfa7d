"""How frames go over the wire: a WebSocket's messages, or the lines of server-sent events."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from risk_receivers.access import Refusal
from risk_receivers.body import Receive
from risk_receivers.problem import CONTENT_TYPE, problem_of
from risk_receivers.streams.frames import Frame
from risk_receivers.streams.streams import Opened, StreamError, Streams, until_left

Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
#: RFC 6455: come again; and: not any more.
_AGAIN: Final = 1013
_NOT_ALLOWED: Final = 1008


class Wire:
    """Answers the requests for streams."""

    def __init__(self, streams: Streams) -> None:
        self._streams = streams

    def takes(self, scope: MutableMapping[str, Any]) -> bool:
        """Whether a request is for one of them."""
        return scope["type"] == "websocket" or scope["path"] in self._streams

    async def serve(
        self,
        scope: MutableMapping[str, Any],
        receive: Receive,
        send: Send,
        allowed: Callable[[], Refusal | None],
    ) -> None:
        """One connection from beginning to end. ``allowed`` says why it may not be."""
        is_websocket = scope["type"] == "websocket"
        refuse = _refuse_websocket if is_websocket else _refuse
        if scope["path"] not in self._streams:
            await refuse(send, 404, f"there is no stream {scope['path']}")
            return
        if not is_websocket and scope["method"] != "GET":
            await refuse(send, 405, f"{scope['path']} takes GET only")
            return
        if (refusal := allowed()) is not None:
            await refuse(send, refusal.code, refusal.error)
            return
        try:
            opened = self._streams.open(scope, allowed)
        except StreamError as error:
            await refuse(send, error.code, str(error))
            return
        left = asyncio.ensure_future(_left(receive))
        try:
            await (_messages if is_websocket else _events)(opened, left, send)
        finally:
            left.cancel()


async def _messages(opened: Opened, left: asyncio.Future[None], send: Send) -> None:
    await send({"type": "websocket.accept"})
    async for frame in until_left(opened, left):
        await send({"type": "websocket.send", "text": frame.text})
    if not left.done():
        code = _NOT_ALLOWED if opened.allowed() else _AGAIN
        await send({"type": "websocket.close", "code": code})


async def _events(opened: Opened, left: asyncio.Future[None], send: Send) -> None:
    headers = [
        (b"content-type", b"text/event-stream"),
        (b"cache-control", b"no-store"),
        (b"x-accel-buffering", b"no"),  # a proxy that keeps it back keeps alarms back
    ]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    async for frame in until_left(opened, left):
        await send({"type": "http.response.body", "body": _lines(frame), "more_body": True})
    if not left.done():
        await send({"type": "http.response.body", "body": b""})


def _lines(frame: Frame) -> bytes:
    cursor = "" if frame.cursor is None else f"id: {frame.cursor}\n"
    return f"{cursor}event: {frame.kind}\ndata: {frame.text}\n\n".encode()


async def _left(receive: Receive) -> None:
    """Wait until whoever listens has gone; what they say meanwhile means nothing."""
    while not (await receive())["type"].endswith(".disconnect"):
        pass


async def _refuse(send: Send, code: int, why: str) -> None:
    body = json.dumps(problem_of(code, why)).encode()
    headers = [
        (b"content-type", CONTENT_TYPE.encode()),
        (b"content-length", str(len(body)).encode()),
    ]
    if code == 401:
        headers.append((b"www-authenticate", b"Bearer"))
    if code == 405:
        headers.append((b"allow", b"GET"))
    await send({"type": "http.response.start", "status": code, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _refuse_websocket(send: Send, code: int, why: str) -> None:
    body = json.dumps(problem_of(code, why)).encode()
    headers = [(b"content-type", CONTENT_TYPE.encode())]
    await send({"type": "websocket.http.response.start", "status": code, "headers": headers})
    await send({"type": "websocket.http.response.body", "body": body})
