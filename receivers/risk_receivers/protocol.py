"""HTTP with bounds on what comes before anybody could be asked for a token.

One event loop answers everything. The parser copies an unfinished header with every piece of it
that arrives, so an endless one would keep the loop, and with it the feeds, from anything else.
And whoever sends nothing at all must not hold a connection for ever.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

#: The longest head, and the most that may lie between two pieces of a body.
_HEAD_BYTES: Final = 64 * 1024
#: What is read past of a body whose sender has its answer already.
_UNWANTED_BYTES: Final = 1024 * 1024
_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"connection: close\r\ncontent-length: 0\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. Subclasses say how long a request's head may take to arrive."""

    head_timeout_seconds: float

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._undigested = 0
        self._unwanted = 0
        self._waiting: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody has connected and owes a request."""
        super().connection_made(transport)
        self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Nothing is awaited any more."""
        self._head_is_here()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take it in, unless it leads to nothing."""
        self._undigested += len(data)
        super().data_received(data)
        if self._undigested > _HEAD_BYTES or self._unwanted > _UNWANTED_BYTES:
            cycle: RequestResponseCycle | None = self.cycle  # None before the first head is here
            if cycle is None or cycle.response_complete:
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._wait_for_head()

    def on_headers_complete(self) -> None:
        """Its head is here."""
        self._undigested = 0
        self._head_is_here()
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body is here."""
        self._undigested = 0
        if self.cycle.response_complete:
            self._unwanted += len(body)
        super().on_body(body)

    def on_message_complete(self) -> None:
        """It is over."""
        self._undigested = 0
        super().on_message_complete()

    def _wait_for_head(self) -> None:
        if self._waiting is None:
            self._waiting = self.loop.call_later(self.head_timeout_seconds, self._give_up)

    def _head_is_here(self) -> None:
        if self._waiting is not None:
            self._waiting.cancel()
            self._waiting = None

    def _give_up(self) -> None:
        self._waiting = None
        self.transport.close()


def bounded_protocol(head_timeout_seconds: float) -> type[BoundedProtocol]:
    """The protocol with its deadline: uvicorn wants a class."""
    return type(
        "BoundedProtocol", (BoundedProtocol,), {"head_timeout_seconds": head_timeout_seconds}
    )
