"""How much of a disk is free, counted in one way by every part that says so."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


def free_ratio(folder: Path) -> float | None:
    """Share of the disk under a folder that an ordinary process may still fill.

    What is kept for root counts neither as free nor as there. None where nobody can tell.
    """
    try:
        disk = os.statvfs(folder)
    except OSError:
        return None
    usable = disk.f_blocks - disk.f_bfree + disk.f_bavail
    return disk.f_bavail / usable if usable > 0 else None


def least_free_ratio(folders: Iterable[Path]) -> float | None:
    """That of the fullest of several disks, as far as anybody can tell."""
    known = (free_ratio(folder) for folder in folders)
    return min((free for free in known if free is not None), default=None)
