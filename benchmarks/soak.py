"""A hundred alerts a minute for as long as it is asked for, and whether anything grows meanwhile.

Real receivers, and a real Alertmanager in front of them. What plays Prometheus sends both the same,
as it does: what fires again and again, what has ended for as long as Prometheus would. An alert
fires for a minute, a third of them escalate, every tenth is acknowledged by somebody, and symbols
come back, some of them within their cooldown. A webhook and files are told; somebody
listens over a WebSocket; the status is asked for at every look.

Looked at: resident memory, descriptors, connections, threads, the store's size, and how long the
answers of both the feed and the status take. What is flat, and what is not: soak_verdict.py.

``--rate`` makes it faster: with it, lives and repeats become shorter in the same measure, so that
as much is going on at once as at a hundred a minute, and only more of it passes through. No life
takes more than a tenth of the whole, so that most of a short soak has its usual number of alerts.
``--resend`` is Prometheus's resend-delay: where it is longer, everything is said less often.

Run it with ``python benchmarks/soak.py [--soak 1h] [--rate 100] [--resend 3s] [--svg FILE]
[--json]``; without, it takes a minute, at six times the rate. The exit code is 1 if something is
not flat.
"""

from __future__ import annotations

import argparse
import heapq
import json
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, Final

import httpx
import streams
from measure import (
    MIB,
    PATIENCE_SECONDS,
    Footprint,
    Receivers,
    desk,
    free_port,
    machine,
    position_loss,
    receivers,
    watchdog,
)
from monitoring import alertmanager
from soak_picture import picture
from soak_verdict import WATCHED, Look, judged, table
from websockets.exceptions import ConnectionClosed

from risk_policy import load_policy

_USUAL_RATE: Final = 100.0
#: Seconds of an alert's life at the usual rate.
_FIRES: Final = 60.0
_ESCALATES_AFTER, _ESCALATES_EVERY = 25.0, 3
_ACKNOWLEDGED_AFTER, _ACKNOWLEDGED_EVERY = 15.0, 10
_LONGEST_SHARE: Final = 0.1
#: As Prometheus does: again at each resend-delay, and what has ended for a quarter of an hour.
_RESENT_EVERY: Final = 3.0
_ENDS_REPEATED: Final = 900.0
_SYMBOLS: Final = 500
#: Every so many come back soon after their end, within the cooldown.
_COMES_BACK_EVERY, _COMES_BACK_AFTER = 10, 120
#: So many of them make a request, as of Prometheus.
_BATCH: Final = 64
#: A store that has no room tells nobody when it has again.
_ASK_AGAIN_SECONDS: Final = 0.5
_LOOKS: Final = 360
_SHORTEST_LOOK_SECONDS: Final = 4.0
#: People are told of each, and not once of many: deliveries are what is to be worn out.
_POLICY: Final = """
[alerting.escalation.frequency_based]
storm_alert_at_count = 100000
[alerting.rate_limits]
enabled = false
[alerting.endpoints]
receivers = "127.0.0.1:{receivers}"
alertmanager = "127.0.0.1:{alertmanager}"
"""


@dataclass
class Life:
    """One alert, from its first firing until nobody repeats its end."""

    number: int
    symbol: str
    content: dict[str, Any]
    ends_at: float
    forgotten_at: float
    escalated: dict[str, Any] | None = None


