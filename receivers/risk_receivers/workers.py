"""Threads that do what nobody waits for; the one here lets time pass."""

from __future__ import annotations

import logging
import threading
import time
from abc import ABC, abstractmethod
from contextlib import closing
from typing import Final

from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.incidents.table import overdue
from risk_receivers.recorder import Recorder
from risk_receivers.telemetry import Telemetry

_log = logging.getLogger(__name__)

#: Breaches of one transaction: some ten milliseconds, which is what a kill may have to wait.
_EXPIRING: Final = 50
#: What a worker's round may fail with; anything else is a mistake in this program.
ROUND_ERRORS: Final = (OSError, *DATABASE_ERRORS, ReceiversError)
# After a mistake the next round is tried soon, and then less and less often: what does not pass
# by itself would only fill the log.
_FIRST_PAUSE_SECONDS: Final = 0.5
_LAST_PAUSE_SECONDS: Final = 60.0


class Worker(ABC):
    """A thread that does a round when woken, or when its pause is over.

    A mistake ends a round and never the thread: it is counted, in the log with its traceback, and
    the worker counts as failing until a round has succeeded.
    """

    def __init__(self, name: str, telemetry: Telemetry) -> None:
        self.name = name
        self._telemetry = telemetry
        self._woken = threading.Event()
        self._stopping = threading.Event()
        self._mistake = ""
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def wake(self) -> None:
        """There is something to do."""
        self._woken.set()

    def stop(self) -> None:
        """Finish the round that is going on, and end."""
        self._stopping.set()
        self._woken.set()
        if self._thread.is_alive():
            self._thread.join()

    @property
    def is_alive(self) -> bool:
        """Whether its thread runs."""
        return self._thread.is_alive()

    @property
    def complaint(self) -> str:
        """Why it does not do its work; empty if it does."""
        if not self.is_alive:
            return f"worker {self.name} died"
        if mistake := self._mistake:
            return f"worker {self.name} fails with {mistake}, and tries again; see the log"
        return ""

    @abstractmethod
    def round(self) -> float | None:
        """Do what there is to do; after how many seconds to look again unless woken."""

    def _run(self) -> None:
        pause_after_mistake = _FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            self._woken.clear()
            try:
                pause = self.round()
            except Exception as error:  # noqa: BLE001 - nobody else would do its work
                self._note(error, pause_after_mistake)
                self._stopping.wait(pause_after_mistake)  # whatever wakes it makes it no better
                pause_after_mistake = min(2 * pause_after_mistake, _LAST_PAUSE_SECONDS)
                continue
            if self._mistake:
                _log.warning("worker %s works again", self.name)
            self._mistake, pause_after_mistake = "", _FIRST_PAUSE_SECONDS
            self._woken.wait(pause)

    def _note(self, error: Exception, pause: float) -> None:
        self._mistake = type(error).__name__  # its text may hold anything
        self._telemetry.unexpected()
        _log.critical(
            "worker %s: a mistake ended its round; the next begins in %g s",
            *(self.name, pause),
            exc_info=error,
        )


class Bell:
    """Wakes those who deliver, whoever owes them something; they may join later."""

    def __init__(self) -> None:
        self._sleepers: list[Worker] = []

    def wakes(self, worker: Worker) -> None:
        """From now on."""
        self._sleepers.append(worker)

    def ring(self) -> None:
        """There is something to deliver."""
        for worker in self._sleepers:
            worker.wake()


class Clock(Worker):
    """Lets incidents expire whose alert is no longer repeated, and empties the spool."""

    def __init__(
        self,
        database: Place,
        recorder: Recorder,
        telemetry: Telemetry,
        *,
        interval_seconds: float,
        grace_seconds: float,
    ) -> None:
        super().__init__("clock", telemetry)
        self._database = database
        self._recorder = recorder
        self._interval_seconds = interval_seconds
        self._grace_seconds = grace_seconds
        self._patient_until = _uptime() + grace_seconds
        self._rested_since = _uptime()

    def round(self) -> float | None:
        """Look once."""
        # A feed that could not reach us, while we were down or stopped, gets time to repeat itself.
        if _uptime() - self._rested_since > self._interval_seconds + self._grace_seconds / 2:
            self._patient_until = _uptime() + self._grace_seconds
        try:
            if merging := self._recorder.merge_spool():
                merging.result()
            self._expire()
        except ROUND_ERRORS as error:
            _log.error("expiry is delayed: %s", error)
        self._rested_since = _uptime()
        return self._interval_seconds

    def _expire(self) -> None:
        if _uptime() < self._patient_until:
            return
        now = utc_now()
        with closing(open_read_only(self._database)) as connection:
            breaches = overdue(connection, now)
        for start in range(0, len(breaches), _EXPIRING):
            if self._stopping.is_set():
                return
            self._recorder.expire(now, breaches[start : start + _EXPIRING]).result()


def _uptime() -> float:
    """Seconds on a clock that nobody sets, and that a machine's sleep does not stop."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)
