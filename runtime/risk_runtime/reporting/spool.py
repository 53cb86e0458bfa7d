"""Reports waiting on disk: appended and fsynced, taken from the front, progress kept durably.

Invariant: what was appended is handed out until it is marked as sent, across crashes. It may
be handed out again after one; report ids make that harmless.
"""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from risk_runtime.errors import SpoolError

SPOOL_FILE: Final = "reports.jsonl"
PROGRESS_FILE: Final = "reports.sent"

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class SpoolBatch:
    """Lines from the front of the spool, and where the next batch starts."""

    lines: tuple[bytes, ...]
    end: int


class ReportSpool:
    """One file of lines and one with the number of bytes already sent. For one thread at a time."""

    def __init__(self, directory: Path) -> None:
        try:
            directory.mkdir(parents=True, exist_ok=True)
            self._path = directory / SPOOL_FILE
            self._progress = directory / PROGRESS_FILE
            self._sent = self._read_progress()
            self._size = self._cut_torn_tail()
            if self._sent >= self._size:
                self._start_over()
        except OSError as error:
            raise SpoolError(f"{directory}: spool cannot be opened: {error.strerror}") from error

    @property
    def pending(self) -> bool:
        """Whether anything waits."""
        return self._sent < self._size

    def append(self, lines: Sequence[bytes]) -> None:
        """Add lines at the end, durably. Raises SpoolError."""
        data = b"".join(line + b"\n" for line in lines)
        try:
            with self._path.open("r+b") as stream:
                # After a write that failed halfway, start again from the last good end.
                stream.truncate(self._size)
                stream.seek(self._size)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
        except OSError as error:
            raise SpoolError(f"{self._path} cannot be written: {error.strerror}") from error
        self._size += len(data)

    def front(self, most: int) -> SpoolBatch | None:
        """Up to ``most`` lines from the front, None if nothing waits. Raises SpoolError."""
        lines: list[bytes] = []
        end = self._sent
        try:
            with self._path.open("rb") as stream:
                stream.seek(self._sent)
                while len(lines) < most and end < self._size:
                    line = stream.readline()
                    if not line:
                        break
                    end += len(line)
                    if _is_json(line):
                        lines.append(line.rstrip(b"\n"))
                    else:
                        _log.error("reports: a damaged line of the spool was left out")
        except OSError as error:
            raise SpoolError(f"{self._path} cannot be read: {error.strerror}") from error
        return SpoolBatch(tuple(lines), end) if end > self._sent else None

    def mark_sent(self, end: int) -> None:
        """Note that everything before ``end`` arrived. Raises SpoolError if only in memory."""
        self._sent = end
        staging = self._progress.with_suffix(".new")
        try:
            with staging.open("w", encoding="ascii") as stream:
                stream.write(f"{end}\n")
                stream.flush()
                os.fsync(stream.fileno())
            staging.replace(self._progress)
        except OSError as error:
            raise SpoolError(f"{self._progress} cannot be written: {error.strerror}") from error

    def _read_progress(self) -> int:
        try:
            text = self._progress.read_text(encoding="ascii").strip()
        except (FileNotFoundError, UnicodeDecodeError):
            return 0
        return int(text) if text.isdigit() else 0

    def _cut_torn_tail(self) -> int:
        """Drop what a crash left of a line that was never durable; the size that remains."""
        self._path.touch()
        with self._path.open("r+b") as stream:
            data = stream.read()
            size = data.rfind(b"\n") + 1
            stream.truncate(size)
        return size

    def _start_over(self) -> None:
        # Progress first: a crash in between sends again instead of leaving out.
        self.mark_sent(0)
        with self._path.open("r+b") as stream:
            stream.truncate(0)
            os.fsync(stream.fileno())
        self._size = 0


def _is_json(line: bytes) -> bool:
    try:
        json.loads(line)
    except ValueError:
        return False
    return True
