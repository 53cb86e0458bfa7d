"""The log: written by a thread of its own, so that nobody waits for whoever reads it.

A terminal that was stopped, a pager, a full pipe: standard error can stand still for ever. The loop
that takes a kill in logs too, and so do the threads that record and deliver. What finds no room
is left out, and how much that was is said once the log moves again.
"""

from __future__ import annotations

import logging
import queue
import threading
from typing import Final, TextIO

#: Some hundred kilobytes: more than is ever said at once.
_MOST_LINES: Final = 2000
#: How long an end waits for the last lines.
_END_SECONDS: Final = 2.0


class PatientHandler(logging.Handler):
    """Prints to a stream that may stand still. Whoever logs waits for nothing."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__()
        self._stream = stream
        self._lines: queue.Queue[str] = queue.Queue(_MOST_LINES)
        self._left_out = 0
        threading.Thread(target=self._write_forever, name="log", daemon=True).start()

    def emit(self, record: logging.LogRecord) -> None:
        """Say one thing, if there is room for it."""
        line = self.format(record)
        try:
            self._lines.put_nowait(line)
        except queue.Full:
            self._left_out += 1

    def flush(self) -> None:
        """Let the last lines be written, unless nobody takes them."""
        with self._lines.all_tasks_done:
            self._lines.all_tasks_done.wait_for(
                lambda: not self._lines.unfinished_tasks, _END_SECONDS
            )

    def _write_forever(self) -> None:
        while True:
            line = self._lines.get()
            left_out, self._left_out = self._left_out, 0
            if left_out:
                line = f"{left_out} lines were left out: nobody read them\n{line}"
            try:
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):  # it is closed, or was; the next line may be read
                pass
            finally:
                self._lines.task_done()
