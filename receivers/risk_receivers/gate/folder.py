"""The gate's folder, and the lock that makes one service its only writer."""

from __future__ import annotations

import fcntl
import os
import stat
import time
from pathlib import Path
from typing import Final

from risk_policy.contracts import gate as contract
from risk_receivers.errors import GateBusyError, StartError

#: The runtime, if it is another user, is to be one of the folder's group.
_FOLDER_MODE: Final = 0o750
#: ``riskwarden kill`` has the lock as long as it writes HALT and why: that stops nobody's start.
_PATIENCE_SECONDS: Final = 1.0


class FolderLock:
    """Held from the beginning until it is let go, or its process ends."""

    #: flock waits for ever or not at all, so a wait with an end can only look again.
    LOOK_SECONDS: Final = 0.02

    def __init__(self, folder: Path, patience_seconds: float = _PATIENCE_SECONDS) -> None:
        """Make the folder fit and take it. Raises StartError, GateBusyError among them."""
        try:
            if not folder.is_dir():
                folder.mkdir(parents=True)
                folder.chmod(_FOLDER_MODE)
            if folder.stat().st_mode & stat.S_IWOTH:
                raise StartError(
                    f"{folder}: anybody on this machine may write the gate folder and so "
                    "open the gate; take that right away with chmod o-w"
                )
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(folder / contract.LOCK_FILE, flags, 0o600)
        except OSError as error:
            raise StartError(f"{folder}: the gate folder cannot be used: {error}") from error
        try:
            self._take(patience_seconds)
        except OSError as error:
            self.release()
            raise GateBusyError(
                f"{folder}: another receivers service publishes this gate; "
                "stop it, or use another --data"
            ) from error

    def _take(self, patience_seconds: float) -> None:
        until = time.monotonic() + patience_seconds
        while True:
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() >= until:
                    raise
                time.sleep(self.LOOK_SECONDS)
            else:
                return

    def release(self) -> None:
        """Let it go."""
        os.close(self._descriptor)
