"""The thread that lifts what an expired alert held, once that is known to be over (.patience)."""

from __future__ import annotations

import logging
from contextlib import closing

from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.gate.pulse import Pulse
from risk_receivers.recorder import Recorder
from risk_receivers.restrictions import table
from risk_receivers.restrictions.patience import Patience
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_log = logging.getLogger(__name__)


class RestrictionWatch(Worker):
    """Looks at every restriction that is in doubt."""

    def __init__(
        self,
        database: Place,
        recorder: Recorder,
        pulse: Pulse,
        telemetry: Telemetry,
        *,
        interval_seconds: float,
        patience: Patience,
    ) -> None:
        super().__init__("restriction-watch", telemetry)
        self._database = database
        self._recorder = recorder
        self._pulse = pulse
        self._interval_seconds = interval_seconds
        self._patience = patience

    def round(self) -> float | None:
        """Look once."""
        try:
            with closing(open_read_only(self._database)) as connection:
                doubtful = table.doubtful(connection)
                blind = bool(doubtful and table.blinded_by(connection))
            over = self._patience.over(
                doubtful, heard_since_ns=self._pulse.heard_since_ns, blind=blind
            )
            if over:
                self._recorder.let_go(over).result()
        except ROUND_ERRORS as error:
            _log.error("restrictions of expired alerts stay for now: %s", error)
        return self._interval_seconds
