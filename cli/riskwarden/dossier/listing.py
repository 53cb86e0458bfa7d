"""Every incident that the audit chain tells of. Pure: rows in, one line an incident out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from risk_policy.contracts import alert as labels
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Severity
from risk_receivers.audit.header import Header
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.record import StoredRow, check_record

_PREFIXES: Final = tuple(
    f'{{"event_type":"{kind}'.encode() for kind in ("ALERT_", EventType.KILL_SWITCH_ACTIVATED)
)
#: What of an alert changes what its incident is.
_STATES: Final = {
    EventType.ALERT_CREATED: "open",
    EventType.ALERT_CONTINUED: "open",
    EventType.ALERT_RESOLVED: "resolved",
    EventType.ALERT_EXPIRED: "expired",
}


@dataclass(frozen=True, slots=True)
class Known:
    """An incident in a line.

    Attributes:
        severity: the worst that it counted as.
        state: open, resolved or expired, as far as is on record.
        acknowledged: whether anybody ever took it on.
        killed: whether it tripped the kill switch.
    """

    id: str
    alertname: str
    account: str
    severity: Severity
    began_at: datetime
    state: str = "open"
    ended_at: datetime | None = None
    acknowledged: bool = False
    killed: bool = False


def incidents(rows: Iterable[StoredRow]) -> list[Known]:
    """All incidents, the latest first. A record that cannot be read tells of none."""
    found: dict[str, Known] = {}
    for row in rows:
        if not isinstance(row.header, bytes) or not row.header.startswith(_PREFIXES):
            continue
        checked = check_record(row)
        if checked.header is not None and checked.payload is not None:
            _take(found, checked.header, checked.payload)
    return sorted(found.values(), key=lambda one: one.began_at, reverse=True)


def _take(found: dict[str, Known], header: Header, payload: Payload) -> None:
    incident, event = payload.alert_id, header.event_type
    if incident is None:
        return
    known = found.get(incident)
    if known is None:
        if event is not EventType.ALERT_CREATED:
            return  # retention has taken its beginning
        told = payload.details.get("labels")
        said = told if isinstance(told, dict) else {}
        known = Known(
            id=incident,
            alertname=str(said.get(labels.ALERTNAME, "")),
            account=str(said.get("account", "")),
            severity=payload.severity or Severity.INFO,
            began_at=header.recorded_at,
        )
    state = _STATES.get(event) if isinstance(event, EventType) else None
    if state is not None:
        ended_at = None if state == "open" else header.recorded_at
        known = replace(known, state=state, ended_at=ended_at)
    if payload.severity is not None and payload.severity.rank > known.severity.rank:
        known = replace(known, severity=payload.severity)
    found[incident] = replace(
        known,
        acknowledged=known.acknowledged or event is EventType.ALERT_ACKNOWLEDGED,
        killed=known.killed or event is EventType.KILL_SWITCH_ACTIVATED,
    )
