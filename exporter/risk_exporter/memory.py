"""What an exporter remembers of its accounts across restarts, and how it stands on disk.

Invariant: a peak is never forgotten silently. Every file is replaced atomically and durably;
a file that is missing where it must be, or cannot be read, is an error that names it, never a
fresh start. One folder belongs to one exporter.

``STATE_DIR/<account>/state.json`` holds peak, day start, day high and the latest equity;
``STATE_DIR/<account>/latest`` the same since then, written without waiting for the disk: it is
what a process that was killed knew last, and only believed if it is whole and goes on from the
state; ``STATE_DIR/<account>/closes-<day>.json`` the last marks of one trading day.
``STATE_DIR/<account>/days.jsonl`` holds the days that are over (see :mod:`risk_exporter.days`).
``STATE_DIR/.market-closes.json`` holds the closes that were sent for every account.

An account is remembered, and exported, until its folder is moved away.
"""

from __future__ import annotations

import fcntl
import logging
import os
import re
import weakref
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Final, Literal

import numpy as np
from pydantic import (
    AwareDatetime,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)

from risk_exporter.days import DayRecord, Forecast, append_day
from risk_exporter.disk import read_slot, replace_file, sync_folder, write_slot
from risk_exporter.errors import StateBusyError, StateError
from risk_exporter.measures import Reference, account_drawdown, daily_pnl, intraday_drawdown
from risk_exporter.value_at_risk import Floats
from risk_policy.contracts.gating import ToldGating
from risk_policy.contracts.snapshot import Amount, Identifier, Snapshot, utc_day

_log = logging.getLogger(__name__)

_STATE_FILE: Final = "state.json"
_LATEST_FILE: Final = "latest"
_LOCK_FILE: Final = ".lock"
_DAY_FILE: Final = re.compile(r"closes-(\d{4}-\d{2}-\d{2})\.json")
_Day = Annotated[str, StringConstraints(pattern=r"^\d{4}-\d{2}-\d{2}$")]
_Close = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_CLOSES: Final = TypeAdapter(dict[Identifier, _Close])
#: Closes by symbol and ISO date.
Closes = dict[str, dict[str, float]]
_MARKET: Final = TypeAdapter(dict[Identifier, dict[_Day, _Close]])
#: No account has a name that begins with a dot.
_MARKET_FILE: Final = ".market-closes.json"


