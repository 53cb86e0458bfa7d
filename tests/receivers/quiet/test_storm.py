"""A thousand alerts at once against the running service: people can still read what they get."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

_POLICY = "[alerting.deduplication]\nwindow_seconds = 3\n"
_ALERTS, _BREACHES, _EMERGENCIES, _REQUEST = 1000, 95, 5, 20
_STORM_COUNT = 10


def told(receivers: Any) -> list[dict[str, Any]]:
    return [
        line
        for path in sorted((receivers.data / "logs" / "alerts").glob("*.jsonl"))
        for line in map(json.loads, path.read_text().splitlines())
    ]


def test_a_thousand_alerts_are_one_storm_and_no_emergency_is_lost(
    stopped: Any, words: Any, wait_until: Callable[..., Any]
) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + _POLICY)
    receivers = stopped.start()
    loud = {"severity": "emergency", "tier": "emergency", "name": "DRAWDOWN_EMERGENCY"}
    breaches = [
        *(words.alert(risk_id=f"loss/main/S{number}") for number in range(_BREACHES)),
        *(words.alert(risk_id=f"drawdown/A{n}", **loud) for n in range(_EMERGENCIES)),
    ]
    alerts = breaches * (_ALERTS // len(breaches))  # over and over, as Prometheus repeats them
    for first in range(0, len(alerts), _REQUEST):
        some = alerts[first : first + _REQUEST]
        assert receivers.send("alerts", some).status_code == 200
        assert receivers.send("notifications", words.webhook(*some)).status_code == 200

    assert receivers.rows("SELECT count(*) FROM incident") == [(_BREACHES + _EMERGENCIES,)]
    over = wait_until(
        lambda: [line for line in told(receivers) if line["title"] == "ALERT_STORM OVER"], 60
    )
    assert len(over) == 1
    lines = told(receivers)
    kinds = Counter(line["kind"] for line in lines)
    assert kinds["firing"] == _STORM_COUNT + _EMERGENCIES
    assert kinds["storm"] == 1
    assert kinds["digest"] <= 3
    assert sum(kinds.values()) == len(lines) < 25

    emergencies = [line for line in lines if line["severity"] == "emergency"]
    assert {line["risk_id"] for line in emergencies} == {
        f"drawdown/A{number}" for number in range(_EMERGENCIES)
    }
    first_digest = next(place for place, line in enumerate(lines) if line["kind"] == "digest")
    assert all(lines.index(line) < first_digest for line in emergencies)
    named = {line["risk_id"] for line in lines if line["kind"] == "firing"}
    for line in lines:
        if line["kind"] == "digest":
            named |= set(line["text"].replace(",", " ").split())
    assert {alert["labels"]["risk_id"] for alert in breaches} <= named

    types = Counter(receivers.event_types())
    assert types["ALERT_CREATED"] == types["ALERT_DISPATCHED"] == len(breaches)
    assert types["STORM_BEGAN"] == types["STORM_ENDED"] == 1
    assert types["DIGEST_WRITTEN"] == kinds["digest"]
    held = 'risk_messages_held_total{reason="storm"}'
    wait_until(lambda: receivers.metric(held) == _BREACHES - _STORM_COUNT)
    wait_until(lambda: receivers.metric("risk_alert_storm") == 0)
    assert receivers.metric('risk_messages_held_total{reason="rate_limit"}') == 0
    assert receivers.verified().ok
