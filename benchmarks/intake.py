"""Alerts a second that the receivers take in, each on record before its answer.

Over 32 connections at once: one alert a request, fifty a request, and a storm in which two thousand
groups each bring one alert through the notification feed, as after an outage. All alerts are new,
the dearest kind: each begins an incident. Then the same alerts again, which is what Prometheus
mostly sends. Beside each rate stands what an alert takes of a processor: on two cores, whoever asks
takes part of the other one.

The baselines, in the same run: the same front when a request holds no alert, so that there is
nothing to record; and SQLite alone, one row a commit and five hundred.

Beside it how soon people are told: from Alertmanager's request to the end of a webhook.

Takes about a minute: ``python benchmarks/intake.py [--seconds 5]``.
"""

from __future__ import annotations

import argparse
import sqlite3
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from audit_append import Raw
from measure import Receivers, Spread, desk, machine, notification, position_loss, receivers
from users_targets import one_by_one
from volley import Volley, fire, milliseconds, request

_CONNECTIONS: Final = 32
_STORM: Final = 2000
_MOST: Final = 60_000
_BATCH: Final = 500
#: Every message is told at once, for dispatch; intake is measured with the policy as it is.
_TOLD_AT_ONCE: Final = (
    "[alerting.deduplication]\nenabled = false\n[alerting.rate_limits]\nenabled = false\n"
)


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of one way to ask."""

    what: str
    alerts: int
    seconds: float
    answers: Spread
    processor_seconds: float
    failed: dict[int, int]

    @property
    def rate(self) -> float:
        """Alerts a second."""
        return self.alerts / self.seconds

    def shown(self, baseline: float) -> str:
        """A line of a table."""
        failed = f"  NOT TAKEN: {self.failed}" if self.failed else ""
        cost = self.processor_seconds / max(self.alerts, 1) * 1e6
        return (
            f"{self.what:38}{self.rate:9,.0f}/s {cost:7.0f} µs of a processor each, answers: "
            f"median {self.answers.median:7.1f} ms, p99 {self.answers.p99:7.1f} ms, "
            f"ratio {self.rate / baseline:.2f}{failed}"
        )


def shoot(
    service: Receivers, what: str, requests: Sequence[bytes], each: int, seconds: float
) -> Taken:
    """Ask with all of them, or as many as can be sent in time; each request holds so many."""
    before = service.footprint.processor_seconds
    volley: Volley = fire(service.url, requests, _CONNECTIONS, seconds)
    worked = service.footprint.processor_seconds - before
    answers = Spread.of(milliseconds(volley.answered))
    return Taken(what, each * len(volley.answered), volley.seconds, answers, worked, volley.failed)


def batches(url: str, name: str, each: int, alerts: int) -> list[bytes]:
    """Requests of the alert feed."""
    found: Iterator[list[dict[str, Any]]] = (
        [position_loss(f"{name}{number}") for number in range(at, at + each)]
        for at in range(0, alerts, each)
    )
    return [request(url, "/api/v2/alerts", batch) for batch in found]


def taken_in(service: Receivers, seconds: float) -> list[Taken]:
    """All ways, the front alone first."""
    url = service.url
    empty = [request(url, "/api/v2/alerts", [])] * _MOST
    single = batches(url, "O", 1, _MOST // 4)
    fifty = batches(url, "F", 50, _MOST)
    groups = [
        request(url, "/api/v1/notifications", notification(position_loss(f"G{number}")))
        for number in range(_STORM)
    ]
    found = [
        shoot(service, "the front alone, requests, baseline", empty, 1, seconds),
        shoot(service, "new alerts, one a request", single, 1, seconds),
        shoot(service, "new alerts, fifty a request", fifty, 50, seconds),
    ]
    again = fifty[: max(found[-1].alerts // 50, 1)]
    return [
        *found,
        shoot(service, "the same again, fifty a request", again, 50, seconds),
        shoot(service, f"storm of {_STORM:,} groups", groups, 1, 600.0),
    ]


def bare(folder: Path, each: int, seconds: float) -> float:
    """Rows a second of SQLite alone, so many a commit."""
    path = folder / f"bare-{each}.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        raw, done, began = Raw(connection), 0, time.perf_counter()
        while (passed := time.perf_counter() - began) < seconds:
            done += raw.insert(each)
    return done / passed


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=5.0, help="per measurement")
    seconds = parser.parse_args().seconds
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        one, many = bare(Path(name), 1, 1.0), bare(Path(name), _BATCH, 1.0)
        print(f"{'SQLite alone, one row a commit':38}{one:9,.0f}/s")
        print(f"{f'SQLite alone, {_BATCH} rows a commit':38}{many:9,.0f}/s")
        with receivers(Path(name)) as service:
            service.hear_watchdog()
            found = taken_in(service, seconds)
    for taken in found:
        print(taken.shown(found[0].rate))
    storm = found[-1]
    failed = sum(storm.failed.values())
    print(f"the storm was over after {storm.seconds:.2f} s, {failed} requests failed")
    with (
        desk() as told,
        tempfile.TemporaryDirectory() as name,
        receivers(Path(name), _TOLD_AT_ONCE + told.policy, told.environ) as service,
    ):
        service.hear_watchdog()
        created, dispatched = (Spread.of(times) for times in one_by_one(service, told))
    print(created.shown("one alert, nothing beside it, to its answer"))
    print(dispatched.shown("from Alertmanager's request to the webhook"))


if __name__ == "__main__":
    main()
