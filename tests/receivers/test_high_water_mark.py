"""An account that lost what trips trades on: flat, by two steps on record, and counted anew."""

from __future__ import annotations

import re
import shlex
import socket
from collections.abc import Callable, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from risk_exporter import ExporterServer, RiskExporter
from risk_policy import load_policy
from risk_policy.clock import utc_now
from risk_policy.contracts.high_water_mark import PATH
from risk_policy.contracts.snapshot import Position, Snapshot
from riskwarden.app import application

SNAPSHOT_TOKEN = "snapshot-secret"
STOCK = Position(symbol="AAPL", quantity=1.0, mark=78_000.0, average_price=100_000.0)
FALL = {"account": "main", "currency": "USD", "before": "100000.0", "after": "78000.0"}


def ask(receivers: Any, **body: str) -> Any:
    order = {"actor": "ann", "reason": "trade on with the rest", **FALL, **body}
    return receivers.call("POST", PATH, json=order)


def kinds(receivers: Any) -> list[str]:
    found = receivers.event_types()
    return [kind.removeprefix("HIGH_WATER_MARK_") for kind in found if "HIGH_WATER" in kind]


class Account:
    """An account with its exporter, and Prometheus's one rule about it."""

    def __init__(self, receivers: Any, words: Any, exporter: RiskExporter, listen: str) -> None:
        self.receivers, self._words, self._exporter, self.listen = (
            receivers,
            words,
            exporter,
            listen,
        )
        self._since: datetime | None = None

    def is_worth(self, equity: float, *held: Position) -> float:
        """Its drawdown, which Prometheus judges."""
        now = utc_now()
        snapshot = Snapshot(
            account="main", equity=equity, cash=equity, positions=held, taken_at=now
        )  # type: ignore[call-arg]
        drawdown = self._exporter.observe(snapshot).drawdown_ratio
        firing = drawdown >= 0.2
        if firing and self._since is None:
            self._since = now
        if self._since is not None:
            # What is over is repeated as what it was: one that begins anew would trip again.
            alert = self._words.kill_alert(firing=firing, starts=self._since)
            assert self.receivers.send("alerts", [alert]).status_code == 200
        if not firing:
            self._since = None
        return drawdown

    def says_flat(self, kill_id: str) -> None:
        report = {
            "id": f"flat-{kill_id}", "account": "main", "at": utc_now().isoformat(),
            "kind": "flat_confirmed", "kill_id": kill_id,
        }  # fmt: skip
        answer = self.receivers.call(
            "POST", "/api/v1/runtime/reports", token="runtime-secret", json={"reports": [report]}
        )
        assert answer.json()["recorded"] == 1

    def run(self, *command: str) -> Result:
        where = ("--receivers", self.receivers.url, "--data", str(self.receivers.data))
        asked = command if "--receivers" in command else (*command, *where)
        if command[0] == "reset-high-water-mark" and "--exporter" not in asked:
            asked = (*asked, "--exporter", self.listen)
        return CliRunner().invoke(application(asked), asked)

    def confirmation(self, done: Result) -> tuple[str, ...]:
        """The command for the second step, as it was printed."""
        assert done.exit_code == 0, done.output
        (line,) = re.findall(r"^  riskwarden (.*)$", done.output, re.MULTILINE)
        return tuple(shlex.split(line))


