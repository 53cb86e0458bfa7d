"""Have the kernel keep a piece of work from writing, where it can: Linux's Landlock.

What reads has no business writing, and a library underneath may open for writing what it only reads
(SQLite opens a write-ahead log so). Landlock takes the right to write, create, remove, rename and
truncate files from one thread, for good; the work is done in a thread of its own. Nobody has to be
root for it. A kernel without it lets the work go on unsealed, which is told.
"""

from __future__ import annotations

import ctypes
import os
import platform
import threading
from collections.abc import Callable
from typing import Final, Generic, TypeVar

T = TypeVar("T")

# From linux/landlock.h; the numbers of the calls are the same on every architecture but alpha.
_CREATE_RULESET: Final = 444
_RESTRICT_SELF: Final = 446
_VERSION: Final = 1
_PR_SET_NO_NEW_PRIVS: Final = 38
_WRITE_FILE: Final = 1 << 1
_REMOVE_AND_MAKE: Final = sum(1 << bit for bit in range(4, 13))
_REFER: Final = 1 << 13  # since version 2
_TRUNCATE: Final = 1 << 14  # since version 3


class _Work(threading.Thread, Generic[T]):
    """Does something in a thread that can write nothing."""

    def __init__(self, work: Callable[[bool], T]) -> None:
        super().__init__(name="sealed")
        self._work = work
        self._done: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._done.append(self._work(_seal()))
        except BaseException as error:  # noqa: BLE001 - raised again where it was asked for
            self._error = error

    def result(self) -> T:
        self.join()
        if self._error is not None:
            raise self._error
        return self._done[0]


def sealed(work: Callable[[bool], T]) -> T:
    """Do something that writes nothing; it is told whether the kernel sees to that."""
    thread = _Work(work)
    thread.start()
    return thread.result()


def _seal() -> bool:
    """Take the right to write from this thread; whether that could be done."""
    if platform.system() != "Linux" or platform.machine() == "alpha":
        return False
    try:
        call = ctypes.CDLL(None, use_errno=True)
        version = call.syscall(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
        if version < 1:
            return False
        handled = _WRITE_FILE | _REMOVE_AND_MAKE
        handled |= _REFER if version >= 2 else 0
        handled |= _TRUNCATE if version >= 3 else 0
        # Without a rule that allows any of it, all of it is denied.
        attribute = ctypes.c_uint64(handled)
        size = ctypes.c_size_t(ctypes.sizeof(attribute))
        ruleset = call.syscall(_CREATE_RULESET, ctypes.byref(attribute), size, 0)
        if ruleset < 0:
            return False
        try:
            unprivileged = call.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            return bool(unprivileged and call.syscall(_RESTRICT_SELF, ruleset, 0) == 0)
        finally:
            os.close(ruleset)
    except (OSError, AttributeError):  # no such library, or no such call in it
        return False
