"""The audit chain over the API: what was asked for, from either end, and that it was signed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


@pytest.fixture(scope="module")
def busy(shared: Any) -> Any:
    """Somebody made and revoked tokens, and nothing else happened but the start."""
    for name in ("ann", "bob"):
        body = {"name": name, "roles": ["auditor"], "actor": "owner"}
        assert shared.call("POST", "/api/v1/tokens", json=body).status_code == 200
    gone = shared.call("DELETE", "/api/v1/tokens/ann", json={"actor": "olga", "reason": "left"})
    assert gone.status_code == 200
    return shared


def ask(receivers: Any, **asked: Any) -> Any:
    answer = receivers.call("GET", "/api/v1/audit", params=asked)
    assert answer.status_code == 200, answer.text
    return answer.json()


def kinds(answer: Any) -> list[str]:
    return [event["header"]["event_type"] for event in answer["events"]]


def test_events_are_picked_out_by_what_they_are_whoever_did_it_and_when(busy: Any) -> None:
    assert kinds(ask(busy, type="token_revoked")) == ["TOKEN_REVOKED"]
    assert set(kinds(ask(busy, type="token"))) == {"TOKEN_CREATED", "TOKEN_REVOKED"}
    assert kinds(ask(busy, text="LEFT", type="token")) == ["TOKEN_REVOKED"]
    assert kinds(ask(busy, actor="nobody-at-all")) == []
    later = (datetime.now(UTC) + timedelta(hours=1)).isoformat()
    assert kinds(ask(busy, since=later)) == []
    assert len(kinds(ask(busy, until=later))) == ask(busy)["head"]["size"]


def test_pages_from_either_end_meet(busy: Any) -> None:
    size = ask(busy)["head"]["size"]
    upwards, downwards = [], []
    page = ask(busy, limit=2)
    upwards += page["events"]
    while not page["complete"]:
        page = ask(busy, limit=2, after_seq=page["searched_to"])
        upwards += page["events"]
    page = ask(busy, order="desc", limit=2)
    downwards += page["events"]
    while not page["complete"]:
        page = ask(busy, order="desc", limit=2, before_seq=page["searched_to"])
        downwards += page["events"]
    assert [event["header"]["seq"] for event in upwards] == list(range(1, size + 1))
    assert downwards == upwards[::-1]
    assert busy.call("GET", f"/api/v1/audit/{size}").json() == upwards[-1]


def test_a_record_is_proven_to_be_in_what_was_signed(busy: Any, wait_until: Any) -> None:
    size = ask(busy)["head"]["size"]
    wait_until(lambda: busy.status()["audit"]["signed"] >= size)
    proof = busy.call("GET", f"/api/v1/audit/{size}/proof").json()
    assert f'"seq":{size}' in proof["header"]
    assert f"index {size - 1}\n" in proof["tlog_proof"]
    assert proof["checkpoint"].splitlines()[1] == proof["head"].partition(":")[0]


@pytest.mark.parametrize("path", ["0", "999999", "0/proof", "999999/proof"])
def test_a_record_that_there_is_not_is_a_problem(path: str, busy: Any) -> None:
    answer = busy.call("GET", f"/api/v1/audit/{path}")
    assert answer.status_code == 404
    assert "there is no record" in answer.json()["detail"]


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("type=tokens_of_love", "type"),
        ("order=up", "order"),
        ("severity=bad", "severity"),
        ("before_seq=0", "before_seq"),
        ("since=yesterday", "since"),
        ("seq=3", "seq"),
        ("order=desc&after_seq=3", "after_seq: "),
        ("before_seq=3", "before_seq: "),
    ],
)
def test_what_cannot_be_asked_is_named(asked: str, named: str, busy: Any) -> None:
    answer = busy.call("GET", f"/api/v1/audit?{asked}")
    assert (answer.status_code, named in answer.json()["detail"]) == (400, True)
