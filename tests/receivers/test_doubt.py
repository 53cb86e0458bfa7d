"""A kill that only Alertmanager asks for: told to people, on record, and never obeyed.

Anybody who reaches Alertmanager can add an alert there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

UNCONFIRMED = "risk_kill_alerts_unconfirmed_total"


def kills(receivers: Any) -> list[str]:
    return [kind for kind in receivers.event_types() if kind.startswith("KILL_SWITCH_")]


def told(receivers: Any) -> list[str]:
    folder = receivers.data / "logs" / "alerts"
    return [line for path in folder.glob("*.jsonl") for line in path.read_text().splitlines()]


@pytest.mark.parametrize("status", ["firing", "resolved"])
def test_it_does_not_trip_and_is_told_loudly(
    receivers: Any, words: Any, status: str, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    assert receivers.metric(UNCONFIRMED) == 0
    body = words.webhook(words.kill_alert(firing=status == "firing"), status=status)
    for _ in range(3):
        assert receivers.send("notifications", body).status_code == 200
    wait_until(lambda: receivers.metric(UNCONFIRMED) == 1)
    assert receivers.gate_is_open()
    assert not receivers.gate_says_halt()
    assert kills(receivers) == ["KILL_SWITCH_UNCONFIRMED"]
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_UNCONFIRMED"]
    assert "DRAWDOWN_EMERGENCY drawdown/main" in event.payload.message
    assert "Alertmanager only: not tripped" in event.payload.message
    assert (event.payload.severity, event.payload.action_taken) == ("emergency", "not tripped")
    wait_until(lambda: any("UNCONFIRMED" in line for line in told(receivers)))
    assert sum("UNCONFIRMED" in line for line in told(receivers)) == 1, "repeats are not told again"
    assert receivers.verified().ok


def test_once_prometheus_says_so_too_it_trips(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    alert = words.kill_alert()
    receivers.send("notifications", words.webhook(alert))
    wait_until(lambda: kills(receivers) == ["KILL_SWITCH_UNCONFIRMED"])
    receivers.send("alerts", [alert])
    assert receivers.gate_says_halt()
    assert kills(receivers) == ["KILL_SWITCH_UNCONFIRMED", "KILL_SWITCH_ACTIVATED"]


def test_whichever_of_the_two_is_faster_nobody_is_alarmed_without_need(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    slow = stopped.policy.read_text().replace(
        "resend_delay_seconds = 0.25", "resend_delay_seconds = 3"
    )
    stopped.policy.write_text(slow)
    receivers = stopped.start()
    alert, other = words.kill_alert(), words.kill_alert(risk_id="drawdown/other")
    receivers.send("notifications", words.webhook(alert, other))
    receivers.send("alerts", [alert])
    receivers.send("notifications", words.webhook(alert))
    assert receivers.gate_says_halt()
    wait_until(lambda: receivers.metric(UNCONFIRMED) == 1, what="the other one is told")
    (event,) = [e for e in receivers.chain() if e.event_type == "KILL_SWITCH_UNCONFIRMED"]
    assert "drawdown/other" in event.payload.message


def test_a_doubt_outlives_a_crash(stopped: Any, words: Any, wait_until: Callable[..., Any]) -> None:
    quick = stopped.policy.read_text()
    slow = quick.replace("resend_delay_seconds = 0.25", "resend_delay_seconds = 60")
    stopped.policy.write_text(slow)
    receivers = stopped.start()
    receivers.send("notifications", words.webhook(words.kill_alert()))
    receivers.kill()
    receivers.policy.write_text(quick)
    receivers.start()
    wait_until(lambda: "KILL_SWITCH_UNCONFIRMED" in receivers.event_types())


def test_a_kill_of_the_alert_feed_trips_though_a_notification_made_its_incident_known(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    """Alertmanager cannot be used to have a real kill taken for old news."""
    wait_until(receivers.gate_is_open)
    receivers.send("notifications", words.webhook(words.kill_alert()))
    receivers.send("alerts", [words.kill_alert(firing=False)])
    assert receivers.gate_says_halt()


def test_a_kill_that_came_and_went_trips_though_another_alert_opened_its_incident(
    receivers: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    wait_until(receivers.gate_is_open)
    other = {**words.emergency, "name": "DRAWDOWN_REVIEW", "action": "review"}
    receivers.send("alerts", [words.alert(**other)])
    assert not receivers.gate_says_halt()
    over = words.kill_alert(firing=False)
    for _ in range(2):
        receivers.send("alerts", [over])
    assert receivers.gate_says_halt()
    assert kills(receivers) == ["KILL_SWITCH_ACTIVATED"]
