"""``python -m risk_exporter`` as a process: it serves, stops when told, survives ``kill -9``."""

from __future__ import annotations

import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from typing import Any

import nursery
import pytest

from risk_policy import default_policy_path

TOKEN = "a-token-of-the-tests"


class Sidecar:
    """A sidecar over one folder, started as often as wished."""

    def __init__(self, data: Path, listen: str, ask: Callable[..., Any]) -> None:
        self.data = data
        self.listen = listen
        self.ask = ask
        self.child: nursery.Born | None = None
        self.environment = {**os.environ, "RISKWARDEN_SNAPSHOT_TOKEN": TOKEN}

    @property
    def log(self) -> Path:
        return self.data.with_name("sidecar.log")

    def start(self, *arguments: str) -> nursery.Born:
        self.log.unlink(missing_ok=True)
        self.child = nursery.start(
            "risk_exporter",
            *("--policy", str(default_policy_path()), "--data", str(self.data)),
            *("--listen", self.listen),
            *arguments,
            environ=self.environment,
            out=self.log,
            warnings_are_errors=True,
        )
        return self.child

    def is_up(self) -> bool:
        assert self.child is not None
        assert self.child.poll() is None
        try:
            return bool(self.ask("GET", "/healthz").status == 200)
        except ConnectionRefusedError:
            return False

    def end(self, number: int) -> tuple[int, str]:
        """Send a signal; the exit status and what was said."""
        assert self.child is not None
        self.child.send_signal(number)
        return self.wait()

    def wait(self) -> tuple[int, str]:
        assert self.child is not None
        status = self.child.wait(20)
        self.child = None
        return status, self.log.read_text(encoding="utf-8")

    def send(self, equity: float, market_time: datetime, **fields: Any) -> dict[str, Any]:
        snapshot = {
            "account": "main",
            "equity": equity,
            "cash": equity,
            "positions": [],
            "taken_at": datetime.now(UTC).isoformat(),
            "market_time": market_time.isoformat(),
            **fields,
        }
        body = json.dumps(snapshot).encode()
        reply = self.ask("POST", "/api/v1/snapshot", body, Authorization=f"Bearer {TOKEN}")
        assert reply.status == 200, reply.text
        answer: dict[str, Any] = reply.json
        return answer


@pytest.fixture
def sidecar(tmp_path: Path, listen: str, ask: Callable[..., Any]) -> Iterator[Sidecar]:
    running = Sidecar(tmp_path / "data", listen, ask)
    yield running
    if running.child is not None:
        running.end(signal.SIGKILL)


MONDAY = datetime(2008, 9, 15, 20, tzinfo=UTC)


def test_killed_without_warning_it_still_knows_peak_and_day_start(
    sidecar: Sidecar, eventually: Callable[..., None], parse_scrape: Any
) -> None:
    sidecar.start()
    eventually(sidecar.is_up)
    sidecar.send(100_000, MONDAY)
    sidecar.send(120_000, MONDAY + timedelta(hours=1))
    sidecar.send(110_000, MONDAY + timedelta(days=1))
    sidecar.end(signal.SIGKILL)

    sidecar.start()
    eventually(sidecar.is_up)
    x = parse_scrape(sidecar.ask("GET", "/metrics").text)
    age = x.value("risk_snapshot_age_seconds", account="main", risk_id="data_stale/main")
    assert 0 < age < 60
    figures = sidecar.send(90_000, MONDAY + timedelta(days=1, hours=1))
    assert figures["equity_peak"] == 120_000
    assert figures["equity_day_start"] == 120_000
    assert figures["drawdown_ratio"] == pytest.approx(0.25)
    x = parse_scrape(sidecar.ask("GET", "/metrics").text)
    drawdown = x.value("risk_drawdown_ratio", account="main", risk_id="drawdown/main")
    assert drawdown == pytest.approx(0.25)


def test_killed_without_warning_it_still_knows_the_highest_equity_of_the_day(
    sidecar: Sidecar, eventually: Callable[..., None], parse_scrape: Any
) -> None:
    sidecar.start()
    eventually(sidecar.is_up)
    sidecar.send(120_000, MONDAY)
    sidecar.send(100_000, MONDAY + timedelta(hours=1))
    for minute, equity in enumerate((100_000, 104_000, 103_900)):
        sidecar.send(equity, MONDAY + timedelta(days=2, minutes=minute))
    sidecar.end(signal.SIGKILL)

    sidecar.start()
    eventually(sidecar.is_up)
    name, who = "risk_intraday_drawdown_ratio", {"account": "main"}
    who["risk_id"] = "intraday_drawdown/main"
    x = parse_scrape(sidecar.ask("GET", "/metrics").text)
    assert x.value(name, **who) == pytest.approx(1 / 1040)
    figures = sidecar.send(98_800, MONDAY + timedelta(days=2, hours=1))
    assert (figures["equity_day_high"], figures["equity_peak"]) == (104_000, 120_000)
    assert figures["intraday_drawdown_ratio"] == pytest.approx(0.05)
    figures = sidecar.send(98_800, MONDAY + timedelta(days=3))
    assert (figures["equity_day_high"], figures["intraday_drawdown_ratio"]) == (98_800, 0)


