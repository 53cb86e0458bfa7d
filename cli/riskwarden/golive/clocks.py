"""What time it is elsewhere: asked of an NTP server, of the kernel, and of the other parts."""

from __future__ import annotations

import ctypes
import socket
import struct
import time
from collections.abc import Callable
from functools import partial
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from risk_policy.catalogue import metrics as m
from riskwarden.golive.evidence import Clocks
from riskwarden.golive.finding import NotKnownError
from riskwarden.golive.ground import Ground

#: Seconds from 1900, where NTP begins to count, to 1970.
_EPOCH: Final = 2_208_988_800
_PACKET: Final = 48
_CLIENT: Final = bytes([0b00_100_011]) + bytes(_PACKET - 1)  # version 4, mode 3
_NTP_PORT: Final = 123
_TRIES: Final = 3
_PATIENCE_SECONDS: Final = 2.0
_UNSYNCHRONISED: Final = 0x40
_FAULTY: Final = 5


def clocks(ground: Ground) -> Clocks:
    """Everything that is known of the clocks."""
    server = ground.policy.alerting.golive.time_server
    kept, off = kernel()
    apart = {}
    parts = {"the receivers": _of_receivers, "Prometheus": _of_prometheus}
    for part, ask in parts.items():
        try:
            apart[part] = _ahead(partial(ask, ground))
        except NotKnownError:
            continue
    return Clocks(server, offset(server) if server else None, kept, off, apart)


def _ahead(ask: Callable[[], float]) -> float:
    before = time.time()
    theirs = ask()
    return theirs - (before + time.time()) / 2


def _of_receivers(ground: Ground) -> float:
    text = ground.fetched(f"{ground.receivers_url}/metrics").text
    name = m.RECEIVERS_TIME.name
    lines = [line for line in text.splitlines() if line.startswith(name)]
    for family in text_string_to_metric_families("\n".join(lines) + "\n"):
        for sample in family.samples:
            return float(sample.value)
    raise NotKnownError("the receivers do not say what time it is", "update them")


def _of_prometheus(ground: Ground) -> float:
    found = ground.measured("vector(time())")
    return found[0].value


def offset(server: str) -> float | None:
    """How far this machine's clock is ahead of an NTP server's, in seconds; None: no answer.

    Of a few answers the quickest counts: it is off by half its round trip at most.
    """
    host, port = _split(server)
    found: list[tuple[float, float]] = []
    for _ in range(_TRIES):
        try:
            (family, kind, protocol, _name, address) = socket.getaddrinfo(
                host, port, type=socket.SOCK_DGRAM
            )[0]
            with socket.socket(family, kind, protocol) as asked:
                asked.settimeout(_PATIENCE_SECONDS)
                asked.connect(address)  # then nobody else's answer is taken
                sent = time.time()
                asked.send(_CLIENT)
                answer = asked.recv(512)
                came = time.time()
        except OSError:
            continue
        if (ours := _read(answer, sent, came)) is not None:
            found.append(ours)
    return min(found)[1] if found else None


def _read(answer: bytes, sent: float, came: float) -> tuple[float, float] | None:
    """The round trip and how far we are ahead; None if the server does not know the time."""
    if len(answer) < _PACKET:
        return None
    leap, stratum = answer[0] >> 6, answer[1]
    if leap == 3 or not 0 < stratum < 16:
        return None
    received, answered = _moment(answer[32:40]), _moment(answer[40:48])
    if not received or not answered:
        return None
    trip = (came - sent) - (answered - received)
    return trip, -((received - sent) + (answered - came)) / 2


def _moment(field: bytes) -> float:
    seconds, fraction = struct.unpack("!II", field)
    return seconds - _EPOCH + fraction / 2**32 if seconds else 0.0


def _split(server: str) -> tuple[str, int]:
    host, colon, port = server.rpartition(":")
    if not colon or server.endswith("]"):
        return server.strip("[]"), _NTP_PORT
    return host.strip("[]"), int(port)


def kernel() -> tuple[bool | None, float | None]:
    """Whether the kernel says that somebody keeps the clock, and how far it may be off, seconds.

    Linux's adjtimex with nothing to change: anybody may ask.
    """
    try:
        timex = ctypes.create_string_buffer(512)
        state = ctypes.CDLL(None, use_errno=True).adjtimex(timex)
    except (OSError, AttributeError):
        return None, None
    if state < 0:
        return None, None
    *_, most, _estimated, status = struct.unpack_from("@Illlli", timex)
    return state != _FAULTY and not status & _UNSYNCHRONISED, most / 1e6
