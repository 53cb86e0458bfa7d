"""The API: the kill, the reports, and what may be read by whom."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest

NOW = "2026-01-01T00:00:00Z"


def test_probes_need_no_token_and_know_no_secrets(shared: Any) -> None:
    for path in ("/healthz", "/readyz", "/metrics"):
        answer = shared.call("GET", path, token="")
        assert answer.status_code == 200
        assert not [
            one for one in shared.environ.values() if "-secret" in one and one in answer.text
        ]
        assert "server" not in answer.headers


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("POST", "/api/v1/kill", {"operator", "runtime"}),
        ("POST", "/api/v1/alerts/drawdown/main:warning:1/acknowledge", {"operator"}),
        ("DELETE", "/api/v1/alerts/drawdown/main:warning:1/acknowledge", {"operator"}),
        ("GET", "/api/v1/silences", {"operator"}),
        ("GET", "/api/v1/system/status", {"operator"}),
        ("GET", "/api/v1/alerts", {"operator"}),
        ("GET", "/api/v1/audit", {"operator"}),
        ("GET", "/api/v1/gate", {"operator", "runtime"}),
        ("POST", "/api/v1/runtime/reports", {"runtime"}),
    ],
)
def test_every_endpoint_takes_its_own_tokens_only(
    shared: Any, method: str, path: str, allowed: set[str]
) -> None:
    for who in ("operator", "runtime", "alert-feed", "notification-feed", "nobody"):
        code = shared.call(method, path, token=f"{who}-secret").status_code
        refused = 401 if who == "nobody" else 403
        assert (code == refused) == (who not in allowed), (who, code)
    answer = shared.call(method, path, token="")
    assert answer.status_code == 401
    assert "bearer token" in answer.json()["detail"]
    assert not shared.gate_says_halt()


def test_an_operators_kill_is_on_record_and_the_gate_closed_before_the_answer(
    receivers: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    answer = receivers.operator_kill("graceful", "exchange outage")
    assert receivers.gate_says_halt()
    content = answer.json()
    assert answer.status_code == 200
    assert (content["state"], content["mode"]) == ("TRIPPED", "graceful")
    assert content["already_tripped"] is False
    detail = receivers.detail()
    assert (detail.version, detail.kills[0].id) == (content["gate_version"], content["kill_id"])
    assert (detail.kills[0].cause, detail.kills[0].level) == ("exchange outage", "operator")
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert (event.payload.actor_type, event.payload.actor_id) == ("USER", "tester")
    assert event.payload.action_reason == "exchange outage"
    assert event.payload.message == (
        "kill switch tripped in mode graceful by operator tester: exchange outage"
    )
    assert event.expires_at is None


def test_a_kill_can_be_tightened_and_repeated_but_never_loosened(receivers: Any) -> None:
    first = receivers.operator_kill("pause").json()
    tightened = receivers.operator_kill("immediate").json()
    repeated = receivers.operator_kill("immediate").json()
    for answer in (tightened, repeated):
        assert answer["already_tripped"] is True
        assert (answer["kill_id"], answer["mode"]) == (first["kill_id"], "immediate")
    assert tightened["gate_version"] == repeated["gate_version"] == first["gate_version"] + 1
    looser = receivers.operator_kill("graceful")
    assert looser.status_code == 409
    assert "only be tightened" in looser.json()["detail"]
    assert receivers.detail().kills[0].mode == "immediate"
    assert [kind for kind in receivers.event_types() if kind.startswith("KILL")] == [
        "KILL_SWITCH_ACTIVATED",
        "KILL_SWITCH_TIGHTENED",
        "KILL_SWITCH_TRIGGER_RECORDED",
        "KILL_SWITCH_LOOSENING_REFUSED",
    ]


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({"mode": "immediate", "actor": "a"}, "reason"),
        ({"mode": "immediate", "actor": "a", "reason": "  "}, "reason"),
        ({"mode": "gently", "actor": "a", "reason": "b"}, "mode"),
        ({"mode": "pause", "reason": "b"}, "actor"),
        ({"mode": "pause", "actor": "a", "reason": "b", "until": 3}, "until"),
        ([], "body"),
    ],
)
def test_a_kill_that_makes_no_sense_is_refused_by_name(
    shared: Any, body: object, named: str
) -> None:
    answer = shared.call("POST", "/api/v1/kill", json=body)
    assert answer.status_code == 400
    assert named in answer.json()["detail"]
    assert not shared.gate_says_halt()


def test_an_emergency_of_the_alert_feed_trips_once(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    alert = words.kill_alert()
    assert receivers.send("alerts", [alert]).status_code == 200
    assert receivers.gate_says_halt()
    receivers.send("alerts", [alert])
    receivers.send("notifications", words.webhook(alert))
    receivers.send("alerts", [words.kill_alert(firing=False)])
    kinds = [kind for kind in receivers.event_types() if kind.startswith("KILL")]
    assert kinds == ["KILL_SWITCH_ACTIVATED"]
    switch = receivers.status()["kill_switch"]
    assert (switch["state"], switch["mode"]) == ("TRIPPED", "immediate")
    assert switch["cause"] == "DRAWDOWN_EMERGENCY"
    assert receivers.gate_says_halt(), "resolved is not safe"
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_ACTIVATED"]
    details = event.payload.details
    assert details["starts_at"] <= details["received_at"] <= event.recorded_at.isoformat()
    assert switch["gate_closed_at"] >= event.recorded_at.isoformat()
    assert 0 < receivers.metric("risk_gate_close_delay_seconds") < 2
    assert receivers.metric("risk_kill_switch_tripped") == 1
    assert receivers.metric("risk_kill_switch_armed") == 0, "what is tripped trips no more"
    assert receivers.metric("risk_gate_open") == 0


def test_an_emergency_that_came_and_went_while_nobody_listened_still_trips(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.kill_alert(firing=False)])
    assert receivers.gate_says_halt()


def test_a_second_emergency_is_recorded_as_another_trigger(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.kill_alert(), words.kill_alert(risk_id="drawdown/other")])
    assert [kind for kind in receivers.event_types() if kind.startswith("KILL")] == [
        "KILL_SWITCH_ACTIVATED",
        "KILL_SWITCH_TRIGGER_RECORDED",
    ]
    assert receivers.status()["kill_switch"]["triggers"] == 2


def test_a_trip_is_told_to_every_channel(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.kill_alert()])
    folder = receivers.data / "logs" / "alerts"
    wait_until(lambda: any("KILL SWITCH TRIPPED" in p.read_text() for p in folder.glob("*.jsonl")))
    wait_until(lambda: "KILL SWITCH TRIPPED" in receivers.log)
    assert receivers.rows("SELECT DISTINCT channel FROM message ORDER BY channel") == [
        ("console",),
        ("file",),
    ]


def test_the_audit_is_read_page_by_page(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.alert(risk_id=f"{n}/main") for n in range(5)])
    seqs: list[int] = []
    while page := receivers.call(
        "GET", "/api/v1/audit", params={"after_seq": seqs[-1] if seqs else 0, "limit": 2}
    ).json()["events"]:
        seqs += [event["header"]["seq"] for event in page]
    assert seqs == list(range(1, 8))
    (last,) = receivers.call("GET", "/api/v1/audit", params={"after_seq": 6}).json()["events"]
    assert last["header"]["event_type"] == "ALERT_CREATED"
    assert last["payload"]["details"]["labels"]["risk_id"] == "4/main"
    assert last["checksum"] == receivers.status()["audit"]["checksum"]


def test_incidents_are_picked_out_and_read_page_by_page(receivers: Any, words: Any) -> None:
    def page(**wanted: Any) -> tuple[list[str], str | None]:
        found = receivers.call("GET", "/api/v1/alerts", params=wanted).json()
        return [one["id"] for one in found["alerts"]], found["next"]

    receivers.send("alerts", [words.alert(risk_id=f"drawdown/{n}") for n in range(5)])
    worse = {"name": "VAR_BREACH_CRITICAL", "severity": "critical", "category": "portfolio"}
    receivers.send("alerts", [words.alert(risk_id="var/main", **worse)])
    everything, following = page()
    assert (len(everything), following) == (6, None)
    assert everything[0] == "var/main:warning:1", "the latest first"

    read, following = page(limit=2)
    receivers.send("alerts", [words.alert(risk_id="leverage/main")])
    while following is not None:
        more, following = page(limit=2, before=following)
        read += more
    assert read == everything, "what came meanwhile moves nothing"

    for wanted in ({"severity": "critical"}, {"category": "portfolio"}, {"risk_id": "var/main"}):
        assert page(**wanted) == (everything[:1], None)
    assert page(alertname="DRAWDOWN_WARNING", tier="warning", state="open", risk_id="drawdown/3")[
        0
    ] == ["drawdown/3:warning:1"]
    assert page(risk_id="' OR 1=1 --") == ([], None)


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/alerts?severity=bad",
        "/api/v1/alerts?category=bad",
        "/api/v1/alerts?before=no/such:warning:1",
        "/api/v1/alerts?before=nonsense",
        "/api/v1/audit?limit=0",
        "/api/v1/audit?limit=many",
        "/api/v1/audit?after_seq=-1",
        "/api/v1/alerts?limit=1001",
        "/api/v1/alerts?state=sleeping",
    ],
)
def test_questions_out_of_range_are_refused_by_name(shared: Any, path: str) -> None:
    answer = shared.call("GET", path)
    assert answer.status_code == 400
    assert path.partition("?")[2].partition("=")[0] in answer.json()["detail"]


def test_the_gate_can_be_asked_over_http(receivers: Any, wait_until: Callable[..., Any]) -> None:
    def gate() -> dict[str, Any]:
        found: dict[str, Any] = receivers.call("GET", "/api/v1/gate", token="runtime-secret").json()
        return found

    wait_until(lambda: gate()["open"])
    assert 0 < gate()["lease_remaining_seconds"] <= 2
    kill_id = receivers.operator_kill("pause").json()["kill_id"]
    found = gate()
    assert (found["open"], found["halted"], found["lease_remaining_seconds"]) == (False, True, 0)
    assert found["detail"]["restrictions"][0]["id"] == kill_id


def test_runbooks_are_served_as_the_annotations_promise(shared: Any) -> None:
    answer = shared.call("GET", "/runbooks/DRAWDOWN_EMERGENCY", token="")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/markdown")
    assert "DRAWDOWN_EMERGENCY" in answer.text
    unknown = shared.call("GET", f"/runbooks/{uuid4()}", token="")
    assert unknown.status_code == 404
    assert unknown.json()["detail"]


def test_what_does_not_exist_is_answered_in_json(shared: Any) -> None:
    assert shared.call("GET", "/no/such/page").json()["detail"]
    wrong = shared.call("DELETE", "/api/v1/kill")
    assert wrong.status_code == 405
    assert wrong.json()["detail"]


def test_every_metric_is_in_the_catalogue(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    from risk_policy.catalogue.metrics import METRICS

    labels_of = {
        name: set(labels) for metric in METRICS.values() for name, labels in metric.samples.items()
    }

    def exported() -> set[str]:
        names = set()
        for line in receivers.call("GET", "/metrics").text.splitlines():
            if not line.startswith("#"):
                name, _, rest = line.partition("{") if "{" in line else (line.split()[0], "", "")
                names.add(name)
                labels = tuple(
                    part.partition("=")[0] for part in rest.partition("}")[0].split(",") if part
                )
                assert set(labels) == labels_of[name], name
        return names

    receivers.send("notifications", words.webhook(words.alert()))
    receivers.send("alerts", [3, words.kill_alert()])
    known = {
        name
        for metric in METRICS.values()
        if metric.component == "receivers"
        for name in metric.samples
    }
    everybodys = {
        "risk_policy_info",
        "risk_unexpected_errors_total",
        "risk_disk_free_ratio",
    }
    absent = {
        "risk_ack_until_seconds",  # no silence is
        "risk_silence_too_broad",
        "risk_channel_failovers_total",  # nobody takes over here
        "risk_button_presses_total",  # there are no buttons
        "risk_buttons_heard",
        "risk_reports_failing",  # none are due by themselves
        "risk_certificate_expiry_timestamp_seconds",  # there is no TLS
    }
    wait_until(lambda: exported() == known - absent | everybodys, what="whatever there is to tell")


def test_a_runtime_stops_itself_and_who_asks_for_less_is_on_record(receivers: Any) -> None:
    said = {"mode": "immediate", "reason": "the book makes no sense", "actor": "bot-7"}
    answer = receivers.call("POST", "/api/v1/kill", token="runtime-secret", json=said)
    assert answer.status_code == 200
    assert receivers.status()["kill_switch"]["level"] == "runtime"
    tripped = receivers.chain()[-1]
    assert tripped.event_type == "KILL_SWITCH_ACTIVATED"
    assert (tripped.payload.actor_type, tripped.payload.actor_id) == ("RUNTIME", "bot-7")
    looser = {"mode": "pause", "reason": "never mind", "actor": "olga"}
    assert receivers.call("POST", "/api/v1/kill", json=looser).status_code == 409
    refused = receivers.chain()[-1]
    assert refused.event_type == "KILL_SWITCH_LOOSENING_REFUSED", "before it was answered"
    assert (refused.payload.actor_id, refused.payload.action_reason) == ("olga", "never mind")
    assert refused.payload.details["address"] == "127.0.0.1"
