"""The strong form: the strategy itself asks the gate before it enters, inside the bot.

    @guarded("/var/lib/riskwarden/gate", account="main")
    class MyStrategy(IStrategy): ...

Safety rules:

* It fails closed. freqtrade takes an error in a strategy's callback for consent, so nothing that
  goes wrong here leaves as one: it refuses. Without a sidecar, without receivers, with a damaged
  file: no entries.
* Entries, additions to open trades and working entry orders are held; exits never. While a kill
  switch is tripped the strategy's own ``confirm_trade_exit`` cannot refuse one either.
* Backtests and hyperopt ask no gate.

What the strategy defines itself is asked too, after the gate.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any, Final, TypeVar

from risk_policy.contracts.scope import Scope
from risk_runtime.adapters.freqtrade.locks import subject_of
from risk_runtime.gate import TradeGate
from risk_runtime.gate_reading import GateState
from risk_runtime.order import Order, Side

#: Where freqtrade defines the callbacks that a strategy may take over.
_INTERFACE: Final = "freqtrade.strategy.interface"
#: ``config["runmode"]`` of a bot that trades, be it on paper.
_TRADING: Final = frozenset({"live", "dry_run"})

_Strategy = TypeVar("_Strategy", bound=type)
_log = logging.getLogger(__name__)


def guarded(gate: str | Path, *, account: str = "freqtrade") -> Callable[[_Strategy], _Strategy]:
    """Decorate a strategy so that it keeps to the gate published in a folder.

    Args:
        gate: the folder; the bot has to be able to read it.
        account: as the sidecar's ``--account``.
    """
    guard = _Guard(TradeGate(Path(gate)), account)

    def decorate(strategy: _Strategy) -> _Strategy:
        wrappers = {
            "confirm_trade_entry": guard.confirm_trade_entry,
            "confirm_trade_exit": guard.confirm_trade_exit,
            "custom_stake_amount": guard.custom_stake_amount,
            "adjust_trade_position": guard.adjust_trade_position,
            # A strategy may define one of these two, not both.
            ("adjust_order_price" if _defines(strategy, "adjust_order_price") else
             "adjust_entry_price"): guard.adjust_entry,
        }  # fmt: skip
        for name, wrapper in wrappers.items():
            setattr(strategy, name, _wrapped(getattr(strategy, name), wrapper))
        return strategy

    return decorate


def _defines(strategy: type, name: str) -> bool:
    return str(getattr(strategy, name).__module__) != _INTERFACE


def _wrapped(own: Callable[..., Any], wrapper: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(own)
    def callback(self: Any, *args: Any, **given: Any) -> Any:
        def ask(**changed: Any) -> Any:
            return own(self, *args, **{**given, **changed})

        if str(self.config.get("runmode", "")) not in _TRADING:
            return ask()
        return wrapper(self.config, ask, given)

    return callback


class _Guard:
    """The gate's answers in freqtrade's words. freqtrade hands every argument over by name."""

    def __init__(self, gate: TradeGate, account: str) -> None:
        self._gate = gate
        self._account = account
        #: By pair: units that the latest stake would buy if the gate did not ask for less.
        self._full: dict[str, float] = {}
        #: By pair: the state and version of the gate that was told of in the log.
        self._told: dict[str, tuple[GateState, int]] = {}

    def confirm_trade_entry(
        self, config: Any, own: Callable[..., bool], given: dict[str, Any]
    ) -> bool:
        """Whether a new trade may be entered."""
        try:
            subject = self._subject(config, given["pair"])
            decision = self._gate.check(
                Order(
                    symbol=subject.symbol,
                    side=Side.SELL if given["side"] == "short" else Side.BUY,
                    quantity=given["amount"],
                    price=given["rate"],
                    full_quantity=self._full.get(given["pair"]),
                    account=subject.account,
                    strategy=subject.strategy,
                    venue=subject.venue,
                    sector=subject.sector,
                    asset=subject.asset,
                )
            )
        except Exception:  # noqa: BLE001  freqtrade would take it for consent
            _log.exception("the gate could not be asked; the entry is refused")
            return False
        if not decision.allowed:
            _log.warning("entry of %s refused: %s", given["pair"], decision.reason)
            return False
        return own()

    def confirm_trade_exit(
        self, config: Any, own: Callable[..., bool], given: dict[str, Any]
    ) -> bool:
        """Whether a trade may be left: always under a kill switch, else as the strategy says."""
        try:
            killed = self._gate.directive(self._subject(config, given["pair"])) is not None
        except Exception:  # noqa: BLE001  an exit is not held up by what is wrong with the gate
            _log.exception("the gate could not be asked about an exit")
            killed = False
        return True if killed else own()

    def custom_stake_amount(
        self, config: Any, own: Callable[..., float], given: dict[str, Any]
    ) -> float:
        """The strategy's own stake, or the share of it that the gate allows."""
        self._full.pop(given["pair"], None)
        stake = own()
        ratio = self._ratio(config, given["pair"])
        try:
            self._full[given["pair"]] = stake * given["leverage"] / given["current_rate"]
        except (TypeError, ZeroDivisionError, KeyError):
            return 0.0  # no stake, no trade
        return stake * ratio

    def adjust_trade_position(
        self, config: Any, own: Callable[..., Any], given: dict[str, Any]
    ) -> Any:
        """What the strategy adds to a trade, cut to what the gate allows; what it takes off it."""
        answer = own()
        stake, *tag = answer if isinstance(answer, tuple) else (answer,)
        if stake is None or stake <= 0:
            return answer
        ratio = self._ratio(config, given["trade"].pair)
        if ratio <= 0:
            return None
        return (stake * ratio, *tag) if tag else stake * ratio

    def adjust_entry(self, config: Any, own: Callable[..., Any], given: dict[str, Any]) -> Any:
        """The price of a working order; None withdraws an entry that the gate is closed to."""
        if given.get("is_entry", True) and self._ratio(config, given["trade"].pair) <= 0:
            return None
        return own()

    def _ratio(self, config: Any, pair: str) -> float:
        try:
            subject = self._subject(config, pair)
            ratio = self._gate.size_ratio(subject)
            if ratio <= 0:
                self._say_why(pair, subject)
        except Exception:  # noqa: BLE001  freqtrade would go on with the full stake
            _log.exception("the gate could not be asked; nothing is added")
            return 0.0
        return ratio

    def _say_why(self, pair: str, subject: Scope) -> None:
        """Once for every change of the gate: freqtrade asks again in every round."""
        reading = self._gate.read()
        if self._told.get(pair) != (reading.state, reading.version):
            self._told[pair] = (reading.state, reading.version)
            holding = [str(one) for one in reading.restrictions if one.scope.may_cover(subject)]
            why = reading.reason or "; ".join(holding)
            _log.warning("nothing is entered or added in %s: %s", pair, why)

    def _subject(self, config: Any, pair: str) -> Scope:
        bot = Scope(
            account=self._account,
            strategy=str(config.get("strategy") or ""),
            venue=str(config["exchange"]["name"]),
        )
        return subject_of(bot, pair)
