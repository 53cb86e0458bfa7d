"""What the real Alertmanager does to a webhook, and that nothing is lost or told twice by it."""

from __future__ import annotations

import signal
from typing import Any

from troubled_store import locked_database

WARNING = "drawdown/main:warning:1"
OTHER = "drawdown/other:warning:1"


def undelivered(alertmanager: Any) -> float:
    """How often Alertmanager got no 2xx."""
    text = alertmanager.client.get(f"{alertmanager.url}/metrics").text
    name = 'alertmanager_notification_requests_failed_total{integration="webhook"} '
    (value,) = [line.removeprefix(name) for line in text.splitlines() if line.startswith(name)]
    return float(value)


def taken(people: Any, outcome: str) -> float:
    series = f'risk_feed_alerts_total{{feed="notifications",outcome="{outcome}"}}'
    return float(people.receivers.metric(series) or 0)


def test_what_is_answered_too_late_or_not_recorded_comes_again_and_is_taken_once(
    people: Any,
) -> None:
    people.receivers.process.send_signal(signal.SIGSTOP)
    try:
        people.fire("alertmanager")
        people.wait_until(lambda: undelivered(people.alertmanager) >= 1, what="it is cut off")
    finally:
        people.receivers.process.send_signal(signal.SIGCONT)
    people.await_told("firing")
    people.wait_until(lambda: taken(people, "repeated") >= 1, what="the same came again")

    refused = 'risk_feed_requests_total{code="503",feed="notifications"}'
    with locked_database(people.receivers):
        people.fire("alertmanager", risk_id="drawdown/other")
        people.wait_until(lambda: people.receivers.metric(refused), what="nothing is promised")
    people.await_told("firing", OTHER)
    assert people.told() == [(WARNING, "firing"), (OTHER, "firing")]
    assert len(people.events("ALERT_DISPATCHED")) == 2


def test_a_pair_of_alertmanagers_that_deliver_the_same_is_heard_once(people: Any) -> None:
    alert = people.words.alert()
    with people.alertmanager.twin() as twin:
        for one in (people.alertmanager, twin):
            one.post(alert)
        people.wait_until(lambda: taken(people, "created") == taken(people, "repeated") == 1)
    assert people.told() == [(WARNING, "firing")]
    assert len(people.events("ALERT_CREATED")) == len(people.events("ALERT_DISPATCHED")) == 1


def test_what_alertmanager_leaves_out_of_a_notification_is_told_and_that_it_does_so(
    people: Any,
) -> None:
    config = people.alertmanager.folder / "alertmanager.yml"
    text = config.read_text().replace("max_alerts: 0", "max_alerts: 1")
    config.write_text(text.replace("    - risk_id\n    - tier\n", "    - tier\n"))
    people.alertmanager.stop()
    people.alertmanager.start()
    both = [people.words.alert(), people.words.alert(risk_id="drawdown/other")]
    people.receivers.send("alerts", both)
    people.alertmanager.post(*both)
    people.await_told("quarantined", "")
    (row,) = people.receivers.rows(
        "SELECT body FROM message WHERE kind LIKE 'quarantined%' AND channel = 'console'"
    )
    assert b"1 of the alerts of a notification, which Alertmanager left out: max_alerts" in row[0]
    for incident in (WARNING, OTHER):  # one by Alertmanager, the other by the receivers
        people.await_told("firing", incident)
    assert len(people.told("firing")) == 2
