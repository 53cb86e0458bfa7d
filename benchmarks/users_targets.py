"""What the users asked for, held against the real service: their table of targets.

One real receivers process on a folder of its own, and beside it what it is asked by: a feed, a
webhook's other end, ten WebSockets, a real Chromium. In this order, because each makes the process
larger: memory of a service that does nothing, alerts one after the other, the dashboard while all
of those are open, the WebSockets, as many alerts as it takes, and the dashboard once more while
those are open too, which is told beside the first. What is held against a target is a median where
it is a time; the 99th percentile stands beside it.

Takes about forty seconds: ``python benchmarks/users_targets.py [--json]``. The exit code is 1 if
something is worse than the users called acceptable.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

import streams
from console_interactive import loads, open_alerts
from measure import (
    Desk,
    Receivers,
    Spread,
    desk,
    load_average,
    machine,
    notification,
    position_loss,
    receivers,
    until,
)
from volley import fire, request

#: Every alert is told at once: how fast is what is asked about, not how much people can bear.
_POLICY: Final = (
    "[alerting.deduplication]\nenabled = false\n[alerting.rate_limits]\nenabled = false\n"
)
_ALERTS, _BETWEEN_SECONDS = 200, 0.02
_LOADS, _LOADS_IN_A_STORM = 8, 4
_AT_ONCE, _MOST, _VOLLEY_SECONDS = 32, 20_000, 5.0
#: What a start takes for itself has been given back by then, or never will be.
_IDLE_SECONDS = 10.0
_LOOK_AGAIN_SECONDS = 0.1
#: As users count, and stricter than 2**20.
MB = 10**6


@dataclass(frozen=True, slots=True)
class Held:
    """One line of the users' table, and what was measured."""

    what: str
    measured: float
    unit: str
    target: float
    acceptable: float
    ok: bool
    how: str

    @property
    def word(self) -> str:
        """Which of the users' two columns is met, the better one first."""
        if self.ok:
            return "target"
        more = self.target > self.acceptable  # more is better where less is merely acceptable
        within = self.measured > self.acceptable if more else self.measured < self.acceptable
        return "acceptable" if within else "MISSED"


def below(what: str, measured: float, unit: str, bounds: tuple[float, float], how: str) -> Held:
    """The less the better."""
    target, acceptable = bounds
    return Held(what, round(measured, 2), unit, target, acceptable, measured < target, how)


def above(what: str, measured: float, unit: str, bounds: tuple[float, float], how: str) -> Held:
    """The more the better."""
    target, acceptable = bounds
    return Held(what, round(measured, 2), unit, target, acceptable, measured > target, how)


@contextmanager
def most_memory(service: Receivers) -> Iterator[list[int]]:
    """Fills with the most that the service held meanwhile, in bytes."""
    seen, over = [service.footprint.resident_bytes], threading.Event()

    def look() -> None:
        while not over.wait(_LOOK_AGAIN_SECONDS):
            seen[0] = max(seen[0], service.footprint.resident_bytes)

    watching = threading.Thread(target=look)
    watching.start()
    try:
        yield seen
    finally:
        over.set()
        watching.join()


def one_by_one(service: Receivers, told: Desk) -> tuple[list[float], list[float]]:
    """Milliseconds until the durable answer, and until a channel's other end has it.

    An alert comes as it does in real life: from Prometheus first, for machines, then from
    Alertmanager, for people. Only the latter is dispatched at once.
    """
    created: list[float] = []
    handed_over: dict[str, float] = {}
    for number in range(_ALERTS):
        alert = position_loss(f"C{number}")
        asked = time.perf_counter()
        service.post("/api/v2/alerts", [alert])
        answered = time.perf_counter()
        created.append((answered - asked) * 1000)
        handed_over[alert["labels"]["risk_id"]] = answered
        service.post("/api/v1/notifications", notification(alert))
        time.sleep(_BETWEEN_SECONDS)  # the pace of what is sent: one by one, as usual
    until(lambda: handed_over.keys() <= told.first_at().keys(), "every message is delivered")
    arrived = told.first_at()
    return created, [(arrived[name] - at) * 1000 for name, at in handed_over.items()]


