"""Whether an order may leave for a venue: the pre-trade checks first, then the trade gate.

Invariant: every order is judged beside everything that was let through before it, whether or not
the venue has confirmed that; what cannot be judged is refused with a reason, never raised.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from nautilus_trader.model.enums import OrderSide, OrderType

from risk_runtime.adapters.nautilus.account import (
    NautilusAccount,
)
from risk_runtime.adapters.nautilus.exits import taken_away
from risk_runtime.errors import InvalidOrderError
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import Decision
from risk_runtime.order import Order, Side
from risk_runtime.pretrade import Book, Instrument, PreTradeChecks, PreTradeDecision, TradeOrder

_STOPS: Final = (
    OrderType.STOP_MARKET,
    OrderType.STOP_LIMIT,
    OrderType.TRAILING_STOP_MARKET,
    OrderType.TRAILING_STOP_LIMIT,
)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a strategy wants of the venue: a new order, or a working one changed.

    Attributes:
        order: nautilus's order.
        quantity: what may still be filled of it, once it is as wanted.
        price: limit, trigger or current price, in the instrument's currency.
        stop: where the position is closed at a loss, in the instrument's currency.
        edge_ratio: expected profit before costs, of the notional.
        full_quantity: what it would be if the gate did not ask for smaller orders.
    """

    order: Any
    quantity: float
    price: float
    stop: float | None = None
    edge_ratio: float | None = None
    full_quantity: float | None = None

    @property
    def side(self) -> Side:
        """Direction."""
        return Side.BUY if self.order.side == OrderSide.BUY else Side.SELL


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why an intent goes nowhere; ``check`` is empty if it was the gate."""

    intent: Intent
    reason: str
    gate_version: int
    check: PreTradeDecision | None = None


class Judge:
    """Asks the checks and the gate about one account."""

    def __init__(
        self,
        account: NautilusAccount,
        gate: TradeGate,
        checks: PreTradeChecks | None,
        *,
        max_exposure_ratio: float | None,
        now: Callable[[], float],
    ) -> None:
        self._account = account
        self._gate = gate
        self._checks = checks
        self._max_exposure_ratio = max_exposure_ratio
        self._now = now

    def submitted(self, orders: Iterable[Any], params: Mapping[str, Any]) -> Refusal | None:
        """A new order, or a list of orders that go together; the first refusal there is.

        Args:
            orders: of one command.
            params: of the command: ``risk_stop``, ``risk_edge_ratio`` and ``risk_full_quantity``
                are understood.
        """
        self._account.look_afresh()
        together = {order.client_order_id: order for order in orders}
        for order in together.values():
            # Exits of a bracket only ever reduce what its entry brings, and wait for it.
            if order.is_reduce_only and (
                _belongs_to(order, together) or self._takes_back_at_most(order)
            ):
                self._account.passed[order.client_order_id] = order
                continue
            stop = _number(params.get("risk_stop"))
            if stop is None:
                stop = _stop_of(order, together.values())
            intent = replace(
                self._intent(order, float(order.leaves_qty)),
                stop=stop,
                edge_ratio=_number(params.get("risk_edge_ratio")),
                full_quantity=_number(params.get("risk_full_quantity")),
            )
            if refusal := self._judge(intent):
                return refusal
            self._account.passed[order.client_order_id] = order
        return None

    def _takes_back_at_most(self, order: Any) -> bool:
        """Whether a reduce-only order is no larger than what entries on their way may bring.

        A stop is often sent right behind its entry, before that is filled.
        """
        held = self._account.held(order.instrument_id)
        buying, selling = taken_away(
            self._orders_in(order.instrument_id), held, besides=order, entries_filled=True
        )
        most = held + buying - selling if order.side == OrderSide.SELL else selling - buying - held
        return not order.is_quote_quantity and float(order.leaves_qty) <= most

    def modified(self, order: Any, quantity: Any, price: Any, trigger: Any) -> Refusal | None:
        """A working order with other figures, judged as if it replaced itself."""
        self._account.look_afresh()
        left = float(order.leaves_qty)
        if quantity is not None:
            left = float(quantity) - float(order.filled_qty)
        is_smaller = left <= float(order.leaves_qty)
        if left <= 0 or (is_smaller and price is None and trigger is None):
            return None
        return self._judge(self._intent(order, left, price, trigger))

    def resting(self, order: Any) -> Decision | None:
        """What the gate says of a working order now; None if it cannot be told."""
        self._account.look_afresh()
        try:
            return self._gate.check(self._order(self._intent(order, float(order.leaves_qty))))
        except InvalidOrderError:
            return None

    def denied(self, order: Any, reason: str) -> Refusal:
        """What nautilus's own RiskEngine refused on the gate's behalf."""
        self._account.look_afresh()
        intent = self._intent(order, float(order.leaves_qty))
        return Refusal(intent, reason, self._gate.read().version)

    # -- one intent --------------------------------------------------------------------------

    def _intent(
        self,
        order: Any,
        quantity: float,
        price: Any = None,
        trigger: Any = None,
    ) -> Intent:
        found = price or _limit_of(order) or trigger or _trigger_of(order)
        if found is None:
            latest = self._account.mark(order.instrument_id).price
            found = math.nan if latest is None else latest
        if order.is_quote_quantity:
            quantity /= float(found)
        return Intent(order, quantity, float(found))

    def _judge(self, intent: Intent) -> Refusal | None:
        if self._checks is not None:
            decision = self._checks.check(self._trade_order(intent), self._book(intent.order))
            if not decision.allowed:
                return Refusal(intent, decision.reason, self._gate.read().version, decision)
        try:
            answer = self._gate.check(self._order(intent, behind=0.0))
            if not answer.allowed:
                # What stands behind it matters only now, and takes longer to find out.
                answer = self._gate.check(self._order(intent))
        except InvalidOrderError as error:
            return Refusal(intent, str(error), self._gate.read().version)
        if answer.allowed:
            return None
        return Refusal(intent, answer.reason, answer.gate_version)

    def _order(self, intent: Intent, behind: float | None = None) -> Order:
        order = intent.order
        if behind is None:
            held = self._account.held(order.instrument_id)
            buying, selling = taken_away(self._orders_in(order.instrument_id), held, besides=order)
            behind = max(held - selling, 0.0) if held > 0 else min(held + buying, 0.0)
        subject = self._account.subject(order)
        return Order(
            side=intent.side,
            quantity=intent.quantity,
            price=intent.price,
            position_quantity=behind,
            full_quantity=intent.full_quantity,
            **subject.labels,
        )

    def _orders_in(self, instrument_id: Any) -> list[Any]:
        return [one for one in self._account.working() if one.instrument_id == instrument_id]

    # -- figures for the checks ----------------------------------------------------------------

    def _trade_order(self, intent: Intent) -> TradeOrder:
        unit = self._account.mark(intent.order.instrument_id).unit
        return TradeOrder(
            self._account.name,
            self._account.symbol(intent.order.instrument_id),
            intent.side,
            intent.quantity,
            intent.price * unit,
            stop=None if intent.stop is None else intent.stop * unit,
            edge_ratio=intent.edge_ratio,
            reduce_only=bool(intent.order.is_reduce_only),
        )

    def _book(self, order: Any) -> Book:
        working: dict[Any, list[Any]] = {order.instrument_id: []}
        for one in self._account.working():
            working.setdefault(one.instrument_id, []).append(one)
        nets = self._account.nets()
        equity = self._account.equity()
        most = self._max_exposure_ratio
        instruments = []
        for instrument_id in {**dict.fromkeys(working), **dict.fromkeys(nets)}:
            net = nets.get(instrument_id)
            held = 0.0 if net is None else net.quantity
            besides = order if instrument_id == order.instrument_id else None
            buying, selling = taken_away(working.get(instrument_id, []), held, besides=besides)
            mark = self._account.mark(instrument_id)
            instruments.append(
                Instrument(
                    self._account.symbol(instrument_id),
                    mark=mark.value,
                    priced_at=mark.seen_at,
                    quantity=held,
                    average_price=None if net is None else net.average_price,
                    buying=buying,
                    selling=selling,
                    sector=self._account.sector(instrument_id),
                )
            )
        return Book(
            self._account.name,
            equity=equity,
            instruments=instruments,
            taken_at=self._now(),
            max_exposure=None if most is None else most * equity,
        )


def _limit_of(order: Any) -> Any:
    return order.price if order.has_price else None


def _trigger_of(order: Any) -> Any:
    return order.trigger_price if order.has_trigger_price else None


def _stop_of(order: Any, together: Iterable[Any]) -> float | None:
    """The trigger of the stop that an entry brings along."""
    for one in together:
        if one.order_type in _STOPS and _belongs_to(one, (order.client_order_id,)):
            return float(one.trigger_price) if one.has_trigger_price else None
    return None


def _belongs_to(order: Any, parents: Container[Any]) -> bool:
    # Nautilus's identifiers cannot be compared with None.
    return order.parent_order_id is not None and order.parent_order_id in parents


def _number(value: object) -> float | None:
    """A figure of a command's parameters; what is none counts as no number, not as none given."""
    if value is None:
        return None
    try:
        return float(str(value))
    except ValueError:
        return math.nan
