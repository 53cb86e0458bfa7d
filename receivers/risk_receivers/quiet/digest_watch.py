"""The thread that has digests written when they are due, and storms end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.quiet import table
from risk_receivers.quiet.decision import Reason
from risk_receivers.quiet.telling import Teller
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_START_SECONDS: Final = 60.0
_log = logging.getLogger(__name__)


class DigestWatch(Worker):
    """Looks whether something has waited long enough, and counts what waits."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        teller: Teller,
        telemetry: Telemetry,
        *,
        interval_seconds: float,
        wake_couriers: Callable[[], None],
    ) -> None:
        super().__init__("digest-watch", telemetry)
        self._database = database
        self._writer = writer
        self._teller = teller
        self._interval_seconds = interval_seconds
        self._wake_couriers = wake_couriers
        # Up to which row; what an earlier run held back was counted by that.
        self._counted = writer.run(lambda work: table.last_row(work.connection), _START_SECONDS)
        for reason in Reason:
            telemetry.count(m.MESSAGES_HELD, reason.value, by=0)
        telemetry.set(m.STORM, value=0)

    def round(self) -> float | None:
        """Look once."""
        try:
            self._look()
        except ROUND_ERRORS as error:  # what waits is on record and goes on waiting
            _log.error("what was held back cannot be told yet, trying again: %s", error)
        return self._interval_seconds

    def _look(self) -> None:
        now = utc_now()
        with closing(open_read_only(self._database)) as connection:
            storm = table.going_on(connection)
            due_at = table.due_at(connection, self._teller.terms, now)
            self._counted, held = table.held_after(connection, self._counted)
        self._telemetry.set(m.STORM, value=float(storm is not None))
        for reason, count in held.items():
            self._telemetry.count(m.MESSAGES_HELD, reason.value, by=count)
        if (
            due_at is not None
            and due_at <= now
            and self._writer.submit(self._teller.digest).result()
        ):
            self._wake_couriers()
