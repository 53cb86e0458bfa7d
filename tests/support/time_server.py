"""An NTP server on loopback that is as far off as a test wants it to be."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

_EPOCH = 2_208_988_800


def _field(moment: float) -> bytes:
    seconds = int(moment)
    return struct.pack("!II", seconds + _EPOCH, int((moment - seconds) * 2**32))


@contextmanager
def time_server(ahead_seconds: float = 0.0, stratum: int = 2) -> Iterator[str]:
    """``host:port`` of one whose clock is ahead of this machine's."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 0))
    closing = threading.Event()

    def serve() -> None:
        while True:
            asked, who = server.recvfrom(512)
            if closing.is_set():
                return
            now = _field(time.time() + ahead_seconds)
            head = bytes([0b00_100_100, stratum, 6, 0xEC]) + bytes(12)
            server.sendto(head + bytes(8) + asked[40:48] + now + now, who)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.getsockname()[1]}"
    finally:
        closing.set()
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"", server.getsockname())
        thread.join(10)
        server.close()
