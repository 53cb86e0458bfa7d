"""What the paper runtime does, one JSON object per line, flushed at once, for live viewers.

Every line has ``kind`` ( see :data:`JournalEvent`), ``at`` (wall clock, ISO 8601 UTC)
and ``market_date`` (the replayed day, ISO 8601). The other keys are the fields of the class of
that kind; numbers are JSON numbers, ratios are fractions of 1. A line is written after what it
tells is stored. The journal is a view, not a record: the audit chain is the record, and a
journal that cannot be written never stops trading or closing.
"""

from __future__ import annotations

import json
import logging
import math
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Literal, Self

_log = logging.getLogger(__name__)

FinishReason = Literal["end_of_data", "stopped"]


@dataclass(frozen=True, slots=True)
class _Event:
    at: datetime
    market_date: str


@dataclass(frozen=True, slots=True)
class Day(_Event):
    """``day``: a trading day was replayed.

    ``gate`` is a :class:`risk_runtime.GateState`: open, halted, stale, implausible, missing or
    untrusted. Figures that are not known (yet) are null.
    """

    kind: ClassVar = "day"
    equity: float
    cash: float
    peak: float
    drawdown_ratio: float
    daily_pnl_ratio: float
    gross_ratio: float
    positions_open: int
    orders_working: int
    gate: str


@dataclass(frozen=True, slots=True)
class OrderFilled(_Event):
    """``order_filled``: an order of the strategy was executed."""

    kind: ClassVar = "order_filled"
    order_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: float
    price: float


@dataclass(frozen=True, slots=True)
class OrderBlocked(_Event):
    """``order_blocked``: a pre-trade check or the gate refused an order.

    ``trade_id`` as in the audit chain; ``limit`` is empty if it was the gate.
    """

    kind: ClassVar = "order_blocked"
    trade_id: str
    symbol: str
    side: Literal["buy", "sell"]
    quantity: float
    price: float
    reason: str
    gate_version: int
    limit: str = ""


@dataclass(frozen=True, slots=True)
class GateClosed(_Event):
    """``gate_closed``: the runtime saw the kill switch, or saw it tightened."""

    kind: ClassVar = "gate_closed"
    kill_id: str
    cause: str
    mode: str


@dataclass(frozen=True, slots=True)
class GateOpened(_Event):
    """``gate_opened``: the kill switch was cleared and trading goes on."""

    kind: ClassVar = "gate_opened"


@dataclass(frozen=True, slots=True)
class OrdersCancelled(_Event):
    """``orders_cancelled``: because of the kill switch; ``final`` for the one after the halt."""

    kind: ClassVar = "orders_cancelled"
    kill_id: str
    order_ids: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class OrdersAbandoned(_Event):
    """``orders_abandoned``: the exchange cancelled them itself, as its countdown ran out."""

    kind: ClassVar = "orders_abandoned"
    order_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PositionClosed(_Event):
    """``position_closed``: because of the kill switch; ``quantity`` is what was held, signed."""

    kind: ClassVar = "position_closed"
    kill_id: str
    symbol: str
    quantity: float
    price: float


@dataclass(frozen=True, slots=True)
class FlatConfirmed(_Event):
    """``flat_confirmed``: looked again, nothing held and nothing working within the scope."""

    kind: ClassVar = "flat_confirmed"
    kill_id: str
    scope: str = "*"


@dataclass(frozen=True, slots=True)
class Finished(_Event):
    """``finished``: no day is left (``end_of_data``), or it was told to stop (``stopped``)."""

    kind: ClassVar = "finished"
    reason: FinishReason


JournalEvent = (
    Day
    | OrderFilled
    | OrderBlocked
    | GateClosed
    | GateOpened
    | OrdersCancelled
    | OrdersAbandoned
    | PositionClosed
    | FlatConfirmed
    | Finished
)


class Journal:
    """Appends events to a file. A context manager."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._stream = path.open("a", encoding="utf-8")

    def write(self, event: JournalEvent) -> None:
        """Append one line, visible to readers when this returns."""
        try:
            self._stream.write(render(event) + "\n")
            self._stream.flush()
        except OSError as error:
            _log.error("journal: cannot write %s: %s", event.kind, error.strerror)

    def close(self) -> None:
        """Close the file."""
        try:
            self._stream.close()
        except OSError as error:
            _log.error("journal: cannot close: %s", error.strerror)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def render(event: JournalEvent) -> str:
    """The line of an event, without its end."""
    fields: dict[str, object] = {"kind": event.kind}
    for name, value in asdict(event).items():
        if isinstance(value, datetime):
            fields[name] = value.isoformat()
        elif isinstance(value, float) and not math.isfinite(value):
            fields[name] = None
        else:
            fields[name] = value
    return json.dumps(fields, allow_nan=False)
