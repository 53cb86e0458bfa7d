"""What the bot answers becomes a snapshot only while it is of now; every refusal has its name."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from loopback_http import LoopbackServer, Received, Reply

from risk_exporter.fetch import Origin
from risk_policy.contracts.gating import LiveOrders
from risk_policy.contracts.snapshot import Snapshot
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.errors import (
    BotAnswerError,
    BotRefusedError,
    BotUnreachableError,
)
from risk_runtime.adapters.freqtrade.watcher import Watcher

TRADE = {
    "trade_id": 1,
    "pair": "BTC/USDT",
    "base_currency": "BTC",
    "is_open": True,
    "is_short": False,
    "amount": 0.5,
    "open_rate": 75_000.0,
    "current_rate": 80_000.0,
    "open_timestamp": 1_700_000_000_000,
    "nr_of_successful_entries": 1,
}
CONFIG = {
    "state": "running",
    "dry_run": True,
    "stake_currency": "USDT",
    "exchange": "binance",
    "strategy": "Trend",
}


class BotStandIn(LoopbackServer):
    """Answers GETs with what stands in ``told``."""

    def __init__(self) -> None:
        super().__init__()
        self.told: dict[str, Any] = {
            "show_config": CONFIG,
            "balance": {"starting_capital": 100_000.0, "total": 5.0},
            "status": [TRADE],
            "profit": {"profit_all_coin": 2_500.0},
            "health": {"last_process": datetime.now(UTC).isoformat()},
        }

    def answer(self, received: Received) -> Reply:
        found = self.told.get(received.path.removeprefix("/bot/api/v1/"))
        return Reply(404) if found is None else Reply(200, json.dumps(found))


class Seen(list[Snapshot]):
    """An exporter that only remembers."""

    def observe(self, snapshot: Snapshot) -> None:
        self.append(snapshot)


@pytest.fixture
def bot() -> Iterator[BotStandIn]:
    with BotStandIn() as server:
        yield server


@pytest.fixture
def api(bot: BotStandIn) -> BotApi:
    return api_of(bot, 30.0)


def api_of(bot: BotStandIn, patience_seconds: float) -> BotApi:
    return BotApi(Origin.parse(f"{bot.url}/bot", "a bot"), "risk", "ä-secret", patience_seconds)


def looks(api: BotApi, count: int = 3) -> tuple[list[bool], Seen]:
    seen = Seen()
    watcher = Watcher(
        api, seen, account="main", poll_seconds=1.0, stale_after=timedelta(seconds=10)
    )
    return [watcher.look() for _ in range(count)], seen


def test_a_bot_is_told_of_once_its_capital_stands_still(bot: BotStandIn, api: BotApi) -> None:
    taken, (snapshot, *_) = looks(api)
    assert taken == [False, False, True]
    assert (snapshot.account, snapshot.equity, snapshot.currency) == ("main", 102_500.0, "USDT")
    secret = base64.b64encode("risk:ä-secret".encode()).decode()
    assert {one.headers["Authorization"] for one in bot.received} == {f"Basic {secret}"}


@pytest.mark.parametrize(
    ("path", "said", "why"),
    [
        ("health", {"last_process": "2026-01-01T00:00:00+00:00"}, "its prices are old"),
        ("health", {"last_process": None}, "went round never"),
        ("profit", {"profit_all_coin": None}, "does not know its open profit"),
        ("status", [{**TRADE, "current_rate": None}], "no current price of BTC/USDT"),
        ("status", [{**TRADE, "amount": "much"}], "answer to status cannot be read"),
        ("status", None, "answered GET status with 404"),
    ],
)
def test_there_is_no_snapshot_of_what_is_old_or_not_known(
    bot: BotStandIn, api: BotApi, caplog: pytest.LogCaptureFixture, path: str, said: Any, why: str
) -> None:
    bot.told[path] = said
    taken, seen = looks(api, 4)
    assert taken == [False] * 4
    assert seen == []
    assert why in caplog.text
    assert len([x for x in caplog.records if x.levelname == "ERROR"]) == 1, "told once"


def test_a_capital_that_never_stands_still_is_told_of(
    bot: BotStandIn, api: BotApi, caplog: pytest.LogCaptureFixture
) -> None:
    begun = [1_000.0 * 2**n for n in range(12)]
    balances = iter(begun)
    rest = bot.answer

    def answer(received: Received) -> Reply:
        if received.path.endswith("/balance"):
            return Reply(200, json.dumps({"starting_capital": next(balances)}))
        return rest(received)

    bot.instead = answer
    taken, seen = looks(api, len(begun))
    assert not any(taken)
    assert seen == []
    assert "has to stand still" in caplog.text


def test_a_bot_that_holds_nothing_needs_no_prices(bot: BotStandIn, api: BotApi) -> None:
    bot.told |= {"status": [], "health": {"last_process": None}}
    taken, (snapshot, *_) = looks(api)
    assert taken[-1]
    assert snapshot.positions == ()


@pytest.mark.parametrize(
    ("reply", "error", "words"),
    [
        (Reply(401), BotRefusedError, "check the user"),
        (Reply(502), BotRefusedError, "with 502"),
        (Reply(200, "<html>"), BotAnswerError, "cannot be read"),
        (Reply(manner="cut"), BotUnreachableError, "cannot be reached"),
        (Reply(manner="body"), BotUnreachableError, "took longer than 1 s"),
    ],
)
def test_every_way_of_not_answering_has_its_name(
    bot: BotStandIn, reply: Reply, error: type[Exception], words: str
) -> None:
    bot.next.append(reply)
    with pytest.raises(error, match=words) as told:
        api_of(bot, 1.0 if reply.manner == "body" else 30.0).config()
    assert "secret" not in str(told.value)


def test_a_trade_that_never_became_a_position_is_none(bot: BotStandIn, api: BotApi) -> None:
    assert api.trade(7) is None
    bot.told["trade/7"] = {**TRADE, "trade_id": 7}
    found = api.trade(7)
    assert found is not None
    assert found.trade_id == 7


def test_a_bot_that_is_started_anew_with_real_money_is_told_as_live(
    bot: BotStandIn, api: BotApi
) -> None:
    seen = Seen()
    watch = Watcher(api, seen, account="main", poll_seconds=1.0, stale_after=timedelta(seconds=10))
    assert [watch.look() for _ in range(3)][-1], "its capital stands still"
    bot.told["show_config"] = CONFIG | {"dry_run": False}
    assert watch.look()
    before, after = seen[0].gating, seen[-1].gating
    assert before is not None
    assert after is not None
    assert (before.effective_mode, before.live_orders) == ("paper", LiveOrders.IMPOSSIBLE)
    assert (after.effective_mode, after.live_orders) == ("live", LiveOrders.POSSIBLE)
