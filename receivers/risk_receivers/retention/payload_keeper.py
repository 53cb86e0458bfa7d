"""Applies retention to the audit chain by itself: as often as the policy says, and on record.

It is asked often and does little: what was announced before a crash is finished at once, and how
the clock goes is looked at all the time, since only who was there knows whether time has passed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.retained import GRACE
from risk_receivers.database.place import Place
from risk_receivers.retention.clock_trust import ProcessClock, uptime
from risk_receivers.retention.errors import ClockDoubtedError
from risk_receivers.retention.pruner import Pruner
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: How often the clock is looked at. What jumps and comes back in between did no harm.
_LOOK_SECONDS: Final = 300.0
_RETRY_SECONDS: Final = 30.0
_log = logging.getLogger(__name__)


class PayloadKeeper(Worker):
    """Deletes payloads whose time is over."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        telemetry: Telemetry,
        retention: AuditRetention,
        clock: Callable[[], datetime] = utc_now,
        uptime: Callable[[], float] = uptime,
    ) -> None:
        super().__init__("audit-retention", telemetry)
        self._pruner = Pruner(database, writer, rest=self._stopping.wait)
        self._every_seconds = timedelta(hours=retention.prune_every_hours).total_seconds()
        self._clock = clock
        self._gone_through = clock()
        self._patience = timedelta(hours=retention.prune_every_hours) + GRACE
        self._seen = ProcessClock(self._gone_through, uptime)
        self._next = 0.0
        self._why_stopped = ""

    def round(self) -> float | None:
        """Delete what is due, if it is time to; in how many seconds to look again."""
        now = self._clock()
        seen_since = self._seen.seen_since(now)
        if time.monotonic() < self._next:
            self._pruner.wipe()
            return _LOOK_SECONDS
        if why := self._seen.doubt:
            self._is_stopped(why)
            return _LOOK_SECONDS
        try:
            gone = self._pruner.prune(now, seen_since)
        except ClockDoubtedError as error:
            self._is_stopped(str(error))
            return _LOOK_SECONDS
        except ROUND_ERRORS as error:
            _log.error("payloads that are due are kept for longer: %s", error)
            if now - self._gone_through > self._patience:
                self._is_stopped(f"no round has gone through since {self._gone_through}: {error}")
            return _RETRY_SECONDS
        if gone:
            _log.info("retention deleted %d payloads of the audit chain", gone)
        self._is_stopped("")
        self._gone_through = now
        if not self._stopping.is_set():
            self._telemetry.set(m.AUDIT_RETAINED, value=now.timestamp())
            self._next = time.monotonic() + self._every_seconds
        return _LOOK_SECONDS

    def _is_stopped(self, why: str) -> None:
        self._telemetry.set(m.AUDIT_RETENTION_STOPPED, value=float(bool(why)))
        if bool(why) != bool(self._why_stopped):
            if why:
                _log.error("retention is stopped: %s", why)
            else:
                _log.warning("retention goes on")
        self._why_stopped = why
