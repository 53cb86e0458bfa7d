"""How soon an alert reaches people who listen, once it is on record.

Starts the real service on a folder of its own, lets ten clients listen over WebSockets, sends
alerts one after the other, and prints how long after its durable answer each reached each client.
The baseline is the same alert's own durable answer: what a client that polled could not beat.

Run it with ``python benchmarks/streams.py``.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from measure import Receivers, Spread, machine, position_loss, ratio, receivers
from websockets.sync.client import ClientConnection, connect

CLIENTS, ALERTS = 10, 200
#: Somebody has to have heard the last by then, or the measurement is none.
_LONGEST_SECONDS = 30.0


def listening(service: Receivers) -> ClientConnection:
    """A WebSocket to all alerts, which has said hello."""
    connection = connect(
        f"ws{service.url.removeprefix('http')}/ws/alerts",
        additional_headers={"Authorization": "Bearer operator"},
        proxy=None,
    )
    connection.recv()
    return connection


def listen(connection: ClientConnection, heard: dict[str, list[float]], done: set[str]) -> None:
    """Note when each new alert arrives."""
    missing = set(done)
    while missing:
        told = json.loads(connection.recv(timeout=_LONGEST_SECONDS))
        at = time.perf_counter()
        if told["type"] == "alert" and told["event"]["event_type"] == "ALERT_CREATED":
            risk_id = told["alert"]["risk_id"]
            heard[risk_id].append(at)
            missing.discard(risk_id)


def measured(service: Receivers) -> tuple[list[float], list[float]]:
    """Milliseconds from asking to the durable answer, and from that to each client."""
    alerts = [position_loss(f"W{number}") for number in range(ALERTS)]
    names = {alert["labels"]["risk_id"] for alert in alerts}
    heard: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(CLIENTS)]
    sent: dict[str, tuple[float, float]] = {}
    with ExitStack() as stack:
        connections = [stack.enter_context(listening(service)) for _ in range(CLIENTS)]
        threads = [
            threading.Thread(target=listen, args=(connection, one, names))
            for connection, one in zip(connections, heard, strict=True)
        ]
        for thread in threads:
            thread.start()
        for alert in alerts:
            asked = time.perf_counter()
            service.post("/api/v2/alerts", [alert])
            sent[alert["labels"]["risk_id"]] = asked, time.perf_counter()
            time.sleep(0.02)  # one after the other is what is asked about, and no storm
        for thread in threads:
            thread.join()
    answers = [(answered - asked) * 1000 for asked, answered in sent.values()]
    # Before its sender has read the answer somebody may have heard of it.
    told = [
        max(0.0, one[risk_id][0] - answered) * 1000
        for risk_id, (_, answered) in sent.items()
        for one in heard
    ]
    return answers, told


def main() -> None:
    print(machine())
    with tempfile.TemporaryDirectory() as name, receivers(Path(name)) as service:
        answers, told = (Spread.of(times) for times in measured(service))
    print(answers.shown("an alert's durable answer, baseline"))
    print(told.shown(f"from there to each of {CLIENTS} clients"))
    print(ratio("the medians", told.median, answers.median))


if __name__ == "__main__":
    main()
