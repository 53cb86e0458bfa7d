"""The thread that tells of kill alerts in doubt (:mod:`.doubt`) once their time is over."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.kill.doubt import oldest, settle
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

_RETRY_SECONDS: Final = 1.0


class DoubtWatch(Worker):
    """Tells of doubts once the alert feed has had its time."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        outbox: Outbox,
        telemetry: Telemetry,
        *,
        patience_seconds: float,
        wake_couriers: Callable[[], None],
    ) -> None:
        super().__init__("doubt-watch", telemetry)
        telemetry.count(m.KILL_UNCONFIRMED, by=0)
        self._database = database
        self._writer = writer
        self._outbox = outbox
        self._patience = timedelta(seconds=patience_seconds)
        self._wake_couriers = wake_couriers

    def round(self) -> float | None:
        """Look once."""
        try:
            return self._look()
        except (OSError, *DATABASE_ERRORS, ReceiversError):  # the doubts are on record and stay so
            return _RETRY_SECONDS

    def _look(self) -> float | None:
        with closing(open_read_only(self._database)) as connection:
            since = oldest(connection)
        if since is None:
            return None
        before = utc_now() - self._patience
        if since > before:
            return (since - before).total_seconds()
        settled = self._writer.submit(
            lambda transaction: settle(transaction, self._outbox, before)
        ).result()
        self._telemetry.count(m.KILL_UNCONFIRMED, by=settled.told)
        if settled.messages:
            self._wake_couriers()
        return 0.0  # others may have become due
