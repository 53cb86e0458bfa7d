"""What limits stand at, again and again, to whoever listens: asked once for all of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final

from risk_receivers.measures.views import Measures
from risk_receivers.prometheus import PrometheusError
from risk_receivers.streams.broadcast import Broadcast
from risk_receivers.streams.frames import Frame, frame

_MISTAKE: Final = "a mistake in the service; see its log"
_log = logging.getLogger(__name__)


class Gauges:
    """For one event loop."""

    def __init__(
        self,
        measures: Measures,
        summary: Callable[[], dict[str, Any]],
        broadcast: Broadcast,
        every_seconds: float,
    ) -> None:
        """``summary`` says how the kill switch and the gate stand."""
        self._measures = measures
        self._summary = summary
        self._broadcast = broadcast
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    def follow(self) -> None:
        """Go on as long as anybody listens; to be called once somebody does."""
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._run())

    async def _run(self) -> None:
        while self._broadcast.is_heard:
            self._broadcast.send(await asyncio.to_thread(self._now))
            await asyncio.sleep(self._every_seconds)

    def _now(self) -> Frame:
        about = {"at": time.time(), **self._summary()}
        try:
            return frame("metrics", current=self._measures.current(), problem=None, **about)
        except PrometheusError as error:
            return frame("metrics", current=None, problem=str(error), **about)
        except Exception:  # noqa: BLE001 - nobody may take the last frame for what is so now
            _log.exception("what limits stand at cannot be told")
            return frame("metrics", current=None, problem=_MISTAKE, **about)
