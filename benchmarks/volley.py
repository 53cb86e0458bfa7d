"""Many requests at once over loopback, by a client that costs little beside what it measures.

Each connection sends its next request as soon as it has the answer to the last one. Requests are
bytes that were made before, and of an answer only what is needed is looked at.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final
from urllib.parse import urlsplit

from measure import PATIENCE_SECONDS, bearer

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = b"content-length:"


def request(url: str, path: str, content: Any = None) -> bytes:
    """The bytes of one; a POST if there is something to send."""
    body = b"" if content is None else json.dumps(content).encode()
    head = [f"{'GET' if content is None else 'POST'} {path} HTTP/1.1"]
    head += [f"Host: {urlsplit(url).netloc}", f"Content-Length: {len(body)}"]
    head += [f"{name}: {value}" for name, value in bearer(path).items()]
    return "\r\n".join(head).encode() + _END_OF_HEAD + body


@dataclass
class Volley:
    """What came of it."""

    #: Seconds until the answer, of every request that got a 2xx.
    answered: list[float] = field(default_factory=list)
    #: What else came, by code; 0 is a connection that ended.
    failed: dict[int, int] = field(default_factory=dict)
    #: From the first request to the last answer.
    seconds: float = 0.0


def fire(
    url: str, requests: Iterable[bytes], connections: int, seconds: float = 10 * PATIENCE_SECONDS
) -> Volley:
    """Send them over so many connections: all of them, or as many as can be sent in time."""
    return asyncio.run(_fire(url, deque(requests), connections, seconds))


async def _fire(url: str, waiting: deque[bytes], connections: int, seconds: float) -> Volley:
    found = Volley()
    place = urlsplit(url)
    assert place.hostname is not None
    loop = asyncio.get_running_loop()
    lines = [_Connection(waiting, found, loop.create_future()) for _ in range(connections)]
    for line in lines:
        await loop.create_connection(partial(_itself, line), place.hostname, place.port or 80)
    began = time.perf_counter()
    for line in lines:
        line.send_next()
    done = asyncio.gather(*(line.ended for line in lines))
    timer = loop.call_later(seconds, waiting.clear)
    await asyncio.wait_for(done, seconds + PATIENCE_SECONDS)
    timer.cancel()
    found.seconds = time.perf_counter() - began
    return found


def _itself(line: _Connection) -> _Connection:
    return line


class _Connection(asyncio.Protocol):
    def __init__(self, waiting: deque[bytes], found: Volley, ended: asyncio.Future[None]) -> None:
        self._waiting, self._found, self.ended = waiting, found, ended
        self._received = b""
        self._transport: asyncio.Transport | None = None
        self._sent_at = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def send_next(self) -> None:
        assert self._transport is not None
        if not self._waiting:
            self._transport.close()
            return
        self._sent_at = time.perf_counter()
        self._transport.write(self._waiting.popleft())

    def data_received(self, data: bytes) -> None:
        self._received += data
        head, ended, body = self._received.partition(_END_OF_HEAD)
        if not ended or len(body) < _content_length(head):
            return
        self._received = b""
        code = int(head[9:12])
        if 200 <= code < 300:
            self._found.answered.append(time.perf_counter() - self._sent_at)
        else:
            self._found.failed[code] = self._found.failed.get(code, 0) + 1
        self.send_next()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio calls it so
        if self._waiting:
            self._found.failed[0] = self._found.failed.get(0, 0) + 1
        if not self.ended.done():
            self.ended.set_result(None)


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(_LENGTH)
    return int(lowered[at + len(_LENGTH) :].partition(b"\r\n")[0]) if at >= 0 else 0


def milliseconds(seconds: Sequence[float]) -> list[float]:
    """For people."""
    return [one * 1000 for one in seconds]
