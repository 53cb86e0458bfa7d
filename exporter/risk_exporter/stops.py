"""How long positions have been held without a stop.

Only a runtime that says that it tells its stops can be without one. The time counts from the
first snapshot that showed the position so, and goes on over a restart: the file beside the
account's state is replaced whenever a position begins or ceases to be without a stop. It does not
wait for the disk, so a loss of power, like damage to the file, may start the time anew.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Final

import numpy as np
from pydantic import Field, TypeAdapter, ValidationError

from risk_exporter.disk import swap_file
from risk_exporter.named import NOTHING, Named
from risk_exporter.value_at_risk import Floats
from risk_policy.contracts.snapshot import Identifier, Position, Snapshot

_log = logging.getLogger(__name__)

_FILE: Final = "without-stop.json"
_SINCE: Final = TypeAdapter(dict[Identifier, Annotated[float, Field(allow_inf_nan=False)]])


class StopWatch:
    """Of one account. Not thread-safe; the account's lock guards it."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._since = self._load()
        self._stored = self._since
        self._failed = False

    def observe(
        self, snapshot: Snapshot, positions: Sequence[Position], symbols: tuple[str, ...]
    ) -> Named:
        """Seconds without a stop by symbol, 0 with one; nothing if stops are not told.

        Args:
            positions: the open ones.
            symbols: theirs, in order.
        """
        if not snapshot.reports_stops or not positions:
            self._since = {}
            return NOTHING
        now = snapshot.taken_at.timestamp()
        without = [position.stop is None for position in positions]
        bare = [symbol for symbol, lacks in zip(symbols, without, strict=True) if lacks]
        # A time that lies ahead was told by a clock that was put right since.
        self._since = {symbol: min(self._since.get(symbol, now), now) for symbol in bare}
        seconds: Floats = np.zeros(len(symbols))
        seconds[without] = now - np.array(list(self._since.values()), dtype=np.float64)
        return Named(symbols, seconds)

    def keep(self) -> None:
        """Remember it beyond the death of the process; what fails is tried again next time."""
        if self._since == self._stored:
            return
        try:
            swap_file(self._path, _SINCE.dump_json(self._since) + b"\n")
        except OSError as error:
            if not self._failed:
                _log.warning("%s is not stored (%s)", self._path, error.strerror)
            self._failed = True
            return
        self._stored, self._failed = self._since, False

    def _load(self) -> dict[str, float]:
        try:
            return _SINCE.validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValidationError) as error:
            _log.warning(
                "%s cannot be read (%s); times without a stop begin anew",
                self._path,
                type(error).__name__,
            )
            return {}
