"""What the benchmarks share: the machine, the service that is measured, and how figures are shown.

Nothing here measures by itself.
"""

from __future__ import annotations

import json
import math
import os
import platform
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Final

import httpx

MIB: Final = 2**20
#: By what each of the service's tokens is called in its environment; benchmarks need no secrets.
TOKENS: Final = {
    f"RISKWARDEN_{name}_TOKEN": name.lower().replace("_", "-")
    for name in ("ALERT_FEED", "NOTIFICATION_FEED", "SNAPSHOT", "RUNTIME", "OPERATOR")
}
FEEDS: Final = {
    "/api/v2/alerts": "alert-feed",
    "/api/v1/notifications": "notification-feed",
}
#: Where nobody listens: what is not measured is not there.
NOBODY: Final = "127.0.0.1:1"
#: Longer than any start takes, and any answer.
PATIENCE_SECONDS: Final = 60.0
#: A server says that it is ready only when asked.
_ASK_AGAIN_SECONDS: Final = 0.05
_PAGE: Final = os.sysconf("SC_PAGE_SIZE")
_TICK: Final = os.sysconf("SC_CLK_TCK")


def machine() -> str:
    """What it was measured on."""
    name = platform.machine()
    with suppress(OSError, StopIteration), Path("/proc/cpuinfo").open(encoding="utf-8") as lines:
        name = next(line for line in lines if line.startswith("model name")).partition(":")[2]
    python = f"Python {platform.python_version()}"
    return f"{name.strip()}, {os.cpu_count()} cores, {python}, {load_average()}"


def load_average() -> str:
    """How much else there is to do: what is more than the cores can do makes all of it slower."""
    return f"load {os.getloadavg()[0]:.1f}"


def free_port() -> int:
    """A port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def until(condition: Callable[[], object], what: str, seconds: float = PATIENCE_SECONDS) -> None:
    """Wait for a condition, or leave the benchmark."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit(f"not within {seconds:g} s: {what}")
        time.sleep(_ASK_AGAIN_SECONDS)


# -- Processes -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Footprint:
    """What a process and those it started hold at one moment."""

    resident_bytes: int
    #: Of files and whatever else is no socket.
    descriptors: int
    sockets: int
    threads: int
    processor_seconds: float

    @classmethod
    def of(cls, pid: int) -> Footprint:
        """Of one that runs, as the kernel says. Memory that two of them share counts twice."""
        resident = descriptors = sockets = threads = ticks = 0
        for one in _family(pid):
            place = Path("/proc", str(one))
            with suppress(OSError):  # a child may end meanwhile
                resident += int((place / "statm").read_text().split()[1]) * _PAGE
                held = [_what(path) for path in (place / "fd").iterdir()]
                connected = sum(one.startswith("socket:") for one in held)
                sockets += connected
                descriptors += len(held) - connected
                threads += len(list((place / "task").iterdir()))
                fields = (place / "stat").read_text().rpartition(")")[2].split()
                ticks += int(fields[11]) + int(fields[12])
        return cls(resident, descriptors, sockets, threads, ticks / _TICK)


def _what(descriptor: Path) -> str:
    """What it stands for; nothing if it was closed meanwhile."""
    with suppress(OSError):
        return str(descriptor.readlink())
    return ""


def _family(pid: int) -> Iterator[int]:
    yield pid
    with suppress(OSError):
        for task in Path("/proc", str(pid), "task").iterdir():
            for child in (task / "children").read_text().split():
                yield from _family(int(child))