@dataclass
class Play:
    """Plays Prometheus and the people, on a schedule of the monotonic clock."""

    service: Receivers
    alertmanager: str
    rate: float
    seconds: float
    resent_every: float
    answers: list[float] = field(default_factory=list)
    began: int = 0
    acknowledged: int = 0
    #: Requests that the service could not take at once.
    put_off: int = 0
    #: By symbol: of what fires anew, Prometheus repeats no earlier end.
    _living: dict[str, Life] = field(default_factory=dict)
    _due: list[tuple[float, int, Callable[[], None]]] = field(default_factory=list)
    _order: Any = field(default_factory=count)

    def __post_init__(self) -> None:
        #: By how much everything is shorter than usual.
        self.short = min(_USUAL_RATE / self.rate, self.seconds * _LONGEST_SHARE / _FIRES)
        self._client = httpx.Client(trust_env=False, timeout=30)
        now = time.monotonic()
        self._at(now, partial(self._begin, now))
        self._at(now, partial(self._send_again, now))

    def run_until(self, end: float) -> None:
        """Do what is due, in its time."""
        while self._due and self._due[0][0] < end:
            at, _, act = heapq.heappop(self._due)
            time.sleep(max(0.0, at - time.monotonic()))
            act()
        time.sleep(max(0.0, end - time.monotonic()))

    def beat(self) -> None:
        """A sign of life, whose answer counts like any other."""
        self._send([watchdog()])

    def _at(self, when: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._due, (when, next(self._order), act))

    def _begin(self, now: float) -> None:
        number = self.began
        self.began += 1
        back = _COMES_BACK_AFTER if number % _COMES_BACK_EVERY == 5 else 0
        symbol = f"S{(number - back) % _SYMBOLS}"
        ends_at = now + _FIRES * self.short
        life = Life(
            number, symbol, position_loss(symbol), ends_at, ends_at + _ENDS_REPEATED * self.short
        )
        self._living[symbol] = life
        self._send([life.content])
        if number % _ESCALATES_EVERY == 0:
            self._at(now + _ESCALATES_AFTER * self.short, partial(self._escalate, life))
        if number % _ACKNOWLEDGED_EVERY == 0:
            self._at(now + _ACKNOWLEDGED_AFTER * self.short, partial(self._acknowledge, life))
        self._at(ends_at, partial(self._end, life))
        following = now + 60 / self.rate
        self._at(following, partial(self._begin, following))

    def _escalate(self, life: Life) -> None:
        life.escalated = position_loss(life.symbol, severity="critical", escalation="time")
        self._send([life.escalated])

    def _acknowledge(self, life: Life) -> None:
        """Somebody finds it in the list, and deals with it."""
        risk_id = life.content["labels"]["risk_id"]
        found = self.service.get("/api/v1/alerts").json()["alerts"]
        incident = next((one["id"] for one in found if one["id"].startswith(f"{risk_id}:")), None)
        if incident is not None:
            said = {"author": "olga", "comment": "on it", "for": "5m"}
            self.service.post(f"/api/v1/alerts/{incident}/acknowledge", said)
            self.acknowledged += 1

    def _end(self, life: Life) -> None:
        over = datetime.now(UTC).isoformat()
        for one in _alerts([life]):
            one["endsAt"] = over
        self._send(_alerts([life]))

    def _send_again(self, now: float) -> None:
        clock = time.monotonic()
        self._living = {
            name: life for name, life in self._living.items() if life.forgotten_at > clock
        }
        living = list(self._living.values())
        later = (datetime.now(UTC) + timedelta(seconds=4 * self.resent_every)).isoformat()
        for one in _alerts([life for life in living if life.ends_at > clock]):
            one["endsAt"] = later
        everything = [watchdog(), *_alerts(living)]
        for at in range(0, len(everything), _BATCH):
            self._send(everything[at : at + _BATCH])
        following = now + self.resent_every
        self._at(following, partial(self._send_again, following))

    def _send(self, alerts: Sequence[dict[str, Any]]) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            began = time.perf_counter()
            try:
                self.service.post("/api/v2/alerts", list(alerts))
                break
            except httpx.HTTPStatusError as error:
                # What could not be stored in time is said again, as Prometheus does.
                if not error.response.is_server_error or time.monotonic() > deadline:
                    raise
            self.put_off += 1
            time.sleep(_ASK_AGAIN_SECONDS)
        self.answers.append((time.perf_counter() - began) * 1000)
        self._client.post(
            f"http://{self.alertmanager}/api/v2/alerts", json=list(alerts)
        ).raise_for_status()


def _alerts(lives: Sequence[Life]) -> list[dict[str, Any]]:
    return [one for life in lives for one in (life.content, life.escalated) if one is not None]


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _listen(service: Receivers, over: threading.Event) -> None:
    with streams.listening(service) as connection:
        while not over.is_set():
            with suppress(TimeoutError):
                try:
                    connection.recv(timeout=1)
                except ConnectionClosed:
                    if not over.is_set():
                        raise


