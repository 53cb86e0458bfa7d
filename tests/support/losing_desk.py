"""A trading desk that loses: its book, the people, what they hear, and what they can look at."""

from __future__ import annotations

import json
import os
import shlex
import sqlite3
import subprocess
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import httpx
from chromium import Window
from playwright.sync_api import Locator
from stack_under_test import Running, eventually
from told_people import Told

import risk_runtime
from risk_policy.clock import utc_now
from riskwarden.stack.stack import find_binaries

UNANSWERED, ANSWERED = "AAPL", "GOOG"
PAID = 100.0
_CLOSES = Path(risk_runtime.__file__).parent / "data" / "prices_2006_2009.csv"
#: What else a runtime can tell; all of it is well.
_OF_POSITION: dict[str, Any] = {
    "stop": 80.0,
    "held_periods": 7,
    "atr_ratio": 1.25,
    "sector": "tech",
}
_OF_ACCOUNT: Mapping[str, Any] = {
    "reports_stops": True,
    "leverage": 1.5,
    "margin_used": 5_000,
    "consecutive_losses": 1,
    "strategies": [{"name": "trend", "exposure": 3_000, "limit": 4_000, "edge": 0.002}],
    "venues": [{"name": "kraken", "exposure": 1_000, "limit": 2_000}],
    "budgets": [{"name": "news-api", "spent": 10, "limit": 50}],
    "markets": [{"symbol": UNANSWERED, "spread_ratio": 0.004, "atr_baseline_ratio": 2.25}],
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
    "gating": {"mode": "paper", "enable_live_trading": False},
}


class Book:
    """A trading runtime that reports what it holds, again and again."""

    def __init__(self, url: str, token: str, mark: float) -> None:
        self.mark = mark
        #: What else is held, 10 of each: what it is marked at, by symbol.
        self.more: dict[str, float] = {}
        #: What was lost otherwise.
        self.lost = 0.0
        self._client = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {token}"}, trust_env=False
        )
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def report(self) -> None:
        positions = [
            {"symbol": symbol, "quantity": 100, "mark": self.mark, "average_price": PAID}
            | _OF_POSITION
            for symbol in (UNANSWERED, ANSWERED)
        ]
        positions += [
            {"symbol": symbol, "quantity": 10, "mark": mark, "average_price": PAID} | _OF_POSITION
            for symbol, mark in self.more.items()
        ]
        lost = 200 * (PAID - self.mark) + sum(10 * (PAID - mark) for mark in self.more.values())
        snapshot = {
            **_OF_ACCOUNT,
            "account": "main",
            "equity": 1_000_000 - lost - self.lost,
            "cash": 1_000_000 - self.lost - PAID * (200 + 10 * len(self.more)),
            "positions": positions,
            "taken_at": utc_now().isoformat(),
        }
        answer = self._client.post("/api/v1/snapshot", json=snapshot)
        assert answer.status_code == 200, answer.text

    def _run(self) -> None:
        while not self._ending.wait(0.5):
            self.report()

    def __enter__(self) -> Book:
        self.report()
        self._thread.start()
        return self

    def __exit__(self, *problem: object) -> None:
        self._ending.set()
        self._thread.join()
        self._client.close()


