"""Killed, refused, stalled: the sidecar goes on where it was, and says what is wrong."""

from __future__ import annotations

import signal

from rig import Bot, Receivers, Sidecar, eventually


def an_entry_that_waits(bot: Bot) -> str:
    """One of the five slots holds a limit order far below the price; its id."""
    pair = "AAPL/USDT"
    bot.api("POST", "locks", [{"pair": pair, "until": "2099-01-01T00:00:00Z", "reason": "mine"}])
    bot.close_trade(pair)
    entry = {"pair": pair, "price": 10.0, "ordertype": "limit"}
    status, told = bot.api("POST", "forceenter", entry)
    assert status == 200, told
    (trade,) = (trade for trade in bot.trades() if trade["pair"] == pair)
    (order,) = trade["orders"]
    assert order["is_open"]
    return str(order["order_id"])


def test_a_sidecar_killed_in_the_middle_of_closing_finishes_it_once_restarted(
    bot: Bot, receivers: Receivers, sidecar: Sidecar
) -> None:
    order_id = an_entry_that_waits(bot)
    sidecar.start()
    eventually(lambda: sidecar.metric("risk_equity"), 20, "a snapshot")
    receivers.trip()
    eventually(lambda: len(bot.trades()) < 5, 20, "the first trade is gone")
    sidecar.end(signal.SIGKILL)
    assert receivers.kill_switch()["state"] != "FLAT_CONFIRMED"

    receivers.end(signal.SIGKILL)  # and nobody is there to be told
    sidecar.start()
    eventually(lambda: bot.state == "stopped", 30, "the bot is stopped")
    assert bot.trades() == []
    receivers.start()
    eventually(
        lambda: receivers.kill_switch()["state"] == "FLAT_CONFIRMED", 30, "flat is on record"
    )
    kinds = receivers.kinds()
    assert kinds.count("POSITION_FORCE_CLOSED") == 4
    assert kinds.count("KILL_SWITCH_FLAT_CONFIRMED") == 1
    assert order_id in str([found for kind, found in receivers.recorded() if "CANCEL" in kind])


def test_a_bot_that_hangs_is_told_of_and_closed_when_it_answers(
    bot: Bot, receivers: Receivers, sidecar: Sidecar
) -> None:
    sidecar.start("--timeout-seconds", "1")
    eventually(lambda: sidecar.metric("risk_equity"), 20, "a snapshot")
    assert bot.child is not None
    bot.child.send_signal(signal.SIGSTOP)
    try:
        receivers.trip()
        eventually(lambda: "took longer than 1 s" in sidecar.log, 20, "it is told of")
        age = sidecar.metric("risk_snapshot_age_seconds")
        eventually(
            lambda: (sidecar.metric("risk_snapshot_age_seconds") or 0) > (age or 0) + 2,
            20,
            "the snapshot grows old",
        )
    finally:
        bot.child.send_signal(signal.SIGCONT)
    eventually(
        lambda: receivers.kill_switch()["state"] == "FLAT_CONFIRMED", 40, "flat is on record"
    )


def test_a_wrong_password_is_told_of_and_not_shown(shared_bot: Bot, alone: Sidecar) -> None:
    eventually(lambda: shared_bot.state, 90, "the bot's API answers")
    alone.bot_port = shared_bot.port
    alone.start(FREQTRADE_PASSWORD="not-the-password")
    eventually(lambda: "with 401; check the user" in alone.log, 20, "it is told of")
    assert alone.metric("risk_equity") is None
    assert alone.end() == 0
    assert "not-the-password" not in alone.log
    assert "could not be locked" in alone.log


def test_a_bot_that_is_not_there_is_told_of_and_does_not_end_the_sidecar(alone: Sidecar) -> None:
    alone.start()
    eventually(lambda: "cannot be reached" in alone.log, 20, "it is told of")
    assert alone.child is not None
    assert alone.child.poll() is None
    assert alone.end() == 0
