"""What the sidecar must remember of a closing, so that a killed one goes on where it was.

Invariant: the file is replaced as a whole (write, fsync, rename), and before anything is done to a
trade it stands in it, so that what became of the trade is told even after a crash. Reports carry
the same id when they are told again.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from risk_runtime.adapters.freqtrade.bot import Trade
from risk_runtime.errors import RiskRuntimeError

STATE_FILE: Final = "freqtrade-closing.json"


class ClosingStateError(RiskRuntimeError):
    """The closing's state on disk cannot be read or replaced."""


class KnownTrade(BaseModel):
    """A trade that was open while the kill switch closed, until it is told what became of it.

    Attributes:
        entering: orders of it that would have added to it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    pair: str
    entering: tuple[str, ...] = ()


class ClosingState(BaseModel):
    """How far the closing for one trip of the kill switch has come.

    Attributes:
        kill_id: which trip.
        known: trades whose end was not told yet.
        flats: how often the bot was confirmed flat for this trip.
        is_flat: the last thing told of it was that it is flat.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    kill_id: str
    known: dict[int, KnownTrade] = Field(default_factory=dict)
    flats: Annotated[int, Field(ge=0)] = 0
    is_flat: bool = False

    def seeing(self, trades: tuple[Trade, ...]) -> ClosingState:
        """With trades that were seen open."""
        if not trades:
            return self
        known = dict(self.known)
        for trade in trades:
            before = known.get(trade.trade_id, KnownTrade(pair=trade.pair))
            entering = tuple(dict.fromkeys((*before.entering, *trade.entering)))
            known[trade.trade_id] = before.model_copy(update={"entering": entering})
        return self.model_copy(update={"known": known, "is_flat": False})

    def without(self, trade_id: int) -> ClosingState:
        """With a trade whose end was told."""
        known = {number: trade for number, trade in self.known.items() if number != trade_id}
        return self.model_copy(update={"known": known})

    def flat(self) -> ClosingState:
        """Once flat was told."""
        return self.model_copy(update={"flats": self.flats + 1, "is_flat": True})


class _Stored(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    schema_version: Literal[1] = 1
    closings: tuple[ClosingState, ...] = ()


class ClosingStore:
    """Reads and replaces the state's file in a folder."""

    def __init__(self, directory: Path) -> None:
        self._path = directory / STATE_FILE
        self._staging = directory / f".{STATE_FILE}.new"

    def load(self) -> dict[str, ClosingState]:
        """What is stored, by kill. Raises ClosingStateError."""
        try:
            stored = _Stored.model_validate_json(self._path.read_bytes())
        except FileNotFoundError:
            return {}
        except (OSError, ValueError) as error:
            raise ClosingStateError(
                f"{self._path} cannot be read ({type(error).__name__}); restore it, or move it away"
            ) from error
        return {one.kill_id: one for one in stored.closings}

    def save(self, closings: Mapping[str, ClosingState]) -> None:
        """Replace what is stored, durably. Raises ClosingStateError."""
        stored = _Stored(closings=tuple(closings.values()))
        try:
            with self._staging.open("w", encoding="utf-8") as stream:
                stream.write(stored.model_dump_json())
                stream.flush()
                os.fsync(stream.fileno())
            self._staging.replace(self._path)
        except OSError as error:
            raise ClosingStateError(f"{self._path} cannot be replaced: {error.strerror}") from error
