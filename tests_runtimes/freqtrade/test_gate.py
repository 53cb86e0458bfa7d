"""A closed gate keeps the bot from entering, whoever closed it, and traps nobody."""

from __future__ import annotations

import signal

from gate_writer import GateWriter
from rig import Bot, Receivers, Sidecar, eventually

from risk_policy.clock import utc_now
from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode

PAIR = "AAPL/USDT"


def pairs(bot: Bot) -> set[str]:
    return {trade["pair"] for trade in bot.trades()}


def test_a_stale_gate_refuses_entries_and_allows_exits_until_it_opens_again(
    bot: Bot, receivers: Receivers, sidecar: Sidecar
) -> None:
    sidecar.start()
    everything = pairs(bot)
    bot.close_trade(PAIR)
    eventually(lambda: pairs(bot) == everything, 20, "an open gate lets the bot enter again")

    receivers.end(signal.SIGKILL)  # nobody renews the lease
    eventually(lambda: bot.locked_pairs() == {"*"}, 20, "everything is locked")
    bot.close_trade(PAIR)
    bot.wait_for_rounds(3)
    assert pairs(bot) == everything - {PAIR}, "it was sold, and not bought again"
    assert bot.state == "running"

    receivers.start()
    eventually(lambda: pairs(bot) == everything, 20, "the bot enters again")
    assert bot.locked_pairs() == set()

    assert sidecar.end() == 0
    assert bot.locked_pairs() == {"*"}, "a sidecar that is stopped locks before it leaves"


def test_a_lock_outlives_the_sidecar_and_one_that_is_taken_away_comes_back(
    bot: Bot, receivers: Receivers, sidecar: Sidecar
) -> None:
    bot.api("POST", "locks", [{"pair": PAIR, "until": "2099-01-01T00:00:00Z", "reason": "mine"}])
    sidecar.start()
    receivers.trip("pause")
    eventually(lambda: bot.locked_pairs() == {"*"}, 20, "everything is locked")
    eventually(lambda: bot.state == "paused", 20, "the bot is paused")
    for lock in bot.api("GET", "locks")[1]["locks"]:
        if lock["pair"] == "*":
            bot.api("DELETE", f"locks/{lock['id']}")
    eventually(lambda: bot.locked_pairs() == {"*"}, 20, "the lock is back")
    sidecar.end(signal.SIGKILL)
    bot.wait_for_rounds(2)
    assert bot.locked_pairs() == {"*"}
    assert "mine" in {lock["reason"] for lock in bot.api("GET", "locks")[1]["locks"]}
    assert len(bot.trades()) == 5, "a pause closes nothing"


def test_what_holds_a_part_of_the_gate_locks_and_closes_that_part(bot: Bot, alone: Sidecar) -> None:
    alone.bot_port = bot.port
    gate = GateWriter(alone.receivers.gate)
    told = {"cause": "a test", "level": "critical", "since": utc_now()}
    gate.open(
        Kill(id="kill-of-ibm", mode=KillMode.IMMEDIATE, scope=Scope(asset="IBM"), **told),
        Restriction(
            kind=RestrictionKind.BLOCK_TRADE, id="r", scope=Scope(symbol="GOOG-USDT"), **told
        ),
        Restriction(
            kind=RestrictionKind.HALT_NEW_TRADES, id="h", scope=Scope(account="other"), **told
        ),
    )
    everything = pairs(bot)
    alone.start()
    eventually(lambda: "kill-of-ibm: flat, confirmed" in alone.log, 20, "the part is flat")
    assert pairs(bot) == everything - {"IBM/USDT"}
    assert bot.locked_pairs() == {"IBM/USDT", "GOOG/USDT"}
    assert bot.state == "running", "the rest goes on"

    gate.open()
    eventually(lambda: bot.locked_pairs() == set(), 20, "the locks are gone")
    assert "kill-of-ibm is over" in alone.log
