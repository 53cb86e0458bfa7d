"""Nobody who could raise an alert: the gate must not go on allowing risk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.gate.pulse import Pulse

Wait = Callable[..., Any]
SECOND = 1_000_000_000


@given(st.lists(st.one_of(st.just("beat"), st.integers(0, 30))), st.integers(1, 20))
def test_the_pulse_is_felt_if_and_only_if_the_last_beat_is_near(
    events: list[str | int], silence: int
) -> None:
    now = 0
    last: int | None = None
    pulse = Pulse(silence, clock=lambda: now)
    for event in events:
        if isinstance(event, int):
            now += event * SECOND
        else:
            pulse.beat()
            last = now
        felt = last is not None and now - last <= silence * SECOND
        assert felt == (pulse.complaint == "")
        # Who was never heard has not fallen silent: a stack that starts trips nothing.
        lost = None if felt or last is None else last
        assert pulse.lost_since_ns == lost


def test_without_a_watchdog_the_gate_never_opens_and_with_it_it_does(
    stopped: Any, wait_until: Wait
) -> None:
    receivers = stopped.start(prometheus=False)
    wait_until(lambda: receivers.detail().version > 0)
    gate = receivers.call("GET", "/api/v1/gate").json()
    assert not gate["open"]
    assert gate["lease_withheld"] == [
        "the Watchdog has not arrived on the alert feed since the start"
    ]
    # People's feed proves nothing about the one that trips the kill switch.
    receivers.hear_watchdog("notifications")
    assert receivers.call("GET", "/api/v1/gate").json()["lease_withheld"]
    receivers.hear_watchdog()
    wait_until(receivers.gate_is_open)
    assert receivers.call("GET", "/api/v1/gate").json()["lease_withheld"] == []


def test_a_feed_that_goes_silent_closes_the_gate_until_it_is_heard_again(
    stopped: Any, wait_until: Wait
) -> None:
    text = stopped.policy.read_text()
    stopped.policy.write_text(text.replace("prometheus_seconds = 300", "prometheus_seconds = 1"))
    receivers = stopped.start()
    wait_until(receivers.gate_is_open)
    wait_until(lambda: not receivers.gate_is_open(), what="silence ends the lease")
    assert "for" in receivers.call("GET", "/api/v1/gate").json()["lease_withheld"][0]
    receivers.hear_watchdog()
    wait_until(receivers.gate_is_open)


def test_where_the_policy_halts_a_silence_trips_once_and_stays_tripped(
    stopped: Any, wait_until: Wait
) -> None:
    text = stopped.policy.read_text()
    halts = 'prometheus_seconds = 1\nprometheus_action = "halt"'
    stopped.policy.write_text(text.replace("prometheus_seconds = 300", halts))
    receivers = stopped.start(prometheus=False)
    # A kill of a part is none of the rest.
    part = {"mode": "pause", "reason": "a part", "actor": "ann", "scope": "symbol=MSFT"}
    assert receivers.call("POST", "/api/v1/kill", json=part).is_success
    assert not receivers.gate_says_halt()
    receivers.hear_watchdog()
    wait_until(receivers.gate_says_halt)
    switch = receivers.status()["kill_switch"]
    assert (switch["mode"], switch["cause"]) == ("immediate", "PROMETHEUS_SILENT")
    assert receivers.gate_says_halt()
    receivers.hear_watchdog()
    receivers.stop()
    receivers.start(prometheus=False)
    assert receivers.status()["kill_switch"]["state"] == "TRIPPED", "heard again is not cleared"
    assert receivers.event_types().count("KILL_SWITCH_ACTIVATED") == 2, "the part, and once all"
    assert receivers.verified().ok