class MarkReset(BaseModel):
    """That somebody reset the peak: which reset it was, when, and on which trading day."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    at: AwareDatetime
    day: _Day


class AccountState(BaseModel):
    """The memory of one account: a fold over its snapshots, in the order they were taken in.

    The trading day never goes back. A snapshot of an earlier day, which only a restarted
    replay sends, is measured against the start of the latest day known. A day that has not come
    yet is no day known: such a memory, from a clock that ran ahead, gives way to the day of the
    next snapshot, or no day would begin until the clock has caught up.

    The day's highest equity counts from the equity that the day starts from, so a loss overnight
    is a drawdown of the day.

    Somebody may reset the peak to the latest equity. The figures of the day go on: what was lost
    today stays lost today.

    What the latest snapshot told of the runtime's gates is kept for whoever asks while nothing
    runs; no figure depends on it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    schema_version: Literal[1]
    account: Identifier
    currency: Identifier
    equity_peak: Amount
    trading_day: _Day
    equity_day_start: Amount
    equity_day_high: Amount
    equity_last: Amount
    taken_at_last: AwareDatetime
    market_time_last: AwareDatetime
    mark_reset: MarkReset | None = None
    gating: ToldGating | None = None
    forecast: Forecast | None = None

    @model_validator(mode="before")
    @classmethod
    def _day_high_is_as_low_as_it_can_be_unless_known(cls, data: object) -> object:
        """States were written without it once; the day's highest equity was at least this."""
        if not isinstance(data, dict) or "equity_day_high" in data:
            return data
        known = [data.get("equity_day_start"), data.get("equity_last")]
        numbers = [value for value in known if isinstance(value, int | float)]
        return {**data, "equity_day_high": max(numbers, default=None)}

    @model_validator(mode="after")
    def _nothing_is_above_the_peak(self) -> AccountState:
        reset_today = self.mark_reset is not None and self.mark_reset.day == self.trading_day
        if self.equity_day_high > self.equity_peak and not reset_today:
            raise ValueError("an equity above equity_peak; the peak is the highest equity seen")
        if max(self.equity_last, self.equity_day_start) > self.equity_day_high:
            raise ValueError("an equity above equity_day_high, the highest equity of the day")
        return self

    @classmethod
    def first(cls, snapshot: Snapshot) -> AccountState:
        """The memory after the very first snapshot: the day starts with it."""
        return cls(
            schema_version=1,
            account=snapshot.account,
            currency=snapshot.currency,
            equity_peak=snapshot.equity,
            trading_day=snapshot.trading_day,
            equity_day_start=snapshot.equity,
            equity_day_high=snapshot.equity,
            equity_last=snapshot.equity,
            taken_at_last=snapshot.taken_at,
            market_time_last=snapshot.market_time,
            gating=snapshot.gating,
        )

    def after(self, snapshot: Snapshot, tolerance: timedelta) -> AccountState:
        """The memory after one more snapshot; ``tolerance`` is how far clocks may differ."""
        day = snapshot.trading_day
        new_day = day > self.trading_day or self.is_ahead_of(snapshot, tolerance)
        start = self.equity_last if new_day else self.equity_day_start
        high = start if new_day else self.equity_day_high
        return self.model_copy(
            update={
                "equity_peak": max(self.equity_peak, snapshot.equity),
                "trading_day": day if new_day else self.trading_day,
                "equity_day_start": start,
                "equity_day_high": max(high, snapshot.equity),
                "equity_last": snapshot.equity,
                "taken_at_last": snapshot.taken_at,
                "market_time_last": snapshot.market_time,
                "gating": snapshot.gating,
            }
        )

    def foreseeing(self, forecast: Forecast | None) -> AccountState:
        """The memory with the value at risk that its snapshot has."""
        return self.model_copy(update={"forecast": forecast})

    @property
    def as_day(self) -> DayRecord:
        """The trading day, as far as it has come."""
        return DayRecord(
            day=self.trading_day,
            currency=self.currency,
            equity=self.equity_last,
            forecast=self.forecast,
        )

    def after_reset(self, reset_id: str, at: datetime) -> AccountState:
        """The memory once the peak was reset to the latest equity."""
        reset = MarkReset(id=reset_id, at=at, day=self.trading_day)
        return self.model_copy(update={"equity_peak": self.equity_last, "mark_reset": reset})

    def is_ahead_of(self, snapshot: Snapshot, tolerance: timedelta) -> bool:
        """Whether the day remembered had not come yet when the snapshot was taken."""
        return self.trading_day > utc_day(snapshot.taken_at + tolerance)

    def goes_on_from(self, other: AccountState) -> bool:
        """Whether this may be what became of another state, with nothing of it forgotten."""
        return (
            (self.account, self.currency) == (other.account, other.currency)
            and self.mark_reset == other.mark_reset  # a reset is only ever stored durably
            and self.taken_at_last >= other.taken_at_last
            and self.equity_peak >= other.equity_peak
            and (
                self.trading_day != other.trading_day
                or self.equity_day_high >= other.equity_day_high
            )
        )

    @property
    def reference(self) -> Reference:
        """What the snapshot that led here is measured against."""
        return Reference(
            self.equity_peak, self.equity_day_start, self.equity_day_high, self.trading_day
        )

    @property
    def drawdown_ratio(self) -> float:
        """As it was at the latest snapshot."""
        return account_drawdown(self.equity_last, self.reference, holds_anything=False)

    @property
    def intraday_drawdown_ratio(self) -> float:
        """As it was at the latest snapshot."""
        return intraday_drawdown(self.equity_last, self.reference, holds_anything=False)

    @property
    def daily_pnl_ratio(self) -> float:
        """As it was at the latest snapshot."""
        return daily_pnl(self.equity_last, self.reference)


