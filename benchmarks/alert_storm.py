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
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import quantiles
from typing import Any

import httpx

ALERTS, BREACHES = 1000, 100
#: The service says that it is ready only when asked.
_ASK_AGAIN_SECONDS = 0.05
_TOKENS = {
    f"RISKWARDEN_{name}_TOKEN": name.lower().replace("_", "-")
    for name in ("ALERT_FEED", "NOTIFICATION_FEED", "SNAPSHOT", "RUNTIME", "OPERATOR")
}


def an_alert(number: int) -> dict[str, Any]:
    now = datetime.now(UTC)
    return {
        "labels": {
            "alertname": "POSITION_LOSS_WARNING", "risk_id": f"position_loss/main/S{number}",
            "tier": "warning", "severity": "warning", "category": "position", "action": "notify",
        },
        "annotations": {"summary": f"S{number} loses", "description": "The loss is 6 %."},
        "startsAt": (now - timedelta(seconds=1)).isoformat(),
        "endsAt": (now + timedelta(minutes=4)).isoformat(),
        "status": "firing",
    }  # fmt: skip


def timed(ask: Callable[[], httpx.Response]) -> float:
    """How many milliseconds an answer takes."""
    start = time.perf_counter()
    ask().raise_for_status()
    return (time.perf_counter() - start) * 1000


def storm(client: httpx.Client, seconds: float) -> dict[str, list[float]]:
    """Send it all at an even pace; how long each answer took."""
    waited: dict[str, list[float]] = {"alert feed": [], "notification feed": [], "status": []}
    start = time.monotonic()
    for number in range(ALERTS):
        alert = an_alert(number % BREACHES)
        body = {"version": "4", "status": "firing", "alerts": [alert]}
        waited["alert feed"].append(timed(lambda: post(client, "/api/v2/alerts", [alert])))  # noqa: B023 - called at once
        waited["notification feed"].append(
            timed(lambda: post(client, "/api/v1/notifications", body))  # noqa: B023 - called at once
        )
        if number % 10 == 0:
            waited["status"].append(timed(lambda: get(client, "/api/v1/system/status")))
        # The pace is what is asked about: so many alerts a minute, evenly.
        time.sleep(max(0.0, start + (number + 1) * seconds / ALERTS - time.monotonic()))
    return waited


def post(client: httpx.Client, path: str, content: object) -> httpx.Response:
    token = "alert-feed" if path.startswith("/api/v2") else "notification-feed"
    return client.post(path, content=json.dumps(content), headers=_bearer(token))


def get(client: httpx.Client, path: str) -> httpx.Response:
    return client.get(path, headers=_bearer("operator"))


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


@contextmanager
def receivers(folder: Path) -> Iterator[httpx.Client]:
    """The real service on a folder of its own, and who asks it; it ends with what is measured."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        listen = f"127.0.0.1:{probe.getsockname()[1]}"
    (folder / "alerting.toml").write_text("")
    command = [sys.executable, "-m", "risk_receivers", "--policy", f"{folder}/alerting.toml"]
    command += ["--data", f"{folder}/data", "--listen", listen]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env={**os.environ, **_TOKENS})
    try:
        with httpx.Client(base_url=f"http://{listen}", timeout=30, trust_env=False) as client:
            _wait_until_ready(client, process)
            yield client
    finally:
        process.terminate()
        process.wait(30)


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes]) -> None:
    while process.poll() is None:
        with suppress(httpx.TransportError):
            if client.get("/readyz").status_code == httpx.codes.OK:
                return
        time.sleep(_ASK_AGAIN_SECONDS)
    raise SystemExit("the receivers did not start")


def _told(folder: Path) -> list[str]:
    files = sorted((folder / "logs" / "alerts").glob("*.jsonl"))
    return [json.loads(line)["kind"] for path in files for line in path.read_text().splitlines()]


def _show(name: str, waited: Sequence[float]) -> None:
    cuts = quantiles(waited, n=100)
    print(
        f"{name:18} {len(waited):5} requests: median {cuts[49]:6.1f} ms, "
        f"p99 {cuts[98]:6.1f} ms, worst {max(waited):6.1f} ms"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=0.0, help="how long the storm takes")
    seconds = parser.parse_args().seconds
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with receivers(folder) as client:
            for what, waited in storm(client, seconds).items():
                _show(what, waited)
        told = _told(folder / "data")
        counts = {kind: told.count(kind) for kind in dict.fromkeys(told)}
        print(f"{ALERTS} alerts of {BREACHES} breaches; people were told: {counts}")


if __name__ == "__main__":
    main()
