"""Many people at once at the console, while alerts come in: what each of them waits for.

A real receivers service, WebSockets that listen to everything, and readers that ask for status and
alerts over and over, with no limit to how often, while alerts come one after the other. Printed is
how long readers, alerts and WebSockets wait, and the memory that it takes; the baseline is the same
with nobody there but one reader. Everybody shares one process here, which needs a processor too.

Takes about half a minute: ``python benchmarks/console_load.py [--people 10] [--seconds 8]``. More
WebSockets than the policy lets in (``alerting.dashboard.websocket.max_connections``) are none.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
from measure import MIB, Receivers, Spread, machine, position_loss, ratio, receivers
from streams import listening

#: As a console does that nobody streams to.
_ASKS_EVERY_SECONDS: Final = 0.5
#: The pace of what is sent: nothing is waited for.
_ALERTS_EVERY_SECONDS: Final = 0.1
_READ: Final = ("/api/v1/system/status", "/api/v1/alerts")
_POLICY: Final = """
[alerting.dashboard.websocket]
max_connections = {people}
[alerting.dashboard.api]
rate_limit_per_minute = 100000
"""


@dataclass
class Waited:
    """Milliseconds, of everybody together."""

    reading: list[float] = field(default_factory=list)
    creating: list[float] = field(default_factory=list)
    streaming: list[float] = field(default_factory=list)
    memory_mib: float = 0.0


def _read(service: Receivers, over: threading.Event, waited: list[float]) -> None:
    with httpx.Client(base_url=service.url, timeout=60, trust_env=False) as client:
        while not over.wait(_ASKS_EVERY_SECONDS):
            for path in _READ:
                began = time.perf_counter()
                answer = client.get(path, headers={"Authorization": "Bearer operator"})
                answer.raise_for_status()
                waited.append((time.perf_counter() - began) * 1000)


def _hear(
    service: Receivers, over: threading.Event, ready: threading.Semaphore, heard: list[float],
    sent: dict[str, float],
) -> None:  # fmt: skip
    with listening(service) as connection:
        ready.release()
        while not over.is_set():
            with suppress(TimeoutError):
                told = json.loads(connection.recv(timeout=0.5))
                at = time.perf_counter()
                name = told.get("alert", {}).get("risk_id", "")
                if told["type"] == "alert" and told["event"]["event_type"] == "ALERT_CREATED":
                    heard.append((at - sent[name]) * 1000)


def crowd(service: Receivers, name: str, people: int, readers: int, seconds: float) -> Waited:
    """So many WebSockets and readers, for so long."""
    waited, over, sent = Waited(), threading.Event(), dict[str, float]()
    ready = threading.Semaphore(0)
    threads = [
        threading.Thread(target=_hear, args=(service, over, ready, waited.streaming, sent))
        for _ in range(people)
    ]
    threads += [
        threading.Thread(target=_read, args=(service, over, waited.reading)) for _ in range(readers)
    ]
    with ExitStack() as stack:
        for thread in threads:
            thread.start()
            stack.callback(thread.join)
        stack.callback(over.set)
        for _ in range(people):
            ready.acquire()
        began, number = time.monotonic(), 0
        while time.monotonic() - began < seconds:
            alert = position_loss(f"{name}{number}")
            number += 1
            asked = sent[alert["labels"]["risk_id"]] = time.perf_counter()
            service.post("/api/v2/alerts", [alert])
            waited.creating.append((time.perf_counter() - asked) * 1000)
            waited.memory_mib = max(waited.memory_mib, service.footprint.resident_bytes / MIB)
            time.sleep(_ALERTS_EVERY_SECONDS)  # the pace of what is sent
    return waited


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--seconds", type=float, default=8.0, help="per measurement")
    given = parser.parse_args()
    print(machine())
    policy, medians = _POLICY.format(people=given.people), defaultdict(list)
    with tempfile.TemporaryDirectory() as name, receivers(Path(name), policy) as service:
        for people, readers in ((0, 1), (given.people, given.people)):
            waited = crowd(service, f"P{people}-", people, readers, given.seconds)
            print(
                f"{people} WebSockets, {readers} readers: most memory {waited.memory_mib:.0f} MiB"
            )
            for what, times in (
                ("a reader's answer", waited.reading),
                ("an alert's durable answer", waited.creating),
                ("an alert, from POST to each WebSocket", waited.streaming),
            ):
                if times:
                    spread = Spread.of(times)
                    medians[what].append(spread.median)
                    print(f"  {spread.shown(what)}")
    for what, found in medians.items():
        if len(found) > 1:
            print(ratio(what, found[1], found[0]))


if __name__ == "__main__":
    main()
