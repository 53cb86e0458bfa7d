"""Ports of one stack, kept for it for as long as it runs.

A port that is free now may be gone a moment later: two stacks that start together would choose the
same ones, and one whose Prometheus is being restarted would find another's in its place, which
answers, and knows nothing of it. So a stack takes a name for each of its ports first. The kernel
gives each name (a Unix socket of the abstract kind) to one process only, and takes it back when
that process ends, however it ends.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from dataclasses import dataclass

from risk_policy.model.base import split_endpoint
from risk_policy.model.stack import Endpoints
from riskwarden.stack.layout import StackError

Keep = Callable[[socket.socket], object]


def reserved_endpoints(wanted: Endpoints, keep: Keep) -> Endpoints:
    """The wanted endpoints, with a free port in place of each that is taken.

    ``keep`` is given what holds each port for the stack; closing it gives the port back. Raises
    StackError for an address that is not this machine's: there no port would ever be free.
    """
    chosen: dict[str, str] = {}
    for name, endpoint in wanted.model_dump().items():
        host, port = split_endpoint(endpoint)
        here = _Address.of(name, host)
        held = here.reserve(port)
        while held is None:
            port = here.any_port()
            held = here.reserve(port)
        keep(held)
        chosen[name] = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    return Endpoints(**chosen)


@dataclass(frozen=True, slots=True)
class _Address:
    """An address of this machine, of either family."""

    host: str
    family: int
    text: str

    @classmethod
    def of(cls, part: str, host: str) -> _Address:
        try:
            family, *_, address = socket.getaddrinfo(host, 0, type=socket.SOCK_STREAM)[0]
            found = cls(host, family, str(address[0]))
            found.any_port()
        except (OSError, UnicodeError) as error:  # a name may be none that can be asked for
            reason = error.strerror if isinstance(error, OSError) else error
            raise StackError(
                f"alerting.endpoints.{part}: nothing can listen on {host} here ({reason}); the "
                "local stack runs every part on this machine, so write an address of it, "
                "e.g. 127.0.0.1"
            ) from error
        return found

    def reserve(self, port: int) -> socket.socket | None:
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0riskwarden {self.host}:{port}")
            with socket.socket(self.family) as probe:
                probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                probe.bind((self.text, port))
        except OSError:
            name.close()
            return None
        return name

    def any_port(self) -> int:
        with socket.socket(self.family) as probe:
            probe.bind((self.text, 0))
            return int(probe.getsockname()[1])
