"""The real parts: a freqtrade bot in dry run, the sidecar, the receivers, each a process."""

from __future__ import annotations

import base64
import contextlib
import http.client
import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from loopback_exchange import LoopbackExchange

HERE: Final = Path(__file__).parent
#: The project's own environment: what runs beside the bot wants nothing of its libraries.
OURS: Final = os.environ.get("RISKWARDEN_PYTHON", sys.executable)
USER, PASSWORD = "risk", "a-password-of-the-bot"
TOKENS: Final = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": "operator-secret",
}
POLICY: Final = """
[alerting.gate]
lease_seconds = 2
renew_seconds = 0.1
[alerting.dead_man]
prometheus_seconds = 300
"""


def eventually(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until a condition holds and return what it returned."""
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not within {seconds:g} s: {what}"
        signal.sigtimedwait([], 0.05)
    return found


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def call(
    port: int, method: str, path: str, content: Any = None, headers: Mapping[str, str] = {}
) -> tuple[int, Any]:
    """Status and JSON of an answer on loopback; 0 if nobody answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=15)
    body = None if content is None else json.dumps(content)
    try:
        connection.request(method, path, body, {"Content-Type": "application/json", **headers})
        response = connection.getresponse()
        text = response.read().decode()
    except (OSError, http.client.HTTPException):
        return 0, None
    finally:
        connection.close()
    try:
        return response.status, json.loads(text)
    except ValueError:
        return response.status, text


class Process:
    """A program that is started, perhaps killed, and started again over the same folder."""

    def __init__(self, root: Path, name: str, port: int = 0) -> None:
        self.root = root
        self.port = port or free_port()
        self.log_file = root / f"{name}.log"
        self.child: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self, *arguments: str, **environ: str) -> None:
        with self.log_file.open("ab") as sink:
            self.child = subprocess.Popen(
                [*self.command(), *arguments],
                stdout=sink,
                stderr=sink,
                env={**os.environ, **TOKENS, **environ},
                cwd=self.root,
            )

    def end(self, number: int = signal.SIGTERM) -> int:
        assert self.child is not None
        self.child.send_signal(number)
        status = self.child.wait(30)
        self.child = None
        return status

    def close(self) -> None:
        if self.child is not None:
            with contextlib.suppress(ProcessLookupError):
                self.child.send_signal(signal.SIGCONT)
            self.end(signal.SIGKILL)

    @property
    def log(self) -> str:
        return self.log_file.read_text() if self.log_file.exists() else ""


class Bot(Process):
    """``freqtrade trade`` in dry run, on the loopback exchange, with its real API server."""

    def __init__(self, root: Path, exchange: LoopbackExchange, **changes: Any) -> None:
        super().__init__(root, "bot")
        (root / "user").mkdir()
        self.exchange = exchange
        config = _config(exchange, self.port)
        config.update(changes)
        (root / "config.json").write_text(json.dumps(config))
        self.strategy = "Eager"

    def command(self) -> list[str]:
        return [
            *(sys.executable, "-m", "freqtrade", "trade"),
            *("--config", "config.json", "--userdir", "user"),
            *("--strategy", self.strategy, "--strategy-path", str(HERE / "strategies")),
            *("--db-url", f"sqlite:///{self.root / 'trades.sqlite'}"),
        ]

    def api(self, method: str, path: str, content: Any = None) -> tuple[int, Any]:
        secret = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        headers = {"Authorization": f"Basic {secret}"}
        return call(self.port, method, f"/api/v1/{path}", content, headers)

    def trades(self) -> list[dict[str, Any]]:
        status, found = self.api("GET", "status")
        return found if status == 200 else []

    @property
    def state(self) -> str:
        status, found = self.api("GET", "show_config")
        return str(found["state"]) if status == 200 else ""

    def locked_pairs(self) -> set[str]:
        status, found = self.api("GET", "locks")
        assert status == 200
        return {x["pair"] for x in found["locks"] if (x["reason"] or "").startswith("riskwarden")}

    def begin_anew(self) -> None:
        """Back to where every test begins: running, unlocked, all slots filled."""
        eventually(lambda: self.state, 90, "the bot's API answers")
        for lock in self.api("GET", "locks")[1]["locks"]:
            self.api("DELETE", f"locks/{lock['id']}")
        self.api("POST", "start")
        slots = len(self.exchange.symbols)
        eventually(lambda: len(self.trades()) == slots, 60, "every slot holds a trade")

    def close_trade(self, pair: str) -> None:
        """Sell one trade, as a person would, and let the bot enter that pair again."""
        (trade,) = (trade for trade in self.trades() if trade["pair"] == pair)
        assert self.api("POST", "forceexit", {"tradeid": str(trade["trade_id"])})[0] == 200
        for lock in self.api("GET", "locks")[1]["locks"]:
            if lock["reason"] == "Auto lock":
                self.api("DELETE", f"locks/{lock['id']}")

    def wait_for_rounds(self, count: int = 2) -> None:
        """Wait until the bot's loop went round so often."""
        for _ in range(count):
            before = self.api("GET", "health")[1]["last_process"]
            eventually(
                lambda b=before: self.api("GET", "health")[1]["last_process"] != b, 20, "a round"
            )


