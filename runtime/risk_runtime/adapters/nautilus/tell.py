"""What the guard did, as reports to the receivers, and counted by the exporter.

Invariant: reports are on disk in the order in which things happened. What the kill switch did is
there when the call returns; refusals wait for that or for the next look, some milliseconds in a
live node, so that a strategy that tries again and again does not make nautilus wait for a disk at
every try.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from datetime import datetime
from decimal import Decimal
from typing import Any, Final
from uuid import NAMESPACE_URL, uuid5

from risk_policy.clock import utc_now
from risk_policy.contracts.reports import (
    FlatConfirmed,
    OrdersCancelled,
    PositionClosed,
    Report,
    TradeBlocked,
)
from risk_runtime.adapters.nautilus.account import symbol_of
from risk_runtime.adapters.nautilus.judge import Refusal
from risk_runtime.reporting.figures import figure, text
from risk_runtime.reporting.ports import Observer, ReportSink, count_from_zero

#: One request's worth.
_MOST_WAITING: Final = 500

_log = logging.getLogger(__name__)


class Teller:
    """Reports of one account.

    Args:
        market_time: the runtime's clock, which is simulated in a backtest.
    """

    def __init__(
        self,
        account: str,
        reporter: ReportSink,
        exporter: Observer,
        market_time: Callable[[], datetime],
    ) -> None:
        self._account = account
        self._reporter = reporter
        self._exporter = exporter
        self._market_time = market_time
        self._waiting: list[Report] = []
        count_from_zero(exporter, account)

    def flush(self) -> None:
        """Have on disk what happened so far."""
        waiting, self._waiting = self._waiting, []
        self._reporter.submit(waiting)

    def blocked(self, refusal: Refusal) -> None:
        """An order was refused."""
        intent, check = refusal.intent, refusal.check
        order = intent.order
        limit = "" if check is None or check.limit is None else check.limit.value
        report = TradeBlocked(
            account=self._account,
            at=utc_now(),
            market_date=self._market_date,
            trade_id=str(order.client_order_id),
            symbol=symbol_of(order.instrument_id),
            side=intent.side.value,
            quantity=_decimal(intent.quantity),
            price=_decimal(intent.price),
            reason=refusal.reason[:2000],
            gate_version=refusal.gate_version,
            limit=limit,
            value=None if check is None else figure(check.value),
            threshold=None if check is None else figure(check.threshold),
        )
        self._waiting.append(report)
        if len(self._waiting) >= _MOST_WAITING:
            self.flush()
        self._exporter.count_blocked(self._account, limit or "gate")
        _log.warning("refused %s %s: %s", report.side, report.symbol, report.reason)

    def cancelled(self, kill_id: str, order_ids: tuple[str, ...], *, final: bool) -> None:
        """Orders are gone because of the kill switch."""
        self._at_once(
            OrdersCancelled(
                id=self._id(kill_id, "orders_cancelled", *(("final",) if final else order_ids)),
                account=self._account,
                at=utc_now(),
                market_date=self._market_date,
                kill_id=kill_id,
                order_ids=order_ids,
                final=final,
            )
        )

    def closed(self, kill_id: str, position: Any, held: Decimal, price: Decimal, by: str) -> None:
        """A position is flat because of the kill switch."""
        symbol = symbol_of(position.instrument_id)
        self._at_once(
            PositionClosed(
                id=self._id(kill_id, "position_closed", by),
                account=self._account,
                at=utc_now(),
                market_date=self._market_date,
                kill_id=kill_id,
                position_id=f"{self._account}/{position.id}",
                symbol=symbol,
                quantity=text(held),
                price=text(price),
            )
        )
        _log.warning("kill switch: closed %s of %s", held, symbol)

    def flat(self, kill_id: str) -> None:
        """Looked again: nothing held and nothing working."""
        self._at_once(
            FlatConfirmed(
                id=self._id(kill_id, "flat_confirmed"),
                account=self._account,
                at=utc_now(),
                market_date=self._market_date,
                kill_id=kill_id,
            )
        )
        _log.warning("kill switch %s: %s is flat", kill_id, self._account)

    def _at_once(self, report: Report) -> None:
        self._waiting.append(report)
        self.flush()

    @property
    def _market_date(self) -> str:
        return self._market_time().date().isoformat()

    def _id(self, kill_id: str, *what: str) -> str:
        """The same for the same act, so that a closing that is begun again tells it once."""
        name = ":".join(("riskwarden", self._account, kill_id, *what))
        return str(uuid5(NAMESPACE_URL, name))


def _decimal(value: float) -> str:
    """A figure of an order; 0 for one that is none, which is why it was refused."""
    return text(Decimal(repr(value))) if math.isfinite(value) else "0"
