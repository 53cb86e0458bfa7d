"""A threshold that is crossed is on record once for each episode, with what it was crossed by."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any


def test_each_threshold_is_on_record_once_an_episode_with_value_and_bound(
    receivers: Any, words: Any
) -> None:
    def crossed(tier: str, **more: Any) -> dict[str, Any]:
        alert: dict[str, Any] = words.alert(tier=tier, account="main", **more)
        alert["annotations"] |= {"value": "12.3 %", "threshold": "10 %"}
        return alert

    warning = crossed("warning")
    for _ in range(3):
        receivers.send("alerts", [warning])
    receivers.send("notifications", words.webhook(warning))
    escalated = crossed("warning", severity="critical", escalation="time")
    receivers.send("alerts", [warning, escalated])
    receivers.send("alerts", [crossed("critical")])
    over = crossed("warning", firing=False, ends=datetime.now(UTC))
    over_escalated = crossed(
        "warning", firing=False, ends=datetime.now(UTC), severity="critical", escalation="time"
    )
    receivers.send("alerts", [over, over_escalated])
    receivers.send("alerts", [crossed("warning", starts=datetime.now(UTC))])
    receivers.send("alerts", [words.alert(risk_id="plain/main")])  # says no threshold

    breaches = [one for one in receivers.chain() if one.event_type == "THRESHOLD_BREACHED"]
    assert [one.payload.alert_id for one in breaches] == [
        "drawdown/main:warning:1",
        "drawdown/main:critical:1",
        "drawdown/main:warning:2",
    ]
    details = breaches[0].payload.details
    assert (details["tier"], details["value"], details["threshold"], details["account"]) == (
        "warning",
        "12.3 %",
        "10 %",
        "main",
    )
    assert "is 12.3 % at drawdown/main: beyond the warning threshold, 10 %" in (
        breaches[0].payload.message
    )
    assert receivers.verified().ok
