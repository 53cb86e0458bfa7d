"""What a service does that leads no more, or leads and can record nothing: it begins anew.

It replaces itself by a new process image, as after a crash, and stands by like any other: nothing
that it still believes is carried over. As long as the database cannot be reached it stays as it is,
because nobody else leads either: a kill still reaches its gate, and its spool.
"""

from __future__ import annotations

import logging
import os
import sys
import threading
import time
from types import TracebackType
from typing import Final, NoReturn, Self

from risk_receivers.database.connection import ServerError
from risk_receivers.leadership.leader import Leadership
from risk_receivers.service import Service

_LOOK_SECONDS: Final = 0.1
#: Between two looks for a server that was not there.
_PAUSE_SECONDS: Final = 0.5
#: A service that can never record would begin anew without end.
_LEAST_SECONDS: Final = 5.0
#: The gate's own thread may be writing to a disk that is slow; the lease ends by itself.
_WITHDRAWING_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


def begin_anew() -> NoReturn:
    """Replace this process by a new one with the same arguments, as after a crash."""
    logging.shutdown()
    # What stands in the arguments is what this process itself was started with.
    os.execv(sys.executable, [sys.executable, "-m", "risk_receivers", *sys.argv[1:]])  # noqa: S606


class Retreat:
    """Watches a leader from beside; within its context."""

    def __init__(self, leadership: Leadership, service: Service) -> None:
        self._leadership = leadership
        self._service = service
        self._began_at = time.monotonic()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="retreat", daemon=True)

    def __enter__(self) -> Self:
        """Watch."""
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """The service stops: nothing begins anew any more."""
        self._stopping.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._stopping.is_set():
            if self._leadership.wait_for_its_end(_LOOK_SECONDS) or self._records_nothing():
                break
        while not self._stopping.is_set() and not self._may_begin_anew():
            self._stopping.wait(_PAUSE_SECONDS)
        if not self._stopping.is_set():
            self._begin_anew()

    def _records_nothing(self) -> bool:
        lasted = time.monotonic() - self._began_at
        return not self._service.parts.writer.takes_work and lasted > _LEAST_SECONDS

    def _may_begin_anew(self) -> bool:
        """Whether somebody can lead, and a new process would know all that this one knows."""
        if self._service.unkept():
            return False
        try:
            self._leadership.reach()
        except ServerError:
            return False
        return True

    def _begin_anew(self) -> None:
        withdrawing = threading.Thread(target=self._service.parts.gate.withdraw, daemon=True)
        withdrawing.start()
        withdrawing.join(_WITHDRAWING_SECONDS)
        _log.critical("this service begins anew, and stands by")
        begin_anew()
