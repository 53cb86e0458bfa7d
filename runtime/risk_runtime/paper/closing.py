"""The kill switch's order of closing, as a pure decision over what the account looks like now.

reduce-only -> cancel working orders -> reduce-only closes of the exact quantity -> confirm
flat by looking again -> halt -> cancel again.

Halting first would deny the very orders that close. An order sent at the same moment as the
cancel-all can survive it, so there is a second one at the end. The next act follows from the
account alone, never from what was done before: the sequence may be interrupted anywhere, by a
crash too, and starting it again goes on from there. It ends flat and never flips a position,
because every close is reduce-only and of the quantity seen an instant before.

What refuses to be cancelled or closed is tried again only after everything else had its turn:
one symbol that is halted at the venue must not keep the others open.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, Protocol

from risk_runtime.errors import NotFlatError, OrderRefusedError
from risk_runtime.order import Side
from risk_runtime.paper.broker import Fill, PaperBroker, TradingMode

_ATTEMPTS: Final = 1000


@dataclass(frozen=True, slots=True)
class AccountView:
    """What the account looks like at one instant."""

    mode: TradingMode
    working: tuple[str, ...]
    positions: Mapping[str, Decimal]

    @property
    def flat(self) -> bool:
        """Nothing held and nothing working."""
        return not self.positions and not self.working


@dataclass(frozen=True, slots=True)
class SetMode:
    """Act: take reduce-only orders alone, or none."""

    mode: TradingMode


@dataclass(frozen=True, slots=True)
class CancelOrders:
    """Act: withdraw working orders; ``final`` once the account is halted."""

    order_ids: tuple[str, ...]
    final: bool


@dataclass(frozen=True, slots=True)
class ClosePosition:
    """Act: a reduce-only order of exactly what is held."""

    symbol: str
    side: Side
    quantity: Decimal


@dataclass(frozen=True, slots=True)
class ConfirmFlat:
    """Act: look again; what is confirmed is what was seen twice."""


Act = SetMode | CancelOrders | ClosePosition | ConfirmFlat


@dataclass(frozen=True, slots=True)
class Done:
    """An act that was carried out, with the fill if it closed a position."""

    act: Act
    fill: Fill | None = None


def next_act(
    view: AccountView,
    *,
    confirmed: bool,
    cancelled_again: bool,
    tried: frozenset[str] = frozenset(),
) -> Act | None:
    """The next act, or None once the account is flat, halted and cancelled again.

    Args:
        view: the account as it is now.
        tried: orders and symbols that had their turn in this round. If all that is left has
            had it, a new round begins.
        confirmed: the last look found it flat too, with nothing done in between.
        cancelled_again: the cancel after the halt was sent.
    """
    if view.mode is TradingMode.ACTIVE or (view.mode is TradingMode.HALTED and view.positions):
        return SetMode(TradingMode.REDUCING)
    halted = view.mode is TradingMode.HALTED
    if tried.issuperset((*view.working, *view.positions)):
        tried = frozenset()
    if working := tuple(order_id for order_id in view.working if order_id not in tried):
        return CancelOrders(working, final=halted)
    if left := sorted(view.positions.keys() - tried):
        quantity = view.positions[left[0]]
        return ClosePosition(left[0], Side.SELL if quantity > 0 else Side.BUY, abs(quantity))
    if not confirmed:
        return ConfirmFlat()
    if not halted:
        return SetMode(TradingMode.HALTED)
    return None if cancelled_again else CancelOrders((), final=True)


class ClosingAccount(Protocol):
    """What closing needs of an account."""

    def view(self) -> AccountView:
        """Look at the account afresh."""

    def perform(self, act: Act) -> Fill | None:
        """Carry out an act. A refused close is not an error: the next look decides."""


class BrokerAccount:
    """The paper broker, seen by the closing sequence."""

    def __init__(self, broker: PaperBroker) -> None:
        self._broker = broker

    def view(self) -> AccountView:
        """Look at the account afresh."""
        return AccountView(
            mode=self._broker.mode,
            working=tuple(order.order_id for order in self._broker.working),
            positions={s: holding.quantity for s, holding in self._broker.holdings.items()},
        )

    def perform(self, act: Act) -> Fill | None:
        """Carry out an act."""
        match act:
            case SetMode(mode):
                self._broker.set_mode(mode)
            case CancelOrders(order_ids):
                for order_id in order_ids:
                    self._broker.cancel(order_id)
            case ClosePosition(symbol, side, quantity):
                try:
                    return self._broker.market(symbol, side, quantity, reduce_only=True)
                except OrderRefusedError:
                    return None
            case ConfirmFlat():
                pass
        return None


def close_all(account: ClosingAccount) -> Iterator[Done]:
    """Carry out the sequence, one act per step. It may be dropped and started again anywhere.

    Raises:
        NotFlatError: the account does not become flat; somebody has to look.
    """
    confirmed = cancelled_again = False
    tried: frozenset[str] = frozenset()
    for _ in range(_ATTEMPTS):
        view = account.view()
        act = next_act(view, confirmed=confirmed, cancelled_again=cancelled_again, tried=tried)
        if act is None:
            return
        tried = _tried_after(act, view, tried)
        fill = account.perform(act)
        match act:
            case ConfirmFlat():
                # Looked at twice: once to choose this act, once more now.
                confirmed = account.view().flat
                if not confirmed:
                    continue
            case SetMode(TradingMode.HALTED):
                pass
            case CancelOrders(_, final=True):
                cancelled_again = True
            case _:
                confirmed = cancelled_again = False
        yield Done(act, fill)
    view = account.view()
    raise NotFlatError(
        f"still {len(view.positions)} positions and {len(view.working)} working orders after "
        f"{_ATTEMPTS} acts; close them by hand at the venue"
    )


def _tried_after(act: Act, view: AccountView, tried: frozenset[str]) -> frozenset[str]:
    """What has had its turn once an act is carried out."""
    if tried.issuperset((*view.working, *view.positions)):
        tried = frozenset()
    match act:
        case CancelOrders(order_ids):
            return tried | set(order_ids)
        case ClosePosition(symbol):
            return tried | {symbol}
        case _:
            return tried
