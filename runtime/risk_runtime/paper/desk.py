"""The desk: between the strategy and the broker stand the pre-trade checks, and then the gate.

Invariant: no order reaches the broker without both having allowed it, and no resting order is
filled without the gate having allowed it at that moment. What is refused is told, never dropped in
silence. What happened is collected here and told only after the account was stored (see
``runtime``).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime
from decimal import Decimal

from risk_policy.clock import utc_now
from risk_policy.contracts.reports import (
    FlatConfirmed,
    OrdersCancelled,
    PositionClosed,
    Report,
    TradeBlocked,
)
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_runtime.gate import TradeGate
from risk_runtime.order import Order, Side
from risk_runtime.paper import journal
from risk_runtime.paper.book import book_of
from risk_runtime.paper.broker import Fill, PaperBroker, TradingMode, WorkingOrder
from risk_runtime.paper.closing import (
    BrokerAccount,
    CancelOrders,
    ClosePosition,
    ClosingAccount,
    ConfirmFlat,
    close_all,
)
from risk_runtime.paper.replay import market_close
from risk_runtime.paper.strategy import EqualWeightStrategy, Wish, share_of
from risk_runtime.paper.within import Place, WithinAccount, symbols_within
from risk_runtime.pretrade import PreTradeChecks, PreTradeDecision, PreTradeLimits, TradeOrder
from risk_runtime.prices import TradingDay
from risk_runtime.reporting.figures import figure, report_id, text


@dataclass(slots=True)
class Told:
    """What is yet to be told: to the receivers, and in the journal."""

    reports: list[Report] = field(default_factory=list)
    events: list[journal.JournalEvent] = field(default_factory=list)


class Desk:
    """Carries out wishes and closings on one account. ``told`` collects what happens.

    Args:
        limits: of the pre-trade checks, which run on market time; None checks nothing.
    """

    def __init__(
        self,
        account: str,
        broker: PaperBroker,
        gate: TradeGate,
        strategy: EqualWeightStrategy,
        limits: PreTradeLimits | None,
    ) -> None:
        self._account = account
        self._broker = broker
        self._gate = gate
        self._strategy = strategy
        self._market_seconds = 0.0
        self._priced_at: dict[str, float] = {}
        self._checks = (
            None if limits is None else PreTradeChecks(limits, clock=lambda: self._market_seconds)
        )
        self._at: datetime = utc_now()
        self.market_date = ""
        self.told = Told()

    def play(self, day: TradingDay, day_number: int) -> None:
        """One trading day: resting orders against its prices, then the strategy at the close."""
        self.market_date = day.date.isoformat()
        self._market_seconds = market_close(day.date).timestamp()
        self._at = utc_now()
        for _, bar in sorted(day.bars.items()):
            for order in self._broker.due(bar):
                asked = self._order(
                    order.symbol,
                    order.side,
                    order.quantity,
                    order.limit,
                    order.order_id,
                    full=order.full_quantity or order.quantity,
                )
                if self._may(asked, order.quantity, order.limit, order.order_id):
                    self._filled(self._broker.execute(order.order_id, bar))
                else:
                    self._broker.cancel(order.order_id)
            self._broker.set_mark(bar.symbol, bar.close)
            self._priced_at[bar.symbol] = self._market_seconds
        if self._strategy.rebalances_on(day_number):
            for order in self._broker.working:
                self._broker.cancel(order.order_id)
        held = {symbol: holding.quantity for symbol, holding in self._broker.holdings.items()}
        wishes = self._strategy.wishes(day_number, day.bars, self._broker.equity, held)
        for wish in wishes:
            self._grant(wish)

    def see_kill(self, kill_id: str, cause: str, mode: str) -> None:
        """Tell that the kill switch was seen."""
        event = journal.GateClosed(utc_now(), self.market_date, kill_id, cause, mode)
        self.told.events.append(event)

    def resume(self) -> None:
        """Take orders again: the kill switch was cleared."""
        self._broker.set_mode(TradingMode.ACTIVE)
        self.told.events.append(journal.GateOpened(utc_now(), self.market_date))

    def stop_entries(self, kill_id: str) -> bool:
        """Reduce-only from now on, and no order left that could add risk; whether that was new."""
        adding = tuple(o.order_id for o in self._broker.working if self._adds_risk(o))
        if self._broker.mode is not TradingMode.ACTIVE and not adding:
            return False
        self._at = utc_now()
        if self._broker.mode is TradingMode.ACTIVE:
            self._broker.set_mode(TradingMode.REDUCING)
        for order_id in adding:
            self._broker.cancel(order_id)
        self._cancelled(kill_id, adding, final=False)
        return True

    def stop_entries_within(self, kill: Kill) -> bool:
        """Cancel what rests within a kill and could add risk; whether there was any."""
        symbols = symbols_within(kill.scope, self._account, self._broker)
        adding = tuple(
            order.order_id
            for order in self._broker.working
            if order.symbol in symbols and self._adds_risk(order)
        )
        if not adding:
            return False
        self._at = utc_now()
        for order_id in adding:
            self._broker.cancel(order_id)
        self._cancelled(kill.id, adding, final=False)
        return True

    def close_within(self, kill: Kill) -> Iterator[None]:
        """The closing of what lies within a kill, an act a step; the rest is left as it is.

        Raises:
            NotFlatError: it does not become flat.
        """
        symbols = symbols_within(kill.scope, self._account, self._broker)
        return self._closing(WithinAccount(self._broker, symbols), kill.id, kill.scope)

    def close_all(self, kill_id: str) -> Iterator[None]:
        """The kill switch's closing, an act a step. May be dropped and started again anywhere.

        Raises:
            NotFlatError: the account does not become flat.
        """
        return self._closing(BrokerAccount(self._broker), kill_id, EVERYTHING)

    def _closing(self, account: ClosingAccount, kill_id: str, scope: Scope) -> Iterator[None]:
        for done in close_all(account):
            self._at = utc_now()
            match done.act:
                case CancelOrders(order_ids, final):
                    self._cancelled(kill_id, order_ids, final=final)
                case ClosePosition() if done.fill is not None:
                    self._closed(kill_id, done.fill)
                case ConfirmFlat():
                    self._flat(kill_id, scope)
                case _:
                    pass
            yield

    # -- orders ------------------------------------------------------------------------------

    def _grant(self, wish: Wish) -> None:
        price = self._broker.mark(wish.symbol) if wish.limit is None else wish.limit
        kind = "market" if wish.limit is None else "limit"
        trade_id = f"{self.market_date}-{wish.symbol}-{wish.side}-{kind}"
        full = wish.quantity
        wish = self._sized(wish, price)
        if not self._is_within_limits(wish, price, trade_id):
            return
        order = self._order(wish.symbol, wish.side, wish.quantity, price, full=full)
        if not self._may(order, wish.quantity, price, trade_id):
            return
        if wish.limit is None:
            fill = self._broker.market(
                wish.symbol, wish.side, wish.quantity, reduce_only=order.reduces_risk
            )
            self._filled(fill)
        else:
            self._broker.place_limit(
                wish.symbol,
                wish.side,
                wish.quantity,
                wish.limit,
                reduce_only=order.reduces_risk,
                full_quantity=full,
            )

    def _sized(self, wish: Wish, price: Decimal) -> Wish:
        """The wish as small as the gate wants it; one that it refuses altogether as it is."""
        order = self._order(wish.symbol, wish.side, wish.quantity, price)
        if order.reduces_risk:
            return wish
        ratio = self._gate.size_ratio(order)
        if not 0 < ratio < 1:
            return wish
        smaller = share_of(wish.quantity, ratio)
        return replace(wish, quantity=smaller) if smaller > 0 else wish

    def _order(
        self,
        symbol: str,
        side: Side,
        quantity: Decimal,
        price: Decimal,
        ignore: str = "",
        *,
        full: Decimal | None = None,
    ) -> Order:
        """An order with the position behind it, less what working orders will take away."""
        held = self._broker.quantity(symbol)
        for order in self._broker.working:
            against = order.side.sign * held < 0
            if order.symbol == symbol and order.order_id != ignore and against:
                held += order.side.sign * min(order.quantity, abs(held))
        place = Place(self._account, symbol)
        return Order(
            *(symbol, side, float(quantity), float(price), float(held)),
            full_quantity=None if full is None else float(full),
            account=place.account,
            strategy=place.strategy,
            venue=place.venue,
            sector=place.sector,
            asset=place.asset,
        )

    def _is_within_limits(self, wish: Wish, price: Decimal, trade_id: str) -> bool:
        if self._checks is None:
            return True
        book = book_of(self._broker, self._account, self._market_seconds, self._priced_at)
        order = TradeOrder(
            self._account, wish.symbol, wish.side, float(wish.quantity), float(price)
        )
        decision = self._checks.check(order, book)
        if not decision.allowed:
            refused = self._order(wish.symbol, wish.side, wish.quantity, price)
            version = self._gate.read().version
            self._blocked(
                refused, trade_id, decision.reason, version, wish.quantity, price, decision
            )
        return decision.allowed

    def _may(self, order: Order, quantity: Decimal, price: Decimal, trade_id: str) -> bool:
        decision = self._gate.check(order)
        refused = self._broker.mode is not TradingMode.ACTIVE and not order.reduces_risk
        if decision.allowed and not refused:
            return True
        reason = decision.reason
        if decision.allowed:
            reason = f"the account is {self._broker.mode}, although the gate would allow it"
        self._blocked(order, trade_id, reason, decision.gate_version, quantity, price)
        return False

    def _adds_risk(self, order: WorkingOrder) -> bool:
        return not self._order(
            order.symbol, order.side, order.quantity, order.limit, ignore=order.order_id
        ).reduces_risk

    # -- telling -----------------------------------------------------------------------------

    def _blocked(
        self,
        order: Order,
        trade_id: str,
        reason: str,
        gate_version: int,
        quantity: Decimal,
        price: Decimal,
        check: PreTradeDecision | None = None,
    ) -> None:
        limit = "" if check is None or check.limit is None else check.limit.value
        self.told.reports.append(
            TradeBlocked(
                account=self._account,
                at=self._at,
                market_date=self.market_date,
                trade_id=trade_id,
                symbol=order.symbol,
                side=order.side.value,
                quantity=text(quantity),
                price=text(price),
                reason=reason,
                gate_version=gate_version,
                limit=limit,
                value=None if check is None else figure(check.value),
                threshold=None if check is None else figure(check.threshold),
            )
        )
        self.told.events.append(
            journal.OrderBlocked(
                self._at,
                self.market_date,
                trade_id,
                order.symbol,
                order.side.value,
                order.quantity,
                order.price,
                reason,
                gate_version,
                limit,
            )
        )

    def _filled(self, fill: Fill | None) -> None:
        if fill is not None:
            self.told.events.append(
                journal.OrderFilled(
                    self._at,
                    self.market_date,
                    fill.order_id,
                    fill.symbol,
                    fill.side.value,
                    float(fill.quantity),
                    float(fill.price),
                )
            )

    def _cancelled(self, kill_id: str, order_ids: tuple[str, ...], *, final: bool) -> None:
        what = "final" if final else "/".join(order_ids)
        self.told.reports.append(
            OrdersCancelled(
                id=report_id(kill_id, "orders_cancelled", what),
                account=self._account,
                at=self._at,
                market_date=self.market_date,
                kill_id=kill_id,
                order_ids=order_ids,
                final=final,
            )
        )
        self.told.events.append(
            journal.OrdersCancelled(self._at, self.market_date, kill_id, order_ids, final)
        )

    def _closed(self, kill_id: str, fill: Fill) -> None:
        held = -fill.side.sign * fill.quantity
        self.told.reports.append(
            PositionClosed(
                id=report_id(kill_id, "position_closed", fill.order_id),
                account=self._account,
                at=self._at,
                market_date=self.market_date,
                kill_id=kill_id,
                position_id=f"{self._account}/{fill.symbol}",
                symbol=fill.symbol,
                quantity=text(held),
                price=text(fill.price),
            )
        )
        self.told.events.append(
            journal.PositionClosed(
                self._at, self.market_date, kill_id, fill.symbol, float(held), float(fill.price)
            )
        )

    def _flat(self, kill_id: str, scope: Scope) -> None:
        self.told.reports.append(
            FlatConfirmed(
                id=report_id(kill_id, "flat_confirmed", ""),
                account=self._account,
                at=self._at,
                market_date=self.market_date,
                kill_id=kill_id,
            )
        )
        self.told.events.append(
            journal.FlatConfirmed(self._at, self.market_date, kill_id, str(scope))
        )
