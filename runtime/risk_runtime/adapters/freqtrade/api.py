"""The bot's REST API: one method for each thing that is asked of it.

Invariants: every call ends within its time; credentials go into the header of the request and
nowhere else; every failure is a BotError.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping
from datetime import datetime
from http import HTTPStatus
from typing import Final, TypeVar

from risk_exporter.fetch import FetchError, Origin, fetch
from risk_runtime.adapters.freqtrade.bot import (
    TRADES,
    Balance,
    Config,
    Health,
    Lock,
    Locks,
    Profit,
    Trade,
    Whitelist,
)
from risk_runtime.adapters.freqtrade.errors import (
    BotAnswerError,
    BotRefusedError,
    BotUnreachableError,
)

_PREFIX: Final = "/api/v1/"
#: Some thousand open trades with all their orders; no more is kept in memory for one answer.
_MOST_BYTES: Final = 64 * 2**20
_Parsed = TypeVar("_Parsed")


class BotApi:
    """Asks one bot. Safe to share by threads: every call has a connection of its own."""

    def __init__(self, origin: Origin, user: str, password: str, timeout_seconds: float) -> None:
        self._origin = origin
        self._timeout_seconds = timeout_seconds
        credentials = base64.b64encode(f"{user}:{password}".encode()).decode("ascii")
        self._headers = {
            "Authorization": f"Basic {credentials}",
            "Content-Type": "application/json",
            "Accept": "application/json",
        }

    # -- looking ---------------------------------------------------------------------------------

    def trades(self) -> tuple[Trade, ...]:
        """The open trades, those included of which nothing was filled yet."""
        return self._parsed("status", TRADES.validate_json)

    def trade(self, trade_id: int) -> Trade | None:
        """One trade, open or closed; None if there is none: it never became a position."""
        try:
            return self._parsed(f"trade/{trade_id}", Trade.model_validate_json)
        except BotRefusedError as error:
            if error.status == HTTPStatus.NOT_FOUND:
                return None
            raise

    def config(self) -> Config:
        """How the bot is set up, and its state."""
        return self._parsed("show_config", Config.model_validate_json)

    def health(self) -> Health:
        """When its loop last went round."""
        return self._parsed("health", Health.model_validate_json)

    def profit(self) -> Profit:
        """What was made so far."""
        return self._parsed("profit", Profit.model_validate_json)

    def balance(self) -> Balance:
        """What it began with."""
        return self._parsed("balance", Balance.model_validate_json)

    def whitelist(self) -> tuple[str, ...]:
        """The pairs that it may enter."""
        return self._parsed("whitelist", Whitelist.model_validate_json).whitelist

    def locks(self) -> tuple[Lock, ...]:
        """Every lock that is in force."""
        return self._parsed("locks", Locks.model_validate_json).locks

    # -- acting ----------------------------------------------------------------------------------

    def add_locks(self, reasons: Mapping[str, str], until: datetime) -> None:
        """Lock pairs, each for a reason; ``*`` is every pair."""
        end = until.isoformat()
        locks = [{"pair": p, "until": end, "reason": why} for p, why in reasons.items()]
        self._ask("POST", "locks", locks)

    def delete_lock(self, lock_id: int) -> None:
        """Take one lock away."""
        self._ask("DELETE", f"locks/{lock_id}")

    def pause(self) -> None:
        """No entries from now on; what is open goes on being looked after."""
        self._ask("POST", "pause")

    def stop(self) -> None:
        """The loop does nothing any more."""
        self._ask("POST", "stop")

    def cancel_orders(self, trade_id: int) -> None:
        """Withdraw the open orders of a trade."""
        self._ask("DELETE", f"trades/{trade_id}/open-order")

    def force_exit(self, trade_id: int) -> None:
        """Sell all of a trade at the market, in the place of any exit that is working."""
        self._ask("POST", "forceexit", {"tradeid": str(trade_id), "ordertype": "market"})

    # -- asking ----------------------------------------------------------------------------------

    def _parsed(self, path: str, parse: Callable[[bytes], _Parsed]) -> _Parsed:
        body = self._ask("GET", path)
        try:
            return parse(body)
        except ValueError as error:
            raise BotAnswerError(f"the bot's answer to {path} cannot be read: {error}") from error

    def _ask(self, method: str, path: str, content: object = None) -> bytes:
        try:
            answered = fetch(
                self._origin,
                method,
                self._origin.path.rstrip("/") + _PREFIX + path,
                headers=self._headers,
                timeout_seconds=self._timeout_seconds,
                most_bytes=_MOST_BYTES,
                body=None if content is None else json.dumps(content).encode(),
            )
        except FetchError as error:
            raise BotUnreachableError(f"the bot at {error}") from error
        if answered.status != HTTPStatus.OK:
            raise BotRefusedError(f"{method} {path}", answered.status)
        return answered.body
