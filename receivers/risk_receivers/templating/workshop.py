"""Where the user's templates are rendered: a process of its own for each channel.

No instrument inside a process stops every loop and every multiplication that a template can
hold, so the process as a whole is bounded: in memory by the kernel, in time by an alarm that
ends it, and once more from here. It is given the words of messages and no secret: not the
environment, not the data folder. It is started when it is first needed, and again after it died.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from risk_receivers.templating.errors import BrokenTemplateError

#: A message takes milliseconds; what takes longer holds back all that is behind it.
RENDER_SECONDS: Final = 2.0
#: Python and Jinja2 take a second on a machine that is busy with everything else.
_START_SECONDS: Final = 15.0
#: More than any output that passes, and than its escaping adds.
_LONGEST_ANSWER: Final = 8_000_000
_CHUNK: Final = 65_536
#: What a Python process needs to find its modules, and nothing else of the environment.
_PASSED_ON: Final = ("PATH", "PYTHONPATH", "PYTHONHOME", "LANG", "LC_ALL")


class Request(msgspec.Struct, frozen=True):
    """One part of one message."""

    file: str
    words: dict[str, str]


class Answer(msgspec.Struct, frozen=True):
    """The part in words, or what is wrong with its template."""

    text: str = ""
    file: str = ""
    line: int = 0
    problem: str = ""


class Workshop:
    """Renders the user's templates of one channel. Safe to use from several threads."""

    def __init__(self, folder: Path, render_seconds: float = RENDER_SECONDS) -> None:
        self._folder = folder
        self._seconds = render_seconds
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._line: socket.socket | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def render(self, file: str, words: dict[str, str]) -> str:
        """The output of a template. Raises BrokenTemplateError, whatever went wrong."""
        request = msgspec.json.encode(Request(file, words)) + b"\n"
        with self._lock:
            try:
                answer = self._ask(request)
            except TimeoutError as error:
                self._end()
                problem = f"takes longer than {self._seconds:g} s; look for loops in loops"
                raise BrokenTemplateError(file, 0, problem) from error
            except (OSError, msgspec.DecodeError) as error:
                self._end()
                problem = f"its process ended ({error}): it takes too long or too much memory"
                raise BrokenTemplateError(file, 0, problem) from error
        if answer.problem:
            raise BrokenTemplateError(answer.file or file, answer.line, answer.problem)
        return answer.text

    def close(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _ask(self, request: bytes) -> Answer:
        line = self._line or self._start()
        line.settimeout(self._seconds)
        line.sendall(request)
        return msgspec.json.decode(self._read(line, self._seconds), type=Answer)

    def _start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "risk_receivers.templating.bench", str(self._folder)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={name: os.environ[name] for name in _PASSED_ON if name in os.environ},
                start_new_session=True,  # Ctrl-C in a terminal is for us to handle
            )
        self._line = ours
        self._read(ours, _START_SECONDS)
        return ours

    def _read(self, line: socket.socket, seconds: float) -> bytes:
        deadline = time.monotonic() + seconds
        answer = bytearray()
        while not answer.endswith(b"\n"):
            line.settimeout(max(deadline - time.monotonic(), 0.001))
            chunk = line.recv(_CHUNK)
            if not chunk:
                raise ConnectionResetError("no answer")
            answer += chunk
            if len(answer) > _LONGEST_ANSWER:
                raise ConnectionAbortedError("the answer has no end")
        return bytes(answer)

    def _end(self) -> None:
        if self._line is not None:
            self._line.close()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        self._line = self._process = None
