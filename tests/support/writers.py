"""Writers as tests need them: on a store of their own, with room for whatever comes."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial

from risk_policy.clock import utc_now
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Transaction, Writer


def started(
    place: Place,
    *,
    retention: AuditRetention | None = None,
    schema: Sequence[str] = SCHEMA,
    batch: int = 100,
    clock: Callable[[], datetime] = utc_now,
) -> Writer:
    """One that runs; whoever asked for it stops it."""
    writer = Writer(
        place,
        origin="test",
        retention=retention or AuditRetention(),
        schema=schema,
        batch=batch,
        queue_depth=1000,
        clock=clock,
    )
    writer.start()
    return writer


@contextmanager
def writing(place: Place, *, schema: Sequence[str] = SCHEMA) -> Iterator[Writer]:
    """One that runs inside."""
    writer = started(place, schema=schema)
    try:
        yield writer
    finally:
        writer.stop()


def append(writer: Writer, event: AuditEvent) -> int:
    """Records an event; its number."""
    return writer.run(partial(Transaction.append, event=event), timeout=30)