@pytest.fixture
def account(
    receivers: Any,
    words: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[Account]:
    monkeypatch.setenv("RISKWARDEN_SNAPSHOT_TOKEN", SNAPSHOT_TOKEN)
    monkeypatch.setenv("RISKWARDEN_OPERATOR_TOKEN", "operator-secret")
    monkeypatch.setenv("COLUMNS", "400")
    policy = load_policy(receivers.policy, {})
    with socket.create_server(("127.0.0.1", 0)) as free:
        listen = f"127.0.0.1:{free.getsockname()[1]}"
    with (
        RiskExporter(policy, tmp_path / "exporter") as exporter,
        ExporterServer(exporter, listen=listen, mark_token=SNAPSHOT_TOKEN),
    ):
        yield Account(receivers, words, exporter, listen)


def test_after_a_fall_that_tripped_the_rest_is_traded_on_and_the_next_fall_trips_again(
    account: Account, receivers: Any, wait_until: Callable[..., Any]
) -> None:
    assert account.is_worth(100_000) == 0
    assert account.is_worth(78_000, STOCK) == pytest.approx(0.22)
    kill_id = receivers.status()["kill_switch"]["kill_id"]
    assert receivers.gate_says_halt()
    reset = ("reset-high-water-mark", "main", "--reason", "trade on with the rest")
    holding = account.run(*reset)
    assert holding.exit_code == 1
    assert "positions are open" in holding.output
    account.is_worth(78_000)
    early = account.run(*reset)
    assert (early.exit_code, "has not confirmed that it is flat" in early.output) == (1, True)
    account.says_flat(kill_id)
    stuck = account.run("clear", "--reason", "it is over")
    assert (stuck.exit_code, "DRAWDOWN_EMERGENCY" in stuck.output) == (1, True)

    second = account.confirmation(account.run(*reset))
    assert account.is_worth(78_000) == pytest.approx(0.22), "nothing was changed yet"
    done = account.run(*second)
    assert (done.exit_code, "count from 78000.0 USD on" in done.output) == (0, True), done.output
    assert account.is_worth(78_000) == 0
    assert receivers.gate_says_halt(), "a kill stays until it is cleared"
    cleared = account.run(*account.confirmation(account.run("clear", "--reason", "it is over")))
    assert cleared.exit_code == 0, cleared.output
    wait_until(receivers.gate_is_open)
    assert account.is_worth(70_200) == pytest.approx(0.1)
    assert not receivers.gate_says_halt()
    assert account.is_worth(62_400) == pytest.approx(0.2)
    assert receivers.gate_says_halt()
    assert receivers.status()["kill_switch"]["kill_id"] != kill_id

    assert kinds(receivers) == ["RESET_REFUSED", "RESET_ASKED", "RESET"]
    (event,) = [e for e in receivers.chain() if e.event_type == "HIGH_WATER_MARK_RESET"]
    details = event.payload.details
    assert {name: details[name] for name in FALL} == FALL
    assert event.payload.action_reason == "trade on with the rest"
    assert "HIGH-WATER MARK RESET" in str(receivers.rows("SELECT body FROM message"))
    assert receivers.verified().ok


def test_whoever_died_between_record_and_exporter_repeats_the_second_step(
    account: Account, receivers: Any
) -> None:
    account.is_worth(100_000)
    account.is_worth(78_000)
    account.says_flat(receivers.status()["kill_switch"]["kill_id"])
    first = account.run("reset-high-water-mark", "main", "--reason", "trade on with the rest")
    second = account.confirmation(first)
    (event,) = [e for e in receivers.chain() if e.event_type == "HIGH_WATER_MARK_RESET_ASKED"]
    code = second[second.index("--confirm") + 1]
    lost = ask(receivers, actor=event.payload.actor_id, confirmation=code)
    assert lost.status_code == 200
    assert account.is_worth(78_000) == pytest.approx(0.22)
    receivers.kill()
    receivers.start()
    again = receivers.url.rpartition(":")[2]
    moved = [re.sub(r"^http://127\.0\.0\.1:\d+$", f"http://127.0.0.1:{again}", x) for x in second]
    for _ in range(2):
        done = account.run(*moved)
        assert done.exit_code == 0, done.output
    assert account.is_worth(78_000) == 0
    assert kinds(receivers) == ["RESET_ASKED", "RESET"]
    assert ask(receivers, confirmation=code, reason="another").status_code == 409


def test_what_the_exporter_would_not_do_is_refused_and_on_record(receivers: Any) -> None:
    upwards = ask(receivers, after="100000.0")
    assert (upwards.status_code, "downwards only" in upwards.json()["detail"]) == (409, True)
    assert ask(receivers, after="7e4").status_code == 400
    code = ask(receivers).json()["confirmation"]
    other = ask(receivers, confirmation=code, after="77000.0")
    assert (other.status_code, "another request" in other.json()["detail"]) == (409, True)
    for scope in ("account=other", "symbol=AAPL"):
        order = {"mode": "pause", "reason": "a test", "actor": "ann", "scope": scope}
        assert receivers.call("POST", "/api/v1/kill", json=order).status_code == 200
    neither = ask(receivers)  # covers all of the account
    assert neither.status_code == 200, neither.text
    receivers.operator_kill("pause")
    changed = ask(receivers, confirmation=code)
    assert (changed.status_code, "not what it was" in changed.json()["detail"]) == (409, True)
    assert "has not confirmed that it is flat" in ask(receivers).json()["detail"]
    assert kinds(receivers) == [
        *("RESET_REFUSED", "RESET_ASKED", "RESET_REFUSED", "RESET_ASKED"),
        *["RESET_REFUSED"] * 2,
    ]
