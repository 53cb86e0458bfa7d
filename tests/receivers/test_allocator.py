"""What many threads hold and let go of is one heap's, not each one's."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import ctypes, sys, threading
from risk_receivers.allocator import use_few_heaps

if sys.argv[1] == "few":
    use_few_heaps()
libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_void_p
everybody, done = threading.Barrier(9), threading.Event()

def hold() -> None:
    libc.malloc(1000)
    everybody.wait()
    done.wait()

threads = [threading.Thread(target=hold) for _ in range(8)]
for thread in threads:
    thread.start()
everybody.wait()
libc.malloc_info(0, ctypes.c_void_p.in_dll(libc, "stdout"))
libc.fflush(None)
done.set()
"""


def heaps(how: str) -> int:
    shown = subprocess.run(
        [sys.executable, "-c", _PROGRAM, how], capture_output=True, text=True, check=True
    )
    return shown.stdout.count("<heap nr=")


def test_threads_share_a_heap() -> None:
    assert heaps("many") > 2, "glibc would give them several"
    assert heaps("few") <= 2
