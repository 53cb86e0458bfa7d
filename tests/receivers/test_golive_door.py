"""That a go-live check was made, on record, on a running service."""

from __future__ import annotations

from typing import Any

import pytest

from risk_policy.contracts.golive import GoLiveResult, Outcome
from risk_policy.model.audit import AuditRetention

CHECK = {
    "result": "ready but for what was skipped",
    "environment": "live",
    "actor": "olga",
    "lines": [
        {"name": "clock", "outcome": "passed"},
        {"name": "tls", "outcome": "skipped", "because": "nobody comes from elsewhere"},
    ],
    "policy_digest": "a" * 64,
    "report_sha256": "b" * 64,
}


def test_a_check_goes_on_record_line_by_line_with_its_reports_digest(shared: Any) -> None:
    answer = shared.call("POST", "/api/v1/golive", json=CHECK)
    assert answer.status_code == 200, answer.text
    [event] = [e for e in shared.chain() if e.event_type == "GO_LIVE_CHECKED"]
    assert event.seq == answer.json()["audit_seq"]
    said = event.payload
    assert said.message == (
        "go-live checklist (live): ready but for what was skipped; 1 passed, 1 skipped"
    )
    assert (said.actor_id, said.actor_type, said.severity) == ("olga", "USER", "warning")
    assert said.details["report_sha256"] == "b" * 64
    assert said.details["lines"][1]["because"] == "nobody comes from elsewhere"
    assert AuditRetention().days_for(event.event_type) == 365


@pytest.mark.parametrize(
    "change",
    [
        {"result": "ready"},
        {"result": "fine"},
        {"lines": []},
        {"lines": [{"name": "clock", "outcome": "green"}]},
        {"report_sha256": "b" * 63},
        {"extra": 1},
    ],
)
def test_what_is_no_check_is_refused(shared: Any, change: dict[str, Any]) -> None:
    answer = shared.call("POST", "/api/v1/golive", json={**CHECK, **change})
    assert answer.status_code == 400, answer.text
    assert shared.call("POST", "/api/v1/golive", token="runtime-secret").status_code == 403


@pytest.mark.parametrize(
    ("outcomes", "result"),
    [
        ([Outcome.PASSED, Outcome.PASSED], GoLiveResult.READY),
        ([Outcome.PASSED, Outcome.SKIPPED], GoLiveResult.READY_BUT_FOR_SKIPPED),
        ([Outcome.PASSED, Outcome.NOT_KNOWN], GoLiveResult.NOT_READY),
        ([Outcome.SKIPPED, Outcome.FAILED], GoLiveResult.NOT_READY),
        ([Outcome.SKIPPED], GoLiveResult.NOT_READY),
        ([], GoLiveResult.NOT_READY),
    ],
)
def test_nothing_but_lines_that_passed_amounts_to_ready(
    outcomes: list[Outcome], result: GoLiveResult
) -> None:
    assert GoLiveResult.of(outcomes) is result
