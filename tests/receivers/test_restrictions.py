"""Restrictions on a running service: what alerts hold at the gate, and what ends it."""

from __future__ import annotations

import json
import re
import shlex
import sqlite3
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from typer.testing import CliRunner, Result

from risk_runtime import Order, Side, TradeGate
from riskwarden.app import application

BREAKER = {
    "name": "INTRADAY_DRAWDOWN_CRITICAL",
    "risk_id": "intraday_drawdown/main",
    "tier": "critical",
    "severity": "critical",
    "action": "halt_new_trades",
    "account": "main",
}
STREAK = {
    "name": "CONSECUTIVE_LOSSES_WARNING",
    "risk_id": "consecutive_losses/main",
    "action": "reduce_size",
    "account": "main",
}
SIZE = {
    "name": "POSITION_SIZE_BREACH",
    "risk_id": "position_size/main/AAPL",
    "tier": "critical",
    "severity": "critical",
    "action": "block_trade",
    "account": "main",
    "symbol": "AAPL",
}
QUICK = """
[alerting.system]
exporter_down_seconds = 1
snapshot_stale_seconds = 2
unevaluable_seconds = 1
"""


def order(symbol: str = "AAPL", account: str = "main", **more: Any) -> Order:
    return Order(symbol, Side.BUY, 10, 1.0, account=account, **more)


def refused(receivers: Any, wanted: Order) -> str:
    """Why the gate refuses an order; empty if it does not."""
    decision = TradeGate(receivers.data / "gate").check(wanted)
    return "" if decision.allowed else decision.reason


def held(receivers: Any) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = receivers.call("GET", "/api/v1/restrictions").json()[
        "restrictions"
    ]
    return found


def fire(receivers: Any, words: Any, *which: dict[str, str], feed: str = "alerts") -> None:
    alerts = [words.alert(**names) for names in which]
    content = alerts if feed == "alerts" else words.webhook(*alerts)
    assert receivers.send(feed, content).status_code == 200


def resolve(receivers: Any, words: Any, which: dict[str, str]) -> list[dict[str, Any]]:
    content = [words.alert(firing=False, **which)]
    assert receivers.send("alerts", content).status_code == 200
    return content


def riskwarden(receivers: Any, *arguments: str) -> Result:
    where = (
        ()
        if "--data" in arguments
        else (
            *("--data", str(receivers.data), "--policy", str(receivers.policy)),
            *("--receivers", receivers.url),
        )
    )
    environ = {"RISKWARDEN_OPERATOR_TOKEN": "operator-secret", "COLUMNS": "300"}
    return CliRunner().invoke(application(arguments), [*arguments, *where], env=environ)


