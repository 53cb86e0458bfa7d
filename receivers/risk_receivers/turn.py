"""Waiting for another service on the same data folder to end: an upgrade, or a spare.

Whoever waits has loaded and checked everything that needs no store, and touches nothing: who runs
goes on alone. That somebody waits is known by ``standby.lock`` in the data folder, which is held
meanwhile.
"""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from risk_receivers.errors import GateBusyError, StartError
from risk_receivers.gate.folder import FolderLock

STANDBY_LOCK: Final = "standby.lock"


def wait_for_turn(data: Path, seconds: float, stopping: Callable[[], bool]) -> None:
    """Return once nobody else publishes the gate, or a stop is asked for.

    Raises:
        StartError: somebody waits already.
        GateBusyError: the other one still runs after ``seconds``.
    """
    path = data / STANDBY_LOCK
    until = time.monotonic() + seconds
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StartError(f"{path}: another receivers service waits already") from error
        while not stopping():
            try:
                FolderLock(data / "gate", patience_seconds=0.0).release()
            except GateBusyError:
                if time.monotonic() >= until:
                    raise
                time.sleep(FolderLock.LOOK_SECONDS)
            else:
                return
    finally:
        os.close(descriptor)
