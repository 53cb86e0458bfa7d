"""What the bot tells of itself, parsed once into frozen values.

Unknown fields are let pass, since freqtrade adds some with every release; what is needed has to be
there and of its type, or the whole answer counts as unreadable.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter

#: ``ft_order_side`` of the order that the exchange keeps as a stop.
_STOP_SIDE: Final = "stoploss"
#: How orders end that were not filled.
_UNFILLED: Final = frozenset({"canceled", "cancelled", "expired", "rejected"})

Finite = Annotated[float, Field(allow_inf_nan=False)]


class BotState(StrEnum):
    """Whether the bot trades. Only a running one enters; a stopped one does not even exit."""

    RUNNING = "running"
    PAUSED = "paused"
    STOPPED = "stopped"
    RELOADING = "reload_config"


class _Told(BaseModel):
    model_config = ConfigDict(frozen=True, extra="ignore")


class BotOrder(_Told):
    """An order of a trade."""

    order_id: str
    ft_order_side: str
    status: str | None = None
    is_open: bool = False

    @property
    def ended_unfilled(self) -> bool:
        """Whether it was withdrawn, as far as the bot knows."""
        return not self.is_open and self.status in _UNFILLED


class Trade(_Told):
    """A trade: a position, together with the orders that made it.

    Attributes:
        amount: units held; 0 while nothing was filled yet.
        current_rate: what one is worth; None while the bot has no price.
        stop_loss_abs: where the bot's own stop stands.
        timeframe: minutes of a candle.
    """

    trade_id: int
    pair: str
    base_currency: str
    is_open: bool
    is_short: bool
    amount: Finite
    open_rate: Finite
    current_rate: Finite | None = None
    close_rate: Finite | None = None
    stop_loss_abs: Finite | None = None
    open_timestamp: int
    timeframe: int | None = None
    nr_of_successful_entries: int
    orders: tuple[BotOrder, ...] = ()

    @property
    def quantity(self) -> float:
        """Units held, negative for a short trade."""
        if self.nr_of_successful_entries == 0:
            return 0.0  # ``amount`` is what was asked for
        return -self.amount if self.is_short else self.amount

    @property
    def working(self) -> tuple[BotOrder, ...]:
        """Open orders but for the stop that the exchange keeps, which goes with the position."""
        return tuple(o for o in self.orders if o.is_open and o.ft_order_side != _STOP_SIDE)

    @property
    def entering(self) -> tuple[str, ...]:
        """Ids of open orders that would add to the position."""
        side = "sell" if self.is_short else "buy"
        return tuple(order.order_id for order in self.working if order.ft_order_side == side)


class Profit(_Told):
    """What was made so far.

    Attributes:
        profit_all_coin: realised and open profit of all trades, in the stake currency; None while
            the price of a trade is not known.
    """

    profit_all_coin: Finite | None = None


class Balance(_Told):
    """What the bot began with. Its other figures lag up to an hour and are not read."""

    starting_capital: Finite


class Config(_Told):
    """How the bot is set up, and its state."""

    state: BotState
    dry_run: bool
    stake_currency: str
    exchange: str
    strategy: str | None = None
    position_adjustment_enable: bool = False
    force_entry_enable: bool = False


class Health(_Told):
    """When the bot's loop last went round; None before the first time."""

    last_process: datetime | None = None


class Whitelist(_Told):
    """The pairs that the bot may enter, as its pair lists say now."""

    whitelist: tuple[str, ...]


class Lock(_Told):
    """A pair that may not be entered until some time."""

    id: int
    pair: str
    side: str = "*"
    lock_end_timestamp: int
    reason: str | None = None


class Locks(_Told):
    """Every lock that is in force."""

    locks: tuple[Lock, ...]


TRADES: Final = TypeAdapter(tuple[Trade, ...])
