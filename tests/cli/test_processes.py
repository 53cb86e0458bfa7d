"""Processes of a stack end with whoever started them, however that ends."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
from stack_under_test import eventually

from riskwarden.stack.layout import StackError
from riskwarden.stack.processes import Processes

#: Starts a process, stops it, says which, and never ends.
PARENT: Final = """
import sys, time
from pathlib import Path
from riskwarden.stack.processes import Processes

processes = Processes(Path(sys.argv[1]))
child = processes.start("sleeper", ["sleep", "300"], {"PATH": "/usr/bin:/bin"})
processes.freeze("sleeper")
print(child.process.pid, flush=True)
time.sleep(300)
"""


def state(pid: int) -> str:
    """As the kernel says: S sleeps, T is stopped; empty if there is none but a corpse."""
    try:
        found = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return ""
    return found.replace("Z", "")


def test_a_stopped_one_ends_with_a_parent_that_was_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    with parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline())
        eventually(lambda: state(pid) == "T", 30, "it is stopped")
        parent.kill()
    eventually(lambda: not state(pid), 30, "it has ended")


@pytest.mark.parametrize("thawed", [True, False])
def test_one_that_was_stopped_goes_on_and_ends_when_asked(tmp_path: Path, *, thawed: bool) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("sleeper", ["sleep", "300"], {"PATH": "/usr/bin:/bin"})
        processes.freeze("sleeper")
        eventually(lambda: state(child.process.pid) == "T", 30, "it is stopped")
        if thawed:
            processes.thaw("sleeper")
            eventually(lambda: state(child.process.pid) == "S", 30, "it goes on")
    assert child.process.returncode == -signal.SIGTERM


def test_one_that_has_ended_is_not_stopped_and_that_is_said(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        child = processes.start("sleeper", ["true"], {"PATH": "/usr/bin:/bin"})
        child.process.wait()
        with pytest.raises(StackError, match="sleeper ended with code 0"):
            processes.freeze("sleeper")