def soak(folder: Path, seconds: float, rate: float, resent_every: float) -> tuple[list[Look], Play]:
    """Run it all; what was seen."""
    look_every = max(seconds / _LOOKS, _SHORTEST_LOOK_SECONDS)
    ports = {"receivers": free_port(), "alertmanager": free_port()}
    looks: list[Look] = []
    with ExitStack() as stack:
        told = stack.enter_context(desk())
        text = _POLICY.format(**ports) + told.policy
        (folder / "alerting.toml").write_text(text, encoding="utf-8")
        policy = load_policy(folder / "alerting.toml", told.environ)
        beside = f"127.0.0.1:{ports['alertmanager']}"
        other = stack.enter_context(alertmanager(folder / "alertmanager", policy))
        service = stack.enter_context(
            receivers(folder, text, told.environ, port=ports["receivers"], alertmanager=beside)
        )
        service.hear_watchdog()
        over = threading.Event()
        listener = threading.Thread(target=_listen, args=(service, over))
        listener.start()
        try:
            play = Play(service, beside, rate, seconds, resent_every)
            began, until = time.monotonic(), 0.0
            # By the schedule, not by the clock: a machine that is late leaves nothing out.
            while until < seconds:
                until = min(until + look_every, seconds)
                play.answers.clear()
                play.run_until(began + until)
                play.beat()
                looks.append(
                    _look(service, other.pid, play, len(told.arrived), time.monotonic() - began)
                )
                show_progress(looks[-1])
        finally:
            over.set()
            listener.join()
    return looks, play


def _look(service: Receivers, beside: int, play: Play, told: int, seconds: float) -> Look:
    asked = time.perf_counter()
    service.get("/api/v1/system/status")
    status_ms = (time.perf_counter() - asked) * 1000
    held = service.footprint
    return Look(
        at=datetime.now(UTC),
        seconds=seconds,
        alerts=play.began,
        memory_mib=held.resident_bytes / MIB,
        descriptors=held.descriptors,
        connections=held.sockets,
        threads=held.threads,
        store_mib=_size(service.data / "audit") / MIB,
        feed_ms=statistics.median(play.answers),
        status_ms=status_ms,
        alertmanager_mib=Footprint.of(beside).resident_bytes / MIB,
        told=told,
        processor_seconds=held.processor_seconds,
    )


def show_progress(look: Look) -> None:
    """One line a look, where it is out of the way of what is read by programs."""
    print(
        f"{look.seconds:7.0f} s {look.alerts:7,} alerts  {look.memory_mib:6.1f} MiB  "
        f"{look.descriptors:3} descriptors  {look.connections:2} connections  "
        f"{look.threads:2} threads  store "
        f"{look.store_mib:6.1f} MiB  feed {look.feed_ms:6.1f} ms  status {look.status_ms:6.1f} ms",
        file=sys.stderr,
        flush=True,
    )


def show_totals(looks: Sequence[Look], play: Play) -> None:
    """What went through, and what it took."""
    first, last = looks[0], looks[-1]
    print(
        f"{play.began:,} alerts in {last.seconds:,.0f} s, {play.acknowledged:,} acknowledged, "
        f"{play.put_off:,} requests put off by the service, "
        f"{last.told:,} messages told by the webhook, {last.processor_seconds:,.0f} s of a "
        f"processor; the store grew by {last.store_mib - first.store_mib:.1f} MiB; "
        f"Alertmanager held {first.alertmanager_mib:.0f}, then {last.alertmanager_mib:.0f} MiB"
    )


def duration(text: str) -> float:
    """Seconds of 90s, 3m or 1h."""
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    if text[-1:] not in units:
        raise argparse.ArgumentTypeError("a number with s, m or h, such as 3m")
    return float(text[:-1]) * units[text[-1]]


def main() -> int:
    """Soak, judge and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--soak", type=duration, default=None, metavar="1h", help="how long")
    parser.add_argument("--rate", type=float, default=None, help="alerts a minute")
    parser.add_argument("--resend", type=duration, default=_RESENT_EVERY, metavar="3s")
    parser.add_argument("--svg", type=Path, default=None, help="where to draw it")
    parser.add_argument("--json", action="store_true", help="the verdicts and nothing else")
    given = parser.parse_args()
    seconds = given.soak or 60.0
    rate = given.rate or (_USUAL_RATE if given.soak else 6 * _USUAL_RATE)
    on = machine()
    if not given.json:
        print(on, flush=True)
    with tempfile.TemporaryDirectory() as name:
        looks, play = soak(Path(name), seconds, rate, given.resend)
    verdicts = [judged(looks, watched) for watched in WATCHED]
    if given.json:
        print(json.dumps([asdict(one) for one in verdicts], indent=2))
    else:
        show_totals(looks, play)
        print(table(verdicts))
    if given.svg:
        given.svg.write_text(picture(looks, on), encoding="utf-8")
    return 0 if all(one.flat for one in verdicts) else 1


if __name__ == "__main__":
    raise SystemExit(main())
