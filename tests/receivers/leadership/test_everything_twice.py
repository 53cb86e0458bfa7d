"""Two of each, as real processes: either of each is killed while a breach goes on."""

from __future__ import annotations

import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from everything_twice import HOOK, Twice, hear
from loopback_http import Received, Reply
from torture import Hook

#: An alert that nobody repeats is taken for over after four repeats, three seconds each.
LONGER_THAN_A_LEASE: Final = 16.0
WARNING, CRITICAL = "drawdown/main:warning:1", "drawdown/main:critical:1"


@pytest.fixture
def twice(tmp_path: Path, wait_until: Any) -> Iterator[Twice]:
    """The runtime and the people's hook; the rest once it is configured."""
    found = Twice(tmp_path / "twice", wait_until)
    with found.runtime, found.hook:
        yield found
        found.close()


class Slow(Hook):
    """Keeps the first message waiting for an answer that comes too late for who sent it."""

    def __init__(self) -> None:
        super().__init__()
        self.gone_on = threading.Event()

    def answer(self, received: Received) -> Reply:
        is_first = not self.delivered
        found = super().answer(received)
        if is_first:
            self.gone_on.wait(60)
        return found


def test_a_message_that_was_being_sent_when_the_leader_died_is_told_once_more_and_says_so(
    make_pair: Any, words: Any
) -> None:
    with Slow() as hook:
        pair = make_pair(more=HOOK)
        for service in (pair.one, pair.other):
            hear(service, hook)
        pair.start()
        first, second = (words.alert(risk_id=f"drawdown/{name}") for name in ("first", "second"))
        assert pair.one.send("notifications", words.webhook(first)).status_code == 200
        pair.wait_until(lambda: len(hook.delivered) == 1, 30, "it is being sent")
        assert pair.one.send("notifications", words.webhook(second)).status_code == 200, (
            "nobody waits for that"
        )
        pair.one.kill()
        hook.gone_on.set()
        pair.await_leader(pair.other)
        pair.wait_until(
            lambda: not pair.rows("SELECT 1 FROM message WHERE delivered_at IS NULL"), 30
        )
        told = sorted((one.subject, one.attempt) for one in hook.delivered)
        assert told == [
            ("drawdown/first:warning:1", 1),
            ("drawdown/first:warning:1", 2),
            ("drawdown/second:warning:1", 1),
        ]
        assert len({one.id for one in hook.delivered}) == 2, "the second time under the same id"


@pytest.mark.skipif(
    os.environ.get("RISKWARDEN_CHAOS") != "all", reason="./dev chaos does it: it takes two minutes"
)
def test_either_of_each_is_killed_while_a_breach_goes_on(make_pair: Any, twice: Twice) -> None:
    pair = make_pair()
    twice.configure(pair)
    pair.one.spawn(port=twice.ports[0])
    pair.await_leader(pair.one)
    pair.share_key()
    pair.other.spawn(port=twice.ports[1])
    pair.await_standby(pair.other)
    twice.start()
    pair.wait_until(pair.one.gate_is_open, 60, "the Watchdog is heard")

    def created(incident: str) -> int:
        return sum(e.payload.alert_id == incident for e in pair.events_of("ALERT_CREATED"))

    def ended() -> list[Any]:
        return [
            event
            for kind in ("ALERT_RESOLVED", "ALERT_EXPIRED")
            for event in pair.events_of(kind)
            if event.payload.alert_id in {WARNING, CRITICAL}
        ]

    def goes_on() -> None:
        until = time.monotonic() + LONGER_THAN_A_LEASE
        pair.wait_until(lambda: time.monotonic() > until, 2 * LONGER_THAN_A_LEASE)
        assert ended() == [], "nothing is believed over that goes on"
        assert created(WARNING) == 1

    twice.runtime.drawdown = 0.12
    pair.wait_until(lambda: created(WARNING) == 1, 60, "the breach is on record")
    twice.kill_and_go_on(twice.prometheus, goes_on)

    def still_notified() -> None:
        series = 'risk_feed_requests_total{code="200",feed="notifications"}'
        before = pair.one.metric(series) or 0.0
        pair.wait_until(lambda: (pair.one.metric(series) or 0) > before, 60, "the other delivers")
        assert ended() == []

    twice.kill_and_go_on(twice.alertmanagers, still_notified)

    twice.alertmanagers[0].kill()
    twice.prometheus[1].kill()
    twice.runtime.drawdown = 0.16
    pair.wait_until(lambda: created(CRITICAL) == 1, 60, "worse is on record, with one of each")
    pair.one.kill()
    pair.await_leader(pair.other)
    goes_on()
    twice.runtime.drawdown = 0.25
    pair.wait_until(pair.other.gate_says_halt, 60, "the kill switch trips")
    twice.alertmanagers[0].start()
    twice.prometheus[1].start()
    pair.one.spawn(port=twice.ports[0])
    pair.await_standby(pair.one)
    twice.runtime.drawdown = 0.0
    pair.wait_until(lambda: {e.payload.alert_id for e in ended()} == {WARNING, CRITICAL}, 120)
    pair.wait_until(
        lambda: not pair.rows("SELECT 1 FROM message WHERE delivered_at IS NULL"), 60, "all is told"
    )

    assert len(pair.events_of("KILL_SWITCH_ACTIVATED")) == 1, "one kill switch"
    assert pair.other.gate_says_halt(), "latched, though the breach is over"
    for status in (pair.one.status(), pair.other.status()):
        assert len(status["kill_switch"]["kills"]) == 1
    counted = Counter(e.payload.alert_id for e in pair.events_of("ALERT_CREATED"))
    assert (counted[WARNING], counted[CRITICAL]) == (1, 1)
    assert Counter(e.payload.alert_id for e in ended()) == {WARNING: 1, CRITICAL: 1}

    def told() -> Counter[tuple[str, str]]:
        first = (one for one in twice.hook.delivered if one.attempt == 1)
        return Counter((one.subject, one.kind) for one in first)

    both = {(one, kind) for one in (WARNING, CRITICAL) for kind in ("firing", "resolved")}
    # People hear of an end by Alertmanager, later than the chain does.
    pair.wait_until(lambda: both <= told().keys(), 60, "both ends are told")
    assert {told()[one] for one in both} == {1}, told()
    assert sum(one.kind == "kill_switch" and one.attempt == 1 for one in twice.hook.delivered) == 1
    again = [one for one in twice.hook.delivered if one.attempt > 1]
    assert len(again) <= 1, "one was being sent when the leader died, at most"
    assert pair.verified()
