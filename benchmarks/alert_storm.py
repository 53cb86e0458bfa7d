"""How fast the receivers answer while a storm of alerts comes in.

Starts the real service on a folder of its own, sends a thousand alerts of a hundred breaches
through both feeds, one alert a request, and prints how long each request waited for its answer:
those to the feeds, which are answered once everything is durable, and those for the status, which
people look at. At the end stands what people were told of it meanwhile.

Run it with ``python benchmarks/alert_storm.py [--seconds 60]``; without, as fast as answers come.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import httpx
from measure import Receivers, Spread, machine, notification, position_loss, receivers

ALERTS, BREACHES = 1000, 100


def timed(ask: Callable[[], httpx.Response]) -> float:
    """How many milliseconds an answer takes."""
    start = time.perf_counter()
    ask()
    return (time.perf_counter() - start) * 1000


def storm(service: Receivers, seconds: float) -> dict[str, list[float]]:
    """Send it all at an even pace; how long each answer took."""
    waited: dict[str, list[float]] = {"alert feed": [], "notification feed": [], "status": []}
    start = time.monotonic()
    for number in range(ALERTS):
        alert = position_loss(f"S{number % BREACHES}")
        body = notification(alert)
        waited["alert feed"].append(timed(lambda: service.post("/api/v2/alerts", [alert])))  # noqa: B023 - called at once
        waited["notification feed"].append(
            timed(lambda: service.post("/api/v1/notifications", body))  # noqa: B023 - called at once
        )
        if number % 10 == 0:
            waited["status"].append(timed(lambda: service.get("/api/v1/system/status")))
        # The pace is what is asked about: so many alerts a minute, evenly.
        time.sleep(max(0.0, start + (number + 1) * seconds / ALERTS - time.monotonic()))
    return waited


def _told(folder: Path) -> list[str]:
    files = sorted((folder / "logs" / "alerts").glob("*.jsonl"))
    return [json.loads(line)["kind"] for path in files for line in path.read_text().splitlines()]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long the storm takes")
    seconds = parser.parse_args().seconds
    print(machine())
    with tempfile.TemporaryDirectory() as name:
        with receivers(Path(name)) as service:
            for what, waited in storm(service, seconds).items():
                print(Spread.of(waited).shown(what))
        told = _told(service.data)
        counts = {kind: told.count(kind) for kind in dict.fromkeys(told)}
        print(f"{ALERTS} alerts of {BREACHES} breaches; people were told: {counts}")


if __name__ == "__main__":
    main()
