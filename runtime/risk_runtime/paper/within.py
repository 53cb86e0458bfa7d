"""What of the paper account lies within a kill of less than all of it, and how that is closed.

The account goes on trading what lies outside, so its broker keeps its mode: the gate refuses what
would add risk within. The order of closing is that of :mod:`.closing`; how far it has come is kept
here alone, and starting it anew goes on from what is held and working then.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from risk_policy.contracts.scope import Scope
from risk_runtime.paper.broker import Fill, PaperBroker, TradingMode
from risk_runtime.paper.closing import AccountView, Act, BrokerAccount, SetMode
from risk_runtime.paper.strategy import SECTORS, UNKNOWN_SECTOR

#: What the account's one strategy and its one venue are called.
STRATEGY: Final = "equal_weight"
VENUE: Final = "paper"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a position or an order of the account belongs."""

    account: str
    symbol: str
    strategy: str = STRATEGY
    venue: str = VENUE

    @property
    def sector(self) -> str:
        """As the snapshots call it."""
        return SECTORS.get(self.symbol, UNKNOWN_SECTOR)

    @property
    def asset(self) -> str:
        """It holds nothing of an asset but that itself."""
        return self.symbol


def whole(account: str) -> Scope:
    """All there is of an account: what covers that covers every position."""
    return Scope(account=account, strategy=STRATEGY, venue=VENUE)


def symbols_within(scope: Scope, account: str, broker: PaperBroker) -> frozenset[str]:
    """What is held or working within a scope."""
    symbols = {*broker.holdings, *(order.symbol for order in broker.working)}
    return frozenset(symbol for symbol in symbols if scope.includes(Place(account, symbol)))


class WithinAccount:
    """The part of the broker's account that some symbols are, as the closing sequence sees one."""

    def __init__(self, broker: PaperBroker, symbols: Collection[str]) -> None:
        self._broker = broker
        self._all = BrokerAccount(broker)
        self._symbols = symbols
        self._mode = TradingMode.ACTIVE

    def view(self) -> AccountView:
        """Look at that part afresh."""
        seen = self._all.view()
        return replace(
            seen,
            mode=self._mode,
            working=tuple(
                order.order_id for order in self._broker.working if order.symbol in self._symbols
            ),
            positions={
                symbol: quantity
                for symbol, quantity in seen.positions.items()
                if symbol in self._symbols
            },
        )

    def perform(self, act: Act) -> Fill | None:
        """Carry out an act."""
        if isinstance(act, SetMode):
            self._mode = act.mode
            return None
        return self._all.perform(act)
