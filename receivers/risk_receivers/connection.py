"""One HTTP connection, bounded before anything that came over it is understood.

The parser keeps what it has not understood yet, and puts a header together piece by piece: a
header without end would take the memory, and then the loop, of everybody. So a request's head,
and whatever else is no body (trailers), ends after so many bytes, headers and seconds. No token
has been looked at by then; these bounds are all that stands against strangers, and that they
make way for each other (:mod:`.strangers`). Whoever does not read what is answered is let go, too
(:mod:`.stalled`).
"""

from __future__ import annotations

import asyncio
import json
from typing import Any, Final

from uvicorn import Config
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle
from uvicorn.server import ServerState

from risk_receivers.problem import CONTENT_TYPE, problem_of
from risk_receivers.stalled import Stalled
from risk_receivers.strangers import Strangers

#: Eight times what other servers take; no token and no path of ours comes near it.
MOST_HEAD_BYTES: Final = 65_536
#: Senders of alerts need about ten; proxies add a few.
MOST_HEADERS: Final = 100
#: What is parsed before anybody looks whether it is too much.
_SLICE: Final = 16_384
#: How long a refused sender gets to read why, while what it still sends is thrown away.
_LINGER_SECONDS: Final = 1.0
_REASON: Final = json.dumps(
    problem_of(
        431,
        f"a request's head may have {MOST_HEAD_BYTES} bytes and {MOST_HEADERS} headers; this one "
        "has more",
    )
).encode()
_REFUSAL: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-type: " + CONTENT_TYPE.encode() + b"\r\n"
    b"content-length: " + str(len(_REASON)).encode() + b"\r\n"
    b"connection: close\r\n\r\n" + _REASON
)


class BoundedConnection(HttpToolsProtocol):
    """uvicorn's connection, with an end to everything that is no body."""

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
        *,
        head_seconds: float,
        strangers: Strangers,
    ) -> None:
        super().__init__(config, server_state, app_state, _loop)
        self._strangers = strangers
        self._is_known = False
        self._head_seconds = head_seconds
        self._headers = 0
        self._too_many = False
        self._understood = False
        self._pending_bytes = 0
        self._refused = False
        self._owes_refusal = False
        self._upgraded = False
        self._timer: asyncio.TimerHandle | None = None
        self._stalled = Stalled(self.loop, head_seconds)

    # Narrower than asyncio's own, as uvicorn declares it: a stream server gives no other.
    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Somebody connected; a connection may be opened in advance, but not for ever."""
        super().connection_made(transport)
        self._strangers.heard(self)
        self._timer = self.loop.call_later(self.timeout_keep_alive, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """It is over."""
        self._stop_timer()
        self._stalled.ends()
        self._strangers.no_more(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """As much waits to be read as may."""
        super().pause_writing()
        self._stalled.begins(self.transport)

    def resume_writing(self) -> None:
        """It is read."""
        super().resume_writing()
        self._stalled.ends()

    def data_received(self, data: bytes) -> None:
        """Parse slice by slice, so that too much is noticed while it is little."""
        if self._refused:
            return
        if self._cycle is None and not self._pending_bytes:
            self._stop_timer()  # from now on it is the head that is waited for
        for start in range(0, len(data), _SLICE):
            part = data[start : start + _SLICE] if len(data) > _SLICE else data
            self._understood = False
            super().data_received(part)
            if self._upgraded or self.transport.is_closing():
                return
            self._pending_bytes = 0 if self._understood else self._pending_bytes + len(part)
            if self._too_many or self._pending_bytes > MOST_HEAD_BYTES:
                self._refuse()
                return
        if not self._is_idle:
            self._stop_timer()
        elif self._timer is None:
            self._timer = self.loop.call_later(self._head_seconds, self._give_up)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._headers = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer."""
        self._headers += 1
        self._too_many = self._too_many or self._headers > MOST_HEADERS
        if not self._too_many:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is complete; one that is too much is handed on to nobody."""
        if not self._too_many:
            self._understood = True
            self._recognise()
            super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of the body."""
        if not self._too_many:
            self._understood = True
            super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of a request."""
        if not self._too_many:
            self._understood = True
            super().on_message_complete()

    def handle_websocket_upgrade(self) -> None:
        """From now on another protocol has the connection, with bounds of its own."""
        self._stop_timer()
        self._stalled.ends()
        self._upgraded = True
        self._strangers.no_more(self)
        super().handle_websocket_upgrade()

    def make_way(self) -> None:
        """Nobody knows whose it is, and others come."""
        self.transport.abort()

    def _recognise(self) -> None:
        if self._is_known:
            return
        self._is_known = self._strangers.knows(self.headers)
        if self._is_known:
            self._strangers.no_more(self)
        else:
            self._strangers.heard(self)

    @property
    def _is_idle(self) -> bool:
        """Whether no request is being answered."""
        cycle = self._cycle
        return cycle is None or cycle.response_complete

    @property
    def _cycle(self) -> RequestResponseCycle | None:
        """The latest request and its answer; uvicorn's type does not say that there may be none."""
        return self.cycle

    def on_response_complete(self) -> None:
        """The end of an answer."""
        super().on_response_complete()
        if self._owes_refusal and self._is_idle and not self.transport.is_closing():
            self._say_why()

    def _refuse(self) -> None:
        self._refused = True
        self._stop_timer()
        cycle = self._cycle
        if cycle is not None and not cycle.response_complete:
            if not cycle.more_body:  # it is the next request that is too much: each in its turn
                self._owes_refusal = True
                return
            cycle.disconnected = True  # whoever waits for the rest of the body need not
            cycle.message_event.set()
            if cycle.response_started:  # a second answer in the middle of the first says nothing
                self.transport.abort()
                return
        self._say_why()

    def _say_why(self) -> None:
        self._owes_refusal = False
        self.transport.write(_REFUSAL)
        if self.transport.can_write_eof():  # TLS cannot
            self.transport.write_eof()
        self._timer = self.loop.call_later(_LINGER_SECONDS, self.transport.abort)

    def _give_up(self) -> None:
        self._timer = None
        if self._is_idle and not self.transport.is_closing():
            self.transport.close()

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
