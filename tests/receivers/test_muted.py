"""The receivers tell what Alertmanager does not hand over, but not what the policy mutes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Wait = Callable[..., Any]
_TOLD = "SELECT DISTINCT subject FROM message WHERE kind = 'firing'"
_POLICY = """
[alerting.mute_times.always]
severities = ["warning"]
categories = ["drawdown"]
times = ["00:00-24:00"]
[alerting.routing.warning]
group_wait_seconds = 0
group_interval_seconds = 0.1
"""


def test_what_is_muted_is_on_record_and_nobody_is_told_of_it(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + _POLICY)
    receivers = stopped.start()
    # Nobody hands anything over: there is no Alertmanager.
    muted = words.alert(risk_id="drawdown/muted")
    loud = words.alert(risk_id="drawdown/loud", severity="critical")
    assert receivers.send("alerts", [muted]).status_code == 200
    later = words.alert(risk_id="later/told", category="portfolio")
    assert receivers.send("alerts", [loud]).status_code == 200
    assert receivers.send("alerts", [later]).status_code == 200

    def told() -> list[str]:
        return [subject.split(":")[0] for (subject,) in receivers.rows(_TOLD)]

    wait_until(lambda: {"drawdown/loud", "later/told"} <= set(told()), 30, "told of the others")
    # It came first and would have been due first.
    assert "drawdown/muted" not in told()
    assert receivers.event_types().count("ALERT_CREATED") == 3
