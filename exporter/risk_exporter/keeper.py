"""When what is remembered of an account goes to disk.

Invariants, after every snapshot that was taken in:

* the death of the process, at any instant, forgets nothing of it but marks;
* a loss of power forgets neither a peak nor a new day, nothing that is older than what counts as
  stale, and no move of equity that would be a daily loss to warn of: so the highest equity of the
  day, and the start of the next one, are at most that far off;
* what could not be stored is tried again with the next snapshot, and said until it is.

A durable write waits for the disk twice; these terms bound how often that happens.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from risk_exporter.days import DayRecord
from risk_exporter.memory import AccountFolder, AccountState
from risk_exporter.value_at_risk import Floats

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Marks:
    """The marks of a day, as far as it has come."""

    day: str
    symbols: tuple[str, ...]
    marks: Floats


@dataclass(frozen=True, slots=True)
class Pace:
    """What makes a durable write due.

    Attributes:
        stale_after: how old the state on disk may get.
        step_ratio: the move of equity, as a share of the day start, that is stored at once.
    """

    stale_after: timedelta
    step_ratio: float


class Keeper:
    """Keeps one account's state on disk. Not thread-safe; the account's lock guards it."""

    def __init__(self, folder: AccountFolder, pace: Pace) -> None:
        self._folder = folder
        self._pace = pace
        self._stored: AccountState | None = folder.load()
        self._stored_at: datetime | None = None
        self._unsaved_since: datetime | None = None
        self._unsaved_days: dict[str, Marks] = {}
        self._unsaved_records: list[DayRecord] = []
        self._failure: tuple[str, datetime] | None = None

    @property
    def stored(self) -> AccountState | None:
        """What is on disk."""
        return self._stored

    @property
    def failure(self) -> str:
        """Why the latest state is not on disk, empty if it is."""
        failure = self._failure
        return failure[0] if failure else ""

    def unsaved_seconds(self, now: datetime) -> float:
        """Age of the oldest change that should be on disk and is not; 0 if all of it is."""
        failure = self._failure
        return max((now - failure[1]).total_seconds(), 0.0) if failure else 0.0

    def close_day(self, marks: Marks) -> None:
        """Store the closes of a day with the next state."""
        self._unsaved_days[marks.day] = marks

    def end_day(self, record: DayRecord) -> None:
        """Store what a day was with the next state."""
        self._unsaved_records.append(record)

    def drop_days(self, after: str) -> None:
        """Store nothing of days after this one."""
        self._unsaved_records = [one for one in self._unsaved_records if one.day <= after]
        self._unsaved_days = {d: x for d, x in self._unsaved_days.items() if d <= after}

    def keep(
        self, state: AccountState, marks: Marks | None, days: Collection[str], now: datetime
    ) -> None:
        """Store what has to be stored by now.

        Args:
            marks: of the current day.
            days: whose closes are still of use.
        """
        if self._unsaved_since is None:
            self._unsaved_since = now
        try:
            if self._failure or self._is_due(state, now):
                self._save(state, marks, days, now)
            else:
                self._folder.note(state)
        except OSError as error:
            if not self._failure:
                _log.exception("account %s: its state is not stored", state.account)
            self._failure = f"{self._folder.path}: {error.strerror}", self._unsaved_since
            self._note_despite(state)

    def flush(
        self, state: AccountState, marks: Marks | None, days: Collection[str], now: datetime
    ) -> None:
        """Store everything, for a clean stop."""
        self._stored_at = None
        self.keep(state, marks, days, now)

    def _save(
        self, state: AccountState, marks: Marks | None, days: Collection[str], now: datetime
    ) -> None:
        if self._stored is None and (self._unsaved_days or self._unsaved_records):
            # Closes without a state are taken for a lost state, so the state comes first.
            self._folder.save(state)
        for closed in list(self._unsaved_days.values()):
            self._folder.save_closes(closed.day, closed.symbols, closed.marks)
            del self._unsaved_days[closed.day]
        while self._unsaved_records:
            self._folder.append_day(self._unsaved_records[0])
            del self._unsaved_records[0]
        self._folder.save(state)
        if self._stored is None or self._stored.trading_day != state.trading_day:
            self._folder.forget_closes({*days, state.trading_day})
        if marks is not None and self._is_old(now):
            self._folder.save_closes(marks.day, marks.symbols, marks.marks)
        self._stored, self._stored_at = state, now
        self._unsaved_since = self._failure = None

    def _note_despite(self, state: AccountState) -> None:
        """Where a file cannot be replaced, a slot may still be written."""
        if self._stored is None:
            return  # it would stand without a state that it goes on from
        try:
            self._folder.note(state)
        except OSError:
            _log.debug("account %s: no note of it either", state.account, exc_info=True)

    def _is_due(self, state: AccountState, now: datetime) -> bool:
        stored = self._stored
        if stored is None or self._is_old(now):
            return True
        move = abs(state.equity_last - stored.equity_last)
        step = self._pace.step_ratio * max(state.equity_day_start, 0.0)
        return (
            state.equity_peak != stored.equity_peak
            or state.trading_day != stored.trading_day
            or state.gating != stored.gating
            or (move > 0 and move >= step)
        )

    def _is_old(self, now: datetime) -> bool:
        return self._stored_at is None or abs(now - self._stored_at) >= self._pace.stale_after