def measured() -> list[Held]:
    """All of the table."""
    with (
        desk() as told,
        tempfile.TemporaryDirectory() as name,
        receivers(Path(name), _POLICY + told.policy, told.environ) as service,
    ):
        service.hear_watchdog()
        time.sleep(_IDLE_SECONDS)
        idle = service.footprint.resident_bytes / MB
        answers, dispatched = (Spread.of(times) for times in one_by_one(service, told))
        with most_memory(service) as most:
            opened = open_alerts(service)
            dashboard = Spread.of(loads(service, _LOADS)[0])
            heard = Spread.of(streams.measured(service)[1])
            alerts = (position_loss(f"V{number}") for number in range(_MOST))
            volley = [request(service.url, "/api/v2/alerts", [alert]) for alert in alerts]
            shot = fire(service.url, volley, _AT_ONCE, _VOLLEY_SECONDS)
            opened_later = open_alerts(service)
            in_storm = Spread.of(loads(service, _LOADS_IN_A_STORM, "pavel")[0])
        if shot.failed:
            raise SystemExit(f"not every alert was taken: {shot.failed}")
    per_second = len(shot.answered) / shot.seconds
    return [
        below(
            "alert creation", answers.median, "ms", (10, 50),
            f"median from POST to the durable answer, {_p99(answers)}",
        ),
        below(
            "channel dispatch", dispatched.median, "ms", (100, 500),
            f"median from Alertmanager's POST until a webhook's end has it, {_p99(dispatched)}",
        ),
        below(
            "dashboard load", dashboard.median, "ms", (500, 2000),
            f"median until the console is on Chromium's screen, {opened:,} alerts open, nothing "
            f"kept, {_p99(dashboard)}; {in_storm.median:,.0f} ms with {opened_later:,} open",
        ),
        below(
            "WebSocket", heard.median, "ms", (50, 200),
            f"median from the durable answer to each of {streams.CLIENTS} clients, {_p99(heard)}",
        ),
        above(
            "throughput", per_second, "alerts/s", (100, 50),
            f"{len(shot.answered):,} alerts, one a request, {_AT_ONCE} at once, each durable",
        ),
        below(
            "memory, idle", idle, "MB", (100, 200),
            f"resident, {_IDLE_SECONDS:g} s after the start",
        ),
        below(
            "memory, under load", most[0] / MB, "MB", (500, 1024),
            "most that was resident under all of the above",
        ),
    ]  # fmt: skip


def _p99(spread: Spread) -> str:
    return f"p99 {spread.p99:.1f} ms of {spread.count:,}, {load_average()}"


def show(found: Sequence[Held]) -> None:
    """The table, for people."""
    print(f"{'':20}{'measured':>12}{'target':>10}{'acceptable':>12}")
    for one in found:
        sign = ">" if one.target > one.acceptable else "<"
        print(
            f"{one.what:20}{one.measured:12,.1f}{f'{sign} {one.target:g}':>10}"
            f"{f'{sign} {one.acceptable:g}':>12} {one.unit:9} {one.word:10}  {one.how}"
        )
    met = sum(one.ok for one in found)
    print(f"{met} of {len(found)} meet the target, not merely what is acceptable")


def main() -> int:
    """Measure and print; whether all is acceptable."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="a list of objects and nothing else")
    as_json = parser.parse_args().json
    if not as_json:
        print(machine())
    found = measured()
    if as_json:
        print(json.dumps([asdict(one) for one in found], indent=2))
    else:
        show(found)
    return 0 if all(one.word != "MISSED" for one in found) else 1


if __name__ == "__main__":
    raise SystemExit(main())
