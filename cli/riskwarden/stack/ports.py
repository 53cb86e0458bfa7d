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

from risk_policy.model.base import split_endpoint
from risk_policy.model.stack import Endpoints

Keep = Callable[[socket.socket], object]


def reserved_endpoints(wanted: Endpoints, keep: Keep) -> Endpoints:
    """The wanted endpoints, with a free port in place of each that is taken.

    ``keep`` is given what holds each port for the stack; closing it gives the port back.
    """
    chosen: dict[str, str] = {}
    for name, endpoint in wanted.model_dump().items():
        host, port = split_endpoint(endpoint)
        held = _reserve(host, port)
        while held is None:
            port = _any_port(host)
            held = _reserve(host, port)
        keep(held)
        chosen[name] = f"{host}:{port}"
    return Endpoints(**chosen)


def _reserve(host: str, port: int) -> socket.socket | None:
    name = socket.socket(socket.AF_UNIX)
    try:
        name.bind(f"\0riskwarden {host}:{port}")
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
    except OSError:
        name.close()
        return None
    return name


def _any_port(host: str) -> int:
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])
