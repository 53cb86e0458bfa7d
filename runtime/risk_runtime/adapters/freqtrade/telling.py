"""What is reported of a closing. Nothing is told that the bot did not say itself afterwards.

The same act has the same id, so that one that is told again after a crash is recorded once.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from risk_policy.contracts.reports import FlatConfirmed, OrdersCancelled, PositionClosed, Report
from risk_runtime.adapters.freqtrade.bot import Trade
from risk_runtime.adapters.freqtrade.snapshot import symbol_of
from risk_runtime.adapters.freqtrade.state import KnownTrade


class Teller:
    """Words for one account's closing."""

    def __init__(self, account: str) -> None:
        self._account = account

    def ended(
        self, kill_id: str, trade_id: int, known: KnownTrade, now_known: Trade | None, at: datetime
    ) -> list[Report]:
        """What became of a trade that is open no more; ``now_known`` as the bot tells it since."""
        reports: list[Report] = []
        if cancelled := _cancelled(known, now_known):
            reports.append(
                OrdersCancelled(
                    id=_report_id(kill_id, "orders_cancelled", f"{self._account}/{trade_id}"),
                    account=self._account,
                    at=at,
                    kill_id=kill_id,
                    order_ids=cancelled,
                )
            )
        if now_known is not None and now_known.quantity and now_known.close_rate is not None:
            reports.append(
                PositionClosed(
                    id=_report_id(kill_id, "position_closed", f"{self._account}/{trade_id}"),
                    account=self._account,
                    at=at,
                    kill_id=kill_id,
                    position_id=f"{self._account}/{symbol_of(known.pair)}/{trade_id}",
                    symbol=symbol_of(known.pair),
                    quantity=decimal_text(now_known.quantity),
                    price=decimal_text(now_known.close_rate),
                )
            )
        return reports

    def flat(self, kill_id: str, number: int, at: datetime) -> FlatConfirmed:
        """That nothing is held or working; ``number`` tells one time from the next."""
        return FlatConfirmed(
            id=_report_id(kill_id, "flat_confirmed", f"{self._account}/{number}"),
            account=self._account,
            at=at,
            kill_id=kill_id,
        )


def decimal_text(value: float) -> str:
    """A number as reports carry it: every digit the bot gave, no exponent."""
    plain = f"{Decimal(repr(value)):f}"
    plain = plain.rstrip("0").rstrip(".") if "." in plain else plain
    return "0" if plain in ("-0", "") else plain


def _cancelled(known: KnownTrade, now_known: Trade | None) -> tuple[str, ...]:
    if now_known is None:
        return known.entering  # freqtrade deletes a trade of which nothing was filled
    unfilled = {order.order_id for order in now_known.orders if order.ended_unfilled}
    return tuple(order_id for order_id in known.entering if order_id in unfilled)


def _report_id(kill_id: str, kind: str, what: str) -> str:
    return str(uuid5(NAMESPACE_URL, f"riskwarden:{kill_id}:{kind}:{what}"))