def test_an_action_holds_the_gate_where_its_alert_is_about_until_that_is_over(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    fire(receivers, words, SIZE, STREAK)

    why = refused(receivers, order())
    assert "block_trade for account=main,symbol=AAPL: POSITION_SIZE_BREACH (critical)" in why
    assert "reduce_size to 50%" in refused(receivers, order("MSFT", full_quantity=10))
    assert not refused(receivers, order("MSFT", full_quantity=20))
    assert not refused(receivers, order("MSFT", account="other"))
    assert receivers.metric('risk_restrictions{kind="block_trade"}') == 1

    resolve(receivers, words, SIZE)
    assert "POSITION_SIZE_BREACH" not in refused(receivers, order())
    assert [one["cause"] for one in held(receivers)] == ["CONSECUTIVE_LOSSES_WARNING"]
    imposed, lifted = (
        [event for event in receivers.chain() if event.event_type == kind]
        for kind in ("RESTRICTION_IMPOSED", "RESTRICTION_LIFTED")
    )
    assert [event.payload.details["cause"] for event in imposed] == [
        "POSITION_SIZE_BREACH",
        "CONSECUTIVE_LOSSES_WARNING",
    ]
    assert [event.payload.details["restriction"] for event in lifted] == [f"r{imposed[0].seq}"]
    fire(receivers, words, STREAK | {"tier": "critical", "severity": "critical"})
    assert "reduce_size to 25%" in refused(receivers, order("MSFT", full_quantity=20))


def test_what_only_alertmanager_delivers_holds_nothing(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    fire(receivers, words, SIZE, feed="notifications")
    assert not refused(receivers, order())
    fire(receivers, words, SIZE)  # a mere repeat for its incident
    assert "POSITION_SIZE_BREACH" in refused(receivers, order())


def test_a_restart_holds_what_was_held_before_the_gate_opens(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    fire(receivers, words, BREAKER)
    receivers.kill()
    (receivers.data / "gate" / "gate.json").unlink()
    receivers.start()
    wait_until(receivers.gate_is_open)
    assert "halt_new_trades for account=main" in refused(receivers, order())


def test_the_drawdown_breaker_stays_open_until_a_person_resumes_in_two_steps(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    fire(receivers, words, BREAKER)
    [one] = held(receivers)
    unknown = riskwarden(receivers, "resume", "r999", "--reason", "looks fine")
    assert "there is no restriction r999" in unknown.output
    early = riskwarden(receivers, "resume", one["id"], "--reason", "looks fine")
    assert early.exit_code == 1
    assert "is not over" in early.output

    over = resolve(receivers, words, BREAKER)
    assert "INTRADAY_DRAWDOWN_CRITICAL" in refused(receivers, order())
    [(body,)] = receivers.rows("SELECT body FROM message WHERE kind LIKE 'restriction:latched%' "
                               "AND channel = 'file'")  # fmt: skip
    assert f"riskwarden resume {one['id']}" in json.loads(body)["text"]
    assert "LATCHED" in riskwarden(receivers, "restrictions", "--json").output
    assert one["id"] in riskwarden(receivers, "restrictions").output
    assert "halt_new_trades for account=main" in riskwarden(receivers, "status").output

    first = riskwarden(receivers, "resume", one["id"], "--reason", "the feed was wrong")
    assert first.exit_code == 0, first.output
    assert refused(receivers, order())
    [command] = re.findall(r"riskwarden (resume .*)", first.output)
    stolen = riskwarden(receivers, *shlex.split(command.replace("feed", "other")))
    assert stolen.exit_code == 1
    second = riskwarden(receivers, *shlex.split(command))
    assert second.exit_code == 0, second.output
    assert not refused(receivers, order())
    assert held(receivers) == []
    receivers.send("alerts", over)  # Prometheus goes on repeating that for 15 minutes
    assert not refused(receivers, order())
    assert [kind for kind in receivers.event_types() if kind.startswith("RESTRICTION_")] == [
        "RESTRICTION_IMPOSED",
        "RESTRICTION_RESUME_REFUSED",
        "RESTRICTION_RESUME_REFUSED",
        "RESTRICTION_LATCHED",
        "RESTRICTION_RESUME_ASKED",
        "RESTRICTION_RESUME_REFUSED",
        "RESTRICTION_RESUMED",
    ]


def test_a_breaker_that_opened_while_nobody_listened_waits_for_a_person_all_the_same(
    receivers: Any, words: Any
) -> None:
    resolve(receivers, words, BREAKER)
    resolve(receivers, words, BREAKER)
    [one] = held(receivers)
    assert one["standing"] == "LATCHED"
    fire(receivers, words, BREAKER)
    [again] = held(receivers)
    assert (again["id"], again["standing"]) == (one["id"], "FIRING")


def test_what_expired_is_lifted_only_once_the_feed_has_been_alive_without_it(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    text = stopped.policy.read_text().replace("prometheus_seconds = 300", "prometheus_seconds = 1")
    stopped.policy.write_text(text + QUICK)
    receivers = stopped.start()
    soon = datetime.now(UTC) + timedelta(seconds=1)
    receivers.send("alerts", [words.alert(ends=soon, **SIZE)])

    wait_until(lambda: [one["standing"] for one in held(receivers)] == ["DOUBTFUL"], 30)

    def is_gone() -> bool:
        receivers.hear_watchdog()
        return held(receivers) == []

    wait_until(is_gone, 30)
    assert "did not fire again" in receivers.chain()[-1].payload.message


def test_a_store_that_records_nothing_closes_the_gate_within_its_lease(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    with sqlite3.connect(receivers.database, isolation_level=None) as blocker:
        blocker.execute("BEGIN IMMEDIATE")
        assert receivers.send("alerts", [words.alert(**SIZE)]).status_code == 503
        wait_until(lambda: not receivers.gate_is_open(), 2.5, "the lease has run out")
        blocker.execute("ROLLBACK")