@dataclass
class Desk:
    """The people, what they hear, and what they can look at."""

    running: Running
    people: Told
    book: Book | None = None
    client: httpx.Client = field(default_factory=lambda: httpx.Client(trust_env=False))
    #: The console, while somebody looks at it.
    screen: Window | None = None
    looking: ExitStack = field(default_factory=ExitStack)
    #: When the positions began to lose.
    fell_at: datetime = field(default_factory=utc_now)

    def start(self, mark: float) -> Book:
        """Start every part but Prometheus, the exporter as a sidecar; what is held, at a price."""
        stack, layout = self.running.stack, self.running.layout
        stack._configure()
        alertmanager = stack._alertmanager(find_binaries())
        exporter = stack._python(
            "exporter",
            "risk_exporter",
            *stack._common(layout.runtime),
            *("--listen", stack.endpoints.exporter, "--closes", str(_CLOSES)),
        )
        stack.start_receivers()
        stack._await(alertmanager, "alertmanager", "/-/ready")
        stack._await(exporter, "exporter", "/healthz")
        self.book = Book(stack.url("exporter"), layout.token("snapshot_token"), mark)
        return self.book

    def see_calm(self, seconds: float) -> None:
        """Start Prometheus and wait until it has seen both positions, without a word to anybody."""
        stack = self.running.stack
        stack.start_prometheus(find_binaries())

        def seen() -> bool:
            query = {"query": "count(risk_position_return_ratio)"}
            url = f"{stack.url('prometheus')}/api/v1/query"
            found = self.client.get(url, params=query).json()["data"]["result"]
            return [one["value"][1] for one in found] == ["2"]

        eventually(seen, seconds, "Prometheus sees the positions")
        eventually(lambda: self.ask("gate")["open"], seconds, "the receivers hear Prometheus")
        assert not self.people.by_slack("position_loss")

    def metric(self, name: str, label: str = "") -> float:
        """What the receivers count, all series that have a label together."""
        text = self.client.get(f"{self.running.stack.url('receivers')}/metrics").text
        lines = [one for one in text.splitlines() if one.startswith(f"{name}{{") and label in one]
        return sum(float(line.split()[-1]) for line in lines)

    def risk_id(self, symbol: str) -> str:
        return f"position_loss/main/{symbol}"

    def ask(self, path: str, **parameters: str | int) -> Any:
        """What the receivers answer an operator or an auditor."""
        token = self.running.layout.token("operator_token")
        answer = self.client.get(
            f"{self.running.stack.url('receivers')}/api/v1/{path}",
            params=parameters,
            headers={"Authorization": f"Bearer {token}"},
        )
        assert answer.status_code == 200, answer.text
        return answer.json()

    def incident(self, symbol: str) -> dict[str, Any]:
        """The only one about a position, as an operator sees it."""
        found = self.ask("alerts")["alerts"]
        (incident,) = [one for one in found if one["risk_id"] == self.risk_id(symbol)]
        return dict(incident)

    def recorded(self, symbol: str) -> dict[str, dict[str, Any]]:
        """Records of the audit chain about a position, by type, of which there is one each."""
        of_incident = [
            event
            for event in self.ask("audit", limit=1000)["events"]
            if event["payload"]["alert_id"] == f"{self.risk_id(symbol)}:warning:1"
        ]
        found = {event["header"]["event_type"]: event for event in of_incident}
        assert len(found) == len(of_incident), [one["header"]["event_type"] for one in of_incident]
        return found

    def of_type(self, event_type: str) -> list[dict[str, Any]]:
        """Records of a type."""
        found = self.ask("audit", limit=1000, type=event_type.lower())["events"]
        return [one for one in found if one["header"]["event_type"] == event_type]

    def only(self, event_type: str, symbol: str = "") -> dict[str, Any]:
        """The only record of a type, or of those about messages that tell of a position."""
        told = f"{self.risk_id(symbol)}:"
        found = [
            one
            for one in self.of_type(event_type)
            if not symbol or one["payload"]["details"]["subject"].startswith(told)
        ]
        assert len(found) == 1, f"{len(found)} records of {event_type} {symbol}".rstrip()
        return found[0]

    def card(self, symbol: str) -> Locator:
        """What the console shows of it."""
        assert self.screen is not None
        return self.screen.page.get_by_role("listitem").filter(has_text=self.risk_id(symbol))

    def look_away(self) -> None:
        """Close the console."""
        self.looking.close()

    def log(self) -> str:
        """What the receivers have printed."""
        return self.running.processes.child("receivers").log.read_text("utf-8")

    def resident_mib(self) -> float:
        """What the receivers hold of the memory."""
        pid = self.running.processes.child("receivers").process.pid
        fields = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()
        return int(fields[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    def on_console(self, symbol: str) -> list[tuple[str, str]]:
        """(kind, severity) of what was printed about a position."""
        return self._of(symbol, self.printed())

    def in_file(self, symbol: str) -> list[tuple[str, str]]:
        """The same of what was written into the files."""
        folder = self.running.layout.root / self.running.policy.alerting.channels.file.path
        lines = [
            line
            for path in sorted(folder.glob("*.jsonl"))
            for line in path.read_text().splitlines()
        ]
        return self._of(symbol, [json.loads(line) for line in lines])

    def on_slack(self, symbol: str) -> list[dict[str, Any]]:
        """What was posted about a position."""
        return [
            one for one in list(self.people.slack.posted) if self.risk_id(symbol) in json.dumps(one)
        ]

    def mailed(self) -> list[EmailMessage]:
        return [mail for _, mail in self.people.postbox.mails]

    def printed(self) -> list[dict[str, str]]:
        """Every message on the console."""
        return [
            dict(pair.split("=", 1) for pair in shlex.split(line))
            for line in self.log().splitlines()
            if line.startswith("at=")
        ]

    def owed(self, symbol: str, kind: str) -> set[str]:
        """Which channels were to tell of something; decided at once for all of them."""
        with closing(sqlite3.connect(f"file:{self.running.database}?mode=ro", uri=True)) as store:
            rows = store.execute(
                "SELECT channel FROM message WHERE subject LIKE ? AND kind LIKE ?",
                (f"{self.risk_id(symbol)}:%", f"{kind}%"),
            )
            return {channel for (channel,) in rows}

    def acknowledge(self, risk_id: str, tier: str = "warning") -> None:
        """A silence, made by hand with Alertmanager's own tool."""
        url = self.running.stack.url("alertmanager")
        command = ("amtool", f"--alertmanager.url={url}", "silence", "add", "--author=olga")
        matchers = (f"risk_id={risk_id}", f"tier={tier}")
        subprocess.run((*command, "--comment=on it", *matchers), check=True, capture_output=True)

    def _of(self, symbol: str, told: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
        return [
            (one["kind"], one["severity"])
            for one in told
            if one.get("risk_id") == self.risk_id(symbol)
        ]


def seq(event: Mapping[str, Any]) -> int:
    """Where a record stands in the chain."""
    return int(event["header"]["seq"])


def recorded_at(event: Mapping[str, Any]) -> datetime:
    return datetime.fromisoformat(event["header"]["recorded_at"])


def after(event: Mapping[str, Any], since: datetime) -> str:
    """In words, how long after something a record was made."""
    return f"{(recorded_at(event) - since) / timedelta(seconds=1):.1f} s"
