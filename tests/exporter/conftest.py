"""Helpers of the exporter's tests: a clock that is set by hand, books, and what a scrape shows."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import Policy, default_policy_path, load_policy
from risk_policy.contracts.snapshot import Position, Snapshot

TOKEN = "a-token-of-the-tests"
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class Clock:
    """A wall clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> datetime:
        self.now += timedelta(**by)
        return self.now


class Scrape:
    """Samples of one exposition, by name and labels."""

    def __init__(self, text: str) -> None:
        self.families = list(text_string_to_metric_families(text))
        self.samples: dict[tuple[str, frozenset[tuple[str, str]]], float] = {}
        for family in self.families:
            for sample in family.samples:
                key = (sample.name, frozenset(sample.labels.items()))
                assert key not in self.samples, f"duplicate series {key}"
                self.samples[key] = sample.value

    def value(self, name: str, **labels: str) -> float:
        return self.samples[name, frozenset(labels.items())]

    def labels(self, name: str) -> list[dict[str, str]]:
        return [dict(labels) for sample, labels in self.samples if sample == name]


@dataclass(frozen=True)
class Reply:
    """What an HTTP request came back with."""

    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    def problem(self, path: str) -> str:
        return next(str(x["message"]) for x in self.json["problems"] if x["path"] == path)