class StateFolder:
    """Everything an exporter remembers; locked for as long as it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            path.mkdir(parents=True, exist_ok=True)
            handle = os.open(path / _LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            raise StateError(
                f"state folder {path} cannot be used: {error.strerror}; "
                "name a folder that this process may write"
            ) from error
        self._unlock = weakref.finalize(self, os.close, handle)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._unlock()
            raise StateBusyError(
                f"state folder {path} is in use by another exporter; stop that one, "
                "or give this one a folder of its own"
            ) from error

    def accounts(self) -> tuple[AccountFolder, ...]:
        """Every account that is remembered. Raises StateError."""
        try:
            names = sorted(entry.name for entry in self.path.iterdir() if entry.is_dir())
        except OSError as error:
            raise StateError(
                f"state folder {self.path} cannot be read: {error.strerror}"
            ) from error
        return tuple(self.account(name) for name in names)

    def account(self, name: str) -> AccountFolder:
        """The memory of one account, whether it exists yet or not."""
        return AccountFolder(self.path / name)

    def load_market(self) -> Closes:
        """The closes remembered for every account; none if there are none. Raises StateError."""
        path = self.path / _MARKET_FILE
        try:
            return _MARKET.validate_json(path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            why = _first(error) if isinstance(error, ValidationError) else error.strerror
            raise StateError(
                f"{path} cannot be read ({why}); restore it, or remove it and send the closes "
                "again: value at risk then does without them"
            ) from error

    def save_market(self, closes: Closes) -> None:
        """Replace them, durably. Raises OSError."""
        replace_file(self.path / _MARKET_FILE, _MARKET.dump_json(closes) + b"\n")

    def close(self) -> None:
        """Give the folder free."""
        self._unlock()


class AccountFolder:
    """The files of one account."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def load(self) -> AccountState | None:
        """What is remembered, or None if nothing ever was. Raises StateError."""
        path = self.path / _STATE_FILE
        try:
            state = AccountState.model_validate_json(path.read_bytes())
        except FileNotFoundError as error:
            if self._day_files() or (self.path / _LATEST_FILE).exists():
                raise self._unreadable(
                    path, "is missing beside other files of the account"
                ) from error
            return None
        except OSError as error:
            raise self._unreadable(path, f"cannot be read ({error.strerror})") from error
        except ValidationError as error:
            raise self._unreadable(path, f"is damaged ({_first(error)})") from error
        if state.account != self.path.name:
            raise self._unreadable(path, f"belongs to account {state.account!r}")
        return self._latest(state) or state

    def _latest(self, state: AccountState) -> AccountState | None:
        """What became of a state until the process died, as far as it can be trusted."""
        path = self.path / _LATEST_FILE
        try:
            content = read_slot(path)
        except FileNotFoundError:
            return None
        except OSError as error:
            _log.warning("%s cannot be read (%s); going on from the state", path, error.strerror)
            return None
        try:
            latest = AccountState.model_validate_json(content) if content is not None else None
        except ValidationError:
            latest = None
        if latest is None:
            _log.warning("%s is not whole, as after a loss of power; going on from the state", path)
        elif latest.goes_on_from(state):
            return latest
        return None

    def load_closes(self) -> dict[str, dict[str, float]]:
        """Closes by day and symbol. Raises StateError."""
        closes = {}
        for day, path in self._day_files().items():
            try:
                closes[day] = _CLOSES.validate_json(path.read_bytes())
            except (OSError, ValidationError) as error:
                why = _first(error) if isinstance(error, ValidationError) else error.strerror
                raise StateError(
                    f"{path} cannot be read as the closes of {day} ({why}); restore it, or remove "
                    "it: value at risk then does without that day"
                ) from error
        return closes

    def save(self, state: AccountState) -> None:
        """Replace what is remembered, durably. Raises OSError."""
        self._replace(
            _STATE_FILE, state.model_dump_json(indent=2, exclude_none=True).encode() + b"\n"
        )
        (self.path / _LATEST_FILE).unlink(missing_ok=True)

    def note(self, state: AccountState) -> None:
        """Remember it beyond the death of the process, though not of the machine. Raises OSError.

        To be called only for what goes on from a saved state.
        """
        write_slot(self.path / _LATEST_FILE, state.model_dump_json(exclude_none=True).encode())

    def save_closes(self, day: str, symbols: Sequence[str], marks: Floats) -> None:
        """Replace the closes of a day. Raises OSError."""
        content = _CLOSES.dump_json(dict(zip(symbols, np.asarray(marks).tolist(), strict=True)))
        self._replace(f"closes-{day}.json", content + b"\n")

    def append_day(self, record: DayRecord) -> None:
        """Add a day that is over. Raises OSError."""
        append_day(self.path, record)

    def forget_closes(self, kept: Collection[str]) -> None:
        """Remove the closes of all other days. Raises OSError."""
        for day, path in self._day_files().items():
            if day not in kept:
                path.unlink(missing_ok=True)

    def _day_files(self) -> dict[str, Path]:
        if not self.path.is_dir():
            return {}
        names = sorted(entry.name for entry in self.path.iterdir())
        return {
            match[1]: self.path / name for name in names if (match := _DAY_FILE.fullmatch(name))
        }

    def _replace(self, name: str, content: bytes) -> None:
        if not self.path.exists():
            self.path.mkdir()
            sync_folder(self.path.parent)
        replace_file(self.path / name, content)

    def _unreadable(self, path: Path, why: str) -> StateError:
        return StateError(
            f"{path} {why}. It holds the equity peak that drawdowns are measured from, so it is "
            f"not replaced by itself: restore it from a backup, or move the folder {self.path} "
            "away to start again with the equity of the next snapshot as the peak"
        )


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    where = ".".join(str(part) for part in detail["loc"])
    return f"{where}: {detail['msg']}" if where else detail["msg"]
