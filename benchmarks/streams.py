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
from statistics import median, quantiles

import httpx
from alert_storm import an_alert, post, receivers
from websockets.sync.client import ClientConnection, connect

CLIENTS, ALERTS = 10, 200
#: Somebody has to have heard the last by then, or the measurement is none.
_LONGEST_SECONDS = 30.0


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


def measured(client: httpx.Client) -> tuple[list[float], list[float]]:
    """Milliseconds from asking to the durable answer, and from that to each client."""
    alerts = [an_alert(number) for number in range(ALERTS)]
    names = {alert["labels"]["risk_id"] for alert in alerts}
    heard: list[dict[str, list[float]]] = [defaultdict(list) for _ in range(CLIENTS)]
    sent: dict[str, tuple[float, float]] = {}
    with ExitStack() as stack:
        bearer = {"Authorization": "Bearer operator"}
        listen_at = client.base_url.netloc.decode()
        connections = [
            stack.enter_context(
                connect(f"ws://{listen_at}/ws/alerts", additional_headers=bearer, proxy=None)
            )
            for _ in range(CLIENTS)
        ]
        for connection in connections:
            connection.recv()  # hello
        threads = [
            threading.Thread(target=listen, args=(connection, one, names))
            for connection, one in zip(connections, heard, strict=True)
        ]
        for thread in threads:
            thread.start()
        for alert in alerts:
            asked = time.perf_counter()
            post(client, "/api/v2/alerts", [alert]).raise_for_status()
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
    with tempfile.TemporaryDirectory() as name, receivers(Path(name)) as client:
        answers, told = measured(client)
    cuts = quantiles(told, n=100)
    print(f"an alert's durable answer          median {median(answers):6.2f} ms")
    print(
        f"from there to each of {CLIENTS} clients   median {median(told):6.2f} ms, "
        f"p99 {cuts[98]:6.2f} ms, worst {max(told):6.2f} ms"
    )
    print(f"ratio of the medians               {median(told) / median(answers):6.2f}")


if __name__ == "__main__":
    main()
