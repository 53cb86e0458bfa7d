"""The stack that a drill runs against.

What it waits for it looks for again and again, within a bound; what it found out is told by the
parts themselves, by API and by file.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, TypeVar

import httpx

from risk_policy import Policy
from risk_policy.contracts.restriction import Kill
from risk_policy.model.stack import Endpoints
from risk_receivers.audit.verifier import Verification
from risk_receivers.audit.verify import verify_database
from risk_runtime import GateState, Order, Side, TradeGate
from risk_runtime.gate_reading import refuses
from riskwarden.stack.layout import Layout, StackError
from riskwarden.stack.processes import Child, Processes
from riskwarden.stack.stack import Replay, Stack, find_binaries

T = TypeVar("T")
#: Parts of a stack announce nothing to who looks on.
_LOOK_SECONDS: Final = 0.02
_ACCOUNT: Final = "main"
#: Orders that the gate is asked about and that are sent nowhere.
ENTRY: Final = Order("AAPL", Side.BUY, 1.0, 100.0, account=_ACCOUNT)
REDUCTION: Final = Order("AAPL", Side.SELL, 1.0, 100.0, position_quantity=1.0, account=_ACCOUNT)


class Stage:
    """A running stack, asked over its interfaces alone."""

    def __init__(self, policy: Policy, layout: Layout, endpoints: Endpoints) -> None:
        self.policy = policy
        self.layout = layout
        self.gate = TradeGate(layout.gate)
        self._url = f"http://{endpoints.receivers}"
        self._client = httpx.Client(timeout=10.0, trust_env=False)
        self._after = 0
        self._own_kill = ""
        self._triggers = 0

    def begin(self) -> None:
        """From now on: what was on record before is another story."""
        _, content = self.call("GET", "/api/v1/audit?limit=1")
        self._after = int(content.get("head", {}).get("size", 0))

    def close(self) -> None:
        """Let go of it; its processes are somebody else's."""
        self._client.close()

    # -- asking ------------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether new risk is let through, but for what alerts hold: markets move meanwhile."""
        reading = self.gate.read()
        killed = any(kill.scope.may_cover(ENTRY) for kill in reading.kills)
        return reading.state is GateState.OPEN and not killed

    @property
    def gate_told(self) -> str:
        """What the gate says of new risk: why it is closed, or what alerts hold of it."""
        reading = self.gate.read()
        kill = next((one for one in reading.kills if one.scope.may_cover(ENTRY)), None)
        if reading.reason or kill:
            return reading.reason or str(kill)
        held = [one for one in reading.restrictions if not isinstance(one, Kill)]
        told = "; ".join(str(one) for one in held if refuses(one, ENTRY))
        return f"open; alerts hold {told}" if told else "open"

    @property
    def allows_reductions(self) -> bool:
        """Whether one that only reduces may."""
        return self.gate.check(REDUCTION).allowed

    def call(
        self, method: str, path: str, body: object = None, *, who: str = "operator"
    ) -> tuple[int, dict[str, Any]]:
        """Ask the receivers: status and content; (0, why) where they do not answer."""
        try:
            answer = self._client.request(
                method,
                f"{self._url}{path}",
                json=body,
                headers={"Authorization": f"Bearer {self.layout.token(f'{who}_token')}"},
            )
            content = answer.json()
        except (httpx.HTTPError, ValueError) as error:
            return 0, {"detail": str(error) or type(error).__name__}
        return answer.status_code, content if isinstance(content, dict) else {}

    def status(self) -> dict[str, Any]:
        """What `riskwarden status` shows; empty where nobody answers."""
        code, content = self.call("GET", "/api/v1/system/status")
        return content if code == httpx.codes.OK else {}

    @property
    def kill_switch(self) -> dict[str, Any]:
        """The state of the switch over everything; empty where nobody answers."""
        found = self.status().get("kill_switch")
        return found if isinstance(found, dict) else {}

    @property
    def kills(self) -> list[dict[str, Any]]:
        """Every kill in force, whatever it covers, the widest first."""
        return list(self.kill_switch.get("kills", ()))

    def events(self, event_type: str, alert: str = "") -> list[dict[str, Any]]:
        """What the audit chain tells of that kind since the beginning, oldest first.

        With ``alert`` only what names it.
        """
        found: list[dict[str, Any]] = []
        after = self._after
        while True:
            code, content = self.call("GET", f"/api/v1/audit?after_seq={after}&limit=500")
            if code != httpx.codes.OK:
                return found
            page = content["events"]
            for event in page:
                after = event["header"]["seq"]
                payload = event["payload"] or {}
                if event["header"]["event_type"] == event_type and alert in json.dumps(payload):
                    found.append(event)
            if len(page) < 500:
                return found

    def journal(self, kind: str) -> list[dict[str, Any]]:
        """What the paper runtime's journal tells of that kind."""
        try:
            lines = self.layout.journal.read_text(encoding="utf-8").splitlines()
        except OSError:
            return []
        return [found for line in lines if (found := _parsed(line)).get("kind") == kind]

    @property
    def positions_open(self) -> int:
        """How many the paper account held at the end of the latest day it played."""
        days = self.journal("day")
        return int(days[-1]["positions_open"]) if days else 0

    def verified(self) -> Verification:
        """The audit chain, read from the store itself."""
        return verify_database(self.layout.database(self.policy))

    def wait(self, condition: Callable[[], object], seconds: float) -> float | None:
        """How long it took until a condition held; None if it did not in time."""
        began = time.monotonic()
        while not condition():
            if time.monotonic() - began > seconds:
                return None
            time.sleep(_LOOK_SECONDS)
        return time.monotonic() - began

    # -- doing -------------------------------------------------------------------------------

    def kill(self, mode: str, reason: str) -> tuple[int, dict[str, Any]]:
        """Trip the kill switch as `riskwarden kill` does."""
        body = {"mode": mode, "reason": reason, "actor": "drill"}
        before = int(self.kill_switch.get("triggers", 0))  # of earlier kills, too
        code, content = self.call("POST", "/api/v1/kill", body)
        if code == httpx.codes.OK and not content.get("already_tripped"):
            self._own_kill = str(content["kill_id"])
            self._triggers = before + 1
        return code, content

    def clear(self, reason: str) -> str:
        """Clear it in two steps; why that failed, empty if it did not.

        Only what this drill tripped, and nobody else has asked for since: what is real stays.
        """
        switch = self.kill_switch
        if not self._own_kill or switch.get("kill_id") != self._own_kill:
            return "the kill in force is none that this drill tripped"
        if switch.get("triggers") != self._triggers:
            return "something else has asked for the kill switch meanwhile"
        order: dict[str, object] = {"kill_id": self._own_kill, "actor": "drill", "reason": reason}
        for _ in range(2):
            code, content = self.call("POST", "/api/v1/system/kill-switch/clear", order)
            if code != httpx.codes.OK:
                return str(content.get("detail", code))
            if content.get("needs_second_person") or content.get("needs_totp"):
                return "the policy wants a second person, or a code of an authenticator, for that"
            order["confirmation"] = content.get("confirmation", "")
        return ""


class OwnStage(Stage):
    """A paper stack of a drill's own, whose parts it may end."""

    def __init__(self, policy: Policy, root: Path, processes: Processes, replay: Replay) -> None:
        layout = Layout(root)
        layout.create()
        self.stack = Stack(policy, layout, processes)
        super().__init__(self.stack.policy, layout, self.stack.endpoints)
        self.binaries = find_binaries()
        self._processes = processes
        self._replay = replay

    def start(self) -> None:
        """Start all of it and wait until the gate is open. Raises StackError."""
        self.stack.start(self.binaries, self._replay, lambda _: None)
        if self.wait(lambda: self.is_open, 60) is None:
            raise StackError(f"the gate did not open: {self.gate_told}")

    def child(self, name: str) -> Child:
        """A process of the stack."""
        return self._processes.child(name)

    def kill_process(self, name: str) -> None:
        """End a process of the stack as a crash would."""
        child = self.child(name)
        child.process.kill()
        child.process.wait()

    def freeze(self, name: str) -> None:
        """Stop a process without its knowledge."""
        self._processes.freeze(name)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self._processes.thaw(name)


def _parsed(line: str) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError:
        return {}  # a line that is being written
    return found if isinstance(found, dict) else {}
