"""What the audit chain tells of restrictions, beside the table that the gate is fed from.

The chain cannot be changed without a trace, the table can: a row that vanishes from it would resume
trading without anybody. So the chain has the last word at every start: what it tells was imposed,
and does not tell was lifted or resumed, is held, and no less of it than it tells. What the table
holds beyond that stays held.

A record whose payload is gone tells nothing. One that lifts something, nobody knows what, is taken
to have lifted what is missing from the table and older: nothing is held for ever on a guess.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_policy.contracts.restriction import RestrictionKind
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import Severity
from risk_receivers.audit import tables
from risk_receivers.audit.errors import NotCanonicalError
from risk_receivers.audit.payload import Payload, parse_payload
from risk_receivers.audit.record import readable
from risk_receivers.database.connection import Connection
from risk_receivers.restrictions import table
from risk_receivers.restrictions.held import Held, Standing
from risk_receivers.schema import from_text
from risk_receivers.store.transaction import Transaction

#: Canonical JSON sorts its keys, so every such header begins like this.
_PREFIX: Final = b'{"event_type":"RESTRICTION_'
_BEGINS: Final = (EventType.RESTRICTION_IMPOSED, EventType.RESTRICTION_LATCHED)
_ENDS: Final = (EventType.RESTRICTION_LIFTED, EventType.RESTRICTION_RESUMED)


def restore(transaction: Transaction) -> tuple[tuple[Held, str], ...]:
    """Hold again what the chain tells is held and the table does not say; and what was wrong."""
    connection = transaction.connection
    restored = []
    for told, scope in _told(connection).values():
        held = table.by_id(connection, told.id)
        if held is None:
            whole, problem = told, f"{told.id} was removed from the table of restrictions"
        else:
            is_its = str(held.scope) == scope
            whole = _no_less(held, replace(told, scope=held.scope) if is_its else told)
            problem = f"{told.id} was changed in the table of restrictions"
        if whole != held:
            table.write(connection, whole)
            restored.append((whole, problem))
    return tuple(restored)


def _no_less(held: Held, told: Held) -> Held:
    ratio = told.size_ratio
    if held.size_ratio is not None and ratio is not None:
        ratio = min(held.size_ratio, ratio)
    return replace(
        held,
        kind=told.kind,
        scope=told.scope,
        size_ratio=ratio,
        latches=held.latches or told.latches,
    )


def _told(connection: Connection) -> dict[str, tuple[Held, str]]:
    """What is held by the chain, the oldest first, each with its scope as it is written."""
    found: dict[str, tuple[Held, str]] = {}
    for event_type, payload in _records(connection):
        if event_type in _BEGINS:
            if payload is not None and (held := _held(event_type, payload)):
                found[held.id] = held, str(payload.details.get("scope"))
        elif event_type in _ENDS:
            if payload is None:
                found = {}
            else:
                found.pop(str(payload.details.get("restriction")), None)
    return found


def _records(connection: Connection) -> Iterator[tuple[str, Payload | None]]:
    for _, header, payload in readable(tables.rows_beginning(connection, _PREFIX)):
        event_type = str(header.event_type)
        try:
            yield event_type, None if payload is None else parse_payload(payload)
        except NotCanonicalError:
            yield event_type, None


def _held(event_type: str, payload: Payload) -> Held | None:
    """What a record tells; None if it does not tell all of it."""
    details = payload.details
    try:
        scope = Scope.parse(str(details.get("scope")))
    except ValueError:  # a label that holds a comma: rather wider
        scope = EVERYTHING
    ratio = details.get("size_ratio")
    latched = event_type == EventType.RESTRICTION_LATCHED
    try:
        return Held(
            id=str(details["restriction"]),
            risk_id=str(details["risk_id"]),
            tier=str(details["tier"]),
            kind=RestrictionKind(str(details["kind"])),
            scope=scope,
            size_ratio=None if ratio is None else float(str(ratio)),
            cause=str(details["cause"]),
            level=payload.severity or Severity.EMERGENCY,
            since=from_text(str(details["since"])),
            incident=payload.alert_id or "",
            latches=bool(details["latches"]),
            # Whether its alert fires, the alert feed says: it is repeated, or stays away.
            standing=Standing.LATCHED if latched else Standing.DOUBTFUL,
        )
    except (KeyError, ValueError):
        return None