def request(
    listen: str,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> Reply:
    host, port = listen.rsplit(":", 1)
    connection = http.client.HTTPConnection(host, int(port), timeout=10)
    try:
        connection.request(method, path, body=body, headers=headers or {})
        response = connection.getresponse()
        return Reply(response.status, dict(response.getheaders()), response.read().decode())
    finally:
        connection.close()


@pytest.fixture(scope="session")
def policy() -> Policy:
    """The project's own policy."""
    return load_policy(default_policy_path(), {})


@pytest.fixture
def clock() -> Clock:
    """15:00 UTC on a Monday."""
    return Clock()


@pytest.fixture
def book(clock: Clock) -> Callable[..., Snapshot]:
    """A snapshot taken now: 100,000 of equity and whatever else is said."""

    def make(equity: float = 100_000.0, *positions: Position, **fields: Any) -> Snapshot:
        fields = {"account": "main", "cash": 0.0, "taken_at": clock.now, **fields}
        fields.setdefault("market_time", fields["taken_at"])
        return Snapshot(equity=equity, positions=positions, **fields)

    return make


@pytest.fixture
def holding() -> Callable[..., Position]:
    """A position of 10 units bought at 100 and worth 100 each unless said otherwise."""

    def make(symbol: str = "AAPL", **fields: Any) -> Position:
        return Position(
            **{"symbol": symbol, "quantity": 10.0, "mark": 100.0, "average_price": 100.0, **fields}
        )

    return make


@pytest.fixture
def told(clock: Clock) -> dict[str, Any]:
    """Every field of a snapshot that need not be told, each watched by a limit or an event."""
    return {
        "reports_stops": True,
        "leverage": 1.5,
        "margin_used": 5_000,
        "consecutive_losses": 2,
        "strategies": [
            {"name": "trend", "exposure": -3_000, "limit": 4_000, "edge": 0.002},
            {"name": "carry", "edge": -0.001},
        ],
        "venues": [{"name": "kraken", "exposure": 1_000, "limit": 2_000}],
        "budgets": [{"name": "news-api", "spent": 45, "limit": 50}],
        "markets": [{"symbol": "ETH", "spread_ratio": 0.004, "atr_baseline_ratio": 2.25}],
        "latencies": {
            "inference_p95_seconds": 0.25,
            "inference_p99_seconds": 0.75,
            "venues": [
                {
                    "name": "kraken",
                    "websocket_lag_seconds": 0.125,
                    "order_placement_seconds": 0.5,
                    "order_fill_seconds": 1.5,
                }
            ],
        },
        "events": [
            {"kind": "stop_loss", "symbol": "AAPL", "at": clock.now},
            {"kind": "take_profit", "symbol": "WTI", "at": clock.now},
        ],
        "gating": {"mode": "live", "live_mode_armed": False, "live_dry_run": True},
    }


@pytest.fixture
def told_of_position() -> dict[str, Any]:
    """The same of a position."""
    return {"stop": 95.0, "held_periods": 7, "atr_ratio": 1.25}


@pytest.fixture
def full(
    book: Callable[..., Snapshot],
    holding: Callable[..., Position],
    told: dict[str, Any],
    told_of_position: dict[str, Any],
) -> Callable[..., Snapshot]:
    """A snapshot that tells everything there is to tell."""

    def make(equity: float = 100_000.0, **fields: Any) -> Snapshot:
        position = holding("AAPL", sector="tech", **told_of_position)
        return book(equity, position, **{**told, **fields})

    return make


@pytest.fixture
def state_dir(tmp_path: Path) -> Path:
    """Where the exporter's memory is."""
    return tmp_path / "state"


@pytest.fixture
def new_exporter(
    policy: Policy, state_dir: Path, clock: Clock
) -> Iterator[Callable[[], RiskExporter]]:
    """Makes exporters over one state folder, as restarts do; the one before must be closed."""
    made: list[RiskExporter] = []

    def make() -> RiskExporter:
        made.append(RiskExporter(policy, state_dir, clock))
        return made[-1]

    yield make
    for exporter in made:
        exporter.close()


@pytest.fixture
def exporter(new_exporter: Callable[[], RiskExporter]) -> RiskExporter:
    """An exporter that knows nothing yet."""
    return new_exporter()


@pytest.fixture
def scrape() -> Callable[[RiskExporter], Scrape]:
    """What prometheus_client makes of an exporter."""

    def take(exporter: RiskExporter) -> Scrape:
        registry = CollectorRegistry()
        registry.register(exporter)
        return Scrape(generate_latest(registry).decode())

    return take


@pytest.fixture
def parse_scrape() -> Callable[[str], Scrape]:
    """Reads an exposition that came over HTTP."""
    return Scrape


@pytest.fixture
def listen() -> str:
    """An address nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        return f"127.0.0.1:{free.getsockname()[1]}"


@pytest.fixture
def ask(listen: str) -> Callable[..., Reply]:
    """Sends an HTTP request to that address."""

    def send(method: str, path: str, body: bytes | None = None, **headers: str) -> Reply:
        return request(
            listen, method, path, body, {k.replace("_", "-"): v for k, v in headers.items()}
        )

    return send


@pytest.fixture
def token() -> str:
    """What a runtime has to show to send snapshots."""
    return TOKEN


@pytest.fixture
def server(exporter: RiskExporter, listen: str, token: str) -> Iterator[ExporterServer]:
    """The exporter served at that address, taking snapshots."""
    with ExporterServer(exporter, CollectorRegistry(), listen, token) as running:
        yield running


@pytest.fixture
def post(ask: Callable[..., Reply], server: ExporterServer, token: str) -> Callable[..., Reply]:
    """Sends a snapshot, with the token unless another header is given."""

    def send(content: object, authorization: str = f"Bearer {token}") -> Reply:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        return ask("POST", "/api/v1/snapshot", body, Authorization=authorization)

    return send


@pytest.fixture
def body(clock: Clock) -> dict[str, Any]:
    """A snapshot as a runtime writes it."""
    return {
        "account": "main",
        "equity": 10_000,
        "cash": 9_000,
        "positions": [{"symbol": "AAPL", "quantity": 10, "mark": 100, "average_price": 125}],
        "taken_at": clock.now.isoformat(),
    }


@pytest.fixture
def talk(listen: str) -> Callable[[bytes], bytes]:
    """Sends bytes as they are, and listens until the other end closes."""

    def send(text: bytes) -> bytes:
        host, port = listen.split(":")
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            reply = b""
            while chunk := connection.recv(65536):
                reply += chunk
            return reply

    return send
