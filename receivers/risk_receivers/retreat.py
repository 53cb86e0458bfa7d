"""What a service does that can record nothing, or leads no more: it begins anew.

It replaces itself by a new process image, as after a crash. Nothing that it still believes is
carried over: everything comes from the store, by the same way as at every start.

It does so only once the store takes records again, and still holds all that was acknowledged, and
once a new process could start at all: not while the policy is being edited, nor once it is to stop.
As long as it cannot, the service stays as it is: a kill still reaches its gate, and its spool, and
alerts are answered 503, so that whoever sent them sends them again. Where what is recorded was
changed or is gone, it stays so until a person has looked.

A leader on PostgreSQL stands by afterwards, like any other. As long as the server cannot be
reached, nobody else leads either. One that something of its own keeps from it, its disk or its
policy, makes way for another at once; where no other one is, it stays as it is, too.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, NoReturn, Self

from risk_receivers.database.connection import ServerError
from risk_receivers.leadership.leader import Leadership
from risk_receivers.service import Service
from risk_receivers.store.database import may_pass
from risk_receivers.store.errors import StoreError
from risk_receivers.store.mended import require_mended

_LOOK_SECONDS: Final = 0.1
#: Between two looks for a store that could not be written; each of them writes some megabytes.
_PAUSE_SECONDS: Final = 0.5
_LAST_PAUSE_SECONDS: Final = 5.0
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
    """Watches a service from beside; within its context."""

    def __init__(
        self,
        service: Service,
        data: Path,
        leadership: Leadership | None = None,
        *,
        may_start: Callable[[], str] = lambda: "",
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        """Args:
        may_start: why a new process could not; empty if it could.
        is_stopping: whether somebody has asked this one to stop.
        """
        self._service = service
        self._data = data
        self._leadership = leadership
        self._may_start = may_start
        self._is_stopping = is_stopping
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
            if self._leads_no_more(_LOOK_SECONDS) or self._records_nothing():
                break
        pause, said = _PAUSE_SECONDS, ""
        while not self._stopping.is_set() and (why_not := self._looked()):
            self._service.parts.health.not_yet = why_not
            if why_not != said:
                _log.error("this service does not begin anew yet: %s", why_not)
            said = why_not
            self._stopping.wait(pause)
            pause = min(2 * pause, _LAST_PAUSE_SECONDS)
        if not self._stopping.is_set():
            self._begin_anew()

    def _leads_no_more(self, seconds: float) -> bool:
        if self._leadership is None:
            self._stopping.wait(seconds)
            return False
        return self._leadership.wait_for_its_end(seconds)

    def _records_nothing(self) -> bool:
        lasted = time.monotonic() - self._began_at
        writer = self._service.parts.writer
        if writer.takes_work or lasted <= _LEAST_SECONDS:
            return False
        # On a server, the next leader looks itself; a file has nobody else.
        return self._leadership is not None or (
            writer.failure is not None and may_pass(writer.failure)
        )

    def _looked(self) -> str:
        """Why it cannot begin anew yet, whatever goes wrong: nobody else would look again."""
        try:
            return self._why_not_yet()
        except Exception as error:  # noqa: BLE001
            failed = f"a look whether it can failed with {type(error).__name__}"
            if failed != self._service.parts.health.not_yet:
                _log.critical("%s, trying again", failed, exc_info=error)
            return failed

    def _why_not_yet(self) -> str:
        """Why a new process could not record, or would not know all that this one knows."""
        if not (why := self._service.unkept()):
            if self._is_stopping():
                return "it is being stopped"
            try:
                if self._leadership is None or not self._leadership.is_followed():
                    known = self._service.parts.writer.head
                    require_mended(self._service.database, self._data, known)
            except ServerError as error:
                return str(error)
            except StoreError as error:
                why = str(error)
            else:
                why = self._may_start()
        # Whatever keeps this one from it, another may be able to.
        if why and self._leadership is not None:
            self._leadership.give_up(why)
        return why

    def _begin_anew(self) -> None:
        withdrawing = threading.Thread(target=self._service.parts.gate.withdraw, daemon=True)
        withdrawing.start()
        withdrawing.join(_WITHDRAWING_SECONDS)
        if self._stopping.is_set() or self._is_stopping():
            return
        _log.critical(
            "this service begins anew%s",
            ": the store can be written again" if self._leadership is None else ", and stands by",
        )
        try:
            begin_anew()
        except OSError as error:
            # The gate is withdrawn for good: whoever watches over this process starts it again.
            _log.critical("no new process can be started, this one stops: %s", error)
            os.kill(os.getpid(), signal.SIGTERM)
