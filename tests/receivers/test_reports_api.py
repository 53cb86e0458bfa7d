"""The API towards the runtime: its reports of a closing, and what they add up to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import pytest

NOW = "2026-01-01T00:00:00Z"


def reports(kill_id: str) -> list[dict[str, Any]]:
    common = {"account": "main", "at": NOW}
    return [
        {
            **common, "id": "r-blocked-1", "kind": "trade_blocked", "trade_id": "t1",
            "symbol": "AAPL", "side": "buy", "quantity": "10", "price": "95.1",
            "reason": "the gate is closed", "gate_version": 2,
        },
        {
            **common, "id": "r-cancel-1", "kind": "orders_cancelled", "kill_id": kill_id,
            "order_ids": ["o1", "o2"],
        },
        {
            **common, "id": "r-close-1", "kind": "position_closed", "kill_id": kill_id,
            "position_id": "p1", "symbol": "AAPL", "quantity": "100", "price": "95.05",
        },
        {**common, "id": "r-flat-001", "kind": "flat_confirmed", "kill_id": kill_id},
    ]  # fmt: skip


def send_reports(receivers: Any, found: list[dict[str, Any]]) -> dict[str, Any]:
    answer = receivers.call(
        "POST", "/api/v1/runtime/reports", token="runtime-secret", json={"reports": found}
    )
    assert answer.status_code == 200, answer.text
    content: dict[str, Any] = answer.json()
    return content


def test_each_report_is_on_record_once_however_often_it_is_sent(receivers: Any) -> None:
    kill_id = receivers.operator_kill("immediate").json()["kill_id"]
    found = reports(kill_id)
    assert send_reports(receivers, found[:2]) == {"recorded": 2, "duplicates": 0, "rejected": []}
    assert receivers.status()["kill_switch"]["state"] == "CLOSING"
    assert send_reports(receivers, found) == {"recorded": 2, "duplicates": 2, "rejected": []}
    assert send_reports(receivers, found)["recorded"] == 0
    assert receivers.event_types()[-4:] == [
        "TRADE_BLOCKED",
        "ORDERS_CANCELLED",
        "POSITION_FORCE_CLOSED",
        "KILL_SWITCH_FLAT_CONFIRMED",
    ]
    switch = receivers.status()["kill_switch"]
    assert switch["state"] == "FLAT_CONFIRMED"
    assert switch["flat_confirmed_at"]
    assert receivers.metric("risk_kill_switch_flat_confirmed") == 1
    assert receivers.gate_says_halt(), "flat is no reason to open"
    closed = receivers.chain()[-2].payload
    assert (closed.position_id, closed.details["price"]) == ("p1", "95.05")
    assert receivers.verified().ok


def report(kind: str, account: str, **more: str) -> dict[str, Any]:
    at = datetime.now(UTC).isoformat()
    return {"id": str(uuid4()), "kind": kind, "account": account, "at": at, **more}


def test_flat_is_what_every_account_has_confirmed(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.alert(risk_id="drawdown/third", account="third")])
    fake = words.alert(risk_id="drawdown/ghost", account="ghost")
    receivers.send("notifications", words.webhook(fake))
    kill_id = receivers.operator_kill("immediate").json()["kill_id"]
    closed = {"position_id": "p", "symbol": "X", "quantity": "1", "price": "1"}

    def switch(*found: dict[str, Any]) -> tuple[str, list[str], float | None]:
        assert send_reports(receivers, list(found))["recorded"] == len(found)
        status = receivers.status()["kill_switch"]
        flat = receivers.metric("risk_kill_switch_flat_confirmed")
        return status["state"], status["waiting_for_accounts"], flat

    def flat(account: str) -> dict[str, Any]:
        return report("flat_confirmed", account, kill_id=kill_id)

    assert switch(report("position_closed", "second", kill_id=kill_id, **closed)) == (
        "CLOSING", ["second"], 0,
    )  # fmt: skip
    assert switch(flat("main")) == ("CLOSING", ["second", "third"], 0)
    assert switch(flat("third")) == ("CLOSING", ["second"], 0)
    unconfirmed = "risk_kill_switch_unconfirmed_since_seconds"
    owed_since = receivers.metric(unconfirmed)
    assert owed_since
    assert abs(owed_since - datetime.now(UTC).timestamp()) < 30
    receivers.stop()
    receivers.start()
    assert receivers.metric(unconfirmed) == owed_since, "a restart gives closing no more time"
    assert switch(flat("second")) == ("FLAT_CONFIRMED", [], 1)
    assert receivers.metric(unconfirmed) == 0
    sweep = {**report("orders_cancelled", "main", kill_id=kill_id), "order_ids": [], "final": True}
    assert switch(sweep) == ("FLAT_CONFIRMED", [], 1)
    assert switch(report("position_closed", "main", kill_id=kill_id, **closed)) == (
        "CLOSING", ["main"], 0,
    )  # fmt: skip
    assert switch(flat("main")) == ("FLAT_CONFIRMED", [], 1)
    assert receivers.verified().ok


def test_flat_waits_for_the_accounts_whose_alerts_tripped_the_switch(
    receivers: Any, words: Any
) -> None:
    def switch() -> tuple[str, list[str]]:
        status = receivers.status()["kill_switch"]
        return status["state"], status["waiting_for_accounts"]

    over = words.kill_alert(firing=False, account="main")
    assert receivers.send("alerts", [over]).status_code == 200
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    assert switch() == ("TRIPPED", ["main"])
    send_reports(receivers, [report("flat_confirmed", "other", kill_id=kill_id)])
    assert switch() == ("CLOSING", ["main"])
    send_reports(receivers, [report("flat_confirmed", "main", kill_id=kill_id)])
    assert switch() == ("FLAT_CONFIRMED", [])
    receivers.send("alerts", [words.kill_alert(risk_id="drawdown/late", account="late")])
    assert switch() == ("CLOSING", ["late"])
    assert receivers.send("alerts", [over]).status_code == 200
    assert switch() == ("CLOSING", ["late"])
    assert receivers.verified().ok


def test_flat_is_only_believed_about_the_kill_in_force(receivers: Any) -> None:
    flat = reports("no-such-kill")[3]
    assert "not tripped" in send_reports(receivers, [flat])["rejected"][0]["error"]
    kill_id = receivers.operator_kill("immediate").json()["kill_id"]
    (rejected,) = send_reports(receivers, [flat])["rejected"]
    assert rejected["id"] == "r-flat-001"
    assert kill_id in rejected["error"]
    assert receivers.status()["kill_switch"]["state"] == "TRIPPED"
    assert "KILL_SWITCH_FLAT_CONFIRMED" not in receivers.event_types()


@pytest.mark.parametrize(
    "body", [b"", b"[]", b'{"reports": []}', b'{"reports": [{"kind": "party"}]}', b"\xff"]
)
def test_reports_that_make_no_sense_are_refused(shared: Any, body: bytes) -> None:
    answer = shared.call("POST", "/api/v1/runtime/reports", token="runtime-secret", content=body)
    assert answer.status_code == 400
    assert answer.json()["detail"]
