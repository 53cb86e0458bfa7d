"""A guarded strategy keeps to the gate with no sidecar at all."""

from __future__ import annotations

from gate_writer import GateWriter
from loopback_exchange import LoopbackExchange
from rig import Bot, eventually

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode

TOLD = {"cause": "a test", "level": "critical", "since": utc_now()}
FULL = 10_000.0


def stakes(bot: Bot) -> dict[str, float]:
    return {trade["pair"]: trade["stake_amount"] for trade in bot.trades()}


def test_a_guarded_strategy_asks_the_gate_before_all_that_adds_risk(
    guarded_bot: Bot, exchange: LoopbackExchange, gate: GateWriter
) -> None:
    bot = guarded_bot
    eventually(lambda: bot.state, 90, "the bot's API answers")
    bot.wait_for_rounds(2)
    assert bot.trades() == []
    assert "gate.lease is missing" in bot.log
    assert bot.api("POST", "forceenter", {"pair": "AAPL/USDT"})[0] == 502

    smaller = Restriction(
        kind=RestrictionKind.REDUCE_SIZE,
        id="half",
        scope=Scope(asset="IBM"),
        size_ratio=0.5,
        **TOLD,
    )
    blocked = Restriction(
        kind=RestrictionKind.BLOCK_TRADE, id="no", scope=Scope(symbol="WTI-USDT"), **TOLD
    )
    gate.open(smaller, blocked)
    eventually(lambda: len(bot.trades()) == 4, 20, "what is not blocked is entered")
    found = stakes(bot)
    assert "WTI/USDT" not in found
    assert FULL * 0.49 < found["IBM/USDT"] < FULL * 0.6
    assert found["GOOG/USDT"] > FULL * 0.99
    eventually(lambda: stakes(bot)["GOOG/USDT"] > FULL + 90, 20, "it adds to a trade")

    gate.halt()
    bot.wait_for_rounds(2)
    before = stakes(bot)
    bot.wait_for_rounds(2)
    assert stakes(bot) == before, "nothing is added to what is open"

    (trade, *_) = bot.trades()
    exit_it = {"tradeid": str(trade["trade_id"]), "ordertype": "market"}
    bot.api("POST", "forceexit", exit_it)
    assert len(bot.trades()) == 4, "the strategy itself refuses exits"
    gate.halt(Kill(id="k", mode=KillMode.IMMEDIATE, **TOLD))
    bot.api("POST", "forceexit", exit_it)
    assert len(bot.trades()) == 3, "and may not under a kill switch"
