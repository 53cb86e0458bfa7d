"""The thread that looks after the spool: trips which so far are held in memory only are kept, and
those that somebody else has put there go on record.
"""

from __future__ import annotations

import logging
from typing import Final

from risk_receivers.errors import SpoolError
from risk_receivers.kill.spool import Spool
from risk_receivers.recorder import Recorder
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

_PAUSE_SECONDS: Final = 1.0
_log = logging.getLogger(__name__)


class SpoolKeeper(Worker):
    """Tries once a second. It waits for nothing but the spool's disk, least of all the store."""

    def __init__(self, spool: Spool, recorder: Recorder, telemetry: Telemetry) -> None:
        super().__init__("spool-keeper", telemetry)
        self._spool = spool
        self._recorder = recorder

    def round(self) -> float | None:
        """Try once."""
        try:
            self._spool.persist()
        except SpoolError as error:
            _log.critical("a trip is still held in memory only: %s", error)
        try:
            if self._spool.look():
                self._recorder.merge_spool()
        except (OSError, StoreError) as error:  # what was found is tried again by others
            _log.error("what was put into the spool is not on record yet: %s", error)
        return _PAUSE_SECONDS
