"""When the gate closed for a kill: a measurement, kept beside the trip that is on record."""

from __future__ import annotations

import logging
from datetime import datetime
from typing import Final

from risk_receivers.kill.switch import KillSwitch
from risk_receivers.schema import to_text
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

#: Name of the stored fact, before the kill's id.
GATE_CLOSED_AT: Final = "gate_closed_at:"
_log = logging.getLogger(__name__)


def keep_closing_time(writer: Writer, state: KillSwitch, closed_at: datetime | None) -> None:
    """Best effort, and only the first time for each kill."""
    if closed_at is None:
        return
    name, value = GATE_CLOSED_AT + state.kill_id, to_text(closed_at)

    def keep(transaction: Transaction) -> None:
        transaction.connection.execute(
            "INSERT INTO fact (name, value) VALUES (?, ?) ON CONFLICT DO NOTHING", (name, value)
        )

    try:
        writer.submit(keep)
    except StoreError as error:
        _log.warning("when the gate closed could not be kept: %s", error)
