"""Carries the closing out on a real kernel, and tells what was confirmed.

Invariants: cancels and closes go straight to the execution engine, so that neither nautilus's
RiskEngine (rate, largest notional, TradingState) nor the gate can deny what closes; what is told
was confirmed by the venue's own events, and each act is told once, however often it is begun.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final

from nautilus_trader.model.enums import TradingState
from nautilus_trader.model.identifiers import ClientOrderId

from risk_policy.contracts.restriction import Kill
from risk_runtime.adapters.nautilus.account import NautilusAccount
from risk_runtime.adapters.nautilus.closing import (
    RETRY_SECONDS,
    Act,
    Asked,
    Cancel,
    CancelAgain,
    Close,
    ConfirmFlat,
    Held,
    Mode,
    SetMode,
    View,
    Working,
    next_acts,
)
from risk_runtime.adapters.nautilus.commands import cancel_of, close_of
from risk_runtime.adapters.nautilus.tell import Teller

_STATES: Final = {
    Mode.ACTIVE: TradingState.ACTIVE,
    Mode.REDUCING: TradingState.REDUCING,
    Mode.HALTED: TradingState.HALTED,
}
_MODES: Final = {state: mode for mode, state in _STATES.items()}
#: Acts lead to events and these to further acts; so many without waiting for time to pass.
_MOST_ROUNDS: Final = 1000

_log = logging.getLogger(__name__)


@dataclass(slots=True)
class _Closed:
    """What our closes of one position were filled at."""

    kill_id: str
    held: Decimal
    quantity: Decimal = Decimal(0)
    value: Decimal = Decimal(0)


@dataclass(slots=True)
class _Course:
    """How far the closing for one kill has come."""

    kill: Kill
    whole: bool
    confirmed: bool = False
    cancelled_again: bool = False


class Closer:
    """Closings on one account: begun, and moved on, with :meth:`close`.

    Args:
        kernel: of a BacktestEngine or a TradingNode.
        account: looks into its cache.
        pass_on: sends a command past every judgement.
        tell: where reports go.
    """

    def __init__(
        self,
        kernel: Any,
        account: NautilusAccount,
        pass_on: Callable[[Any], None],
        tell: Teller,
    ) -> None:
        self._kernel = kernel
        self._account = account
        self._pass_on = pass_on
        self._tell = tell
        self._asked = Asked()
        self._cancelling: dict[Any, str] = {}  # order -> kill
        self._closes: dict[Any, str] = {}  # our order -> position
        self._closed: dict[str, _Closed] = {}
        self._courses: dict[str, _Course] = {}
        self._at_once: set[str] = set()  # positions whose closes must not rest
        self._gone: set[Any] = set()  # closes that the venue does not know (any more)
        self._stepping = False

    @property
    def mode(self) -> Mode:
        """What nautilus's RiskEngine lets through now."""
        return _MODES[self._kernel.risk_engine.trading_state]

    def set_mode(self, mode: Mode) -> None:
        """Have it let other orders through."""
        if self.mode is not mode:
            self._kernel.risk_engine.set_trading_state(_STATES[mode])

    def cancel(self, orders: list[Any], kill_id: str = "") -> None:
        """Ask for orders to be withdrawn, unless that was just done."""
        now = self._now
        for order in orders:
            name = str(order.client_order_id)
            if now - self._asked.cancels.get(name, float("-inf")) < RETRY_SECONDS:
                continue
            self._asked.cancels[name] = now
            self._asked.first_cancels.setdefault(name, now)
            if position_id := self._closes.get(order.client_order_id):
                # It hung, partly filled perhaps; what the next one leaves comes back at once.
                self._at_once.add(position_id)
            if kill_id:
                self._cancelling[order.client_order_id] = kill_id
            send = self._kernel.emulator.execute if order.is_emulated else self._pass_on
            send(cancel_of(order, self._kernel))

    def keep(self, kills: Iterable[Kill]) -> None:
        """Forget the closings of all other kills: they were cleared."""
        ids = {kill.id for kill in kills}
        self._courses = {key: one for key, one in self._courses.items() if key in ids}

    def close(self, kill: Kill, *, whole: bool) -> None:
        """Begin, or go on with, the closing that a kill switch asks for.

        Args:
            whole: it covers the whole account, whose mode is set too.
        """
        course = self._courses.setdefault(kill.id, _Course(kill, whole))
        if self._stepping:
            return  # an act's own event; the loop below looks again anyway
        self._stepping = True
        try:
            self._step(course)
        finally:
            self._stepping = False

    def _step(self, course: _Course) -> None:
        for _ in range(_MOST_ROUNDS):
            acts = next_acts(
                self._view(course),
                self._asked,
                self._now,
                confirmed=course.confirmed,
                cancelled_again=course.cancelled_again,
            )
            if not acts:
                return
            for act in acts:
                self._perform(course, act)
        _log.critical("kill switch %s: NOT FLAT after %d rounds", course.kill.id, _MOST_ROUNDS)

    def _perform(self, course: _Course, act: Act) -> None:
        kill_id = course.kill.id
        if not isinstance(act, ConfirmFlat | CancelAgain | SetMode) or act == SetMode(
            Mode.REDUCING
        ):
            course.confirmed = course.cancelled_again = False
        match act:
            case SetMode(mode):
                self.set_mode(mode)
            case Cancel(order_ids):
                orders = [self._kernel.cache.order(ClientOrderId(one)) for one in order_ids]
                self.cancel([one for one in orders if one is not None], kill_id)
            case Close():
                self._close(kill_id, act)
            case ConfirmFlat():
                course.confirmed = self._view(course).flat
                if course.confirmed:
                    self._tell.flat(kill_id)
            case CancelAgain():
                course.cancelled_again = True
                self.cancel(self._orders(course), kill_id)
                self._tell.cancelled(kill_id, (), final=True)

    def _close(self, kill_id: str, act: Close) -> None:
        kernel, position = self._kernel, self._position(act.position_id)
        if position is None:
            return
        command = close_of(
            position, act.quantity, kernel, kill_id, at_once=act.position_id in self._at_once
        )
        order = command.order
        held = position.signed_decimal_qty()
        self._closed.setdefault(act.position_id, _Closed(kill_id, held))
        self._closes[order.client_order_id] = act.position_id
        self._asked.closes[str(order.client_order_id)] = self._now
        kernel.cache.add_order(order, position.id, command.client_id)
        self._account.passed[order.client_order_id] = order
        self._pass_on(command)

    # -- what the venue says ---------------------------------------------------------------------

    def cancelled(self, order_id: Any) -> None:
        """An order is gone without (the rest of) its fill."""
        name = str(order_id)
        self._pace(order_id)
        self._asked.cancels.pop(name, None)
        self._asked.first_cancels.pop(name, None)
        kill_id = self._cancelling.pop(order_id, "")
        if kill_id and order_id not in self._closes:
            self._tell.cancelled(kill_id, (name,), final=False)

    def filled(self, event: Any) -> None:
        """A fill; ours are summed up."""
        closed = self._closed.get(self._closes.get(event.client_order_id, ""))
        if closed is not None:
            quantity = event.last_qty.as_decimal()
            closed.quantity += quantity
            closed.value += quantity * event.last_px.as_decimal()

    def refused(self, event: Any) -> None:
        """An order was denied or rejected; one of ours is tried again, though not at once."""
        if position_id := self._closes.get(event.client_order_id):
            self._asked.refused_closes[position_id] = self._now
            # It may be the kind of order that this venue does not take.
            self._at_once ^= {position_id}
            _log.error("kill switch: close of %s refused: %s", position_id, event.reason)

    def not_cancelled(self, order_id: Any) -> None:
        """The venue has no such order; a close of ours is not waited for any longer."""
        if order_id in self._closes:
            self._gone.add(order_id)

    def _pace(self, order_id: Any) -> None:
        """A market that takes nothing is not asked again at once."""
        position_id = self._closes.get(order_id)
        order = self._kernel.cache.order(order_id)
        if position_id is not None and order is not None and not order.filled_qty:
            self._asked.refused_closes[position_id] = self._now

    def position_closed(self, position: Any) -> None:
        """A position is flat; told if it was closed by us."""
        closed = self._closed.pop(str(position.id), None)
        self._asked.refused_closes.pop(str(position.id), None)
        if closed is None or not closed.quantity:
            return
        price = closed.value / closed.quantity
        last = str(position.closing_order_id)
        self._tell.closed(closed.kill_id, position, closed.held, price, last)

    # -- inside ----------------------------------------------------------------------------------

    @property
    def _now(self) -> float:
        return float(self._kernel.clock.timestamp_ns()) / 1e9

    def _orders(self, course: _Course) -> list[Any]:
        orders = [*self._account.working(), *self._kernel.cache.orders_emulated()]
        return [
            one
            for one in orders
            if self._is_covered(course, one) and one.client_order_id not in self._gone
        ]

    def _is_covered(self, course: _Course, one: Any) -> bool:
        """Whether an order or a position certainly lies within the kill."""
        return course.whole or course.kill.scope.includes(self._account.subject(one))

    def _position(self, position_id: str) -> Any:
        for position in self._kernel.cache.positions_open():
            if str(position.id) == position_id:
                return position
        return None

    def _view(self, course: _Course) -> View:
        working, closing = [], dict[str, Decimal]()
        for order in self._orders(course):
            position_id = self._closes.get(order.client_order_id)
            if position_id is not None:
                left = order.leaves_qty.as_decimal()
                closing[position_id] = closing.get(position_id, Decimal(0)) + left
            working.append(
                Working(
                    str(order.client_order_id),
                    str(order.instrument_id),
                    closes=position_id is not None,
                )
            )
        positions = tuple(
            Held(
                str(position.id),
                str(position.instrument_id),
                position.signed_decimal_qty(),
                closing.get(str(position.id), Decimal(0)),
            )
            for position in self._kernel.cache.positions_open()
            if self._is_covered(course, position)
        )
        return View(self.mode if course.whole else None, tuple(working), positions)
