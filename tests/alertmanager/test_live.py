"""The generated configuration in a real Alertmanager: who is told, and who is not."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

from risk_policy import Policy

PolicyWith = Callable[..., Policy]
Start = Callable[[Policy], Any]
Until = Callable[..., None]

_DEBUG_PACE = """[alerting.routing.debug]
group_wait_seconds = {}
group_interval_seconds = {}
repeat_interval_seconds = {}"""
_WARNING_PACE = "group_wait_seconds = {}\ngroup_interval_seconds = {}"
#: The same policy at a test's pace.
QUICK = (
    (_WARNING_PACE.format(1, 10), _WARNING_PACE.format(0.5, 0.5)),
    (_DEBUG_PACE.format(5, 30, 60), _DEBUG_PACE.format(0, 1, 1)),
)


def alert(tier: str, severity: str = "", account: str = "main", **more: str) -> dict[str, str]:
    return {
        "alertname": f"DRAWDOWN_{tier.upper()}",
        "limit": "drawdown",
        "risk_id": f"drawdown/{account}",
        "account": account,
        "tier": tier,
        "severity": severity or tier,
        "escalation": "none",
        **more,
    }


def test_a_worse_tier_is_told_alone_and_another_account_is_not_touched(
    start: Start, until: Until, policy_with: PolicyWith
) -> None:
    alertmanager = start(policy_with(*QUICK))
    webhook = alertmanager.webhook
    alertmanager.post(alert("warning"), alert("critical"))
    alertmanager.post(alert("warning", account="other"))
    until(lambda: webhook.delivered(risk_id="drawdown/main", tier="critical"), "main, critical")
    until(lambda: webhook.delivered(risk_id="drawdown/other", tier="warning"), "other, warning")
    until(lambda: alertmanager.inhibited() == [alert("warning")], "main, warning is inhibited")
    assert not webhook.delivered(risk_id="drawdown/main", tier="warning")
    assert {(n.path, n.authorization) for n in webhook.notifications} == {
        ("/api/v1/notifications", "Bearer token-of-the-notification-feed")
    }
    # Once the worse one is over, the milder one that is left is told, and so is the end.
    alertmanager.resolve(alert("critical"))
    until(lambda: webhook.delivered(risk_id="drawdown/main", tier="warning"), "main, warning")
    until(
        lambda: [
            n
            for n in webhook.delivered(risk_id="drawdown/main", tier="critical")
            if n.body["status"] == "resolved"
        ],
        "main, critical resolved",
    )


def test_what_counts_as_more_severe_or_has_no_identity_is_never_swallowed(
    start: Start, until: Until, policy_with: PolicyWith
) -> None:
    alertmanager = start(policy_with(*QUICK))
    webhook = alertmanager.webhook
    told = [
        # A warning that has escalated beyond a fresh critical threshold: both count.
        alert("warning", "emergency", "escalated", escalation="time"),
        alert("critical", "critical", "escalated"),
        # The worst of an account, in tier and severity.
        alert("emergency", account="worst"),
        # Somebody else's alerts, which have no risk_id at all.
        {"alertname": "Foreign", "tier": "critical", "severity": "critical"},
        {"alertname": "Foreign", "tier": "warning", "severity": "warning"},
        {"alertname": "Nameless", "severity": "warning"},
        {"alertname": "Unknown", "risk_id": "x", "tier": "warning", "severity": "odd"},
    ]
    swallowed = [
        # The same alert before it escalated.
        alert("warning", "warning", "escalated"),
        alert("critical", account="worst"),
        alert("warning", account="worst"),
        alert("critical", "emergency", "worst", escalation="time"),
    ]
    alertmanager.post(*told, *swallowed)

    def key(labels: dict[str, str]) -> list[tuple[str, str]]:
        return sorted(labels.items())

    until(
        lambda: sorted(map(key, alertmanager.inhibited())) == sorted(map(key, swallowed)),
        "exactly the milder ones are inhibited",
    )
    for labels in told:
        until(lambda labels=labels: webhook.delivered(**labels), f"told of {labels}")


def test_the_watchdog_arrives_evenly(start: Start, until: Until, policy_with: PolicyWith) -> None:
    alertmanager = start(policy_with(*QUICK))
    watchdog = {"alertname": "Watchdog", "risk_id": "watchdog", "severity": "debug"}
    alertmanager.post(watchdog)
    webhook = alertmanager.webhook
    until(lambda: len(webhook.delivered(alertname="Watchdog")) >= 4, "four heartbeats")
    beats = [notification.at for notification in webhook.delivered(alertname="Watchdog")]
    # Every beat of one second, not every other.
    assert all(0.5 < later - earlier < 1.6 for earlier, later in pairwise(beats))
