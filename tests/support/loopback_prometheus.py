"""A Prometheus on loopback, and a server for what it scrapes and where it delivers."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Vector = dict[str, float]


class Part(BaseHTTPRequestHandler):
    """One request by Prometheus; it is borne if nobody waits for the answer."""

    def scraped(self) -> None:
        """What a scrape gets: nothing, unless a test says otherwise."""
        self.answer(b"")

    def delivered(self) -> None:
        """What becomes of alerts: they are taken, unless a test says otherwise."""
        self.answer(b"")

    def do_GET(self) -> None:
        self.scraped()

    def do_POST(self) -> None:
        self.delivered()

    def answer(self, body: bytes) -> None:
        """Say what a scrape reads, or nothing."""
        with contextlib.suppress(ConnectionError):
            self.send_response(200)
            self.send_header("Content-Type", "text/plain; version=0.0.4")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    def posted(self) -> list[dict[str, Any]]:
        """The alerts that are delivered."""
        found: list[dict[str, Any]] = json.loads(
            self.rfile.read(int(self.headers["Content-Length"]))
        )
        return found

    def log_message(self, *arguments: object) -> None:
        """Say nothing."""


@contextmanager
def serving(part: type[Part]) -> Iterator[int]:
    """Answer requests. Yields the port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), part)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


class Prometheus:
    """A Prometheus that is started, ended and started again on the same data."""

    def __init__(self, folder: Path, port: int) -> None:
        self._folder, self._port = folder, port
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it on the configuration in its folder and wait until it answers."""
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    "prometheus",
                    f"--config.file={self._folder / 'prometheus.yml'}",
                    f"--storage.tsdb.path={self._folder / 'data'}",
                    f"--web.listen-address=127.0.0.1:{self._port}",
                    "--rules.alert.resend-delay=3s",
                ],
                stdout=log,
                stderr=log,
            )
        until(lambda: self._get("/-/ready") is not None, "ready")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Send a signal and wait for the end."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def signal(self, what: signal.Signals) -> None:
        """Send one that it goes on after."""
        assert self._process is not None
        self._process.send_signal(what)

    def query(self, expression: str) -> Vector:
        """Latest values, by account."""
        return {
            row["metric"].get("account", ""): float(row["value"][1])
            for row in self._result("query", query=expression)
        }

    def first(self, expression: str, start: float, end: float) -> Vector:
        """When each account's series was first there."""
        found = self._result("query_range", query=expression, start=start, end=end, step="0.2")
        return {row["metric"].get("account", ""): float(row["values"][0][0]) for row in found}

    def _result(self, how: str, **asked: object) -> list[dict[str, Any]]:
        found = self._get(f"/api/v1/{how}?{urllib.parse.urlencode(asked)}")
        assert found is not None
        result: list[dict[str, Any]] = json.loads(found)["data"]["result"]
        return result

    def _get(self, path: str) -> bytes | None:
        try:
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self._port}{path}", timeout=5
            ) as answer:
                body: bytes = answer.read()
                return body
        except OSError:
            return None


def until(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    """Wait for a condition."""
    deadline, tick = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"not in time: {what}"
        tick.wait(0.05)