class Receivers(Process):
    """The real receivers service."""

    def __init__(self, root: Path) -> None:
        super().__init__(root, "receivers")
        (root / "policy.toml").write_text(POLICY)
        self.gate = root / "receivers" / "gate"
        self.database = root / "receivers" / "audit" / "audit.db"

    def command(self) -> list[str]:
        return [
            *(OURS, "-m", "risk_receivers", "--policy", "policy.toml"),
            *("--data", "receivers", "--listen", f"127.0.0.1:{self.port}"),
            *("--alertmanager", "127.0.0.1:1"),
        ]

    def start(self, *arguments: str, **environ: str) -> None:
        super().start(*arguments, **environ)
        eventually(lambda: call(self.port, "GET", "/readyz")[0] == 200, 30, "receivers are ready")
        now = datetime.now(UTC)
        watchdog = {
            "labels": {"alertname": "Watchdog", "severity": "debug", "risk_id": "watchdog"},
            "annotations": {},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(minutes=5)).isoformat(),
            "generatorURL": "http://prometheus/graph",
        }
        headers = {"Authorization": f"Bearer {TOKENS['RISKWARDEN_ALERT_FEED_TOKEN']}"}
        assert call(self.port, "POST", "/api/v2/alerts", [watchdog], headers)[0] == 200

    def kill_switch(self) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {TOKENS['RISKWARDEN_OPERATOR_TOKEN']}"}
        status, found = call(self.port, "GET", "/api/v1/system/status", None, headers)
        assert status == 200, found
        switch: dict[str, Any] = found["kill_switch"]
        return switch

    def trip(self, mode: str = "immediate") -> None:
        headers = {"Authorization": f"Bearer {TOKENS['RISKWARDEN_OPERATOR_TOKEN']}"}
        order = {"mode": mode, "reason": "a test", "actor": "tester"}
        status, found = call(self.port, "POST", "/api/v1/kill", order, headers)
        assert status == 200, found

    def recorded(self) -> list[tuple[str, dict[str, Any]]]:
        """Type and details of every event in the audit chain."""
        query = (
            "SELECT header, payload FROM audit_header JOIN audit_payload USING (seq) ORDER BY seq"
        )
        with closing(sqlite3.connect(f"file:{self.database}?mode=ro", uri=True)) as connection:
            return [
                (json.loads(header)["event_type"], json.loads(payload).get("details") or {})
                for header, payload in connection.execute(query)
            ]

    def kinds(self) -> list[str]:
        return [kind for kind, _ in self.recorded()]


class Sidecar(Process):
    """``python -m risk_runtime.adapters.freqtrade``."""

    def __init__(self, root: Path, bot_port: int, receivers: Receivers) -> None:
        super().__init__(root, "sidecar")
        self.bot_port = bot_port
        self.receivers = receivers

    def command(self) -> list[str]:
        return [
            *(OURS, "-W", "error", "-m", "risk_runtime.adapters.freqtrade"),
            *("--policy", "policy.toml", "--data", "sidecar", "--gate", str(self.receivers.gate)),
            *("--bot", f"http://127.0.0.1:{self.bot_port}", "--account", "main"),
            *("--receivers", f"http://127.0.0.1:{self.receivers.port}"),
            *("--listen", f"127.0.0.1:{self.port}", "--poll-seconds", "0.5"),
        ]

    def start(self, *arguments: str, **environ: str) -> None:
        credentials = {"FREQTRADE_USERNAME": USER, "FREQTRADE_PASSWORD": PASSWORD}
        super().start(*arguments, **{**credentials, **environ})

    def metric(self, name: str, **labels: str) -> float | None:
        status, text = call(self.port, "GET", "/metrics")
        wanted = [f'{label}="{value}"' for label, value in labels.items()]
        for line in str(text).splitlines() if status == 200 else ():
            series, _, value = line.rpartition(" ")
            if series.partition("{")[0] == name and all(one in series for one in wanted):
                return float(value)
        return None


def _config(exchange: LoopbackExchange, port: int) -> dict[str, Any]:
    book = {"price_side": "other", "use_order_book": True, "order_book_top": 1}
    urls = {"api": dict.fromkeys(("public", "private", "v1"), exchange.url)}
    return {
        "bot_name": "loopback",
        "initial_state": "running",
        "dry_run": True,
        "dry_run_wallet": 100_000,
        "stake_currency": "USDT",
        "stake_amount": "unlimited",
        "max_open_trades": 5,
        "timeframe": "1m",
        "trading_mode": "spot",
        "entry_pricing": book,
        "exit_pricing": book,
        "exchange": {
            "name": "binance",
            "key": "",
            "secret": "",
            "enable_ws": False,
            "ccxt_config": {
                "enableRateLimit": False,
                "urls": urls,
                "options": {"fetchMarkets": {"types": ["spot"]}},
            },
            "pair_whitelist": [f"{symbol}/USDT" for symbol in exchange.symbols],
            "pair_blacklist": [],
        },
        "pairlists": [{"method": "StaticPairList"}],
        "order_types": {
            "entry": "market",
            "exit": "market",
            "stoploss": "market",
            "stoploss_on_exchange": False,
        },
        "force_entry_enable": True,
        "api_server": {
            "enabled": True,
            "listen_ip_address": "127.0.0.1",
            "listen_port": port,
            "verbosity": "error",
            "jwt_secret_key": "of-the-tests-and-long-enough-for-the-library",
            "username": USER,
            "password": PASSWORD,
        },
        "internals": {"process_throttle_secs": 1},
    }
