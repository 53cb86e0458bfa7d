"""Both feeds over HTTP: recorded before answered, one incident for one breach, no strangers."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest


def test_an_alert_is_on_record_before_it_is_answered(receivers: Any, words: Any) -> None:
    assert receivers.send("alerts", [words.alert()]).status_code == 200
    (created,) = [e for e in receivers.chain() if e.event_type == "ALERT_CREATED"]
    details = created.payload.details
    assert created.payload.alert_id == "drawdown/main:warning:1"
    assert details["labels"]["alertname"] == "DRAWDOWN_WARNING"
    assert details["annotations"]["value"] == "0.123"
    assert details["feed"] == "alerts"
    times = [datetime.fromisoformat(details[name]) for name in ("starts_at", "received_at")]
    assert times[0] < times[1] <= created.recorded_at
    assert receivers.verified().ok


def test_repeats_of_all_kinds_are_one_incident_and_leave_the_chain_alone(
    receivers: Any, words: Any
) -> None:
    earlier = datetime.now(UTC) - timedelta(minutes=3)
    first = words.alert(starts=earlier)
    replica = words.alert(starts=earlier + timedelta(seconds=4))
    receivers.send("alerts", [first])
    receivers.send("notifications", words.webhook(first))
    size = len(receivers.chain())
    later = words.alert(ends=datetime.now(UTC) + timedelta(minutes=9))
    for again in ([first], [replica], [later], [first, first, replica]):
        assert receivers.send("alerts", again).status_code == 200
    for again in (words.webhook(first), words.webhook(replica)):
        assert receivers.send("notifications", again).status_code == 200
    assert len(receivers.chain()) == size
    ((episodes, ends_at),) = receivers.rows("SELECT count(*), max(ends_at) FROM incident")
    assert episodes == 1
    assert datetime.fromisoformat(ends_at) == datetime.fromisoformat(later["endsAt"])
    assert receivers.metric('risk_feed_alerts_total{feed="alerts",outcome="created"}') == 1
    assert receivers.metric('risk_feed_alerts_total{feed="alerts",outcome="repeated"}') == 6


def test_both_feeds_bring_an_incident_from_created_to_resolved_and_then_anew(
    receivers: Any, words: Any
) -> None:
    receivers.send("alerts", [words.alert()])
    receivers.send("notifications", words.webhook(words.alert()))
    assert receivers.status()["incidents_open"]["warning"] == 1
    over = words.alert(firing=False, ends=datetime.now(UTC))
    receivers.send("alerts", [over])
    receivers.send("alerts", [over])
    receivers.send("alerts", [words.alert(starts=datetime.now(UTC))])
    assert [kind for kind in receivers.event_types() if kind.startswith("ALERT")] == [
        "ALERT_CREATED",
        "ALERT_DISPATCHED",
        "ALERT_RESOLVED",
        "ALERT_CREATED",
    ]
    answer = receivers.call("GET", "/api/v1/alerts").json()["alerts"]
    assert [(found["id"], found["state"]) for found in answer] == [
        ("drawdown/main:warning:2", "CREATED"),
        ("drawdown/main:warning:1", "RESOLVED"),
    ]
    found = receivers.call("GET", "/api/v1/alerts", params={"state": "open"}).json()
    assert [incident["episode"] for incident in found["alerts"]] == [2]


def test_an_alert_that_is_no_longer_repeated_expires(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.send("alerts", [words.alert(ends=datetime.now(UTC) + timedelta(seconds=0.3))])
    wait_until(lambda: "ALERT_EXPIRED" in receivers.event_types())
    receivers.send("alerts", [words.alert(starts=datetime.now(UTC))])
    assert receivers.rows("SELECT episode, state FROM incident ORDER BY episode") == [
        (1, "EXPIRED"),
        (2, "CREATED"),
    ]


def test_one_malformed_alert_costs_nobody_else_anything(receivers: Any, words: Any) -> None:
    body = [words.alert(risk_id="a/main"), {"labels": 3}, words.alert(risk_id="b/main")]
    for _ in range(2):
        assert receivers.send("alerts", body).status_code == 200
    assert receivers.rows("SELECT risk_id FROM incident ORDER BY risk_id") == [
        ("a/main",),
        ("b/main",),
    ]
    ((reason, content, seen),) = receivers.rows("SELECT reason, content, seen FROM quarantine")
    assert "labels" in reason
    assert json.loads(content) == {"labels": 3}
    assert seen == 2
    assert receivers.event_types().count("INTAKE_QUARANTINED") == 1
    assert receivers.metric('risk_feed_quarantined_total{feed="alerts"}') == 2


@pytest.mark.parametrize("feed", ["alerts", "notifications"])
@pytest.mark.parametrize("body", [b"", b"not json", b"\xff\xfe", b'{"alerts": 3}', b"[" * 9000])
def test_a_malformed_body_is_kept_counted_and_answered_200(
    shared: Any, feed: str, body: bytes
) -> None:
    assert shared.send(feed, body).status_code == 200
    assert body in {row[0] for row in shared.rows("SELECT content FROM quarantine")}
    assert shared.metric(f'risk_feed_quarantined_total{{feed="{feed}"}}') >= 1
    assert shared.verified().ok


def test_odd_but_valid_texts_are_recorded_as_they_are(receivers: Any, words: Any) -> None:
    odd = {"nul": "\x00", "wide": "ä\U0001f4a5‮", "quote": "'\"\\`); DROP TABLE incident;--"}
    many = {f"label_{number}": "x" * 20 for number in range(2000)}
    assert receivers.send("alerts", [words.alert(**odd, **many)]).status_code == 200
    (created,) = [e for e in receivers.chain() if e.event_type == "ALERT_CREATED"]
    assert odd.items() <= created.payload.details["labels"].items()
    assert receivers.verified().ok


def test_a_body_over_the_limit_is_refused_and_its_beginning_kept(
    receivers: Any, words: Any
) -> None:
    body = [words.kill_alert(), *(words.alert(risk_id=f"{n}/main") for n in range(3000))]
    answer = receivers.send("alerts", body)
    assert answer.status_code == 413
    assert "max_body_mib = 0.25" in answer.json()["detail"]
    assert receivers.gate_says_halt(), "the kill alert at the front was not lost"
    assert receivers.event_types().count("INTAKE_QUARANTINED") >= 1


def test_other_peoples_alerts_and_the_watchdog_are_not_recorded(receivers: Any, words: Any) -> None:
    before = len(receivers.chain())
    watchdog = {**words.alert(), "labels": {"alertname": "Watchdog", "severity": "debug"}}
    foreign = {**words.alert(), "labels": {"alertname": "NodeDown", "severity": "critical"}}
    assert receivers.send("alerts", [watchdog, foreign]).status_code == 200
    assert receivers.send("notifications", words.webhook(watchdog)).status_code == 200
    assert receivers.send("alerts", []).status_code == 200
    assert len(receivers.chain()) == before
    assert receivers.metric('risk_feed_alerts_total{feed="alerts",outcome="ignored"}') == 1
    now = datetime.now(UTC).timestamp()
    for feed in ("alerts", "notifications"):
        beat = receivers.metric(f'risk_watchdog_timestamp_seconds{{feed="{feed}"}}')
        assert now - 10 < beat <= now


@pytest.mark.parametrize(
    ("feed", "token", "code"),
    [
        ("alerts", "notification-feed-secret", 403),
        ("alerts", "wrong", 401),
        ("alerts", "alert-feed-secret2", 401),
        ("notifications", "alert-feed-secret", 403),
        ("notifications", "operator-secret", 403),
    ],
)
def test_a_feed_takes_its_own_token_only(
    shared: Any, words: Any, feed: str, token: str, code: int
) -> None:
    content = [words.kill_alert()] if feed == "alerts" else words.webhook(words.kill_alert())
    answer = shared.send(feed, content, token=token)
    assert answer.status_code == code
    assert "bearer token" in answer.json()["detail"]
    assert answer.headers.get("WWW-Authenticate") == ("Bearer" if code == 401 else None)
    assert "server" not in answer.headers
    assert not shared.gate_says_halt()
    assert shared.rows("SELECT * FROM incident") == []


def test_a_feed_takes_nothing_without_a_token_and_nothing_but_post(shared: Any) -> None:
    for path in ("/api/v2/alerts", "/api/v1/notifications"):
        assert shared.client.post(shared.url + path, content=b"[]").status_code == 401
        assert shared.client.get(shared.url + path).status_code == 405


def test_a_notification_reaches_every_channel_once_and_its_end_once(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    def lines() -> list[dict[str, Any]]:
        folder = receivers.data / "logs" / "alerts"
        return [
            json.loads(line)
            for path in sorted(folder.glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]

    warning, debug = words.alert(), words.alert(risk_id="quiet/main", severity="debug")
    receivers.send("alerts", [warning, debug])
    for _ in range(3):
        receivers.send("notifications", words.webhook(warning, debug))
    wait_until(lambda: len(lines()) == 1)
    over = words.alert(firing=False)
    receivers.send("alerts", [over])
    for _ in range(2):
        receivers.send("notifications", words.webhook(over, status="resolved"))
    wait_until(lambda: len(lines()) == 2)
    assert [(line["kind"], line["title"]) for line in lines()] == [
        ("firing", "DRAWDOWN_WARNING"),
        ("resolved", "DRAWDOWN_WARNING"),
    ]
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="console"}') == 0)
    told = Counter(line.split(" kind=")[1].split()[0] for line in receivers.log.splitlines())
    assert told == {"firing": 2, "resolved": 1}, "the console is told of debug alerts too"
    sent = 'risk_messages_total{channel="file",outcome="sent"}'
    wait_until(lambda: receivers.metric(sent) == 2)


def test_a_message_of_a_new_store_is_not_taken_for_one_of_the_lost_one(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    def ids() -> list[str]:
        (path,) = (receivers.data / "logs" / "alerts").glob("*.jsonl")
        return [json.loads(line)["message_id"] for line in path.read_text().splitlines()]

    receivers.send("notifications", words.webhook(words.alert()))
    wait_until(lambda: receivers.metric('risk_messages_total{channel="file",outcome="sent"}') == 1)
    receivers.stop()
    shutil.rmtree(receivers.database.parent)
    receivers.start()
    receivers.send("notifications", words.webhook(words.alert(risk_id="leverage/main")))
    wait_until(lambda: receivers.metric('risk_messages_total{channel="file",outcome="sent"}') == 1)
    assert len(set(ids())) == len(ids()) == 2
    assert all(len(one) >= 32 for one in ids()), "nobody guesses the next one"


def test_the_alert_feed_alone_tells_nobody(receivers: Any, words: Any) -> None:
    receivers.send("alerts", [words.alert()])
    assert receivers.rows("SELECT * FROM message") == []


def test_messages_wait_for_a_channel_that_fails(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    folder = stopped.data / "logs" / "alerts"
    folder.parent.mkdir(parents=True)
    folder.write_text("not a folder")
    receivers = stopped.start()
    receivers.send("notifications", words.webhook(words.alert()))
    wait_until(lambda: receivers.metric('risk_messages_total{channel="file",outcome="failed"}'))
    assert receivers.metric('risk_messages_pending{channel="file"}') == 1
    folder.unlink()
    wait_until(lambda: list(folder.glob("*.jsonl")))
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="file"}') == 0)


def without(alert: dict[str, Any], *names: str) -> dict[str, Any]:
    return {**alert, "labels": {n: v for n, v in alert["labels"].items() if n not in names}}


@pytest.mark.parametrize("missing", [("risk_id",), ("alertname",), ("risk_id", "alertname")])
def test_a_kill_that_does_not_say_about_what_trips_and_is_told(
    receivers: Any, words: Any, missing: tuple[str, ...], wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    for _ in range(2):
        assert receivers.send("alerts", [without(words.kill_alert(), *missing)]).status_code == 200
    assert receivers.gate_says_halt()
    assert receivers.event_types().count("INTAKE_QUARANTINED") == 1, "a repeat only counts"
    assert receivers.metric('risk_feed_quarantined_total{feed="alerts"}') == 2
    wait_until(lambda: "ALERT QUARANTINED" in receivers.log)


@pytest.mark.parametrize(
    ("labels", "said"),
    [
        ({"action": "KILL_SWITCH"}, "'KILL_SWITCH' is unknown"),
        ({"action": "sell_everything"}, "'sell_everything' is unknown"),
        ({"action": "halt_new_trades", "risk_id": ""}, "does not say about what"),
    ],
)
def test_an_action_that_cannot_be_taken_is_told(
    receivers: Any, words: Any, labels: dict[str, str], said: str, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    assert receivers.send("alerts", [words.alert(**labels)]).status_code == 200
    assert not receivers.gate_says_halt()
    ((reason, seen),) = receivers.rows("SELECT reason, seen FROM quarantine")
    assert said in reason
    assert seen == 1
    wait_until(lambda: "ALERT QUARANTINED" in receivers.log)
    incidents = receivers.rows("SELECT risk_id FROM incident")
    assert incidents == ([] if labels.get("risk_id") == "" else [("drawdown/main",)])


@pytest.mark.parametrize(
    ("feed", "body"),
    [
        ("alerts", '[{"labels": {"action": "kill_switch"}, "startsAt": "AT, I think"}]'),
        ("alerts", '[{"labels": {"action": "halt_new_trades", "at": "AT'),
        ("alerts", '{"labels": {"action": "kill_switch"}, "startsAt": "AT"}'),
        ("notifications", '{"alert": [{"labels": {"action": "kill_switch"}}], "at": "AT"}'),
        ("notifications", '{"version": "4", "alerts": {"action": "kill_switch", "at": "AT"}}'),
    ],
)
def test_what_cannot_be_read_and_may_ask_for_an_action_is_told_once(
    feed: str, body: str, receivers: Any, wait_until: Callable[..., Any]
) -> None:
    for minute in range(3):
        at = f"2026-03-02T15:0{minute}:00Z"
        assert receivers.send(feed, body.replace("AT", at).encode()).status_code == 200
    wait_until(lambda: "ALERT QUARANTINED" in receivers.log)
    told = receivers.rows(
        "SELECT channel, kind, count(DISTINCT subject) FROM message GROUP BY channel, kind"
    )
    assert {(kind, count) for _, kind, count in told} == {("quarantined", 1)}
    harmless = b'[{"labels": {"action": "log"}, "startsAt": "yesterday"}, 7]'
    assert receivers.send("alerts", harmless).status_code == 200
    seen = receivers.rows("SELECT count(*) FROM message WHERE kind = 'quarantined'")
    assert seen == [(sum(1 for _ in told),)]


def test_an_alert_without_an_action_and_without_a_subject_is_somebody_elses(
    shared: Any, words: Any
) -> None:
    before = shared.rows("SELECT count(*) FROM quarantine")
    shared.send("alerts", [without(words.alert(), "risk_id", "action")])
    assert shared.rows("SELECT count(*) FROM quarantine") == before
