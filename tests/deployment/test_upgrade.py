"""Another release of the receivers takes over, with real processes: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import nursery
import pytest
from free_ports import free_port

from risk_receivers.verification import verify_store
from riskwarden.upgrade import somebody_waits

TOKENS: Final = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": "operator-secret",
}
#: A release is started and stopped by a program, as systemctl would: it comes back at once, and
#: a stop once the process has ended.
MANAGER: Final = """
import json, os, signal, subprocess, sys, time
folder, act, name = sys.argv[1:]
note = os.path.join(folder, name + ".pid")
if act == "start":
    with open(os.path.join(folder, name + ".json")) as stream:
        command = json.load(stream)
    with open(os.path.join(folder, name + ".log"), "ab") as log:
        started = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    with open(note, "w") as stream:
        stream.write(str(started.pid))
elif os.path.exists(note):
    with open(note) as stream:
        pid = int(stream.read())
    try:
        os.kill(pid, signal.SIGTERM)
        while True:
            with open(f"/proc/{pid}/stat") as stream:
                if stream.read().rpartition(")")[2].split()[0] == "Z":
                    break
            time.sleep(0.01)
    except (ProcessLookupError, FileNotFoundError):
        pass
    os.unlink(note)
"""


@dataclass
class Desk:
    """A data folder, the releases that are installed, and whoever sends alerts."""

    folder: Path
    port: int
    accepted: list[str] = field(default_factory=list)

    @property
    def data(self) -> Path:
        return self.folder / "data"

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def install(self, release: str, *command: str) -> None:
        """Say what a release runs: the receivers, unless it is another program."""
        receivers = (
            *(sys.executable, "-m", "risk_receivers", "--policy", str(self.folder / "p.toml")),
            *("--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"),
            *("--prometheus", "127.0.0.1:1", "--alertmanager", "127.0.0.1:1", "--take-over", "60"),
        )
        (self.folder / f"{release}.json").write_text(json.dumps(command or receivers))

    def manager(self, act: str, release: str) -> tuple[str, ...]:
        return (sys.executable, str(self.folder / "manager.py"), str(self.folder), act, release)

    def pid(self, release: str) -> int | None:
        note = self.folder / f"{release}.pid"
        return int(note.read_text()) if note.exists() else None

    def log(self, release: str) -> str:
        return (self.folder / f"{release}.log").read_text()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def start(self, release: str) -> None:
        subprocess.run(self.manager("start", release), check=True)
        self.until(self.is_ready)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, [p.read_text() for p in self.folder.glob("*.log")]
            time.sleep(0.02)

    @property
    def program(self) -> str:
        return f"{sys.executable} {self.folder / 'manager.py'} {self.folder}"

    def upgrade(
        self, *more: str, check: str = "true", watch: bool = True
    ) -> subprocess.CompletedProcess[str]:
        return nursery.run("riskwarden", *self._arguments(check, *more, watch=watch))

    @contextmanager
    def interrupted(
        self, *more: str, watch: bool = True
    ) -> Iterator[tuple[subprocess.Popen[str], Path]]:
        """One in a group of its own, as Ctrl-C reaches; nobody reads what it says."""
        said = self.folder / "said"
        with said.open("w") as err:
            started = subprocess.Popen(
                [sys.executable, "-m", "riskwarden", *self._arguments("true", *more, watch=watch)],
                stdout=subprocess.PIPE,
                stderr=err,
                text=True,
                start_new_session=True,
            )
        assert started.stdout is not None
        started.stdout.close()
        try:
            yield started, said
        finally:
            started.kill()
            started.wait()

    def _arguments(self, check: str, *more: str, watch: bool) -> list[str]:
        return [
            *("upgrade", "blue", "green", "--url", self.url),
            *(("--data", str(self.data)) if watch else ()),
            *("--check", check, "--start", f"{self.program} start {{}}"),
            *("--stop", f"{self.program} stop {{}}", "--within", "60", *more),
        ]

    def send(self, name: str) -> bool:
        """One alert as Prometheus sends it; whether it was taken."""
        now = datetime.now(UTC)
        alert = {
            "labels": {
                "alertname": "DRAWDOWN_WARNING",
                "risk_id": f"drawdown/{name}",
                "account": name,
                "tier": "warning",
                "severity": "warning",
                "category": "drawdown",
                "action": "notify",
            },
            "annotations": {"value": "0.123"},
            "startsAt": now.isoformat(),
            "endsAt": (now + timedelta(hours=1)).isoformat(),
        }
        return self._post("/api/v2/alerts", [alert], "alert-feed-secret")

    def kill(self) -> bool:
        said = {"mode": "immediate", "reason": "a test", "actor": "tester"}
        return self._post("/api/v1/kill", said, "operator-secret")

    def _post(self, path: str, content: Any, token: str) -> bool:
        asked = urllib.request.Request(
            self.url + path,
            json.dumps(content).encode(),
            {"Authorization": f"Bearer {token}", "Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(asked, timeout=10):
                return True
        except OSError:
            return False

    def keep_sending(self, stop: threading.Event) -> None:
        """A new alert at a time, each until it is taken, as Prometheus does."""
        while not stop.is_set():
            name = f"a{len(self.accepted)}"
            while not self.send(name):
                time.sleep(0.02)
            self.accepted.append(name)
            time.sleep(0.02)

    def recorded(self) -> list[str]:
        path = self.data / "audit" / "audit.db"
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            rows = connection.execute("SELECT risk_id FROM incident").fetchall()
        return [str(row[0]).removeprefix("drawdown/") for row in rows]

    def close(self) -> None:
        for release in ("blue", "green"):
            if (pid := self.pid(release)) is not None:
                try:
                    os.kill(pid, signal.SIGKILL)
                except ProcessLookupError:
                    continue


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name, token in TOKENS.items():
        monkeypatch.setenv(name, token)
    (tmp_path / "p.toml").write_text("[alerting.gate]\nlease_seconds = 3\n")
    (tmp_path / "manager.py").write_text(MANAGER)
    found = Desk(tmp_path, free_port())
    found.install("blue")
    found.install("green")
    found.start("blue")
    yield found
    found.close()


def test_a_release_takes_over_and_nothing_is_lost_or_recorded_twice(desk: Desk) -> None:
    assert desk.kill()
    stop = threading.Event()
    sender = threading.Thread(target=desk.keep_sending, args=(stop,))
    sender.start()
    desk.until(lambda: len(desk.accepted) >= 3)
    done = desk.upgrade()
    before = len(desk.accepted)
    desk.until(lambda: len(desk.accepted) > before + 2)
    stop.set()
    sender.join(30)
    assert (done.returncode, done.stderr) == (0, "")
    assert "green has taken over" in done.stdout
    assert desk.pid("blue") is None
    recorded = desk.recorded()
    assert sorted(recorded) == sorted(set(recorded))
    assert set(desk.accepted) <= set(recorded)
    # What was tripped stays tripped, and one record tells of both of them.
    assert (desk.data / "gate" / "gate.lease").read_bytes()[:8] == bytes(8)
    verified = verify_store(
        desk.data / "audit" / "audit.db", signing_key=desk.data / "audit" / "signing.key"
    )
    assert verified.ok, verified


def test_a_release_that_does_not_get_ready_is_rolled_back(desk: Desk) -> None:
    desk.install("green", sys.executable, "-c", "import time; time.sleep(600)")
    assert desk.send("before")
    blue = desk.pid("blue")
    done = desk.upgrade("--within", "2", watch=False)
    assert done.returncode == 3, done.stderr
    assert "rolled back to blue" in done.stderr
    assert desk.pid("green") is None
    assert desk.pid("blue") not in (None, blue)
    assert desk.send("after")
    assert set(desk.recorded()) >= {"before", "after"}


@pytest.mark.parametrize("fault", ["check", "start", "no release"])
def test_a_release_that_could_not_start_changes_nothing(desk: Desk, fault: str) -> None:
    blue = desk.pid("blue")
    if fault == "start":
        desk.install("green", sys.executable, "-c", "raise SystemExit('no such library')")
    if fault == "no release":
        (desk.folder / "green.json").unlink()
    done = desk.upgrade("--within", "2", check="false" if fault == "check" else "true")
    assert done.returncode == 1
    assert "nothing was changed: green" in done.stderr
    assert desk.pid("blue") == blue
    assert desk.is_ready()
    assert desk.send("still")


def test_a_start_that_takes_the_old_one_down_and_fails_is_rolled_back(desk: Desk) -> None:
    """As where one service is replaced by itself: the old one is gone before the new one is."""
    start = (
        f"test {{}} = blue || {{ {desk.program} stop blue; false; }} && {desk.program} start {{}}"
    )
    done = desk.upgrade("--start", f"sh -c '{start}'", "--stop", "true")
    assert done.returncode == 3, done.stderr
    assert "rolled back to blue" in done.stderr
    assert desk.is_ready()


def test_ctrl_c_while_the_new_one_loads_stops_it_and_leaves_the_old_one_alone(desk: Desk) -> None:
    desk.install("green", sys.executable, "-c", "import time; time.sleep(600)")
    blue = desk.pid("blue")
    # It reaches the program that starts a release as well, which would leave it half started.
    start = f"sh -c '{desk.program} start {{}}; sleep 0.5'"
    with desk.interrupted("--start", start) as (upgrade, said):
        desk.until(lambda: desk.pid("green") is not None)
        os.killpg(upgrade.pid, signal.SIGINT)
        assert upgrade.wait(60) == 1
        told = said.read_text()
    assert "interrupted; wait until one of both serves" in told
    assert "nothing was changed: green did not start: it was interrupted" in told
    assert desk.pid("green") is None
    assert desk.pid("blue") == blue
    assert desk.is_ready()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
def test_an_interrupt_while_the_new_one_takes_over_brings_the_old_one_back(
    desk: Desk, number: signal.Signals
) -> None:
    desk.install("green", sys.executable, "-c", "import time; time.sleep(600)")
    with desk.interrupted(watch=False) as (upgrade, said):
        desk.until(lambda: desk.pid("blue") is None)
        os.killpg(upgrade.pid, number)
        assert upgrade.wait(60) == 3, said.read_text()
        assert "rolled back to blue" in said.read_text()
    assert desk.pid("green") is None
    assert desk.is_ready()
    assert desk.send("after")


def test_the_data_folder_of_the_environment_is_the_one_that_is_looked_at(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RISKWARDEN_DATA", str(desk.data))
    desk.install("green", sys.executable, "-c", "import time; time.sleep(600)")
    blue = desk.pid("blue")
    done = desk.upgrade("--within", "1", watch=False)
    assert done.returncode == 1
    assert "nothing was changed: green did not start: it has not loaded within 1 s" in done.stderr
    assert desk.pid("blue") == blue


def test_a_spare_waits_and_takes_over_from_one_that_was_killed(desk: Desk) -> None:
    subprocess.run(desk.manager("start", "green"), check=True)
    desk.until(lambda: somebody_waits(desk.data))
    assert desk.send("before")
    blue = desk.pid("blue")
    assert blue is not None
    os.kill(blue, signal.SIGKILL)
    desk.until(lambda: not somebody_waits(desk.data))
    desk.until(desk.is_ready)
    assert desk.send("after")
    assert sorted(desk.recorded()) == ["after", "before"]


def test_only_one_waits_and_not_for_ever(desk: Desk) -> None:
    desk.install("green", *_with(desk, "--take-over", "60"))
    subprocess.run(desk.manager("start", "green"), check=True)
    desk.until(lambda: somebody_waits(desk.data))
    second = subprocess.run(_with(desk, "--take-over", "60"), capture_output=True, text=True)
    assert second.returncode == 2
    assert "another receivers service waits already" in second.stderr
    subprocess.run(desk.manager("stop", "green"), check=True)
    impatient = subprocess.run(_with(desk, "--take-over", "0.2"), capture_output=True, text=True)
    assert impatient.returncode == 2
    assert "another receivers service publishes this gate" in impatient.stderr
    assert desk.is_ready()


def _with(desk: Desk, *more: str) -> list[str]:
    command = json.loads((desk.folder / "blue.json").read_text())
    return [*command[: command.index("--take-over")], *more]
