"""A child process that dies, or is refused a system call, at a chosen moment of its work.

``strace`` does it: at the n-th of a call the process dies as by a power button that leaves the
kernel running, or the call fails with EIO or ENOSPC. Each child is a fork of one process that has
everything imported, so that hundreds of them take seconds.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

#: How a try ends: the process, or the call.
ENDINGS: Final = {"SIGKILL": "signal=SIGKILL", "EIO": "error=EIO", "ENOSPC": "error=ENOSPC"}
_PATIENCE: Final = 30.0
_ANY_TRACER: Final = (0x59616D61, ctypes.c_ulong(-1))  # PR_SET_PTRACER, PR_SET_PTRACER_ANY


class Ended(NamedTuple):
    """What a child told in lines before its end, and how it ended."""

    child: int
    told: list[bytes]
    status: int

    @property
    def was_killed(self) -> bool:
        """Whether that was a signal."""
        return os.WIFSIGNALED(self.status)


def traced(
    log: Path, options: Sequence[str], work: Callable[[Callable[[bytes], None]], int]
) -> Ended:
    """Have a child do a work, which is given how to tell and returns the child's exit code.

    For a process without threads.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        os.close(reading)
        ctypes.CDLL(None).prctl(*_ANY_TRACER)
        os.kill(os.getpid(), signal.SIGSTOP)

        def tell(line: bytes) -> None:
            os.writev(writing, [line + b"\n"])  # by another call than those that are counted

        os._exit(work(tell))
    os.close(writing)
    os.waitpid(child, os.WUNTRACED)
    program = ["strace", "-f", "-q", "-p", str(child), "-o", str(log), *options]
    tracer = subprocess.Popen(program, stderr=subprocess.PIPE)
    _await(child, tracer)
    os.kill(child, signal.SIGCONT)
    with os.fdopen(reading, "rb") as stream:
        told = stream.read().splitlines()
    _, status = os.waitpid(child, 0)
    tracer.wait(_PATIENCE)
    return Ended(child, told, status)


@contextmanager
def answering(program: str) -> Iterator[Callable[[str], str]]:
    """A process of its own to make the children, which answers each line with one."""
    with subprocess.Popen(
        [sys.executable, program], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        tries, outcomes = process.stdin, process.stdout
        assert tries
        assert outcomes

        def ask(line: str) -> str:
            print(line, file=tries, flush=True)
            answer = outcomes.readline()
            assert answer, "the process that makes the tries died; its traceback is above"
            return answer

        yield ask
    assert process.returncode == 0


def _await(child: int, tracer: subprocess.Popen[bytes]) -> None:
    """Returns once the child is traced, or raises RuntimeError."""
    until = time.monotonic() + _PATIENCE
    while "TracerPid:\t0" in Path(f"/proc/{child}/status").read_text():
        if tracer.poll() is not None or time.monotonic() > until:
            os.kill(child, signal.SIGKILL)
            os.kill(child, signal.SIGCONT)
            said = tracer.stderr.read().decode() if tracer.stderr else ""
            raise RuntimeError(f"strace cannot trace: {said}")
        time.sleep(0.001)
