"""Prometheus or Alertmanager dead: people hear of it, once, and once more when it is over."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st

from risk_policy import default_policy_path, load_policy
from risk_receivers.feed_watch import Silences, limits_seconds
from risk_receivers.intake.alert import Feed

Wait = Callable[..., Any]
SECOND = 1_000_000_000
START = 60
_MESSAGES = "SELECT channel, kind, subject FROM message WHERE kind LIKE 'feed_%' ORDER BY id"


# -- the decision --------------------------------------------------------------------------------

EVENTS = st.lists(st.one_of(st.sampled_from(Feed), st.integers(1, 90)), max_size=60)


#: Alertmanager dies, and then Prometheus, which comes back alone.
ALONE: list[Feed | int] = [Feed.NOTIFICATIONS, Feed.ALERTS, 2, 60, Feed.ALERTS, 1]


@example(events=ALONE, alerts=5, notifications=1, known=set())
@given(EVENTS, st.integers(1, 30), st.integers(1, 90), st.sets(st.sampled_from(Feed)))
def test_a_silence_is_told_once_it_is_too_long_and_again_when_it_is_over(
    events: list[Feed | int], alerts: int, notifications: int, known: set[Feed]
) -> None:
    now = 0
    limits = {Feed.ALERTS: alerts, Feed.NOTIFICATIONS: notifications}
    silences = Silences(limits, now, known)
    silent, heard = set(known), dict.fromkeys(Feed, 0)
    ever: set[Feed] = set()
    anew = 0
    for event in events:
        if isinstance(event, Feed):
            silences.hear(event, now * SECOND)
            heard[event] = now
            ever.add(event)
        else:
            now += event
        while turn := silences.turn(now * SECOND):
            assert turn.is_silent == (turn.feed not in silent)
            silences.settle(turn, now * SECOND)
            if turn.is_silent:
                assert turn.seconds > limits[turn.feed]
                assert turn.feed in ever or now >= START
                assert turn.feed is Feed.ALERTS or Feed.ALERTS not in silent
                silent.add(turn.feed)
            else:
                assert now - heard[turn.feed] <= limits[turn.feed]
                silent.discard(turn.feed)
                anew = now if turn.feed is Feed.ALERTS else anew
        for feed in Feed:
            since = max(heard[feed], anew if feed is Feed.NOTIFICATIONS else 0)
            explained = feed is Feed.NOTIFICATIONS and Feed.ALERTS in silent
            if now - since > limits[feed] and (feed in ever or now >= START) and not explained:
                assert feed in silent


def test_a_beat_of_alertmanager_that_is_lost_means_nothing() -> None:
    policy = load_policy(default_policy_path(), {})
    beat = policy.alerting.routing.debug.repeat_interval_seconds
    limits = limits_seconds(policy)
    assert limits[Feed.ALERTS] == policy.alerting.dead_man.prometheus_seconds
    assert 2 * beat < limits[Feed.NOTIFICATIONS] < 3 * beat


# -- in a real receivers process -----------------------------------------------------------------


def with_limits(receivers: Any, *, alerts: float, beat: float) -> None:
    text = receivers.policy.read_text()
    text = text.replace("prometheus_seconds = 300", f"prometheus_seconds = {alerts}")
    pace = f"[alerting.routing.debug]\ngroup_interval_seconds = {beat}\n"
    receivers.policy.write_text(f"{text}{pace}repeat_interval_seconds = {beat}\n")


def told(receivers: Any) -> list[tuple[str, str]]:
    return [(channel, kind) for channel, kind, _ in receivers.rows(_MESSAGES)]


SILENT = [("console", "feed_silent"), ("file", "feed_silent")]
BACK = [("console", "feed_heard"), ("file", "feed_heard")]


def test_people_hear_through_every_channel_that_prometheus_is_silent_and_that_it_is_back(
    stopped: Any, wait_until: Wait
) -> None:
    with_limits(stopped, alerts=1, beat=60)
    receivers = stopped.start()
    wait_until(lambda: told(receivers) == SILENT, what="told of the silence")
    wait_until(lambda: not receivers.gate_is_open(), what="and the gate closes")
    receivers.hear_watchdog()
    wait_until(lambda: told(receivers) == SILENT + BACK, what="told of its end")
    # The next outage is another one.
    wait_until(lambda: told(receivers) == SILENT + BACK + SILENT, what="told of the next")
    first, *_, last = receivers.rows(_MESSAGES)
    assert first[2] != last[2]
    assert receivers.rows(_MESSAGES)[2][2] == first[2]

    lines = wait_until(lambda: _delivered(receivers, 3), what="delivered to the file")
    assert [line["title"] for line in lines] == [
        "PROMETHEUS IS SILENT",
        "PROMETHEUS IS HEARD AGAIN",
        "PROMETHEUS IS SILENT",
    ]
    assert "Start Prometheus" in lines[0]["text"]
    turns = [one for one in receivers.chain() if str(one.event_type).startswith("FEED_")]
    feeds = [(str(one.event_type), one.payload.details["feed"]) for one in turns]
    lasted = [float(one.payload.details.get("silent_seconds", 0)) for one in turns]
    assert [seconds > 1 for seconds in lasted] == [True, False, True], "since when it was silent"
    assert feeds == [("FEED_SILENT", "alerts"), ("FEED_HEARD", "alerts"), ("FEED_SILENT", "alerts")]
    assert receivers.verified().problems == ()


def test_a_restart_neither_forgets_an_outage_nor_tells_of_it_twice(
    stopped: Any, wait_until: Wait
) -> None:
    with_limits(stopped, alerts=1, beat=60)
    receivers = stopped.start()
    wait_until(lambda: told(receivers) == SILENT)
    receivers.kill()
    receivers.start(prometheus=False)
    # Several rounds of the watch, which runs as often as alerts are evaluated.
    wait_until(lambda: receivers.event_types().count("SERVICE_STARTED") == 2)
    receivers.hear_watchdog()
    wait_until(lambda: told(receivers) == SILENT + BACK, what="told of its end, and of it once")


def test_people_hear_that_alertmanager_is_silent_although_prometheus_is_not(
    stopped: Any, wait_until: Wait
) -> None:
    with_limits(stopped, alerts=3, beat=0.1)
    receivers = stopped.start()
    receivers.hear_watchdog("notifications")

    def while_prometheus_beats(condition: Callable[[], Any]) -> Callable[[], Any]:
        def beating() -> Any:
            receivers.hear_watchdog()
            return condition()

        return beating

    wait_until(while_prometheus_beats(lambda: told(receivers) == SILENT), what="told of it")
    lines = wait_until(while_prometheus_beats(lambda: _delivered(receivers, 1)))
    assert lines[0]["title"] == "ALERTMANAGER IS SILENT"
    receivers.hear_watchdog("notifications")
    wait_until(while_prometheus_beats(lambda: told(receivers) == SILENT + BACK), what="and back")


def _delivered(receivers: Any, count: int) -> list[dict[str, Any]]:
    lines = [
        json.loads(line)
        for path in (receivers.data / "logs" / "alerts").glob("*.jsonl")
        for line in path.read_text().splitlines()
    ]
    feeds = [line for line in lines if line["kind"].startswith("feed_")]
    return feeds if len(feeds) >= count else []
