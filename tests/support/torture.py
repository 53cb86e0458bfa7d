"""Kills the receivers over and over under load, and takes stock of what became of everything.

Everybody who sends just goes on, and a webhook of the people's records what it is handed.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import httpx
from loopback_http import LoopbackServer, Received, Reply
from torture_senders import RESEND_SECONDS, Senders

from risk_receivers.audit.query import events

#: Alerts that begin between two kills.
_NEW_EACH_ROUND: Final = 6
#: By how much the hook may be late to note what a process had sent before it was killed.
_LATE: Final = 1.0
Wait = Callable[..., Any]

#: A digest would be as right, but each message is to be counted.
_ONE_BY_ONE = "".join(
    f"[alerting.{table}]\nenabled = false\n"
    for table in ("deduplication", "cooldown", "rate_limits")
)


@dataclass(frozen=True)
class Delivered:
    """A message as it came over the webhook."""

    id: str
    subject: str
    kind: str
    attempt: int
    at: float


class Hook(LoopbackServer):
    """Takes every message and remembers when."""

    def __init__(self) -> None:
        super().__init__()
        self.delivered: list[Delivered] = []

    def answer(self, received: Received) -> Reply:
        said = received.json
        self.delivered.append(
            Delivered(
                said["message_id"],
                said["subject"],
                said["kind"],
                said["attempt"],
                time.monotonic(),
            )
        )
        self.received.clear()
        return Reply(200, "ok")


@dataclass
class Stock:
    """What came of it."""

    kills: int
    seconds: float
    alerts: int
    owed: int
    deliveries: int
    again: int

    def __str__(self) -> str:
        return (
            f"{self.kills} kills in {self.seconds:.0f} s: {self.alerts} alerts recorded once each; "
            f"{self.owed} messages owed, {self.deliveries} deliveries, "
            f"{self.again} of them again and marked"
        )


class Torture:
    """The service under load, killed at moments that a seed decides."""

    def __init__(self, receivers: Any, wait_until: Wait, seed: int) -> None:
        self._receivers = receivers
        self._wait_until = wait_until
        self._chance = random.Random(seed)
        self._killed_at: list[float] = []
        self.hook = Hook()

    def run(self, kills: int) -> Stock:
        """Kill it so many times, let it come to rest, and take stock."""
        began = time.monotonic()
        receivers = self._receivers
        policy = receivers.policy.read_text()
        slow = _SLOWLY.sub(f"resend_delay_seconds = {RESEND_SECONDS}", policy)
        receivers.policy.write_text(slow + CHANNELS + _ONE_BY_ONE)
        with self.hook, Senders(lambda: receivers.url).running() as senders:
            receivers.spawn()
            trip_after = self._chance.randrange(kills)
            for lap in range(kills):
                for number in range(_NEW_EACH_ROUND):
                    kills_too = lap == trip_after and not number
                    senders.begin(f"torture/{lap}.{number}", kills=kills_too)
                self._let_it_live()
                senders.end_what_was_heard()
                receivers.kill()
                self._killed_at.append(time.monotonic())
                receivers.spawn(port=receivers.port)

            def over() -> bool:
                senders.end_what_was_heard()
                return senders.idle

            self._wait_until(over, 120, "everybody has said everything")
            self._wait_until(self._nothing_is_owed, 120, "everything is delivered")
            seen = len(self.hook.delivered)
            receivers.stop()
            receivers.start()
            self._nothing_is_owed()
            assert len(self.hook.delivered) == seen, "what was confirmed is owed no more"
            self._take_stock(senders)
            return self._stock(senders, time.monotonic() - began)

    def _let_it_live(self) -> None:
        """Some moments of a start, or of work: whichever the seed decides."""
        receivers = self._receivers
        if self._chance.random() < 0.2:
            time.sleep(self._chance.uniform(0.0, 0.8))
            return
        self._wait_until(self._is_ready, 60, "the service is ready")
        time.sleep(self._chance.uniform(0.0, 0.25))
        assert receivers.process.poll() is None, receivers.log

    def _is_ready(self) -> bool:
        receivers = self._receivers
        assert receivers.process.poll() is None, receivers.log
        try:
            return bool(receivers.client.get(f"{receivers.url}/readyz").status_code == 200)
        except httpx.TransportError:
            return False

    def _nothing_is_owed(self) -> bool:
        (row,) = self._receivers.rows("SELECT count(*) FROM message WHERE delivered_at IS NULL")
        return not row[0]

    def _take_stock(self, senders: Senders) -> None:
        receivers = self._receivers
        sent = sorted(senders.breaches)
        rows = receivers.rows(
            "SELECT risk_id, state FROM incident WHERE risk_id LIKE 'torture/%' ORDER BY risk_id"
        )
        assert [row[0] for row in rows] == sent, "every alert is one incident"
        assert {row[1] for row in rows} == {"RESOLVED"}, rows
        incidents = {f"{one.risk_id}:{one.tier}:1" for one in senders.breaches.values()}
        told = Counter(
            (str(event.event_type), event.payload.alert_id)
            for event in self._chain()
            if str(event.event_type) in ONCE_EACH
        )
        assert told == Counter({(kind, name): 1 for kind in ONCE_EACH for name in incidents})
        types = Counter(str(event.event_type) for event in self._chain())
        assert types["KILL_SWITCH_ACTIVATED"] == 1
        assert types["KILL_SWITCH_TIGHTENED"] == 0
        assert receivers.gate_says_halt()
        assert receivers.verified().ok

        owed = {
            (subject, kind)
            for subject, kind in receivers.rows(
                "SELECT subject, kind FROM message WHERE channel = 'webhook'"
            )
        }
        expected = {(name, kind) for name in incidents for kind in ("firing", "resolved")}
        assert expected <= owed
        assert {kind for name, kind in owed - expected} == {"kill_switch"}, owed - expected
        self._judge_deliveries(owed)
        assert sorted(self._filed()) == sorted({one.id for one in self.hook.delivered})

    def _judge_deliveries(self, owed: set[tuple[str, str]]) -> None:
        by_id: dict[str, list[Delivered]] = {}
        for delivered in self.hook.delivered:
            by_id.setdefault(delivered.id, []).append(delivered)
        assert {(some[0].subject, some[0].kind) for some in by_id.values()} == owed
        assert len(by_id) == len(owed), "one id each"
        again = 0
        for some in by_id.values():
            for before, after in pairwise(some):
                again += 1
                assert after.attempt > before.attempt, f"sent again without a word: {after}"
                between = [at for at in self._killed_at if before.at - _LATE < at < after.at]
                assert between, f"sent again although nothing had happened: {after}"
        assert again <= len(self._killed_at), "one message is under way at a time"

    def _filed(self) -> list[str]:
        """Every message in the file channel, which recognises what it has written before."""
        files = (self._receivers.data / "logs" / "alerts").glob("*.jsonl")
        lines = [line for file in files for line in file.read_text().splitlines()]
        return [json.loads(line)["message_id"] for line in lines]

    def _chain(self) -> list[Any]:
        found: list[Any] = events(self._receivers.database, 0, 10_000_000)
        return found

    def _stock(self, senders: Senders, seconds: float) -> Stock:
        distinct = len({one.id for one in self.hook.delivered})
        deliveries = len(self.hook.delivered)
        return Stock(
            len(self._killed_at),
            seconds,
            len(senders.breaches),
            distinct,
            deliveries,
            deliveries - distinct,
        )


_SLOWLY: Final = re.compile("resend_delay_seconds = .*")
#: What the chain tells of an alert exactly once.
ONCE_EACH: Final = ("ALERT_CREATED", "ALERT_DISPATCHED", "ALERT_RESOLVED")
CHANNELS: Final = """
[alerting.endpoints]
alertmanager = "127.0.0.1:9"
[alerting.channels.console]
enabled = false
[alerting.channels.file]
min_severity = "DEBUG"
[alerting.channels.webhook]
enabled = true
min_severity = "DEBUG"
url = "${TORTURE_HOOK}"
hmac_secret = "${TORTURE_SECRET}"
"""
