"""Runtime reports: one that makes no sense is named, and costs nothing that stands beside it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.contracts import marker
from risk_policy.vocabulary import KillMode
from risk_receivers.reports.intake import UnreadableReportsError, read_reports


def blocked(name: str = "report-0001", **more: Any) -> dict[str, Any]:
    """A report about an order that was refused."""
    return {
        "id": name, "account": "main", "at": "2026-01-05T10:00:00Z", "kind": "trade_blocked",
        "trade_id": "t1", "symbol": "X", "side": "buy", "quantity": "1", "price": "1",
        "reason": "halted", "gate_version": 1, **more,
    }  # fmt: skip


def send(receivers: Any, *found: Any) -> tuple[int, dict[str, Any]]:
    answer = receivers.call(
        "POST", "/api/v1/runtime/reports", token="runtime-secret", json={"reports": found}
    )
    return answer.status_code, answer.json()


def test_a_report_out_of_bounds_costs_its_neighbours_nothing(receivers: Any) -> None:
    kill_id = receivers.operator_kill("immediate").json()["kill_id"]
    flat = {
        "id": "flat-0001", "account": "main", "at": "2026-01-05T10:00:00Z",
        "kind": "flat_confirmed", "kill_id": kill_id,
    }  # fmt: skip
    code, answer = send(receivers, blocked(gate_version=2**53), {"id": "odd"}, flat)
    assert (code, answer["recorded"]) == (200, 1)
    first, second = answer["rejected"]
    assert (first["id"], first["reason"]) == ("report-0001", "invalid")
    assert ".gate_version: " in first["error"]
    assert str(2**53 - 1) in first["error"]
    assert second["id"] == "odd"
    assert receivers.status()["kill_switch"]["state"] == "FLAT_CONFIRMED"
    code, answer = send(receivers, blocked(gate_version=2**53))
    assert code == 400
    assert ".gate_version: " in answer["detail"]
    assert [refused["id"] for refused in answer["rejected"]] == ["report-0001"]
    assert send(receivers, blocked())[1]["recorded"] == 1, "the id was not used up"


@pytest.mark.parametrize(
    "at", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-01-05T10:00:00"]
)
def test_a_time_that_cannot_be_told_is_refused(shared: Any, at: str) -> None:
    code, answer = send(shared, blocked(at=at))
    assert code == 400
    assert ".at: " in answer["detail"]


def test_an_id_stands_for_one_report_for_ever(receivers: Any) -> None:
    assert send(receivers, blocked()) == (200, {"recorded": 1, "duplicates": 0, "rejected": []})
    assert send(receivers, blocked())[1]["duplicates"] == 1
    other = blocked(symbol="Y")
    for _ in range(3):
        code, answer = send(receivers, other)
        assert code == 409
        assert answer["rejected"][0]["reason"] == "reused"
        assert "id" in answer["detail"]
    code, answer = send(receivers, other, blocked("report-0002"))
    assert (code, answer["recorded"], len(answer["rejected"])) == (200, 1, 1)
    assert send(receivers, blocked())[1]["duplicates"] == 1, "the first one stands"
    kinds = receivers.event_types()
    assert kinds.count("TRADE_BLOCKED") == 2
    assert kinds.count("REPORT_REFUSED") == 1, "on record once, however often it is tried"
    (refused,) = [e.payload for e in receivers.chain() if e.event_type == "REPORT_REFUSED"]
    assert refused.details["report_id"] == "report-0001"
    assert refused.category == "security"
    assert receivers.verified().ok


def test_an_id_from_before_contents_were_kept_is_a_duplicate(receivers: Any) -> None:
    send(receivers, blocked())
    receivers.stop()
    with closing(sqlite3.connect(receivers.database)) as connection, connection:
        connection.execute("DELETE FROM report_content")
    receivers.start()
    assert send(receivers, blocked(symbol="Y"))[1]["duplicates"] == 1


reports = st.sampled_from(
    [blocked(), blocked("report-0002", gate_version=-1), blocked("x"), {}, 5, None, ["id"], "text"]
)


@given(st.lists(reports, min_size=1, max_size=6))
def test_every_report_is_either_read_or_named(found: list[Any]) -> None:
    result = read_reports(json.dumps({"reports": found}).encode())
    good = [report for report in found if report == blocked()]
    assert [report.id for report in result.reports] == [report["id"] for report in good]
    assert len(result.rejected) == len(found) - len(good)


@given(st.binary(max_size=80))
def test_no_bytes_whatever_make_reading_fail_otherwise(body: bytes) -> None:
    with pytest.raises(UnreadableReportsError):
        read_reports(body)


def test_the_pre_trade_limit_that_refused_an_order_is_on_record_with_its_figures(
    receivers: Any,
) -> None:
    by_limit = blocked("by-limit-1", limit="position_size", value="0.201", threshold="0.2")
    assert send(receivers, by_limit, blocked("by-gate-01"))[1]["recorded"] == 2
    one, other = (event.payload.details for event in receivers.chain()[-2:])
    assert (one["limit"], one["value"], one["threshold"]) == ("position_size", "0.201", "0.2")
    assert not other.keys() & {"limit", "value", "threshold"}
    assert send(receivers, blocked("by-limit-2", limit="edge", value="1e-3"))[0] == 400


def test_flat_before_the_kill_is_on_record_is_sent_again_and_not_refused(
    receivers: Any, wait_until: Any
) -> None:
    wait_until(receivers.gate_is_open)
    order = marker.KillOrder(id="kill-1", mode=KillMode.IMMEDIATE, at="2026-01-05T10:00:00Z")
    flat = {
        "id": "flat-0001", "account": "main", "at": "2026-01-05T10:00:00Z",
        "kind": "flat_confirmed", "kill_id": "kill-1",
    }  # fmt: skip

    def recorded() -> bool:
        code, answer = send(receivers, flat)
        assert not answer.get("rejected"), "nobody would send it again"
        assert code == 200 or (code == 503 and "send the reports again" in answer["detail"])
        return code == 200

    marker.write_order(receivers.data / "gate", order)
    wait_until(recorded)
    wait_until(lambda: receivers.status()["kill_switch"]["state"] == "FLAT_CONFIRMED")
