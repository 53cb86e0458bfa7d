"""Accounts by the hundred: what a real exporter shows of one, under as many names.

One process serves them all, each under a path of its own. Prices differ from scrape to scrape, as
they do in a market; what tells the time tells it. Nothing here measures by itself.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, generate_latest

from risk_exporter import RiskExporter
from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.contracts.snapshot import Position, Snapshot

#: Of each account that many texts take turns.
_VARIANTS: Final = 4
_NAME, _NOW = "account-0000", b"<now>"
#: What would stand still if a text were only repeated.
_TIMES: Final = re.compile(
    rb"^(risk_(?:snapshot|market)_timestamp_seconds\{.*\}|risk_exporter_time_seconds) .*$",
    re.MULTILINE,
)
_AVERAGE_PRICE: Final = 99.0
#: Of a position in breach: beyond its worst threshold.
_LOST: Final = 0.3


def texts(policy: Policy, positions: int, breached: float) -> tuple[bytes, ...]:
    """An account of so many positions, such a share of which has lost too much."""
    found = []
    registry = CollectorRegistry()
    with (
        tempfile.TemporaryDirectory() as folder,
        closing(RiskExporter(policy, Path(folder))) as exporter,
    ):
        registry.register(exporter)
        for variant in range(_VARIANTS):
            now = utc_now()
            exporter.observe(
                Snapshot(
                    account=_NAME, equity=1e8, cash=0, taken_at=now, market_time=now,
                    positions=_book(positions, breached, variant),
                )
            )  # fmt: skip
            found.append(_TIMES.sub(rb"\1 " + _NOW, generate_latest(registry)))
    return tuple(found)


def _book(positions: int, breached: float, variant: int) -> tuple[Position, ...]:
    def mark(number: int) -> float:
        # A price moves by thousandths, which is far from what anybody is told of.
        moved = 1 + (number * 7 + variant * 3) % 11 / 10_000
        lost = 1 - _LOST if number < breached * positions else 1.0
        return round((_AVERAGE_PRICE + 1 + number % 7) * moved * lost, 4)

    return tuple(
        Position(
            symbol=f"S{n}", quantity=1, mark=mark(n), average_price=_AVERAGE_PRICE,
            sector=f"T{n % 20}",
        )
        for n in range(positions)
    )  # fmt: skip


@dataclass(frozen=True, slots=True)
class Served:
    """Where the accounts are, and who serves them."""

    port: int
    pid: int

    def targets(self, accounts: int) -> str:
        """The first so many of them, for Prometheus's discovery by file."""
        where = [f"127.0.0.1:{self.port}"]
        return json.dumps(
            [
                {"targets": where, "labels": {"__metrics_path__": f"/{n}", "instance": f"e{n}"}}
                for n in range(accounts)
            ]
        )


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 1024

    def handle_error(self, request: object, client_address: object) -> None:
        """Who scrapes is killed when it is over."""


@contextmanager
def serving(shown: tuple[bytes, ...]) -> Iterator[Served]:
    """Any number of accounts, by a process of its own."""
    rounds = count()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            number = int(self.path.lstrip("/"))
            text = shown[(number + next(rounds)) % len(shown)]
            body = text.replace(_NAME.encode(), f"account-{number:04}".encode())
            body = body.replace(_NOW, f"{time.time():.3f}".encode())
            with suppress(ConnectionError):
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    server = _Server(("127.0.0.1", 0), Handler)
    process = multiprocessing.get_context("fork").Process(target=server.serve_forever, daemon=True)
    process.start()
    server.socket.close()  # the other process has it
    assert process.pid is not None
    try:
        yield Served(server.server_port, process.pid)
    finally:
        process.kill()
        process.join()
