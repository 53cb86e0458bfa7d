"""The thread that tightens a graceful kill once its time (:mod:`.countdown`) is over.

It asks the record as long as that can be read, and what is held in memory otherwise, so that a
store that fails keeps no kill graceful for ever. What it notes of the time is lost with a crash in
between; then the next note, or the record of the trip, is counted from.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from typing import Final

from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.kill import journal
from risk_receivers.kill.board import KillBoard, tightest
from risk_receivers.kill.countdown import (
    FACT,
    Countdown,
    Moment,
    begun,
    decode,
    encode,
    this_moment,
)
from risk_receivers.kill.switch import KillSwitch
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
        database: Place,
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
        self._running: dict[str, Countdown] = {}
        self._noted: dict[str, Countdown] = {}

    def round(self) -> float | None:
        """Look once."""
        now = self._moment()
        state, noted = self._in_force()
        counting = [one for one in state.in_force if one.on_timeout(now.at) is not None]
        running = {one.kill_id: self._at(one, noted, now) for one in counting}
        self._running = running
        self._noted = {
            kill_id: self._noted[kill_id] for kill_id in running if kill_id in self._noted
        }
        for kill_id, countdown in running.items():
            if countdown.spent_seconds >= self._timeout_seconds:
                self._recorder.trip_by_itself(TimeoutKill(), kill_id)
            else:
                self._note_down(countdown)
        return _LOOK_SECONDS

    def _at(self, kill: KillSwitch, noted: Mapping[str, Countdown], now: Moment) -> Countdown:
        found = self._running.get(kill.kill_id) or noted.get(kill.kill_id)
        since = kill.mode_since
        assert since is not None
        return (found or begun(kill.kill_id, since, now)).at(now)

    def _in_force(self) -> tuple[KillBoard, Mapping[str, Countdown]]:
        known = self._recorder.known
        if not known.is_tripped:  # the usual case, in which nothing is asked
            return known, {}
        try:
            with closing(open_read_only(self._database)) as connection:
                recorded = journal.load(connection)
                rows = connection.execute(
                    "SELECT value FROM fact WHERE name = ?1 OR substr(name, 1, length(?2)) = ?2",
                    (FACT, f"{FACT}:"),
                ).fetchall()
        except (OSError, *DATABASE_ERRORS, ReceiversError) as error:
            _log.warning("the record of the kill cannot be read: %s", error)
            return known, {}
        found = filter(None, (decode(text) for (text,) in rows))
        return tightest(known, recorded), {one.kill_id: one for one in found}

    def _note_down(self, countdown: Countdown) -> None:
        before = self._noted.get(countdown.kill_id)
        if before is not None and countdown.noted.since(before.noted) < _NOTE_SECONDS:
            return
        name, text = f"{FACT}:{countdown.kill_id}", encode(countdown)
        try:
            self._writer.submit(lambda transaction: _keep(transaction, name, text))
        except StoreError as error:  # what is in memory is counted on
            _log.warning("the time of a graceful kill is not noted: %s", error)
        self._noted[countdown.kill_id] = countdown


def _keep(transaction: Transaction, name: str, text: str) -> None:
    transaction.connection.execute(
        "INSERT INTO fact (name, value) VALUES (?, ?) "
        "ON CONFLICT (name) DO UPDATE SET value = excluded.value",
        (name, text),
    )
