"""An alert that nobody repeats: people hear that it expired, and "resolved" only once it is."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

Wait = Callable[..., Any]


def told(receivers: Any) -> list[tuple[str, str, str]]:
    """What stands in the file channel, in order."""
    return [
        (line["subject"].rpartition(":")[2], line["kind"], line["severity"])
        for path in sorted((receivers.data / "logs" / "alerts").glob("*.jsonl"))
        for line in map(json.loads, path.read_text().splitlines())
    ]


def texts(receivers: Any) -> str:
    folder = receivers.data / "logs" / "alerts"
    return "".join(path.read_text() for path in sorted(folder.glob("*.jsonl")))


def states(receivers: Any) -> list[tuple[int, str]]:
    found = receivers.rows("SELECT episode, state FROM incident ORDER BY episode")
    return [(episode, state) for episode, state in found]


def history(receivers: Any) -> list[str]:
    return [kind for kind in receivers.event_types() if kind.startswith("ALERT")]


def in_a_moment() -> datetime:
    return datetime.now(UTC) + timedelta(seconds=0.4)


def test_a_dead_prometheus_makes_people_hear_expired_and_not_resolved(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    starts, ends = datetime.now(UTC), in_a_moment()
    alert = words.alert(starts=starts, ends=ends)
    receivers.send("alerts", [alert])
    receivers.send("notifications", words.webhook(alert))
    wait_until(lambda: len(told(receivers)) == 2, what="people are told of the expiry")
    assert told(receivers)[1] == ("1", "expired", "warning")
    assert "nobody said that it is over" in texts(receivers)

    # Nothing was repeated, so Alertmanager resolves it, as of the end the last firing gave.
    timed_out = words.webhook(
        words.alert(firing=False, starts=starts, ends=ends), status="resolved"
    )
    for _ in range(2):
        assert receivers.send("notifications", timed_out).status_code == 200
    assert states(receivers) == [(1, "EXPIRED")]
    assert history(receivers) == ["ALERT_CREATED", "ALERT_DISPATCHED", "ALERT_EXPIRED"]

    over = words.alert(firing=False, starts=starts, ends=datetime.now(UTC))
    receivers.send("alerts", [over])
    wait_until(lambda: len(told(receivers)) == 3, what="people are told of the true end")
    receivers.send("notifications", words.webhook(over, status="resolved"))
    assert states(receivers) == [(1, "RESOLVED")]
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="file"}') == 0)
    assert [kind for _, kind, _ in told(receivers)] == ["firing", "expired", "resolved"]


def test_alertmanagers_end_of_an_open_incident_waits_for_that_of_the_alert_feed(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    alert = words.alert()
    over = words.alert(firing=False)
    receivers.send("alerts", [alert])
    receivers.send("notifications", words.webhook(alert))
    receivers.send("notifications", words.webhook(over, status="resolved"))
    assert states(receivers) == [(1, "DISPATCHED")]
    receivers.send("alerts", [over])
    assert states(receivers) == [(1, "RESOLVED")]
    wait_until(lambda: len(told(receivers)) == 2)
    assert told(receivers)[1] == ("1", "resolved", "warning")


def test_what_expired_and_is_repeated_again_is_the_same_incident_each_time(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    with stopped.policy.open("a") as policy:  # told each time, however soon
        policy.write("[alerting.deduplication]\nenabled = false\n")
    receivers = stopped.start()
    starts = datetime.now(UTC)
    receivers.send("alerts", [words.alert(starts=starts, ends=in_a_moment())])
    receivers.send("notifications", words.webhook(words.alert(starts=starts)))
    for expiries in (1, 2):
        wait_until(lambda n=expiries: len(told(receivers)) == 2 * n, what="it expires")
        ends = in_a_moment() if expiries == 1 else None
        receivers.send("alerts", [words.alert(starts=starts, ends=ends)])
        wait_until(lambda n=expiries: len(told(receivers)) == 2 * n + 1, what="it continues")
    assert [kind for _, kind, _ in told(receivers)] == [
        "firing",
        *["expired", "continued"] * 2,
    ]
    assert states(receivers) == [(1, "DISPATCHED")]
    assert history(receivers)[2:] == ["ALERT_EXPIRED", "ALERT_CONTINUED"] * 2
    assert receivers.verified().ok


def test_whoever_was_told_of_the_worst_is_told_that_it_expired(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    worse = {"severity": "critical", "escalation": "time", "ends": in_a_moment()}
    receivers.send("alerts", [words.alert(ends=in_a_moment()), words.alert(**worse)])
    for one in (words.alert(), words.alert(**worse)):
        receivers.send("notifications", words.webhook(one))
    wait_until(lambda: len(told(receivers)) == 3)
    assert told(receivers)[2] == ("1", "expired", "critical")


def test_what_people_were_not_told_of_expires_without_a_message(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    receivers.send("alerts", [words.alert(ends=in_a_moment())])
    wait_until(lambda: states(receivers) == [(1, "EXPIRED")])
    assert receivers.status()["incidents_expired"]["warning"] == 1, "not open, and not fine either"
    receivers.send("alerts", [words.alert(firing=False)])
    assert states(receivers) == [(1, "RESOLVED")]
    assert receivers.status()["incidents_expired"]["warning"] == 0
    assert receivers.rows("SELECT * FROM message") == []


def test_many_that_expire_at_once_leave_room_for_others_in_between(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    ends = in_a_moment()
    receivers.send("alerts", [words.alert(risk_id=f"loss/{n}", ends=ends) for n in range(120)])
    expired = "SELECT count(*) FROM incident WHERE state = 'EXPIRED'"
    wait_until(lambda: receivers.rows(expired) == [(120,)])
    found = [event for event in receivers.chain() if event.event_type == "ALERT_EXPIRED"]
    commits = {event.recorded_at for event in found}  # each has one time
    assert (len(found), len(commits)) == (120, 3)


def test_what_merely_happened_ends_without_a_message(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    soon = "[alerting.routing.warning]\ngroup_wait_seconds = 0\ngroup_interval_seconds = 0.1\n"
    stopped.policy.write_text(stopped.policy.read_text() + soon)
    receivers = stopped.start()
    armed = {"name": "KILL_SWITCH_ARMED", "risk_id": "kill_switch_armed", "tier": ""}
    stop_loss = {"name": "STOP_LOSS_TRIGGERED", "risk_id": "stop_loss/main/X", "tier": ""}
    receivers.send("alerts", [words.alert(**stop_loss, ends=in_a_moment())])
    for of in (armed, stop_loss, {}):
        if of is not stop_loss:
            receivers.send("alerts", [words.alert(**of)])
        receivers.send("notifications", words.webhook(words.alert(**of)))
    wait_until(lambda: len(told(receivers)) == 3, what="people are told that it happened")
    over = words.alert(**armed, firing=False)
    receivers.send("alerts", [over, words.alert(firing=False)])
    # Alertmanager does not say that the breach is over, so the service does.
    wait_until(lambda: len(told(receivers)) == 4, what="people are told that the breach is over")
    receivers.send("notifications", words.webhook(over, status="resolved"))
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="file"}') == 0)
    assert sorted(kind for _, kind, _ in told(receivers)) == ["firing"] * 3 + ["resolved"]
    found = receivers.rows("SELECT state FROM incident ORDER BY risk_id")
    assert found == [("RESOLVED",), ("RESOLVED",), ("EXPIRED",)]


def test_a_service_that_stood_still_gives_the_feed_time_to_repeat_itself(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    starts = datetime.now(UTC)
    ends = starts + timedelta(seconds=1.5)
    wait_until(lambda: datetime.now(UTC) > starts + timedelta(seconds=1.1), what="its first grace")
    assert receivers.send("alerts", [words.alert(starts=starts, ends=ends)]).status_code == 200
    receivers.process.send_signal(signal.SIGSTOP)
    wait_until(lambda: datetime.now(UTC) > ends + timedelta(seconds=1.5), what="it would expire")
    went_on = datetime.now(UTC)
    receivers.process.send_signal(signal.SIGCONT)
    wait_until(lambda: states(receivers) == [(1, "EXPIRED")])
    (expired,) = [event for event in receivers.chain() if event.event_type == "ALERT_EXPIRED"]
    assert expired.recorded_at - went_on > timedelta(seconds=0.9), "a lease is 1 s here"


def test_a_breach_that_began_while_nobody_listened_is_not_taken_for_the_old_one(
    receivers: Any, words: Any, wait_until: Wait
) -> None:
    receivers.stop()
    patient = receivers.policy.read_text().replace(
        "resend_delay_seconds = 0.25", "resend_delay_seconds = 15"
    )
    receivers.policy.write_text(f"{patient}[alerting.cooldown]\nenabled = false\n")
    receivers.start()
    starts = datetime.now(UTC)
    old = words.alert(starts=starts, ends=starts + timedelta(seconds=0.1))
    receivers.send("alerts", [old])
    receivers.send("notifications", words.webhook(old))
    receivers.stop()
    receivers.start()
    new = words.alert(starts=datetime.now(UTC))
    receivers.send("alerts", [new])
    receivers.send("notifications", words.webhook(new))
    assert states(receivers) == [(1, "EXPIRED"), (2, "DISPATCHED")]
    wait_until(lambda: len(told(receivers)) == 3)
    assert told(receivers) == [
        ("1", "firing", "warning"),
        ("1", "expired", "warning"),
        ("2", "firing", "warning"),
    ]
    assert history(receivers)[2:] == ["ALERT_EXPIRED", "ALERT_CREATED", "ALERT_DISPATCHED"]
