"""Mute times in a real Alertmanager: who is not told now, who is, and what is told afterwards."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from risk_policy import Policy

PolicyWith = Callable[..., Policy]
Start = Callable[[Policy], Any]
Until = Callable[..., None]


def alert(severity: str, category: str = "portfolio", **more: str) -> dict[str, str]:
    labels = {"alertname": f"A_{severity}_{category}", "risk_id": f"{category}/{severity}",
              "tier": "warning", "severity": severity, "category": category,
              "action": "notify"}  # fmt: skip
    return {**labels, **more}


#: The same policy at a test's pace.
QUICK = (
    (
        "group_wait_seconds = 1\ngroup_interval_seconds = 10",
        "group_wait_seconds = 0.2\ngroup_interval_seconds = 0.5",
    ),
    (
        "0\ngroup_interval_seconds = 5\nrepeat_interval_seconds = 300",
        "0.2\ngroup_interval_seconds = 0.5\nrepeat_interval_seconds = 300",
    ),
)


def clock(hours: float) -> str:
    return f"{datetime.now(UTC) + timedelta(hours=hours):%H:%M}"


def test_what_is_muted_now_is_not_told_and_everything_else_is(
    start: Start, until: Until, policy_with: PolicyWith
) -> None:
    now = f"""
[alerting.mute_times.now] # crosses midnight at some hours of the day
severities = ["info", "warning", "critical"]
categories = ["portfolio", "execution"]
times = ["{clock(-6)}-{clock(6)}"]
[alerting.mute_times.later]
severities = ["warning"]
categories = ["position"]
times = ["{clock(2)}-{clock(8)}"]
"""
    alertmanager = start(policy_with(*QUICK, more=now))
    webhook = alertmanager.webhook
    muted = [alert("warning"), alert("critical", "execution")]
    told = [
        alert("warning", "position"),
        alert("critical", "drawdown"),
        alert("emergency"),
        alert("critical", "system"),
        alert("warning", "security"),
        alert("warning", "kill_switch"),
        alert("critical", alertname="TRIPS", risk_id="trips", action="kill_switch"),
        {"alertname": "Watchdog", "severity": "debug", "category": "system"},
        {"alertname": "Foreign", "severity": "warning"},
    ]
    alertmanager.post(*muted, *told)
    for labels in told:
        until(lambda labels=labels: webhook.delivered(**labels), f"told of {labels}")
    # What is told now was posted after the muted ones had had their turn.
    after = alert("warning", "position", risk_id="after")
    alertmanager.post(after)
    until(lambda: webhook.delivered(**after), "told of what came later")
    for labels in muted:
        assert not webhook.delivered(**labels)


def test_outside_of_business_hours_their_severities_wait_and_worse_ones_do_not(
    start: Start, until: Until, policy_with: PolicyWith
) -> None:
    times = f'times = ["{clock(2)}-{clock(10)}"]'
    hours = (
        'enabled = false\nseverities = ["INFO"]\ntimes = ["08:00-18:00"]',
        f'enabled = true\nseverities = ["INFO", "WARNING"]\n{times}',
    )
    everyday = ('weekdays = ["monday:friday"]\nlocation = "UTC" # a', 'location = "UTC" # a')
    alertmanager = start(policy_with(*QUICK, hours, everyday))
    webhook = alertmanager.webhook
    alertmanager.post(alert("warning"))
    alertmanager.post(alert("critical", "drawdown"), alert("warning", "system"))
    until(lambda: webhook.delivered(severity="critical"), "the critical one")
    until(lambda: webhook.delivered(category="system"), "the risk layer's own")
    assert not webhook.delivered(category="portfolio")


@pytest.mark.long
def test_what_outlasts_its_window_is_told_at_its_end(
    start: Start, until: Until, policy_with: PolicyWith
) -> None:
    now = datetime.now(UTC)
    end = (now + timedelta(seconds=75)).replace(second=0, microsecond=0)
    window = f"""
[alerting.mute_times.once]
start = {(end - timedelta(minutes=30)).isoformat()}
end = {end.isoformat()}
"""
    alertmanager = start(policy_with(*QUICK, more=window))
    webhook = alertmanager.webhook
    alertmanager.post(alert("warning"), alert("warning", "system"))
    until(lambda: webhook.delivered(category="system"), "what is never muted")
    assert datetime.now(UTC) < end
    assert not webhook.delivered(category="portfolio")
    until(lambda: webhook.delivered(category="portfolio"), "the muted one", 90)
    # Not before the window's end, and soon after it.
    assert timedelta(0) <= datetime.now(UTC) - end < timedelta(seconds=20)
