"""The last step before a venue: every command that nautilus sends passes here.

Strategies, execution algorithms and the order emulator all end at the message bus's endpoint
``ExecEngine.execute``; the emulator's released orders go there without passing nautilus's own
RiskEngine. Whoever stands at this endpoint is asked about everything and cannot be forgotten.

Invariants: what is refused, and what the guard fails to judge, is denied to the strategy with a
reason, as nautilus's own RiskEngine does it; cancelling is never refused.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Mapping
from typing import Any, Final

from nautilus_trader.core.uuid import UUID4
from nautilus_trader.execution.messages import ModifyOrder, SubmitOrder, SubmitOrderList
from nautilus_trader.model.events import OrderDenied, OrderModifyRejected

from risk_runtime.adapters.nautilus.judge import Intent, Judge, Refusal

_ENDPOINT: Final = "ExecEngine.execute"
_EVENTS: Final = "ExecEngine.process"
_NONE: Final[Mapping[str, Any]] = {}

_log = logging.getLogger(__name__)


class Door:
    """Stands before a kernel's execution engine.

    Args:
        kernel: of a BacktestEngine or a TradingNode.
        judge: asked about every order.
        refused: told of every refusal, after the strategy was.
    """

    def __init__(self, kernel: Any, judge: Judge, refused: Callable[[Refusal], None]) -> None:
        self._kernel = kernel
        self._judge = judge
        self._refused = refused
        self._beyond = kernel.exec_engine.execute
        kernel.msgbus.deregister(_ENDPOINT, self._beyond)
        kernel.msgbus.register(_ENDPOINT, self.execute)

    def execute(self, command: Any) -> None:
        """Let a command pass, or deny what it asks for."""
        try:
            refusal = self._refusal(command)
        except Exception as error:  # noqa: BLE001 - what nobody could judge does not go out
            _log.exception("the guard could not judge %s", command)
            refusal = self._unjudged(command, error)
        if refusal is None:
            self._beyond(command)
            return
        self._deny(command, refusal.reason)
        self._refused(refusal)

    def pass_on(self, command: Any) -> None:
        """Send what needs no judgement: the guard's own cancels and closes."""
        self._beyond(command)

    def _refusal(self, command: Any) -> Refusal | None:
        match command:
            case SubmitOrder():
                return self._judge.submitted([command.order], command.params or _NONE)
            case SubmitOrderList():
                return self._judge.submitted(command.order_list.orders, command.params or _NONE)
            case ModifyOrder():
                order = self._kernel.cache.order(command.client_order_id)
                if order is None or order.is_closed:
                    return None  # nautilus's own answer to it is as good as any
                return self._judge.modified(
                    order, command.quantity, command.price, command.trigger_price
                )
            case _:
                return None

    def _unjudged(self, command: Any, error: Exception) -> Refusal:
        match command:
            case SubmitOrder():
                order = command.order
            case SubmitOrderList():
                order = command.order_list.first
            case _:
                order = self._kernel.cache.order(command.client_order_id)
        reason = f"it cannot be judged: {type(error).__name__}: {error}"
        return Refusal(Intent(order, float(order.quantity), math.nan), reason, 0)

    def _deny(self, command: Any, reason: str) -> None:
        now = self._kernel.clock.timestamp_ns()
        if isinstance(command, ModifyOrder):
            order = self._kernel.cache.order(command.client_order_id)
            self._send(
                OrderModifyRejected(
                    trader_id=command.trader_id,
                    strategy_id=command.strategy_id,
                    instrument_id=command.instrument_id,
                    client_order_id=command.client_order_id,
                    venue_order_id=command.venue_order_id,
                    account_id=None if order is None else order.account_id,
                    reason=reason,
                    event_id=UUID4(),
                    ts_event=now,
                    ts_init=now,
                )
            )
            return
        single = isinstance(command, SubmitOrder)
        for order in [command.order] if single else command.order_list.orders:
            if order.is_closed:
                continue
            if not self._kernel.cache.order_exists(order.client_order_id):
                self._kernel.cache.add_order(order)  # else nobody would hear of its end
            self._send(
                OrderDenied(
                    trader_id=order.trader_id,
                    strategy_id=order.strategy_id,
                    instrument_id=order.instrument_id,
                    client_order_id=order.client_order_id,
                    reason=reason,
                    event_id=UUID4(),
                    ts_init=now,
                )
            )

    def _send(self, event: Any) -> None:
        self._kernel.msgbus.send(endpoint=_EVENTS, msg=event)
