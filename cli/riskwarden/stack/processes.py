"""Child processes that never outlive their parent, and always leave a log.

The kernel ends them when the parent dies (PR_SET_PDEATHSIG), so even `kill -9` of the
command leaves nothing behind. What is stopped is woken then, since it hears nothing else.
"""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Final, Self

from riskwarden.stack.layout import StackError

_PR_SET_PDEATHSIG: Final = 1
_LIBC: Final = ctypes.CDLL(None, use_errno=True)
_PATIENCE_SECONDS: Final = 10.0
#: Waits for the end of its input, which comes with that of whoever holds the other end.
_WAKER: Final = 'read -r _; kill -CONT "$1"'
#: A server says that it is ready only when asked.
_ASK_AGAIN_SECONDS: Final = 0.05


def _die_with_parent(parent: int) -> Callable[[], None]:
    def in_child() -> None:
        _LIBC.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # the parent died before prctl took effect
            os.kill(os.getpid(), signal.SIGTERM)

    return in_child


@dataclass(slots=True)
class Child:
    """One running process of the stack."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path
    sink: IO[bytes]

    @property
    def alive(self) -> bool:
        """Whether it still runs."""
        return self.process.poll() is None

    def check(self) -> None:
        """Raise StackError if it has ended by itself."""
        if not self.alive:
            raise StackError(
                f"{self.name} ended with code {self.process.returncode}; "
                f"its last words ({self.log}):\n{self.tail()}"
            )

    def tail(self, lines: int = 12) -> str:
        """The last lines it printed."""
        text = self.log.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:])


class Processes:
    """The stack's processes; leaving the context ends them all, latest first."""

    def __init__(self, log_folder: Path) -> None:
        self._log_folder = log_folder
        self._children: list[Child] = []
        self._kept: list[socket.socket] = []
        self._wakers: dict[int, subprocess.Popen[bytes]] = {}

    def keep(self, held: socket.socket) -> None:
        """Close it once every process has ended."""
        self._kept.append(held)

    def start(self, name: str, command: Sequence[str], environ: Mapping[str, str]) -> Child:
        """Start one process with its output in a log file. Raises StackError."""
        log = self._log_folder / f"{name}.log"
        sink = log.open("ab")
        try:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=sink,
                stderr=subprocess.STDOUT,
                env=dict(environ),
                start_new_session=True,  # Ctrl-C reaches the command, which ends them in order
                preexec_fn=_die_with_parent(os.getpid()),
            )
        except OSError as error:
            sink.close()
            raise StackError(f"{command[0]} cannot be started: {error.strerror}") from error
        child = Child(name, process, log, sink)
        self._children.append(child)
        return child

    def child(self, name: str) -> Child:
        """The latest process of a name. Raises KeyError."""
        for child in reversed(self._children):
            if child.name == name:
                return child
        raise KeyError(name)

    def freeze(self, name: str) -> None:
        """Stop one without its knowledge, until it is thawed or this process ends.

        Raises StackError if it has ended by itself: its number may be another one's by now.
        """
        child = self.child(name)
        child.check()
        pid = child.process.pid
        if pid not in self._wakers:
            self._wakers[pid] = subprocess.Popen(
                ("sh", "-c", _WAKER, "sh", str(pid)),
                stdin=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
            )
        child.process.send_signal(signal.SIGSTOP)

    def thaw(self, name: str) -> None:
        """Let it go on."""
        self.child(name).process.send_signal(signal.SIGCONT)

    def wait_until(self, child: Child, ready: Callable[[], bool], seconds: float) -> None:
        """Wait until a child is ready. Raises StackError if it ends or takes too long."""
        deadline = time.monotonic() + seconds
        while not ready():
            child.check()
            if time.monotonic() > deadline:
                raise StackError(
                    f"{child.name} was not ready within {seconds:g} s; "
                    f"its last words ({child.log}):\n{child.tail()}"
                )
            time.sleep(_ASK_AGAIN_SECONDS)
        child.check()  # else somebody else answered in its place

    def check(self) -> None:
        """Raise StackError if a process has ended by itself."""
        for child in self._children:
            child.check()

    def stop(self) -> None:
        """End every process: asked first, killed if it does not listen."""
        for waker in self._wakers.values():
            waker.communicate()
        self._wakers.clear()
        for child in reversed(self._children):
            if child.alive:
                child.process.terminate()
        deadline = time.monotonic() + _PATIENCE_SECONDS
        for child in reversed(self._children):
            try:
                child.process.wait(max(0.1, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                child.process.kill()
                child.process.wait()
            child.sink.close()
        self._children.clear()
        for held in self._kept:
            held.close()
        self._kept.clear()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()
