"""The loop closes on real parts: prices, exporter, Prometheus, Alertmanager, receivers, gate.

Scenario 4 of tests/acceptance/scenarios.toml is among them; ``then`` notes what was seen.
"""

from __future__ import annotations

import os
import re
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import nursery
import pytest
from acceptance.thens import Thens
from console_screen import console_screen
from forked_processes import ForkedProcesses
from grafana_queries import EMBEDDED_ALONE, queries, unanswered
from playwright.sync_api import expect
from stack_under_test import Running, edited_policy, eventually
from told_people import Told, told_people
from typer.testing import CliRunner

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.query import events
from risk_receivers.audit.verify import verify_database
from risk_runtime import GateState, Order, Side, TradeGate
from riskwarden.app import application
from riskwarden.stack.story import Milestone

pytestmark = pytest.mark.stack
EMERGENCY = "drawdown/main:emergency:1"
BUY = Order("AAPL", Side.BUY, 1, 100.0)
REDUCE = Order("AAPL", Side.SELL, 1, 100.0, position_quantity=5)
EVERYTHING = {
    "matchers": [{"name": "alertname", "value": ".+", "isRegex": True, "isEqual": True}],
    "startsAt": "2020-01-01T00:00:00Z",
    "endsAt": "2099-01-01T00:00:00Z",
    "createdBy": "a tired operator",
    "comment": "quiet, please",
}
FAST = ("--start", "2008-01-02", "--speed", "25")


def command(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "riskwarden", *map(str, arguments)]


def call(*arguments: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, check=False)


def ask(*arguments: object) -> subprocess.CompletedProcess[str]:
    """The same in a fork that has what it needs imported."""
    return nursery.run("riskwarden", *map(str, arguments))


