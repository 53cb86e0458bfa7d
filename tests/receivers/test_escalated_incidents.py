"""An escalation on record and on its way to people: told once, and never a new incident."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any

TIME = {"severity": "critical", "escalation": "time"}
EARLIER = timedelta(minutes=5)


def about_alerts(receivers: Any) -> list[Any]:
    return [event for event in receivers.chain() if event.event_type.startswith("ALERT")]


def told(receivers: Any) -> list[tuple[str, str]]:
    return [
        (line["kind"], line["severity"])
        for path in sorted((receivers.data / "logs" / "alerts").glob("*.jsonl"))
        for line in map(json.loads, path.read_text().splitlines())
    ]


def shown(receivers: Any, state: str = "") -> list[str]:
    """The states of the incidents that are listed."""
    answer = receivers.call("GET", "/api/v1/alerts", params={"state": state} if state else {})
    return [one["state"] for one in answer.json()["alerts"]]


def test_an_escalation_says_why_and_ends_without_ending_the_incident(
    receivers: Any, words: Any
) -> None:
    base, time = words.alert(escalation="none"), words.alert(**TIME)
    receivers.send("alerts", [base])
    receivers.send("alerts", [base, time])
    open_now = receivers.status()["incidents_open"]
    assert (open_now["warning"], open_now["critical"]) == (0, 1)
    assert shown(receivers) == shown(receivers, "ESCALATED") == ["ESCALATED"]
    assert shown(receivers, "open") == ["ESCALATED"]
    assert shown(receivers, "CREATED") == shown(receivers, "ACKNOWLEDGED") == []
    receivers.send("alerts", [base, words.alert(firing=False, **TIME)])
    receivers.send("alerts", [base])
    assert receivers.status()["incidents_open"]["warning"] == 1
    assert shown(receivers) == shown(receivers, "CREATED") == ["CREATED"]
    assert shown(receivers, "ESCALATED") == []
    receivers.send("alerts", [words.alert(firing=False)])
    assert shown(receivers) == ["RESOLVED"]

    found = about_alerts(receivers)
    assert [(event.event_type.value, event.payload.severity) for event in found] == [
        ("ALERT_CREATED", "warning"),
        ("ALERT_ESCALATED", "critical"),
        ("ALERT_DEESCALATED", "warning"),
        ("ALERT_RESOLVED", "warning"),
    ]
    for event in found:
        counted = f'risk_audit_events_total{{event_type="{event.event_type.value}"}}'
        assert receivers.metric(counted) == 1
    assert receivers.metric('risk_audit_events_total{event_type="ALERT_EXPIRED"}') == 0
    assert {event.payload.alert_id for event in found} == {"drawdown/main:warning:1"}
    escalated, calmer, over = found[1:]
    assert "now counts as critical (time)" in escalated.payload.message
    assert escalated.payload.details["labels"]["escalation"] == "time"
    assert "not over" in calmer.payload.message
    firing = [event.payload.details["firing"] for event in (escalated, calmer, over)]
    assert [[one["escalation"] for one in held] for held in firing] == [
        ["none", "time"],
        ["none"],
        [],
    ]
    assert receivers.metric('risk_incident_escalations_total{escalation="time"}') == 1
    assert receivers.metric('risk_incident_escalations_total{escalation="trend"}') == 0
    assert receivers.metric('risk_feed_alerts_total{feed="alerts",outcome="escalated"}') == 1
    assert receivers.verified().ok


def test_what_comes_back_worse_is_on_record_each_time(receivers: Any, words: Any) -> None:
    trend = {"severity": "emergency", "escalation": "trend"}
    receivers.send("alerts", [words.alert()])
    for _ in range(3):
        assert receivers.send("alerts", [words.alert(**trend)]).status_code == 200
        over = words.alert(firing=False, ends=datetime.now(UTC), **trend)
        assert receivers.send("alerts", [over]).status_code == 200
    kinds = [event.event_type.value for event in about_alerts(receivers)]
    assert kinds == ["ALERT_CREATED", *["ALERT_ESCALATED", "ALERT_DEESCALATED"] * 3]
    assert receivers.rows("SELECT count(*) FROM incident") == [(1,)]


def test_people_are_told_of_an_escalation_once_and_of_the_end_as_loudly(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    receivers.stop()
    receivers.policy.write_text(
        receivers.policy.read_text()
        + '[alerting.channels.console]\nmin_severity = "critical"\nformat = "structured"\n'
    )
    receivers.start()
    base, time = words.alert(), words.alert(**TIME)
    receivers.send("alerts", [base])
    receivers.send("notifications", words.webhook(base))
    receivers.send("alerts", [time])
    wait_until(lambda: told(receivers) == [("firing", "warning")])
    for _ in range(2):  # both of a pair
        receivers.send("notifications", words.webhook(time))
    wait_until(lambda: len(told(receivers)) == 2)
    over = [words.alert(firing=False, **TIME), words.alert(firing=False)]
    receivers.send("alerts", over)
    for one in over:
        receivers.send("notifications", words.webhook(one, status="resolved"))
    wait_until(lambda: len(told(receivers)) == 3)
    assert told(receivers) == [
        ("firing", "warning"),
        ("escalated", "critical"),
        ("resolved", "critical"),
    ]
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="console"}') == 0)
    lines = [line for line in receivers.log.splitlines() if " alert=DRAWDOWN_WARNING " in line]
    assert [line.split(" kind=")[1].split()[0] for line in lines] == ["escalated", "resolved"]
    seqs = {event.seq: event.event_type.value for event in about_alerts(receivers)}
    named = [seqs[int(line.split(" audit_seq=")[1].split()[0])] for line in lines]
    assert named == ["ALERT_ESCALATED", "ALERT_RESOLVED"]


def test_an_incident_lives_as_long_as_the_last_of_its_alerts_is_repeated(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    def in_a_while(seconds: float) -> datetime:
        return datetime.now(UTC) + timedelta(seconds=seconds)

    receivers.send(
        "alerts", [words.alert(ends=in_a_while(4)), words.alert(ends=in_a_while(2), **TIME)]
    )
    calmer = wait_until(lambda: about_alerts(receivers)[2:], what="the escalation lapses")
    assert calmer[0].event_type == "ALERT_DEESCALATED"
    assert receivers.status()["incidents_open"]["warning"] == 1
    expired = wait_until(lambda: about_alerts(receivers)[3:], what="the incident expires")
    assert expired[0].event_type == "ALERT_EXPIRED"
    assert sum(receivers.status()["incidents_open"].values()) == 0


def older(receivers: Any) -> None:
    """Make the database what it was before incidents held several alerts."""
    with closing(sqlite3.connect(receivers.database)) as connection:
        connection.execute("DROP TABLE incident_alert")
        connection.execute("UPDATE incident SET counted_end = NULL")
        connection.commit()


def test_a_database_from_before_goes_on_where_it_was(receivers: Any, words: Any) -> None:
    started = datetime.now(UTC) - EARLIER
    over = words.alert(risk_id="leverage/main", firing=False, starts=started)
    receivers.send("alerts", [words.alert(starts=started)])
    receivers.send("notifications", words.webhook(words.alert(starts=started)))
    receivers.send("alerts", [words.alert(risk_id="leverage/main", starts=started), over])
    receivers.stop()
    older(receivers)
    receivers.start()

    size = len(about_alerts(receivers))
    receivers.send("alerts", [words.alert(starts=started), over])
    late = words.webhook(words.alert(risk_id="leverage/main", starts=started))
    receivers.send("notifications", late)
    assert len(about_alerts(receivers)) == size, "neither a repeat nor late news is an episode"
    receivers.send("alerts", [words.alert(**TIME)])
    receivers.send("alerts", [words.alert(firing=False, **TIME)])
    receivers.send("alerts", [words.alert(firing=False)])
    assert [event.event_type.value for event in about_alerts(receivers)[size:]] == [
        "ALERT_ESCALATED",
        "ALERT_DEESCALATED",
        "ALERT_RESOLVED",
    ]
    assert receivers.stop() == 0
    receivers.start()
    assert receivers.rows("SELECT count(*) FROM incident_alert") == [(3,)], "taken over once"
