"""Has a report written, beside the service, and gives up on it when the service stops."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from risk_receivers.periodic.errors import ReportError
from risk_receivers.periodic.order import Answer, Order
from risk_receivers.surroundings import without_secrets

#: A million records take a minute or two, and a PDF of what they tell some more.
_LONGEST_SECONDS: Final = 900.0


def write_report(order: Order, rest: Callable[[float], bool]) -> Answer:
    """What came of an order. ``rest`` waits, and says whether to give up. Raises ReportError."""
    with tempfile.TemporaryFile() as answers, tempfile.TemporaryFile() as complaints:
        process = subprocess.Popen(
            [sys.executable, "-m", "risk_receivers.periodic"],
            stdin=subprocess.PIPE,
            stdout=answers,
            stderr=complaints,
            env=without_secrets(),
            cwd=Path(__file__).parents[2],  # finds this package wherever it was installed
        )
        try:
            _tell(process, order)
            _await(process, rest)
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
        answers.seek(0)
        complaints.seek(0)
        if process.returncode:
            said = complaints.read().decode("utf-8", "replace").strip().splitlines()
            raise ReportError(said[-1] if said else f"it ended with {process.returncode}")
        try:
            return msgspec.json.decode(answers.read(), type=Answer)
        except msgspec.MsgspecError as error:
            raise ReportError(f"its writer's answer makes no sense: {error}") from error


def _tell(process: subprocess.Popen[bytes], order: Order) -> None:
    """Through a pipe, which holds all of it: a secret in it touches no disk."""
    assert process.stdin is not None
    with contextlib.suppress(BrokenPipeError), process.stdin as stream:  # why is told in the end
        stream.write(msgspec.json.encode(order))


def _await(process: subprocess.Popen[bytes], rest: Callable[[float], bool]) -> None:
    began = time.monotonic()
    pause = 0.05
    while process.poll() is None:
        if rest(pause):
            raise ReportError("the service stops; it is written when it runs again")
        if time.monotonic() - began > _LONGEST_SECONDS:
            raise ReportError(f"it was not ready after {_LONGEST_SECONDS:g} s")
        pause = min(2 * pause, 0.25)