def processes_of(folder: Path) -> list[str]:
    """Command lines of processes that work on a data folder."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it ended while we looked
        if str(folder) in line and str(os.getpid()) != path.parent.name:
            found.append(line)
    return found


def digests_in_prometheus(running: Running) -> set[str]:
    """The policy digests that exporter, receivers and rules report, all three there."""
    answer = httpx.get(
        f"{running.stack.url('prometheus')}/api/v1/query", params={"query": "risk_policy_info"}
    ).json()["data"]["result"]
    assert {series["metric"]["component"] for series in answer} == {
        "exporter", "receivers", "rules",
    }  # fmt: skip
    return {series["metric"]["digest"] for series in answer}


def recorded(running: Running) -> list[Any]:
    return events(running.database, after_seq=0, limit=100_000)


def types(found: list[Any]) -> Counter[str]:
    return Counter(event.event_type for event in found)


def test_one_run_goes_from_real_prices_to_flat_and_verified(tmp_path: Path) -> None:
    data = tmp_path / "data"
    done = call("run", "--once", "--data", data, *FAST)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "complete" in done.stdout
    for step in ("breach", "fired", "recorded", "gate closed", "Prometheus", "flat"):
        assert re.search(rf"{step} .*[\d,]+ ms", done.stdout), step
    assert processes_of(data) == []

    tokens = [path.read_bytes().strip() for path in (data / "secrets").iterdir()]
    assert len(tokens) >= 5
    for path in data.rglob("*"):
        if path.is_file() and path.parent.name != "secrets":
            content = path.read_bytes()
            assert not any(token in content for token in tokens), path
    assert not any(token.decode() in done.stdout + done.stderr for token in tokens)

    verified = ask("audit", "verify", "--data", data)
    assert verified.returncode == 0, verified.stderr
    assert "intact" in verified.stdout

    _tells_the_emergency(report("incident", EMERGENCY, "--data", data))
    _judges_what_was_recorded(report("var", "--data", data))

    again = call("run", "--once", "--data", data, *FAST)
    assert again.returncode == 2
    assert "holds an earlier run" in again.stderr


def report(*arguments: object) -> str:
    """What a report says."""
    line = ["report", *map(str, arguments)]
    done = CliRunner().invoke(application(line), line)
    assert done.exit_code == 0, done.output
    return str(done.output)


def _tells_the_emergency(dossier: str) -> None:
    """Every step in order, with what Prometheus had scraped, although nothing runs any more."""
    tables = [
        [cell.strip() for cell in line.split("|")[1:-1]]
        for line in dossier.splitlines()
        if line.startswith("| ")
    ]
    steps = [row for row in tables if len(row) == 8 and row[0].isdigit()]
    names = [row[1].split(maxsplit=1)[-1] if not row[1].isascii() else row[1] for row in steps]
    story = ("breach", "fired", "recorded", "kill switch", "position closed", "flat")
    assert [name for name in dict.fromkeys(names) if name in story] == list(story)
    # When is up to the parts; and orders may be cancelled in the final sweep alone.
    others = {"breach recorded", "evaluated", "handed on", "orders cancelled", "order refused"}
    assert others <= set(names)
    assert [row[2] for row in steps] == sorted(row[2] for row in steps)
    values = {row[1]: row for row in tables if len(row) == 9 and row[0].isdigit()}
    assert re.fullmatch(r"2\d\.\d+%, threshold 20%", values["breach"][2])
    assert re.fullmatch(r"2\d\.\d+%", values["handed on"][3])
    assert values["handed on"][5].endswith("emergency")
    assert values["handed on"][6:] == ["10%", "15%", "20%"]
    assert "Never acknowledged." in dossier
    assert "Not confirmed flat" not in dossier
    assert "does not verify" not in dossier
    assert "Inclusion proofs" in dossier
    assert "no proof" not in dossier


def _judges_what_was_recorded(judged_by: str) -> None:
    """Every day that was replayed is held against the forecast of the one before."""
    judged = re.search(r"Days judged:\*\* (\d+), from", judged_by)
    assert judged is not None
    assert int(judged[1]) > 150
    # From the kill on the account is flat, and flat days prove nothing.
    left_out = judged_by.partition("**Days that are not judged**")[2].partition("##")[0]
    assert {line.split("|")[2].strip() for line in left_out.splitlines() if "| " in line} <= {
        "why", "---", "nothing was held when it began",
    }  # fmt: skip
    assert re.search(r"^\| 2008-09-\d\d \|", judged_by, re.MULTILINE), "nobody foresaw it"


def test_a_run_that_cannot_complete_in_time_says_what_is_missing_and_fails(tmp_path: Path) -> None:
    data = tmp_path / "data"
    calm = ("--start", "2007-01-03", "--end", "2007-01-31", "--timeout", "4")
    done = call("run", "--once", "--data", data, *calm)
    assert done.returncode == 1
    assert "not seen in time" in done.stderr
    assert "flat" in done.stderr
    assert processes_of(data) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL], ids=["Ctrl-C", "kill -9"])
def test_a_run_that_is_ended_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    data = tmp_path / "data"
    with subprocess.Popen(
        command("run", "--data", data, *FAST), stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    ) as run:
        try:
            eventually((data / "stack.json").exists, 60, "the stack is up")
            assert len(processes_of(data)) >= 4
        finally:
            run.send_signal(number)
        run.wait(30)
    eventually(lambda: processes_of(data) == [], 15, "every process has ended")


def test_a_silence_over_everything_mutes_people_but_not_the_kill_switch(
    tmp_path: Path, then: Thens
) -> None:
    (tmp_path / "log").mkdir()
    with told_people() as people, ForkedProcesses(tmp_path / "log") as processes:
        running = Running(tmp_path, processes, edited_policy(tmp_path, *people.edits))
        running.start()
        alertmanager = running.stack.url("alertmanager")
        httpx.post(f"{alertmanager}/api/v2/silences", json=EVERYTHING).raise_for_status()
        running.wait_for(Milestone.FLAT)
        refused = [one for one in queries() if one.panel in EMBEDDED_ALONE]
        assert refused
        prometheus = running.stack.url("prometheus")
        eventually(lambda: not unanswered(prometheus, refused, seconds=300), 10, f"data: {refused}")

        def emergency_is_suppressed() -> bool:
            alerts = httpx.get(f"{alertmanager}/api/v2/alerts").json()
            states = {a["labels"]["alertname"]: a["status"]["state"] for a in alerts}
            return states.get("DRAWDOWN_EMERGENCY") == "suppressed"

        eventually(emergency_is_suppressed, 10, "Alertmanager holds the silenced emergency")
        assert digests_in_prometheus(running) == {running.policy.digest}

        with then("kill blocks trades") as saw:
            gate = TradeGate(running.layout.gate)
            assert gate.read().state is GateState.HALTED
            more, less = gate.check(BUY), gate.check(REDUCE)
            assert not more.allowed
            assert less.allowed
            # The strategy's next order may be a while away where others have the machine.
            blocked = eventually(
                lambda: types(recorded(running))[EventType.TRADE_BLOCKED], 30, "an order is refused"
            )
            saw(f"\u201c{more.reason}\u201d; {blocked} orders of the strategy were refused; what "
                "reduces risk passes")  # fmt: skip

        with then("kill is recorded") as saw:
            (activated,) = [e for e in recorded(running) if e.event_type == "KILL_SWITCH_ACTIVATED"]
            assert activated.expires_at is None
            assert activated.payload is not None
            assert "DRAWDOWN_EMERGENCY" in activated.payload.message
            assert verify_database(running.database).ok
            saw(f"record {activated.seq}, kept for ever; the chain verifies")

        with then("kill closes positions") as saw:
            told = types(recorded(running))
            assert told[EventType.POSITION_FORCE_CLOSED] == 5
            (flat,) = [e for e in recorded(running) if e.event_type == "KILL_SWITCH_FLAT_CONFIRMED"]
            seconds = (flat.recorded_at - activated.recorded_at).total_seconds()
            saw(f"5 of 5 were closed, and flat is confirmed by record {flat.seq}, {seconds:.1f} s "
                "after the trip")  # fmt: skip

        with then("kill is told") as saw:
            _all_are_told(running, people)
            saw("console, file, mail, Slack and Telegram, each once")

        with then("kill is shown") as saw, console_screen(running) as screen:
            banner = screen.page.get_by_role("region", name="Kill switch tripped")
            expect(banner).to_contain_text("DRAWDOWN_EMERGENCY")
            color = banner.evaluate("one => getComputedStyle(one).backgroundColor")
            red, green, blue = map(int, re.findall(r"\d+", color)[:3])
            assert red > 2 * max(green, blue), color
            expect(screen.page.locator("#verdict-title")).to_have_text("Stopped")
            note = screen.page.locator("#limits-note")
            expect(note).to_contain_text("Frozen at")
            saw(f"a banner in red ({color}); limits: \u201c{note.inner_text()}\u201d")

        # Nobody was notified of the alert itself: only the trip tells people, on its own account.
        assert types(recorded(running))[EventType.KILL_SWITCH_ACTIVATED] == 1
        with closing(sqlite3.connect(running.database)) as connection:
            (firing,) = connection.execute(
                "SELECT count(*) FROM incident WHERE alertname = 'DRAWDOWN_EMERGENCY' "
                "AND dispatched"
            ).fetchone()
        assert firing == 0


def _all_are_told(running: Running, people: Told) -> None:
    """Of the trip, once each: it comes past Alertmanager."""
    title = "KILL SWITCH TRIPPED"
    folder = running.layout.root / running.policy.alerting.channels.file.path
    ways: dict[str, Callable[[], int]] = {
        "console": lambda: running.processes.child("receivers").log.read_text().count(title),
        "file": lambda: sum(path.read_text().count(title) for path in folder.glob("*.jsonl")),
        "mail": lambda: len(people.by_mail(title)),
        "Slack": lambda: len(people.by_slack(title)),
        "Telegram": lambda: len(people.by_telegram(title)),
    }
    eventually(lambda: all(count() for count in ways.values()), 30, lambda: str(_counted(ways)))
    assert set(_counted(ways).values()) == {1}, _counted(ways)


def _counted(ways: Mapping[str, Callable[[], int]]) -> dict[str, int]:
    return {way: count() for way, count in ways.items()}


def test_an_operator_trips_the_switch_and_the_account_goes_flat(running: Running) -> None:
    running.start()
    eventually(lambda: running.layout.journal.exists(), 20, "the replay has begun")
    data = running.layout.root
    killed = ask("kill", "--mode", "immediate", "--reason", "fire drill", "--data", data)
    assert killed.returncode == 0, killed.stderr
    assert "kill switch is tripped" in killed.stdout
    running.wait_for(Milestone.FLAT, 20)

    looser = ask("kill", "--mode", "pause", "--reason", "changed my mind", "--data", data)
    assert looser.returncode == 1
    assert "tightened" in looser.stderr
    status = ask("status", "--data", data)
    assert status.returncode == 0
    assert "flat, confirmed at" in status.stdout
    assert "fire drill" in status.stdout
    (activated,) = [e for e in recorded(running) if e.event_type == "KILL_SWITCH_ACTIVATED"]
    assert activated.payload is not None
    assert activated.payload.actor_type == "USER"


def test_receivers_killed_at_the_trip_lose_nothing_and_an_edit_is_caught(running: Running) -> None:
    running.start()
    receivers = running.processes.child("receivers")

    def emergency_is_recorded() -> bool:
        with closing(sqlite3.connect(f"file:{running.database}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute(
                "SELECT count(*) FROM incident WHERE alertname = 'DRAWDOWN_EMERGENCY'"
            ).fetchone()
        return bool(count)

    eventually(emergency_is_recorded, 60, "the emergency is in the store")
    receivers.process.kill()
    receivers.process.wait()
    gate = TradeGate(running.layout.gate)
    eventually(lambda: gate.read().state is not GateState.OPEN, 10, "the gate is closed")

    running.stack.start_receivers()
    running.wait_for(Milestone.VERIFIED)

    found = recorded(running)
    told = types(found)
    assert told[EventType.KILL_SWITCH_ACTIVATED] == 1
    assert told[EventType.KILL_SWITCH_FLAT_CONFIRMED] == 1
    assert told[EventType.POSITION_FORCE_CLOSED] == 5
    assert told[EventType.TRADE_BLOCKED] >= 1
    created = [
        (event.payload.details["labels"]["risk_id"],
         event.payload.details["labels"].get("tier"),  # the risk layer's own alerts have none
         event.payload.details["episode"])
        for event in found
        if event.event_type == EventType.ALERT_CREATED and event.payload
    ]  # fmt: skip
    assert max(Counter(created).values()) == 1

    running.processes.stop()
    assert verify_database(running.database).ok
    (seq,) = [e.seq for e in found if e.event_type == "KILL_SWITCH_ACTIVATED"]
    with closing(sqlite3.connect(running.database)) as connection:
        connection.execute(
            "UPDATE audit_payload SET payload = CAST(replace(CAST(payload AS TEXT), "
            "'DRAWDOWN_EMERGENCY', 'OPERATOR_ERROR_000') AS BLOB) WHERE seq = ?",
            (seq,),
        )
        connection.commit()
    verified = ask("audit", "verify", "--data", running.layout.root)
    assert verified.returncode == 1
    assert f"record {seq}" in verified.stderr
