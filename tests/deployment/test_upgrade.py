"""Another release of the receivers takes over, with real processes: nothing lost, nothing twice."""

from __future__ import annotations

import json
import os
import signal
import socket
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

RECEIVERS: Final = ["-m", "risk_receivers"]
TOKENS: Final = {
    "RISKWARDEN_ALERT_FEED_TOKEN": "alert-feed-secret",
    "RISKWARDEN_NOTIFICATION_FEED_TOKEN": "notification-feed-secret",
    "RISKWARDEN_RUNTIME_TOKEN": "runtime-secret",
    "RISKWARDEN_OPERATOR_TOKEN": "operator-secret",
}
#: As systemctl does, it asks what starts and stops releases, and comes back when that is done.
MANAGER: Final = """
import socket, sys
port, *said = sys.argv[1:]
with socket.create_connection(("127.0.0.1", int(port))) as asked:
    asked.sendall(" ".join(said).encode())
    asked.shutdown(socket.SHUT_WR)
    sys.exit(asked.recv(1) != b"1")
"""


class Releases:
    """What is installed, and runs: what the manager asks."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._running: dict[str, nursery.Born | subprocess.Popen[bytes]] = {}
        self._asked = socket.create_server(("127.0.0.1", 0))
        self._serving = threading.Thread(target=self._serve)
        self._serving.start()

    @property
    def port(self) -> int:
        return int(self._asked.getsockname()[1])

    def pid(self, name: str) -> int | None:
        return found.pid if (found := self._running.get(name)) else None

    def start(self, name: str) -> None:
        program, *arguments = json.loads((self._folder / f"{name}.json").read_text())
        log = self._folder / f"{name}.log"
        if arguments[:2] == RECEIVERS:
            _, module, *told = arguments
            self._running[name] = nursery.start(module, *told, environ=os.environ, out=log)
            return
        with log.open("ab") as out:
            self._running[name] = subprocess.Popen([program, *arguments], stdout=out, stderr=out)

    def stop(self, name: str, number: int = signal.SIGTERM) -> None:
        """Returns once it has ended, if it ran at all."""
        if running := self._running.get(name):
            running.send_signal(number)
            running.wait(60)
            del self._running[name]

    def close(self) -> None:
        for name in tuple(self._running):
            self.stop(name, signal.SIGKILL)
        self._asked.shutdown(socket.SHUT_RDWR)
        self._asked.close()
        self._serving.join()

    def _serve(self) -> None:
        while True:
            try:
                asking, _ = self._asked.accept()
            except OSError:  # closed
                return
            with asking, asking.makefile() as said:
                asking.sendall(b"1" if self._done(*said.read().split()) else b"0")

    def _done(self, act: str, name: str) -> bool:
        try:
            (self.start if act == "start" else self.stop)(name)
        except OSError:
            return False
        return True


@dataclass
class Desk:
    """A data folder, the releases that are installed, and whoever sends alerts."""

    folder: Path
    port: int
    releases: Releases
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
            *(sys.executable, *RECEIVERS, "--policy", str(self.folder / "p.toml")),
            *("--data", str(self.data), "--listen", f"127.0.0.1:{self.port}"),
            *("--prometheus", "127.0.0.1:1", "--alertmanager", "127.0.0.1:1", "--take-over", "60"),
        )
        (self.folder / f"{release}.json").write_text(json.dumps(command or receivers))

    @property
    def manager(self) -> str:
        """The program, to be followed by what it shall do with which release."""
        return f"{sys.executable} -IS {self.folder / 'manager.py'} {self.releases.port}"

    def pid(self, release: str) -> int | None:
        return self.releases.pid(release)

    def log(self, release: str) -> str:
        return (self.folder / f"{release}.log").read_text()

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/readyz", timeout=5):
                return True
        except OSError:
            return False

    def start(self, release: str) -> None:
        self.releases.start(release)
        self.until(self.is_ready)

    def until(self, condition: Callable[[], bool], seconds: float = 60.0) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, [p.read_text() for p in self.folder.glob("*.log")]
            time.sleep(0.02)

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
            *("--check", check, "--start", f"{self.manager} start {{}}"),
            *("--stop", f"{self.manager} stop {{}}", "--within", "60", *more),
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


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    for name, token in TOKENS.items():
        monkeypatch.setenv(name, token)
    (tmp_path / "p.toml").write_text("[alerting.gate]\nlease_seconds = 3\n")
    (tmp_path / "manager.py").write_text(MANAGER)
    found = Desk(tmp_path, free_port(), Releases(tmp_path))
    try:
        found.install("blue")
        found.install("green")
        found.start("blue")
        yield found
    finally:
        found.releases.close()


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
        f"test {{}} = blue || {{ {desk.manager} stop blue; false; }} && {desk.manager} start {{}}"
    )
    done = desk.upgrade("--start", f"sh -c '{start}'", "--stop", "true")
    assert done.returncode == 3, done.stderr
    assert "rolled back to blue" in done.stderr
    assert desk.is_ready()


def test_ctrl_c_while_the_new_one_loads_stops_it_and_leaves_the_old_one_alone(desk: Desk) -> None:
    desk.install("green", sys.executable, "-c", "import time; time.sleep(600)")
    blue = desk.pid("blue")
    # It reaches the program that starts a release as well, which would leave it half started.
    start = f"sh -c '{desk.manager} start {{}}; sleep 0.5'"
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
    desk.releases.start("green")
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
    desk.releases.start("green")
    desk.until(lambda: somebody_waits(desk.data))
    second = _receivers(desk, "--take-over", "60")
    assert second.returncode == 2
    assert "another receivers service waits already" in second.stderr
    desk.releases.stop("green")
    impatient = _receivers(desk, "--take-over", "0.2")
    assert impatient.returncode == 2
    assert "another receivers service publishes this gate" in impatient.stderr
    assert desk.is_ready()


def _receivers(desk: Desk, *more: str) -> subprocess.CompletedProcess[str]:
    """What becomes of receivers that are started as the others are, but for what they are told."""
    command = json.loads((desk.folder / "blue.json").read_text())
    _, _, module, *told = command[: command.index("--take-over")]
    return nursery.run(module, *told, *more)
