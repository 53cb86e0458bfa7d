"""How long incidents had waited for an answer when the first acknowledgement of them came."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from risk_policy.catalogue import metrics as m
from risk_receivers.acks import table
from risk_receivers.acks.plan import Planned
from risk_receivers.acks.state import Change
from risk_receivers.incidents.table import latest
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

#: What an incident counts as, and for how many seconds nobody had answered.
Waited = tuple[str, float]


def measured(
    writer: Writer,
    telemetry: Telemetry,
    planned: Sequence[Planned],
    work: Callable[[Transaction], int],
    patience_seconds: float,
) -> int:
    """Run a work that puts silences on record, and measure what its commit answered first.

    Raises what the writer does.
    """
    waited: list[Waited] = []

    def both(transaction: Transaction) -> int:
        waited[:] = first_answers(transaction, planned)
        return work(transaction)

    result = writer.run(both, patience_seconds)
    for severity, seconds in waited:
        telemetry.measure(m.ACK_DELAY, severity, seconds=seconds)
    return result


def first_answers(transaction: Transaction, planned: Iterable[Planned]) -> list[Waited]:
    """Of every open incident that is acknowledged by these, and was by nothing on record before."""
    found: list[Waited] = []
    for one in planned:
        if one.change is not Change.ACKNOWLEDGED:
            continue
        muting = one.after
        for tier in muting.tiers:
            incident = latest(transaction.connection, muting.risk_id, tier)
            if incident is None or not incident.state.is_open:
                continue
            if table.answered_since(
                transaction.connection, muting.risk_id, tier, incident.starts_at, but=muting.id
            ):
                continue
            waited = (transaction.now - incident.starts_at).total_seconds()
            found.append((incident.severity.value, max(waited, 0.0)))
    return found
