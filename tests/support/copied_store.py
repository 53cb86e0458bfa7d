"""What the tests of `riskwarden audit backup` and `restore` do again and again."""

from __future__ import annotations

from functools import partial

from typer.testing import CliRunner, Result

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit import query
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer
from riskwarden.app import application


def audit(command: str, *arguments: object) -> Result:
    """The command, as somebody gives it."""
    given = ["audit", command, *map(str, arguments)]
    return CliRunner().invoke(application(given), given)


def told(store: Place) -> query.StoredEvent:
    """The last record."""
    return query.events(store, query.head(store).size - 1)[0]


def lengthen(store: Place, count: int) -> None:
    """Some more records."""
    writer = Writer(store, origin="test", retention=AuditRetention(), batch=50, queue_depth=50)
    writer.start()
    for number in range(count):
        event = AuditEvent(EventType.ALERT_CREATED, f"later {number}")
        writer.run(partial(Transaction.append, event=event), timeout=30)
    writer.stop()
