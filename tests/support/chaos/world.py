"""A paper stack to do harm to, with alerts that keep coming and eyes that stay on the gate."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any, Final

import httpx

from chaos.declared import KillBy, Scenario
from chaos.gate_watch import GateWatch
from chaos.sender import PREFIX, Sender, kill_alert
from risk_policy import default_policy_path, load_policy
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.query import StoredEvent, events
from risk_receivers.audit.verify import verify_database
from riskwarden.drill.stage import OwnStage
from riskwarden.stack.layout import StackError
from riskwarden.stack.processes import Processes

#: Debian's libfaketime, for programs with threads.
CLOCK_LIBRARY: Final = next(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"), None)
_MANY: Final = 1_000_000


class World:
    """Everything that a scenario may touch and look at.

    Attributes:
        refused: what a part said that would not start.
        facts: what a scenario keeps in mind between its steps.
    """

    def __init__(self, folder: Path, scenario: Scenario, stack: ExitStack) -> None:
        self.scenario = scenario
        self.refused = ""
        self.facts: dict[str, Any] = {}
        self.broken_at = self.killed_at = 0.0
        self.broken_mark = self.mended_mark = 0
        self._stack = stack
        folder.mkdir(parents=True)
        self.policy_file = folder / "alerting.toml"
        edits = scenario.edits
        if scenario.beside is not None:
            edits += stack.enter_context(scenario.beside(self.facts))
        self.policy_file.write_text(edited(edits), encoding="utf-8")
        policy = load_policy(self.policy_file)
        self._processes = Processes(folder / "log")
        (folder / "log").mkdir()
        self._clock = folder / "clock"
        self.root = folder / "data"
        self.root.mkdir()
        self.database = self.root / policy.alerting.audit.database_path
        self.policy = policy

    def start(self) -> None:
        """Start all of it; the gate is open then. Raises StackError."""
        if self.scenario.disk is not None:
            layout_root = self.root
            self._disk(layout_root)
        processes = self._stack.enter_context(self._processes)
        self.stage = OwnStage(self.policy, self.root, processes, self.scenario.replay)
        self._stack.callback(self.stage.close)
        self.stage.start()
        self.gate = GateWatch(self.root / "gate")
        self.gate.start()
        self._stack.callback(self.gate.stop)
        self.stage.begin()
        token = self.stage.layout.token("alert_feed_token")
        self.sender = Sender(self.stage.stack.url("receivers"), token)
        self.sender.start()
        if self.stage.wait(lambda: len(self.sender.answered) >= 3, 20) is None:
            raise StackError("the receivers take no alerts")

    def _disk(self, root: Path) -> None:
        assert self.scenario.disk is not None
        self._stack.enter_context(self.scenario.disk(root, self.database))

    # -- doing -------------------------------------------------------------------------------

    def alive(self, part: str) -> bool:
        """Whether a process runs."""
        return self.stage.child(part).alive

    def signal(self, part: str, number: int) -> None:
        """Send a signal to a process of the stack, if it is still there."""
        with suppress(ProcessLookupError):
            self.stage.child(part).process.send_signal(number)

    def end_process(self, part: str) -> None:
        """Ask it to end, and wait for it."""
        child = self.stage.child(part)
        child.process.terminate()
        try:
            child.process.wait(20)
        except subprocess.TimeoutExpired:
            child.process.kill()
            child.process.wait()

    def start_again(self, part: str) -> None:
        """Start a part that has ended."""
        stack, stage = self.stage.stack, self.stage
        if part == "receivers":
            stack.start_receivers()
        elif part == "prometheus":
            stack.start_prometheus(stage.binaries)
        elif part == "alertmanager":
            stack._await(stack._alertmanager(stage.binaries), "alertmanager", "/-/ready")
        else:
            stack._await(stack._runtime(self.scenario.replay), "exporter", "/healthz")

    def start_refused(self) -> str:
        """Start receivers that should not start; what they said."""
        try:
            self.stage.stack.start_receivers()
        except StackError as error:
            return str(error)
        return ""

    def start_alertmanager_once(self) -> str:
        """Start Alertmanager, and say why it did not start, if it did not."""
        try:
            self.start_again("alertmanager")
        except StackError as error:
            return str(error)
        return ""

    def use_clock(self) -> None:
        """Give the receivers a clock that can be set, and start them anew with it."""
        self.set_clock(0)
        environ = self.stage.stack._environ
        environ.update(
            LD_PRELOAD=str(CLOCK_LIBRARY),
            FAKETIME_TIMESTAMP_FILE=str(self._clock),
            FAKETIME_CACHE_DURATION="1",
            FAKETIME_DONT_FAKE_MONOTONIC="1",  # as when somebody sets the clock of a machine
            NO_FAKE_STAT="1",
        )
        self.end_process("receivers")
        self.start_again("receivers")
        for name in ("LD_PRELOAD", "FAKETIME_TIMESTAMP_FILE", "FAKETIME_CACHE_DURATION"):
            environ.pop(name)
        if self.stage.wait(lambda: self.stage.is_open, 60) is None:
            raise StackError(f"the gate did not open: {self.stage.gate_told}")

    def set_clock(self, seconds: int) -> None:
        """Let it differ by so much."""
        staging = self._clock.with_suffix(".new")
        staging.write_text(f"{seconds:+d}\n", encoding="ascii")
        staging.replace(self._clock)

    def kill(self, by: KillBy) -> str:
        """Trip the kill switch; what was answered."""
        self.killed_at = time.monotonic()
        if by is KillBy.FEED:
            return f"status {self.sender.post(kill_alert(), seconds=5)}"
        line = [sys.executable, "-m", "riskwarden", "kill", "--mode", "immediate"]
        done = subprocess.run(
            [*line, "--reason", "chaos", "--data", str(self.root)],
            capture_output=True, text=True, check=False, env={**os.environ, "NO_COLOR": "1"},
        )  # fmt: skip
        return f"exit status {done.returncode}"

    # -- looking -----------------------------------------------------------------------------

    def chain(self) -> list[StoredEvent]:
        """All that is on record, by the store itself."""
        return events(self.database, 0, _MANY)

    def mark(self) -> int:
        """Where the record stands now; where it began to fail, if it cannot be read."""
        try:
            return max((event.seq for event in self.chain()), default=0)
        except AuditError:
            return self.broken_mark

    def count(self, event_type: str, text: str = "", after: int = 0) -> int:
        """How many of that type are on record that say something, beyond a mark."""
        return sum(
            event.event_type == event_type and (not text or text in repr(event.payload))
            for event in self.chain()
            if event.seq > after
        )

    def begun(self, alert: str) -> int:
        """How often an alert began since the harm did."""
        return self.count("ALERT_CREATED", alert, self.broken_mark)

    def ended(self, alert: str) -> int:
        """How often one ended since it was over."""
        return self.count("ALERT_RESOLVED", alert, self.mended_mark)

    def created(self) -> Counter[str]:
        """How often each alert of the sender is on record as begun."""
        found: Counter[str] = Counter()
        for event in self.chain():
            if event.event_type == "ALERT_CREATED" and event.payload is not None:
                details: Any = event.payload.details
                risk_id = str(details["labels"].get("risk_id", ""))
                if risk_id.startswith(PREFIX):
                    found[risk_id] += 1
        return found

    def told(self, text: str) -> list[str]:
        """The messages of the file channel that say something."""
        folder = self.root / self.policy.alerting.channels.file.path
        lines = [line for path in sorted(folder.glob("*")) for line in _lines(path)]
        return [line for line in lines if text in line]

    def printed(self, part: str, text: str) -> bool:
        """Whether a part has said something."""
        log = self.stage.child(part).log
        return text in log.read_text(encoding="utf-8", errors="replace")

    def verified(self) -> tuple[bool, str]:
        """Whether the chain verifies, from the store itself."""
        found = verify_database(self.database)
        return found.ok, f"{found.events} events" if found.ok else str(found.problems[:2])

    def ready(self) -> tuple[int, str]:
        """What the receivers say of themselves."""
        try:
            answer = httpx.get(
                f"{self.stage.stack.url('receivers')}/readyz", timeout=3, trust_env=False
            )
        except httpx.HTTPError as error:
            return 0, type(error).__name__
        reasons = answer.json().get("reasons", ()) if answer.status_code != 200 else ()
        return answer.status_code, "; ".join(reasons)

    def query(self, expression: str) -> list[dict[str, Any]]:
        """What Prometheus answers."""
        url = f"{self.stage.stack.url('prometheus')}/api/v1/query"
        with suppress(httpx.HTTPError, ValueError, KeyError):
            answer = httpx.get(url, params={"query": expression}, timeout=3, trust_env=False)
            found: list[dict[str, Any]] = answer.json()["data"]["result"]
            return found
        return []


def edited(edits: tuple[tuple[str, str], ...]) -> str:
    """The policy that is shipped, with some of its lines changed."""
    text = default_policy_path().read_text(encoding="utf-8")
    for old, new in edits:
        if text.count(old) != 1:
            raise ValueError(f"{old!r} stands {text.count(old)} times in the policy")
        text = text.replace(old, new)
    return text


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8", errors="replace").splitlines() if path.is_file() else []


def parsed(line: str) -> dict[str, Any]:
    """A line of the file channel."""
    with suppress(ValueError):
        found = json.loads(line)
        return found if isinstance(found, dict) else {}
    return {}
