"""Kills of less than everything on a running service: seen, crashed over, cleared one by one."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from risk_policy.contracts.reports import FlatConfirmed, PositionClosed, TradeBlocked
from risk_runtime import Order, Side, TradeGate
from riskwarden.app import application

AT = "2026-01-02T03:04:05Z"
BTC, MAIN = "account=main,symbol=BTC-EUR", "account=main"
BUY_BTC = Order("BTC-EUR", Side.BUY, 1.0, 100.0, account="main", strategy="trend", venue="kraken")
BUY_ETH = replace(BUY_BTC, symbol="ETH-EUR")


def riskwarden(receivers: Any, *arguments: str) -> Result:
    given = [*arguments, "--data", str(receivers.data.parent / "run")]
    return CliRunner().invoke(application(given), given)


def at_the_prompt(receivers: Any) -> None:
    """The data folder of a run, as `riskwarden run` leaves it."""
    folder = receivers.data.parent / "run"
    (folder / "secrets").mkdir(parents=True, exist_ok=True)
    endpoints = {"receivers": f"127.0.0.1:{receivers.port}"}
    (folder / "stack.json").write_text(json.dumps({"endpoints": endpoints}))
    (folder / "secrets" / "operator_token").write_text("operator-secret\n")


def in_force(receivers: Any) -> dict[str, str]:
    return {kill["scope"]: kill["mode"] for kill in receivers.status()["kill_switch"]["kills"]}


def report(receivers: Any, *reports: Any) -> Any:
    body = {"reports": [one.model_dump(mode="json") for one in reports]}
    return receivers.call(
        "POST", "/api/v1/runtime/reports", token="runtime-secret", json=body
    ).json()


def test_a_kill_of_one_symbol_stops_that_and_nothing_else_until_it_alone_is_cleared(
    receivers: Any, wait_until: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RISKWARDEN_OPERATOR_TOKEN", raising=False)
    at_the_prompt(receivers)
    runtime = TradeGate(receivers.data / "gate")
    wait_until(lambda: runtime.check(BUY_BTC).allowed)
    for wrong in ("sector=coins", "BTC-EUR"):
        body = {"mode": "pause", "reason": "x", "actor": "ann", "scope": wrong}
        assert receivers.call("POST", "/api/v1/kill", json=body).status_code == 400
        refused = riskwarden(
            receivers, "kill", "--mode", "pause", "--reason", "x", "--scope", wrong
        )
        assert (refused.exit_code, "account, strategy, venue" in refused.output) == (2, True)

    done = riskwarden(receivers, "kill", "--mode", "immediate", "--reason", "depeg", "--scope", BTC)
    assert done.exit_code == 0, done.output
    assert not runtime.check(BUY_BTC).allowed
    wait_until(lambda: runtime.check(BUY_ETH).allowed)
    assert not receivers.gate_says_halt()
    assert in_force(receivers) == {BTC: "immediate"}
    (kill,) = receivers.status()["kill_switch"]["kills"]
    assert kill["waiting_for_accounts"] == ["main"], "it names the account"
    told = " ".join(riskwarden(receivers, "status").stdout.split())
    assert "armed, tripped for less than everything" in told
    assert f"{BTC}, id {kill['kill_id']}: TRIPPED in mode immediate" in told
    assert receivers.metric('risk_kill_switch_kills{scope="symbol"}') == 1
    assert receivers.metric("risk_kill_switch_tripped") == 0

    # The runtime's word is about one kill; what it was refused elsewhere concerns none.
    blocked = {"trade_id": "t", "symbol": "ETH-EUR", "side": "buy", "quantity": "1", "price": "1"}
    common = {"account": "main", "at": AT}
    answer = report(
        receivers,
        TradeBlocked(**common, **blocked, reason="why", gate_version=1).model_copy(
            update={"account": "other"}
        ),
        PositionClosed(
            **common, kill_id=kill["kill_id"], position_id="p", symbol="BTC-EUR", quantity="1",
            price="1",
        ),
        FlatConfirmed(**common, kill_id=kill["kill_id"]),
        FlatConfirmed(**common, kill_id="another"),
    )  # fmt: skip
    assert [one["error"] for one in answer["rejected"]] == [
        f"kill_id must be {kill['kill_id']}, the kill that is in force"
    ]
    (kill,) = receivers.status()["kill_switch"]["kills"]
    assert (kill["state"], kill["flat_accounts"]) == ("FLAT_CONFIRMED", ["main"])

    # A wider one beside it; a crash; a table that somebody has changed meanwhile.
    wider = receivers.operator_kill("pause").json()["kill_id"]
    assert receivers.gate_says_halt()
    receivers.kill()
    with closing(sqlite3.connect(receivers.database)) as other:
        other.execute("DELETE FROM kill_event_scope")
        other.commit()
    receivers.start()
    at_the_prompt(receivers)
    assert in_force(receivers) == {"*": "pause", BTC: "immediate"}
    assert "KILL_SWITCH_RESTORED" in receivers.event_types()

    which = riskwarden(receivers, "clear", "--reason", "over")
    assert which.exit_code == 1
    assert all(one in which.output.replace("\n", " ") for one in (wider, kill["kill_id"]))
    for kill_id, left in ((wider, {BTC: "immediate"}), (kill["kill_id"], {})):
        asked = riskwarden(receivers, "clear", "--reason", "over", "--kill", kill_id)
        assert asked.exit_code == 0, asked.output
        (command,) = re.findall(r"riskwarden (clear .*)", asked.output.replace("\n", " "))
        code = shlex.split(command)[shlex.split(command).index("--confirm") + 1]
        confirmed = riskwarden(
            receivers, "clear", "--reason", "over", "--kill", kill_id, "--confirm", code
        )
        assert confirmed.exit_code == 0, confirmed.output
        assert in_force(receivers) == left
    wait_until(lambda: runtime.check(BUY_BTC).allowed)
    scopes = [
        event.payload.details["scope"]
        for event in receivers.chain()
        if event.event_type in ("KILL_SWITCH_ACTIVATED", "KILL_SWITCH_CLEARED")
    ]
    assert scopes[:2] == [BTC, "*"]
    assert scopes[-2:] == ["*", BTC]


def test_the_policy_can_have_an_alert_trip_its_account_alone_and_a_store_that_hangs_costs_none(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    text = stopped.policy.read_text()
    stopped.policy.write_text(f'{text}[alerting.kill_switch]\nautomatic_scope = "account"\n')
    receivers = stopped.start()
    runtime = TradeGate(receivers.data / "gate")
    wait_until(lambda: runtime.check(BUY_BTC).allowed)
    with closing(sqlite3.connect(receivers.database)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN IMMEDIATE")
        tripping = pool.submit(receivers.send, "alerts", [words.kill_alert(account="main")])
        wait_until(lambda: [str(kill.scope) for kill in receivers.detail().kills] == [MAIN])
        acted = receivers.detail().kills[0].id
        assert not runtime.check(BUY_BTC).allowed
        wait_until(lambda: runtime.check(replace(BUY_BTC, account="other")).allowed)
        receivers.kill()  # before anything is on record
        other.rollback()
        tripping.exception()
    receivers.start()
    wait_until(lambda: receivers.status()["kill_switch"]["kills"])
    assert in_force(receivers) == {MAIN: "immediate"}
    (kill,) = receivers.status()["kill_switch"]["kills"]
    assert (kill["kill_id"], kill["on_record"]) == (acted, True)
    assert not runtime.check(BUY_BTC).allowed

    receivers.send("alerts", [words.kill_alert(account="main"), words.kill_alert(risk_id="x")])
    assert in_force(receivers) == {"*": "immediate", MAIN: "immediate"}, "one without an account"
    assert receivers.gate_says_halt()
    assert receivers.verified().ok
