"""Falling prices on the exchange end in a bot that is flat, stopped and on record."""

from __future__ import annotations

from datetime import date
from typing import Any

from loopback_exchange import LoopbackExchange
from rig import Bot, Receivers, Sidecar, eventually

SYMBOLS = 5


def details(receivers: Receivers, kind: str) -> list[dict[str, Any]]:
    return [found for type_, found in receivers.recorded() if type_ == kind]


def test_a_drawdown_of_22_percent_ends_flat_confirmed_blocked_and_on_record(
    bot: Bot, receivers: Receivers, sidecar: Sidecar, exchange: LoopbackExchange
) -> None:
    sidecar.start()
    who = {"account": "main"}
    eventually(lambda: sidecar.metric("risk_positions_open", **who) == SYMBOLS, 20, "a snapshot")
    assert bot.locked_pairs() == set(), "the gate is open"
    begun = sidecar.metric("risk_equity", **who)
    assert begun is not None
    capital = bot.api("GET", "balance")[1]["starting_capital"]
    assert 0.99 * capital < begun < capital, "fees were paid"

    for day in (date(2008, 9, 2), date(2008, 9, 15), date(2008, 9, 26)):
        exchange.move_to(day)
        bot.wait_for_rounds(1)
    assert receivers.kill_switch()["state"] == "ARMED"
    assert len(bot.trades()) == SYMBOLS

    exchange.move_to(date(2008, 9, 29))  # when Congress voted against the rescue
    eventually(
        lambda: receivers.kill_switch()["state"] == "FLAT_CONFIRMED", 40, "flat is on record"
    )
    eventually(lambda: bot.state == "stopped", 20, "the bot is stopped")
    assert bot.trades() == []
    drawdown = sidecar.metric("risk_drawdown_ratio", **who)
    assert drawdown is not None
    assert 0.21 < drawdown < 0.24
    switch = receivers.kill_switch()
    assert switch["cause"] == "DRAWDOWN_EMERGENCY"
    kinds = receivers.kinds()
    assert kinds.count("KILL_SWITCH_ACTIVATED") == 1
    assert kinds.count("POSITION_FORCE_CLOSED") == SYMBOLS
    assert kinds.count("KILL_SWITCH_FLAT_CONFIRMED") == 1
    closed = details(receivers, "POSITION_FORCE_CLOSED")
    assert {one["symbol"] for one in closed} == {f"{s}-USDT" for s in exchange.symbols}

    # Whoever starts the bot again finds it paused and empty.
    eventually(lambda: bot.locked_pairs() == {"*"}, 20, "everything is locked")
    assert bot.api("POST", "start")[0] == 200
    eventually(lambda: bot.state == "stopped", 20, "the bot is stopped again")
    assert bot.trades() == []
    assert bot.api("POST", "forceenter", {"pair": "AAPL/USDT"})[0] == 502
    assert "a-password-of-the-bot" not in sidecar.log