@pytest.mark.parametrize("loss", [100, 1_500, 30_000])
def test_killed_before_midnight_it_does_not_book_the_loss_of_yesterday_as_that_of_today(
    sidecar: Sidecar, eventually: Callable[..., None], loss: float
) -> None:
    sidecar.start()
    eventually(sidecar.is_up)
    sidecar.send(100_000, MONDAY)
    sidecar.send(100_000 - loss, MONDAY + timedelta(minutes=1))
    sidecar.end(signal.SIGKILL)

    sidecar.start()
    eventually(sidecar.is_up)
    figures = sidecar.send(100_000 - loss, MONDAY + timedelta(days=1))
    assert figures["equity_day_start"] == 100_000 - loss
    assert figures["daily_pnl_ratio"] == 0
    assert figures["equity_peak"] == 100_000
    sidecar.end(signal.SIGKILL)

    sidecar.start()
    eventually(sidecar.is_up)
    figures = sidecar.send(0.99 * (100_000 - loss), MONDAY + timedelta(days=1, hours=1))
    assert figures["daily_pnl_ratio"] == pytest.approx(-0.01)


HOLDING = {"symbol": "AAPL", "quantity": 10, "mark": 100, "average_price": 100}


def test_closes_of_a_file_give_value_at_risk_at_the_first_snapshot_of_every_account(
    sidecar: Sidecar, eventually: Callable[..., None]
) -> None:
    sidecar.start("--closes", str(files("risk_runtime") / "data" / "prices_2006_2009.csv"))
    eventually(sidecar.is_up)
    for account in ("one", "two"):
        figures = sidecar.send(10_000, MONDAY, account=account, positions=[HOLDING])
        assert figures["var_sample_count"] == 250
        assert figures["var_covered_ratio"] == 1
        assert 0.001 < figures["var_ratio"] < 0.01


def test_closes_that_were_sent_outlive_the_sidecar(
    sidecar: Sidecar, eventually: Callable[..., None]
) -> None:
    days = [(MONDAY - timedelta(days=n)).date().isoformat() for n in range(1, 101)]
    closes = {"AAPL": {day: 100 + n % 3 for n, day in enumerate(days)}}
    sidecar.start()
    eventually(sidecar.is_up)
    body = json.dumps(closes).encode()
    reply = sidecar.ask("POST", "/api/v1/closes", body, Authorization=f"Bearer {TOKEN}")
    assert (reply.status, reply.json) == (200, {"symbols": 1, "closes": 100})
    sidecar.end(signal.SIGKILL)

    sidecar.start()
    eventually(sidecar.is_up)
    figures = sidecar.send(10_000, MONDAY, positions=[HOLDING])
    assert figures["var_sample_count"] == 99


def test_many_may_call_at_once_and_nobody_is_put_off(
    sidecar: Sidecar, listen: str, eventually: Callable[..., None]
) -> None:
    child = sidecar.start()
    eventually(sidecar.is_up)
    host, port = listen.split(":")
    with ExitStack() as callers:
        child.send_signal(signal.SIGSTOP)  # so that it cannot take them as they come
        callers.callback(child.send_signal, signal.SIGCONT)
        for _ in range(64):
            # Who is put off hears nothing for a second.
            callers.enter_context(socket.create_connection((host, int(port)), timeout=0.9))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_told_to_stop_it_stores_the_last_equity_and_leaves_without_a_word_of_its_token(
    sidecar: Sidecar, eventually: Callable[..., None], number: int
) -> None:
    sidecar.start()
    eventually(sidecar.is_up)
    sidecar.send(100_000, MONDAY)
    sidecar.send(95_000, MONDAY + timedelta(minutes=1))
    status, errors = sidecar.end(number)
    assert status == 0, errors
    assert "listening on" in errors
    assert "no fast lane (set ${RISKWARDEN_ALERT_FEED_TOKEN})" in errors
    assert "Traceback" not in errors
    assert TOKEN not in errors
    state = json.loads((sidecar.data / "main" / "state.json").read_text())
    assert (state["equity_peak"], state["equity_last"]) == (100_000, 95_000)


def test_what_keeps_it_from_starting_is_said_in_one_line(
    sidecar: Sidecar, eventually: Callable[..., None], tmp_path: Path
) -> None:
    sidecar.start("--policy", str(tmp_path / "none.toml"))
    status, errors = sidecar.wait()
    assert (status, errors.count("\n")) == (2, 1)
    assert "none.toml: cannot be read" in errors

    sidecar.environment.pop("RISKWARDEN_SNAPSHOT_TOKEN")
    sidecar.start()
    status, errors = sidecar.wait()
    assert (status, errors.count("\n")) == (2, 1)
    assert "set RISKWARDEN_SNAPSHOT_TOKEN in the environment" in errors
    sidecar.environment["RISKWARDEN_SNAPSHOT_TOKEN"] = TOKEN

    closes = tmp_path / "closes.csv"
    closes.write_text("date,symbol,close\n2008-09-12,AAPL,cheap\n")
    sidecar.start("--closes", str(closes))
    status, errors = sidecar.wait()
    assert (status, errors.count("\n")) == (2, 1)
    assert "closes.csv, line 2, column close: 'cheap' is no price" in errors

    (sidecar.data / "main").mkdir(parents=True)
    (sidecar.data / "main" / "state.json").write_text("{")
    sidecar.start()
    status, errors = sidecar.wait()
    assert (status, errors.count("\n")) == (2, 1)
    assert "main/state.json is damaged" in errors