@contextmanager
def process(
    command: Sequence[str], log: Path, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """Run it for as long as it is measured; it may take its time to end in order."""
    with log.open("ab") as sink:
        running = subprocess.Popen(command, stdout=sink, stderr=sink, env=environ)
    try:
        yield running
    finally:
        running.terminate()
        try:
            running.wait(PATIENCE_SECONDS)
        except subprocess.TimeoutExpired:
            running.kill()
            running.wait()


def wait_until_ready(url: str, running: subprocess.Popen[bytes], log: Path) -> None:
    """Until it says that it is ready, or leave the benchmark with its last words."""

    def ready() -> bool:
        if running.poll() is not None:
            raise SystemExit(f"it did not start:\n{log.read_text(errors='replace')[-2000:]}")
        with suppress(httpx.TransportError):
            return httpx.get(url, trust_env=False).status_code == httpx.codes.OK
        return False

    until(ready, f"{url} answers 200")


# -- The service -----------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Receivers:
    """The real service on a folder of its own, and who asks it."""

    folder: Path
    url: str
    process: subprocess.Popen[bytes]
    client: httpx.Client

    @property
    def data(self) -> Path:
        """What it keeps."""
        return self.folder / "data"

    @property
    def footprint(self) -> Footprint:
        """What it holds now."""
        return Footprint.of(self.process.pid)

    def post(self, path: str, content: object) -> httpx.Response:
        """Deliver to a feed, or ask something of the API as the operator."""
        answer = self.client.post(path, content=json.dumps(content), headers=bearer(path))
        return answer.raise_for_status()

    def get(self, path: str) -> httpx.Response:
        """Read from the API as the operator."""
        return self.client.get(path, headers=bearer(path)).raise_for_status()

    def hear_watchdog(self) -> None:
        """Prometheus's sign of life; without it the gate is closed and no end is believed."""
        self.post("/api/v2/alerts", [watchdog()])


@contextmanager
def receivers(
    folder: Path,
    policy: str = "",
    environ: Mapping[str, str] | None = None,
    *,
    port: int = 0,
    alertmanager: str = NOBODY,
) -> Iterator[Receivers]:
    """Start it and wait until it is ready; it ends with what is measured."""
    listen = f"127.0.0.1:{port or free_port()}"
    (folder / "alerting.toml").write_text(policy, encoding="utf-8")
    command = [sys.executable, "-m", "risk_receivers", "--policy", f"{folder}/alerting.toml"]
    command += ["--data", f"{folder}/data", "--listen", listen, "--prometheus", NOBODY]
    command += ["--alertmanager", alertmanager]
    url, log = f"http://{listen}", folder / "receivers.log"
    with process(command, log, {**os.environ, **TOKENS, **(environ or {})}) as running:
        wait_until_ready(f"{url}/readyz", running, log)
        with httpx.Client(base_url=url, timeout=PATIENCE_SECONDS, trust_env=False) as client:
            yield Receivers(folder, url, running, client)


def bearer(path: str) -> dict[str, str]:
    """Who may ask there."""
    token = FEEDS.get(path, "operator")
    return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


def alert(name: str, **labels: str) -> dict[str, Any]:
    """One that began to fire a second ago, as Prometheus sends it."""
    now = datetime.now(UTC)
    return {
        "labels": {"alertname": name, **labels},
        "annotations": {"summary": f"{name} of a benchmark", "description": "The loss is 6 %."},
        "startsAt": (now - timedelta(seconds=1)).isoformat(),
        "endsAt": (now + timedelta(minutes=4)).isoformat(),
        "generatorURL": "http://127.0.0.1/graph",
    }


def watchdog() -> dict[str, Any]:
    """The alert that proves that Prometheus could raise others."""
    return alert("Watchdog", severity="debug", risk_id="watchdog")


def position_loss(symbol: str, **labels: str) -> dict[str, Any]:
    """A position loses more than it should."""
    usual = {
        "risk_id": f"position_loss/main/{symbol}", "account": "main", "symbol": symbol,
        "limit": "position_loss", "tier": "warning", "severity": "warning", "escalation": "none",
        "category": "position", "layer": "position", "action": "notify",
    }  # fmt: skip
    return alert("POSITION_LOSS_WARNING", **{**usual, **labels})


def notification(*alerts: dict[str, Any]) -> dict[str, Any]:
    """The same as Alertmanager hands it on, for people."""
    return {
        "version": "4",
        "groupKey": "{}:{}",
        "truncatedAlerts": 0,
        "status": "firing",
        "receiver": "riskwarden",
        "alerts": [{**one, "status": "firing"} for one in alerts],
    }


# -- A channel's other end -------------------------------------------------------------------


class Desk:
    """Stands in for where the webhook channel delivers, and notes when it has what."""

    def __init__(self) -> None:
        #: (risk_id, kind) of each message, and when its body was there: time.perf_counter().
        self.arrived: list[tuple[str, str, float]] = []
        self.port = 0

    #: What makes the service deliver here, with the environment below.
    policy: Final = "[alerting.channels.webhook]\nenabled = true\n"

    @property
    def environ(self) -> dict[str, str]:
        """Where it is, as the service is told."""
        url = f"http://127.0.0.1:{self.port}/"
        return {"WEBHOOK_URL": url, "WEBHOOK_HMAC_SECRET": "benchmark"}

    def first_at(self) -> dict[str, float]:
        """When the first message about each risk_id was there."""
        return {name: at for name, _, at in reversed(list(self.arrived))}


@contextmanager
def desk() -> Iterator[Desk]:
    """A server on loopback that takes every message."""
    noting = Desk()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            at = time.perf_counter()
            said = json.loads(body)
            noting.arrived.append((said.get("risk_id", ""), said.get("kind", ""), at))
            with suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    noting.port = server.server_port
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield noting
    finally:
        server.shutdown()
        server.server_close()


# -- Figures ---------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Spread:
    """Of many times; in whatever unit they came."""

    count: int
    median: float
    p99: float
    worst: float

    @classmethod
    def of(cls, times: Sequence[float]) -> Spread:
        """Of however many there are."""
        if len(times) < 2:
            only = times[0] if times else math.nan
            return cls(len(times), only, only, only)
        p99 = statistics.quantiles(times, n=100, method="inclusive")[98]
        return cls(len(times), statistics.median(times), p99, max(times))

    def shown(self, name: str, unit: str = "ms") -> str:
        """A line of a table."""
        return (
            f"{name:44} {self.count:6,} times: median {self.median:8.2f} {unit}, "
            f"p99 {self.p99:8.2f} {unit}, worst {self.worst:8.2f} {unit}"
        )


def ratio(what: str, measured: float, baseline: float) -> str:
    """A line that compares."""
    return f"{f'ratio of {what}':44} {measured / baseline:.2f}"
