"""Follows the audit chain as it grows, and tells whoever listens what became of alerts.

The cursor of every frame is the number of a record. So whoever was away asks for what is beyond
their last one: that is read from the store, and what comes meanwhile waits. Nothing is missed and
nothing told twice. While the store cannot be read nobody is told that nothing happens.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable
from typing import Final

from risk_receivers.audit.errors import AuditError, DamagedRecordError
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.reading import Reading
from risk_receivers.streams.broadcast import Broadcast
from risk_receivers.streams.frames import Frame, frame, frame_of

#: Records of one look: little enough that the first of a storm are told while it is read.
_PAGE: Final = 200
#: Whoever was away for longer begins anew.
_MOST_TOLD_AGAIN: Final = 5000
#: Another process may write to the same store; of this one's commits it is told.
_LOOK_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class Tail:
    """For one event loop; :meth:`grown` alone may be called by any thread."""

    def __init__(self, reading: Reading, head: Callable[[], int], broadcast: Broadcast) -> None:
        """``head`` is the number of the last durable record."""
        self._reading = reading
        self._head = head
        self._broadcast = broadcast
        self._cursor = 0
        #: Whether nobody knows what was recorded since.
        self.is_blind = False
        self._wake = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._task: asyncio.Task[None] | None = None

    @property
    def cursor(self) -> int:
        """Up to which record everything was told."""
        return self._cursor

    def grown(self) -> None:
        """Something was recorded. Waits for nothing."""
        if (loop := self._loop) is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended
                loop.call_soon_threadsafe(self._wake.set)

    def follow(self) -> None:
        """Go on as long as anybody listens; to be called once somebody does."""
        if self._task is None or self._task.done():
            self._loop = asyncio.get_running_loop()
            self._cursor = self._head()
            self._task = self._loop.create_task(self._run())

    async def since(self, cursor: int, until: int) -> AsyncIterator[Frame]:
        """What was recorded beyond a cursor, up to what others were told."""
        if not 0 <= cursor <= until or until - cursor > _MOST_TOLD_AGAIN:
            yield frame("gap", until, detail="too much happened since, or it was another record")
            return
        while cursor < until:
            frames, seq = await asyncio.to_thread(self._read, cursor, until)
            for one in frames:
                yield one
            if seq <= cursor:
                return
            cursor = seq

    async def _run(self) -> None:
        while self._broadcast.is_heard:
            try:
                frames, seq = await asyncio.to_thread(self._read, self._cursor, None)
            except Exception as error:  # noqa: BLE001 - whatever it is, whoever listens goes on
                self.is_blind = True
                known = isinstance(error, (AuditError, *DATABASE_ERRORS))
                _log.error("the record cannot be followed: %s", error, exc_info=not known)
                await asyncio.sleep(_LOOK_SECONDS)
                continue
            self.is_blind = False
            is_news, self._cursor = seq > self._cursor, max(seq, self._cursor)
            for one in frames:
                self._broadcast.send(one)
            if not is_news:
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_SECONDS):
                        await self._wake.wait()
                self._wake.clear()

    def _read(self, after: int, until: int | None) -> tuple[list[Frame], int]:
        """What is told of the next records, and up to which that is."""
        most = _PAGE if until is None else min(_PAGE, until - after)
        try:
            events, alerts = self._reading.news(after, most)
        except DamagedRecordError as error:
            if error.seq is None:
                raise
            return [frame("damaged", error.seq, detail=str(error))], error.seq
        frames = [one for event in events if (one := frame_of(event, alerts)) is not None]
        return frames, events[-1].seq if events else after
