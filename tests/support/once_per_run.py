"""What all processes of a run need, and takes long: the first that asks works it out."""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path


def once(folder: Path, name: str, work: Callable[[], str]) -> str:
    """What the work comes to. While one process is at it, the others wait; if it fails, the next
    one tries for itself.

    Args:
        folder: of this run and of no other.
    """
    done = folder / name
    with (folder / f"{name}.turn").open("a") as turn:
        fcntl.flock(turn, fcntl.LOCK_EX)
        if not done.exists():
            result = work()
            done.write_text(result, encoding="utf-8")
        return done.read_text(encoding="utf-8")
