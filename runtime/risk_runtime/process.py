"""A runtime of ours as a process: it ends by a signal, and in one line if it cannot start."""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Callable

from risk_exporter import ExporterError
from risk_policy import PolicyError
from risk_runtime.errors import RiskRuntimeError


def run(name: str, serve: Callable[[threading.Event], None]) -> int:
    """Serve until SIGINT or SIGTERM; the exit status: 0, or 2 if a part cannot start."""
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(stop)
    except (RiskRuntimeError, ExporterError, PolicyError, OSError) as error:
        print(f"{name}: {error}", file=sys.stderr)
        return 2
    return 0
