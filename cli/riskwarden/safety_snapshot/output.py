"""Where a snapshot goes: standard output, or a file that was named. Nothing else is ever written.

Invariant: no file that a snapshot is made of is written over, whatever was named.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from pathlib import Path


class OutputError(Exception):
    """The output cannot be written there."""


def check(targets: Iterable[Path], *, data: Path, read: Iterable[str]) -> None:
    """Refuse what would write over something. Raises OutputError."""
    root, sources = data.resolve(), {Path(where).resolve() for where in read if where}
    for target in targets:
        place = target.resolve()
        if place in sources:
            raise OutputError(f"{target} is what the snapshot is made of; name another file")
        if place.exists() and place.is_relative_to(root):
            raise OutputError(
                f"{target} is there already, in the stack's own folder; name another file"
            )


def write(target: Path | None, text: str) -> None:
    """Write to a file, or to standard output. Raises OutputError."""
    try:
        if target is None:
            sys.stdout.write(text)
            sys.stdout.flush()
            return
        target.write_text(text, encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{target or 'standard output'}: {error.strerror}") from error
