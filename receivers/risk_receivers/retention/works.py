"""What retention and holds write, each inside one transaction of the writer.

Each looks again at what the chain tells at that very moment: holds may have been placed, and
retention applied by another process, since whoever asked has looked.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category
from risk_receivers.audit import retention_records, tables
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.header import timestamp
from risk_receivers.audit.holds import HoldFilter, Ranges
from risk_receivers.audit.retained import Applied, Retained
from risk_receivers.database.connection import Connection
from risk_receivers.retention.errors import ChangedMeanwhileError, HoldError
from risk_receivers.retention.plan import Plan, covered
from risk_receivers.store.transaction import Transaction

_CHANGED: Final = "a hold was placed or released, or retention applied, in between; look again"


@dataclass(frozen=True, slots=True)
class Doer:
    """Who asked for it; nobody if it is due by itself."""

    name: str = ""

    @property
    def type(self) -> ActorType:
        """As it stands on record."""
        return ActorType.USER if self.name else ActorType.SYSTEM


def announce(transaction: Transaction, *, plan: Plan, doer: Doer, vouched: str = "") -> Applied:
    """Put on record what will be deleted. Nothing is, before this is durable.

    Raises ChangedMeanwhileError.
    """
    known = retention_records.read(transaction.connection, plan.retained)
    same = plan.retained
    if (known.holds, len(known.applied)) != (same.holds, len(same.applied)):
        raise ChangedMeanwhileError(_CHANGED)
    if transaction.now < plan.due_before:
        raise ChangedMeanwhileError("the clock was set back meanwhile; look again")
    told = ", ".join(f"{tally.count:,} {kind}" for kind, tally in sorted(plan.by_type.items()))
    transaction.append(
        AuditEvent(
            EventType.RETENTION_APPLIED,
            f"{plan.count:,} payloads that were due are deleted: {told}",
            category=Category.SYSTEM,
            details={
                "ranges": [
                    {
                        "type": stretch.event_type,
                        "first": stretch.first,
                        "last": stretch.last,
                        "count": stretch.count,
                    }
                    for stretch in plan.stretches
                ],
                "count": plan.count,
                "due_before": timestamp(plan.due_before),
                "stays": dict(sorted(plan.stays.items())),
                "holds": [*sorted(known.holds)],
                **({"clock_vouched_for_by": vouched} if vouched else {}),
            },
            action_taken="payloads and salts deleted, headers kept",
            action_reason="their time, which their headers state, is over",
            actor_type=doer.type,
            actor_id=doer.name or None,
        )
    )
    return retention_records.read(transaction.connection, known).applied[-1]


def delete(
    transaction: Transaction, *, seqs: Sequence[int], applied: Applied, known: Retained
) -> int:
    """Delete payloads that a retention named; how many. Raises ChangedMeanwhileError."""
    now_known = retention_records.read(transaction.connection, known)
    if now_known.latest is None or now_known.latest.seq != applied.seq:
        raise ChangedMeanwhileError(_CHANGED)
    return tables.delete_payloads(transaction.connection, seqs)


def place(
    transaction: Transaction,
    *,
    name: str,
    reason: str,
    covers: HoldFilter,
    doer: Doer,
    known: Retained,
    still_there: int | None,
) -> int:
    """Put a hold on record.

    ``still_there`` is the first payload that was found to be there although the latest retention
    of ``known`` named it. What it has not come to stays from now on. Raises HoldError or
    ChangedMeanwhileError.
    """
    now_known = retention_records.read(transaction.connection, known)
    if name in now_known.holds:
        raise HoldError(f"there is a legal hold {name} already; release it first, or take a name")
    last = now_known.latest
    if (last and last.seq) != (known.latest and known.latest.seq):
        raise ChangedMeanwhileError(_CHANGED)
    if last and still_there is not None:
        still_there = first_still_there(transaction.connection, last, still_there)
    unfinished = (
        {"unfinished": {"retention": last.seq, "next": still_there}}
        if last and still_there is not None
        else {}
    )
    return transaction.append(
        AuditEvent(
            EventType.LEGAL_HOLD_PLACED,
            f"legal hold {name}: nothing is deleted of {covers}",
            category=Category.SYSTEM,
            details={
                "name": name,
                "filter": covers.as_details(),
                **unfinished,
            },
            action_taken="held",
            action_reason=reason,
            actor_type=doer.type,
            actor_id=doer.name or None,
        )
    )


def extend(
    transaction: Transaction, *, name: str, looked_at: int, found: Ranges, known: Retained
) -> Retained:
    """Put on record which of more records fall under a hold. Raises ChangedMeanwhileError."""
    now_known = retention_records.read(transaction.connection, known)
    if now_known.holds.get(name) != known.holds[name]:
        raise ChangedMeanwhileError(_CHANGED)
    count = sum(last - first + 1 for first, last in found)
    transaction.append(
        AuditEvent(
            EventType.LEGAL_HOLD_EXTENDED,
            f"legal hold {name} covers {count:,} of the records up to {looked_at:,} that were not "
            "looked at before",
            category=Category.SYSTEM,
            details={
                "name": name,
                "looked_at": looked_at,
                "found": [{"first": first, "last": last} for first, last in found],
            },
            action_taken="held",
        )
    )
    return retention_records.read(transaction.connection, now_known)


def release(
    transaction: Transaction, *, name: str, reason: str, doer: Doer, known: Retained
) -> int:
    """Put on record that a hold is over. Raises HoldError."""
    holds = retention_records.read(transaction.connection, known).holds
    if (hold := holds.get(name)) is None:
        names = ", ".join(sorted(holds)) or "none"
        raise HoldError(f"there is no legal hold {name}; in force: {names}")
    return transaction.append(
        AuditEvent(
            EventType.LEGAL_HOLD_RELEASED,
            f"legal hold {name} released: what it covers goes as it is due",
            category=Category.SYSTEM,
            details={"name": name, "placed": hold.seq, "filter": hold.filter.as_details()},
            action_taken="released",
            action_reason=reason,
            actor_type=doer.type,
            actor_id=doer.name or None,
        )
    )


def first_still_there(connection: Connection, applied: Applied, begin: int) -> int | None:
    """The first payload from a record on that a retention named and that is still there."""
    return next((seqs[0] for seqs in still_there(connection, applied, begin) if seqs), None)


def still_there(connection: Connection, applied: Applied, begin: int = 1) -> Iterator[list[int]]:
    """The records from one on that a retention named and whose payloads are there, in order."""
    for first, last in applied.stretches:
        yield from covered(connection, applied.allows, max(first, begin) - 1, last)
