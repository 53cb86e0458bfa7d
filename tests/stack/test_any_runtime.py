"""docs/generic.md, followed to the letter by a shell with curl: from nothing to a flat account."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest
from free_ports import free_port

pytestmark = pytest.mark.stack

ROOT: Final = Path(__file__).parents[2]
BLOCKS: Final = re.findall(
    r"```sh\n(.*?)```", (ROOT / "docs/generic.md").read_text(encoding="utf-8"), re.DOTALL
)
START, PUSH, ASK, REPORT = (
    next(block for block in BLOCKS if sign in block)
    for sign in ("openssl", "END", "/api/v1/gate", "/runtime/reports")
)
_SECONDS: Final = 120.0
#: As the shipped policy has them.
PORTS: Final = ("9464", "9465", "9490", "9493")


class Shell:
    """One shell in a copy of what a checkout has, which a person types the document into."""

    def __init__(self, folder: Path) -> None:
        self.ports = {port: str(free_port()) for port in PORTS}
        (folder / "policy").mkdir(parents=True)
        policy = (ROOT / "policy/alerting.toml").read_text(encoding="utf-8")
        (folder / "policy/alerting.toml").write_text(self.here(policy), encoding="utf-8")
        kept = {k: v for k, v in os.environ.items() if not k.startswith("RISKWARDEN_")}
        kept["PATH"] = f"{Path(sys.executable).parent}:{kept['PATH']}"
        self._log = (folder / "log").open("wb")
        self._process = subprocess.Popen(
            ["sh"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._log,
            cwd=folder,
            env=kept,
            start_new_session=True,
        )

    def here(self, text: str) -> str:
        """With ports that are free on this machine."""
        for port, free in self.ports.items():
            text = text.replace(f"127.0.0.1:{port}", f"127.0.0.1:{free}")
        return text

    def types(self, block: str) -> str:
        """What a block says."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{self.here(block)}\necho; echo typed\n".encode())
        self._process.stdin.flush()
        said = ""
        while not said.endswith("\ntyped\n"):
            line = self._process.stdout.readline().decode()
            assert line, said
            said += line
        return said.removesuffix("\ntyped\n")

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._log.close()


@pytest.fixture
def shell(tmp_path: Path) -> Iterator[Shell]:
    if not shutil.which("prometheus-alertmanager") and (own := shutil.which("alertmanager")):
        pytest.skip(f"Debian's name of {own} is another one")
    shell = Shell(tmp_path)
    yield shell
    shell.close()


def kills(gate: dict[str, Any]) -> list[dict[str, Any]]:
    """The kill switch among what a gate says is held back."""
    restrictions = gate.get("detail", {}).get("restrictions", [])
    return [one for one in restrictions if one["kind"] == "kill_switch"]


def test_a_shell_that_follows_the_guide_trades_is_stopped_and_reports_flat(shell: Shell) -> None:
    shell.types(START.replace("var/try", "try"))

    said = ""

    def told(block: str) -> dict[str, Any]:
        nonlocal said
        said = shell.types(block)
        try:
            found: dict[str, Any] = json.loads(said)
        except ValueError:  # nobody answers yet, or not in time
            return {}
        return found

    def until(condition: Callable[[], Any]) -> Any:
        deadline = time.monotonic() + _SECONDS
        while not (found := condition()):
            assert time.monotonic() < deadline, said
            time.sleep(0.1)
        return found

    until(lambda: told(PUSH).get("equity_peak") == 100_000)
    until(lambda: told(ASK).get("open"))
    # A second later at the earliest: the guide's times have no more than seconds.
    until(lambda: told(PUSH.replace("100000", "75000")).get("drawdown_ratio") == 0.25)
    until(lambda: told(ASK).get("halted"))
    # HALT waits for nothing, not even for the words of why.
    (kill,) = until(lambda: kills(told(ASK)))
    (example,) = re.findall(r'"kill_id": "([\w-]+)"', REPORT)
    # As the guide says: until it is answered, for it counts once.
    answer = until(lambda: told(REPORT.replace(example, kill["id"])))
    assert answer["rejected"] == [], answer
    assert answer["recorded"] + answer["duplicates"] == 1
