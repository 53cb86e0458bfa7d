"""Puts on record what a command does to the audit store itself, as any other writer would.

It takes the writers' turn, so it may run beside the receivers.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

from risk_policy import Policy
from risk_policy.contracts.audit import COMMAND
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.errors import ReceiversError
from risk_receivers.store.writer import Transaction, Writer

#: Beyond any turn of a writer that lives.
_PATIENCE_SECONDS: Final = 15.0


class NotRecordedError(Exception):
    """What was to be done is not on record, so it must not be done."""


def record(
    database: Place, policy: Policy, event: AuditEvent, *, schema: Sequence[str] = ()
) -> int:
    """Its seq, once it is durable. Raises NotRecordedError.

    With the ``schema`` of this version, what an older one wrote is brought up to it.
    """
    writer = Writer(
        database,
        origin=COMMAND,
        retention=policy.alerting.audit.retention,
        schema=schema,
        batch=1,
        queue_depth=1,
    )

    def append(transaction: Transaction) -> int:
        return transaction.append(event)

    try:
        writer.start()
        try:
            return writer.run(append, _PATIENCE_SECONDS)
        finally:
            writer.stop(_PATIENCE_SECONDS)
    except ReceiversError as error:
        raise NotRecordedError(str(error)) from error


def is_a_store(database: Place) -> bool:
    """Whether writers have written there: a copy has no lock file beside it."""
    path = path_of(database)
    return isinstance(database, Server) or path.with_name(f"{path.name}.lock").exists()


def can_be_written(database: Place) -> bool:
    """Whether this process may put anything on record there, as far as files tell."""
    path = path_of(database)
    return isinstance(database, Server) or (
        os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)
    )
