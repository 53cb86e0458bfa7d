"""Alerts over the API: one with its timeline, what people say about it, and how many there were."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest

from risk_receivers.problem import CONTENT_TYPE


def test_an_alert_is_shown_with_all_that_is_on_record_about_it_and_nothing_else(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert(risk_id="drawdown/main")])
    receivers.send("alerts", [words.alert(risk_id="drawdown/other")])
    [incident] = receivers.call(
        "GET", "/api/v1/alerts", params={"risk_id": "drawdown/main"}
    ).json()["alerts"]
    path = f"/api/v1/alerts/{incident['id']}"
    said = receivers.call(
        "POST", f"{path}/comments", json={"author": "ann", "comment": "selling half of it"}
    ).json()

    whole = receivers.call("GET", path).json()
    assert whole["alert"] == incident
    events = whole["timeline"]["events"]
    kinds = [event["header"]["event_type"] for event in events]
    assert kinds[0] == "ALERT_CREATED"
    assert kinds[-1] == "ALERT_COMMENTED"
    assert {event["payload"]["alert_id"] for event in events} == {incident["id"]}
    assert events[-1]["header"]["seq"] == said["audit_seq"]
    assert events[-1]["payload"]["message"].endswith(": selling half of it")
    assert whole["timeline"]["complete"]

    later = receivers.call("GET", path, params={"after_seq": said["audit_seq"] - 1}).json()
    assert [event["header"]["seq"] for event in later["timeline"]["events"]] == [said["audit_seq"]]
    # A slash within an id may be escaped or not.
    escaped = receivers.call("GET", f"/api/v1/alerts/{quote(incident['id'], safe='')}")
    assert escaped.json()["alert"] == incident


@pytest.mark.parametrize("way", [("GET", ""), ("POST", "/comments"), ("POST", "/acknowledge")])
def test_an_alert_that_there_is_not_is_a_problem_that_says_so(
    way: tuple[str, str], shared: Any
) -> None:
    method, rest = way
    answer = shared.call(
        method,
        f"/api/v1/alerts/drawdown/nobody:warning:1{rest}",
        json=None if method == "GET" else {"author": "ann", "comment": "c"},
    )
    assert answer.status_code in (404, 409)
    assert answer.headers["content-type"] == CONTENT_TYPE
    told = answer.json()
    assert (told["type"], told["status"]) == ("about:blank", answer.status_code)
    assert "drawdown/nobody:warning:1" in told["detail"]


def test_of_all_that_are_open_the_worst_come_first_and_all_are_counted(
    receivers: Any, words: Any
) -> None:
    now = datetime.now(UTC)
    fired = [
        words.alert(
            risk_id=f"drawdown/{severity}-{age}", severity=severity, starts=began, ends=ends
        )
        for severity in ("warning", "critical", "info", "emergency")
        for age in (1, 2, 3)
        for began, ends in [(now - timedelta(minutes=age), now + timedelta(minutes=9))]
    ]
    assert receivers.send("alerts", fired).status_code == 200
    receivers.hear_watchdog()
    over = {**fired[-1], "endsAt": now.isoformat()}  # the oldest emergency
    assert receivers.send("alerts", [over]).status_code == 200

    found = receivers.call("GET", "/api/v1/alerts/open", params={"limit": 4}).json()
    worst = ["emergency-1", "emergency-2", "critical-1", "critical-2"]
    assert [one["risk_id"].partition("/")[2] for one in found["alerts"]] == worst
    counts = {"emergency": 2, "critical": 3, "warning": 3, "info": 3}
    assert {name: found["waiting"].get(name) for name in counts} == counts
    assert found["acknowledged"] == {}
    assert (
        receivers.call("GET", f"/api/v1/alerts/{found['alerts'][0]['id']}").json()["alert"]
        == (found["alerts"][0])
    )
    wrong = receivers.call("GET", "/api/v1/alerts/open", params={"limit": 1001})
    assert wrong.status_code == 400


def test_alerts_are_counted_by_what_they_are(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.alert(risk_id=f"drawdown/{name}") for name in ("a", "b", "c")])
    counted = receivers.call("GET", "/api/v1/alerts/stats").json()
    assert counted["total"] == 3
    assert counted["by_state"] == {"CREATED": 3, "DISPATCHED": 0, "RESOLVED": 0, "EXPIRED": 0}
    assert counted["by_severity"][words.alert()["labels"]["severity"]] == 3
    assert sum(counted["by_category"].values()) == 3
    assert list(counted["by_alertname"].values()) == [3]
    assert (counted["acknowledged"], counted["median_seconds_to_acknowledge"]) == (0, None)
    # Nobody has acknowledged what Alertmanager was asked to keep quiet, and did not.
    path = "/api/v1/alerts/drawdown/a:warning:1/acknowledge"
    said = {"author": "ann", "comment": "mine"}
    assert receivers.call("POST", path, json=said).status_code == 503
    assert receivers.call("GET", "/api/v1/alerts/stats").json()["acknowledged"] == 0

    long_ago = datetime.now(UTC) - timedelta(days=30)
    before = {"since": long_ago.isoformat(), "until": (long_ago + timedelta(days=1)).isoformat()}
    assert receivers.call("GET", "/api/v1/alerts/stats", params=before).json()["total"] == 0


def test_an_alert_has_one_id_and_is_not_found_by_what_only_looks_like_it(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert(risk_id="drawdown/main")])
    for number, code in (("1", 200), ("01", 404), ("0", 404)):
        path = f"/api/v1/alerts/drawdown/main:warning:{number}"
        assert receivers.call("GET", path).status_code == code


@pytest.mark.parametrize(
    "odd",
    [
        {"risk_id": "a:b:c"},
        {"risk_id": "two\nlines"},
        {"risk_id": "../x"},
        {"risk_id": "x" * 300},
        {"tier": "of:two"},
        {"tier": "of/two"},
        {"tier": "t" * 150},
        {"tier": ""},
        {"category": "nobody knows"},
    ],
    ids=str,
)
def test_whatever_its_labels_are_an_alert_is_found_spoken_of_and_counted(
    odd: dict[str, str], receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert(risk_id="drawdown/before")])
    receivers.send("alerts", [words.alert(**odd)])
    page = receivers.call("GET", "/api/v1/alerts", params={"limit": 1}).json()
    [alert] = page["alerts"]
    following = {"limit": 1, "before": page["next"]}
    [other] = receivers.call("GET", "/api/v1/alerts", params=following).json()["alerts"]
    assert other["risk_id"] == "drawdown/before"
    path = f"/api/v1/alerts/{quote(alert['id'], safe='')}"
    said = receivers.call("POST", f"{path}/comments", json={"author": "ann", "comment": "odd"})
    assert said.status_code == 200, said.text
    shown = receivers.call("GET", path).json()
    assert shown["alert"] == alert
    assert shown["timeline"]["events"][-1]["header"]["event_type"] == "ALERT_COMMENTED"
    counted = receivers.call("GET", "/api/v1/alerts/stats").json()
    assert sum(counted["by_category"].values()) == counted["total"] == 2


@pytest.mark.parametrize(
    ("asked", "named"),
    [
        ("since=yesterday", "since: must be a time such as"),
        ("since=2026-01-02T00:00:00", "since"),
        ("since=2026-01-02T00:00:00Z&until=2026-01-01T00:00:00Z", "since"),
        ("until=0001-01-01T00:00:00Z", "since"),
        ("since=0001-01-01T00:00:00%2B10:00", "since: "),
        ("until=9999-12-31T23:59:59-10:00", "until: "),
        ("form=2026-01-02", "form"),
    ],
)
def test_a_time_that_is_none_is_named(asked: str, named: str, shared: Any) -> None:
    answer = shared.call("GET", f"/api/v1/alerts/stats?{asked}")
    assert answer.status_code == 400
    assert named in answer.json()["detail"]


def test_text_that_is_sql_elsewhere_is_text(receivers: Any, words: Any) -> None:
    risk_ids = ["drawdown/x' OR '1'='1", "drawdown/'; DROP TABLE incident; --", 'drawdown/"\\%_']
    for risk_id in risk_ids:
        receivers.send("alerts", [words.alert(risk_id=risk_id)])

    def found(**asked: str) -> set[str]:
        answer = receivers.call("GET", "/api/v1/alerts", params=asked)
        assert answer.status_code == 200, answer.text
        return {each["risk_id"] for each in answer.json()["alerts"]}

    assert found() == set(risk_ids)
    for risk_id in risk_ids:
        assert found(risk_id=risk_id) == {risk_id}
    assert found(risk_id="' OR '1'='1") == set()
    assert receivers.verified().ok
