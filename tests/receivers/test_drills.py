"""Drills on record: who looks at the chain later sees what was rehearsed."""

from __future__ import annotations

from typing import Any

import pytest

BEGAN: dict[str, Any] = {
    "phase": "started",
    "id": "DRILL-0001",
    "scenario": "kill-pause",
    "environment": "paper",
    "actor": "olga",
}


def test_a_drill_is_on_record_with_who_and_how_it_ended(shared: Any) -> None:
    first = shared.call("POST", "/api/v1/drills", json=BEGAN)
    assert first.status_code == 200
    criteria = [{"what": "the gate closes", "met": False, "evidence": "it did not"}]
    ended = {**BEGAN, "phase": "ended", "result": "FAIL", "criteria": criteria}
    second = shared.call("POST", "/api/v1/drills", json=ended)
    start, end = [one for one in shared.chain() if str(one.event_type).startswith("DRILL_")][-2:]
    assert (start.seq, end.seq) == (first.json()["audit_seq"], second.json()["audit_seq"])
    assert (start.event_type, end.event_type) == ("DRILL_STARTED", "DRILL_ENDED")
    assert (end.payload.actor_id, end.payload.severity) == ("olga", "warning")
    assert end.payload.details["criteria"] == criteria
    assert shared.verified().ok
    [drill] = shared.call("GET", "/api/v1/drills").json()["drills"]
    assert (drill["id"], drill["result"], drill["actor"]) == ("DRILL-0001", "FAIL", "olga")
    assert drill["started_at"] < drill["ended_at"]


@pytest.mark.parametrize(
    "change", [{"environment": "prod"}, {"actor": ""}, {"phase": "over"}, {"more": 1}]
)
def test_what_is_no_drill_is_refused(shared: Any, change: dict[str, Any]) -> None:
    answer = shared.call("POST", "/api/v1/drills", json={**BEGAN, **change})
    assert answer.status_code == 400
    assert next(iter(change)) in answer.json()["detail"]
    assert shared.call("POST", "/api/v1/drills", token="runtime-secret").status_code == 403
