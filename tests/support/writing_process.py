"""A process that writes to a store: prints a seq once its future has resolved.

It keeps several works in flight. To be run as a program: ``PLACE ORIGIN HOW_MANY``, the place as an
expression.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place, Segmented, Server
from risk_receivers.store.transaction import Transaction
from risk_receivers.store.writer import Writer

IN_FLIGHT = 20


def appending(subject: str) -> Callable[[Transaction], int]:
    event = AuditEvent(EventType.ALERT_CREATED, subject)
    return lambda transaction: transaction.append(event)


def write(place: Place, origin: str, wanted: int) -> None:
    """That many events, one work each."""
    writer = Writer(place, origin=origin, retention=AuditRetention(), batch=8, queue_depth=100)
    writer.start()
    flying: deque[Future[int]] = deque()
    for number in range(wanted):
        flying.append(writer.submit(appending(f"{origin} {number}")))
        if len(flying) >= IN_FLIGHT:
            print(flying.popleft().result(30), flush=True)
    for future in flying:
        print(future.result(30), flush=True)
    writer.stop()


if __name__ == "__main__":
    names = {"Path": Path, "Segmented": Segmented, "Server": Server}
    write(eval(sys.argv[1], names), sys.argv[2], int(sys.argv[3]))  # noqa: S307 - of the tests
