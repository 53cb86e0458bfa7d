"""The paper runtime as a process: it serves, stops when told, and survives ``kill -9``."""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nursery
import pytest

from risk_policy import default_policy_path
from risk_runtime.paper.account import AccountStore
from risk_runtime.paper.broker import TradingMode
from risk_runtime.reporting.spool import SPOOL_FILE

SYMBOLS = 5


class Process:
    """``python -m risk_runtime.paper`` over one data folder."""

    def __init__(self, data: Path, gate: Path) -> None:
        self.data = data
        self.gate = gate
        self.child: nursery.Born | None = None
        with socket.create_server(("127.0.0.1", 0)) as free:
            self.listen = f"127.0.0.1:{free.getsockname()[1]}"

    @property
    def log(self) -> Path:
        return self.data.with_name("paper.log")

    def start(self, *arguments: str) -> None:
        self.log.unlink(missing_ok=True)
        self.child = nursery.start(
            "risk_runtime.paper",
            *("--policy", str(default_policy_path())),
            *("--data", str(self.data), "--gate", str(self.gate)),
            *("--drain-seconds", "0"),
            *("--receivers", "http://127.0.0.1:1", "--listen", self.listen),
            *("--journal", str(self.data / "journal.jsonl")),
            *arguments,
            environ={**os.environ, "RISKWARDEN_RUNTIME_TOKEN": "a-token"},
            out=self.log,
        )

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

    def saw(self, kind: str) -> list[dict[str, Any]]:
        path = self.data / "journal.jsonl"
        lines = path.read_text().splitlines() if path.exists() else []
        return [record for line in lines if (record := json.loads(line))["kind"] == kind]

    def reports(self) -> list[dict[str, Any]]:
        return [json.loads(x) for x in (self.data / SPOOL_FILE).read_text().splitlines()]


@pytest.fixture
def process(tmp_path: Path, gate_dir: Path) -> Iterator[Process]:
    running = Process(tmp_path / "data", gate_dir)
    yield running
    if running.child is not None:
        running.end(signal.SIGKILL)


def test_it_serves_its_figures_and_leaves_cleanly_when_told_to(
    process: Process, writer: Any, eventually: Callable[..., None]
) -> None:
    writer.open(seconds=59)
    process.start("--days-per-second", "inf", "--end", "2007-02-28")
    eventually(lambda: process.saw("finished"), seconds=20)
    with urllib.request.urlopen(f"http://{process.listen}/metrics", timeout=5) as response:
        text = response.read().decode()
    assert 'risk_drawdown_ratio{account="main",risk_id="drawdown/main"}' in text
    assert 'risk_positions_open{account="main"} 5.0' in text
    status, errors = process.end(signal.SIGTERM)
    assert status == 0, errors
    assert "a-token" not in errors
    assert "Traceback" not in errors


@pytest.mark.parametrize("moment", ["gate_closed", "position_closed", "flat_confirmed"])
def test_killed_without_warning_while_closing_it_ends_flat_after_the_restart(
    process: Process, writer: Any, eventually: Callable[..., None], moment: str
) -> None:
    writer.open(seconds=59)
    process.start("--days-per-second", "inf", "--end", "2007-02-28")
    eventually(lambda: process.saw("finished"), seconds=20)
    writer.kill(kill_id="kill-9")
    while not process.saw(moment):
        assert process.child is not None
        assert process.child.poll() is None
    process.end(signal.SIGKILL)
    process.start("--days-per-second", "inf", "--end", "2007-03-30", "--exit-at-end")
    status, errors = process.wait()
    assert status == 0, errors
    stored = AccountStore(process.data).load()
    assert stored is not None
    assert stored.broker.holdings == ()
    assert stored.broker.working == ()
    assert stored.broker.mode is TradingMode.HALTED
    assert stored.flat_for_kill == "kill-9"
    told = {report["id"]: report["kind"] for report in process.reports()}
    kinds = list(told.values())
    assert kinds.count("position_closed") == SYMBOLS
    assert kinds.count("flat_confirmed") == 1
    assert kinds.count("trade_blocked") > 0


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--prices", "/nowhere/p.csv"), "/nowhere/p.csv: cannot be read"),
        (
            ("--start", "2011-01-01"),
            "from 2011-01-01 on; choose a time between 2006-06-01 and",
        ),
        (("--start", "2008-01-05", "--end", "2008-01-06"), "no prices from 2008-01-05 to"),
        (("--receivers", "localhost"), "write http://host:port"),
        (("--policy", "/nowhere/alerting.toml"), "cannot be read"),
    ],
)
def test_what_keeps_it_from_starting_is_said_in_one_line(
    process: Process, arguments: tuple[str, ...], complaint: str
) -> None:
    process.start(*arguments)
    status, errors = process.wait()
    assert status == 2
    assert complaint in errors
    assert "Traceback" not in errors
