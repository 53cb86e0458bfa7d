"""The gate by HTTP, for a runtime that cannot map its file: ``GET /api/v1/gate``.

Each answer has an ``ETag`` that changes with what the gate says. Sent back as ``If-None-Match``, it
is answered 304 as long as nothing has changed, and with ``?wait=SECONDS`` not before something has
or the time is over: long polling, in the event loop and not in a thread.

How fresh an answer is says ``Riskwarden-Lease-Seconds``, a 304's too: new risk is allowed for so
long after the request was *sent*, whatever the answer took. Who has no newer answer by then has a
closed gate; so whoever waits, waits for less than half of the policy's ``gate.lease_seconds``.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import parse_qs

from risk_receivers.body import Receive
from risk_receivers.doors.door import Reply, problem
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.shapes.system import Gate

LEASE_HEADER: Final = b"riskwarden-lease-seconds"
LONGEST_WAIT_SECONDS: Final = 30
#: Memory wakes nobody. A trip is seen by the next look, which costs microseconds.
_LOOK_SECONDS: Final = 0.01
_MOST_WAITING: Final = 64


class GateDoor:
    """``GET /api/v1/gate``."""

    def __init__(self, gate: GatePublisher, withheld: Callable[[], list[str]]) -> None:
        """``withheld`` says why no lease is granted."""
        self._gate = gate
        self._withheld = withheld
        self._waiting = 0

    async def show(self, query: str, headers: Mapping[bytes, bytes], receive: Receive) -> Reply:
        """What the gate says, now or once it says something else."""
        seconds = _wait_of(query)
        if seconds is None:
            return problem(400, f"wait must be a number from 0 to {LONGEST_WAIT_SECONDS}")
        asked_at = time.monotonic()
        known = headers.get(b"if-none-match", b"")
        if seconds and known == self._tag:
            if self._waiting >= _MOST_WAITING:
                return problem(503, "too many are waiting; ask without wait", 1)
            self._waiting += 1
            try:
                await self._changed(known, seconds, receive)
            finally:
                self._waiting -= 1
        # The time that it took before what is left: nothing is counted twice. The lease before the
        # tag: one that ends in between is shown as ended.
        waited = time.monotonic() - asked_at
        remaining = self._gate.lease_remaining_seconds
        tag = self._tag
        milliseconds = int((remaining + waited) * 1000) if remaining else 0  # never rounded up
        lease = f"{milliseconds / 1000:.3f}".encode()
        told = ((b"etag", tag), (LEASE_HEADER, lease), (b"cache-control", b"no-cache"))
        if known == tag:
            return Reply(304, {}, headers=told)
        return Reply(200, dict(said(self._gate, self._withheld())), headers=told)

    async def _changed(self, known: bytes, seconds: float, receive: Receive) -> None:
        until = time.monotonic() + seconds
        left = asyncio.ensure_future(_left(receive))
        try:
            while not (self._is_news(known, until) or left.done()):  # noqa: ASYNC110 - see there
                await asyncio.sleep(_LOOK_SECONDS)
        finally:
            left.cancel()

    def _is_news(self, known: bytes, until: float) -> bool:
        """Whether it is time to answer. Threads and other processes decide, so it is looked at."""
        # A service that stops waits for whoever is still to be answered.
        return self._tag != known or time.monotonic() >= until or self._gate.is_withdrawn

    @property
    def _tag(self) -> bytes:
        gate = self._gate
        state = "halted" if gate.is_halted else "open" if gate.is_open else "stale"
        return f'"{gate.version}-{state}"'.encode()


def said(gate: GatePublisher, withheld: list[str]) -> Gate:
    """What the gate says, as it is told by HTTP."""
    detail = gate.detail
    return {
        "open": gate.is_open,
        "halted": gate.is_halted,
        "version": gate.version,
        "lease_remaining_seconds": round(gate.lease_remaining_seconds, 3),
        "lease_withheld": withheld,
        "detail": detail.model_dump(mode="json") if detail else None,
    }


async def _left(receive: Receive) -> None:
    """Wait until whoever asked has gone: that one takes nobody's place."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _wait_of(query: str) -> float | None:
    """How long it may take; None for what is no such time."""
    texts = parse_qs(query, keep_blank_values=True).get("wait", ["0"])
    text = texts[-1]
    if not (text.isascii() and text.replace(".", "", 1).isdigit()):
        return None
    seconds = float(text)
    return seconds if seconds <= LONGEST_WAIT_SECONDS else None
