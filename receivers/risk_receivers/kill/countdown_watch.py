"""The thread that tightens a graceful kill once its time (:mod:`.countdown`) is over.

It asks the record as long as that can be read, and what is held in memory otherwise, so that a
store that fails keeps no kill graceful for ever. What it notes of the time is lost with a crash in
between; then the next note, or the record of the trip, is counted from.
"""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Final

from risk_receivers.audit.tables import open_read_only
from risk_receivers.errors import ReceiversError
from risk_receivers.kill import journal
from risk_receivers.kill.countdown import (
    FACT,
    Countdown,
    Moment,
    begun,
    decode,
    encode,
    this_moment,
)
from risk_receivers.kill.switch import KillSwitch, tightest
from risk_receivers.kill.trip import TimeoutKill
from risk_receivers.recorder import Recorder
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

_LOOK_SECONDS: Final = 1.0
#: Half an hour is not measured more finely, and no disk is kept busy by it.
_NOTE_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class CountdownWatch(Worker):
    """Looks once a second."""

    def __init__(
        self,
        database: Path,
        writer: Writer,
        recorder: Recorder,
        telemetry: Telemetry,
        *,
        timeout_seconds: float,
        moment: Callable[[], Moment] = this_moment,
    ) -> None:
        super().__init__("graceful-countdown", telemetry)
        self._database = database
        self._writer = writer
        self._recorder = recorder
        self._timeout_seconds = timeout_seconds
        self._moment = moment
        self._countdown: Countdown | None = None
        self._noted: Countdown | None = None

    def round(self) -> float | None:
        """Look once."""
        now = self._moment()
        state, noted = self._in_force()
        since = state.mode_since
        if since is None or state.on_timeout(now.at) is None:
            self._countdown = None
            return _LOOK_SECONDS
        countdown = self._countdown or noted
        if countdown is None or countdown.kill_id != state.kill_id:
            countdown = begun(state.kill_id, since, now)
        self._countdown = countdown = countdown.at(now)
        if countdown.spent_seconds >= self._timeout_seconds:
            self._recorder.trip_by_itself(TimeoutKill(), state.kill_id)
        else:
            self._note_down(countdown)
        return _LOOK_SECONDS

    def _in_force(self) -> tuple[KillSwitch, Countdown | None]:
        known = self._recorder.known
        if not known.is_tripped:  # the usual case, in which nothing is asked
            return known, None
        try:
            with closing(open_read_only(self._database)) as connection:
                recorded = journal.load(connection)
                row = connection.execute("SELECT value FROM fact WHERE name = ?", (FACT,))
                found = row.fetchone()
        except (OSError, sqlite3.Error, ReceiversError) as error:
            _log.warning("the record of the kill cannot be read: %s", error)
            return known, None
        return tightest(known, recorded), decode(found[0]) if found else None

    def _note_down(self, countdown: Countdown) -> None:
        before = self._noted
        is_noted = before is not None and before.kill_id == countdown.kill_id
        if is_noted and before is not None and countdown.noted.since(before.noted) < _NOTE_SECONDS:
            return
        text = encode(countdown)
        try:
            self._writer.submit(lambda transaction: _keep(transaction, text))
        except StoreError as error:  # what is in memory is counted on
            _log.warning("the time of a graceful kill is not noted: %s", error)
        self._noted = countdown


def _keep(transaction: Transaction, text: str) -> None:
    transaction.connection.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (FACT, text),
    )
