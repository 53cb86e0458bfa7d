"""Which records somebody asks for: by number, time, type, severity, category, whom and what. Pure.

What a filter has to read of a payload that retention has deleted is not known, so such a record
is not chosen by it: :meth:`Selection.needs_payload` says whether that can be.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from risk_policy.contracts.audit import GROUPS, EventType
from risk_policy.contracts.scope import Scope
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.header import Header
from risk_receivers.audit.payload import Payload
from risk_receivers.audit.query import StoredEvent

_ACCOUNT: Final = "account"
_ACCOUNTS: Final = "waiting_for_accounts"


class UnknownTypeError(AuditError):
    """No event type has that name or begins with it."""


@dataclass(frozen=True, slots=True)
class Selection:
    """Every filter that is given must fit; of several values of one filter, any.

    Attributes:
        since: the earliest time, itself included; ``until`` is the first that is too late.
        first: the lowest seq; ``last`` is the highest.
        types: of :func:`types_named`.
        alerts: an incident's id, a risk_id, or an alert's name.
        actors: who acted by name, or what kind of actor.
        text: what stands in a message or in any value of the details, whatever its case.
    """

    since: datetime | None = None
    until: datetime | None = None
    first: int | None = None
    last: int | None = None
    types: frozenset[str] = frozenset()
    severities: frozenset[str] = frozenset()
    categories: frozenset[str] = frozenset()
    accounts: frozenset[str] = frozenset()
    actors: frozenset[str] = frozenset()
    alerts: frozenset[str] = frozenset()
    text: str = ""
    _folded: str = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_folded", self.text.casefold())

    @property
    def needs_payload(self) -> bool:
        """Whether more than headers has to be read."""
        return bool(
            self.severities
            or self.categories
            or self.accounts
            or self.actors
            or self.alerts
            or self.text
        )

    def wants_header(self, header: Header | StoredEvent) -> bool:
        """Whether a record is chosen, as far as its header tells."""
        return (
            (self.first is None or header.seq >= self.first)
            and (self.last is None or header.seq <= self.last)
            and self.wants_time(header.recorded_at)
            and (not self.types or str(header.event_type) in self.types)
        )

    def wants_time(self, recorded_at: datetime) -> bool:
        """Whether a time lies in what is asked for."""
        return (self.since is None or recorded_at >= self.since) and (
            self.until is None or recorded_at < self.until
        )

    def wants_payload(self, payload: Payload | None) -> bool:
        """Whether a record is chosen, as far as its payload tells."""
        if not self.needs_payload:
            return True
        return (
            payload is not None
            and _among(self.severities, (payload.severity,))
            and _among(self.categories, (payload.category,))
            and _among(self.accounts, accounts_of(payload.details))
            and _among(self.actors, (payload.actor_id, payload.actor_type))
            and _among(self.alerts, _alerts_of(payload))
            and (not self.text or any(self._folded in t.casefold() for t in _texts(payload)))
        )


def types_named(name: str) -> frozenset[str]:
    """The event types that a name stands for: itself, or those that begin with its words.

    ``kill_switch`` stands for every ``KILL_SWITCH_…``, ``kill_switch_deactivated`` for what clears
    or disarms it. Raises UnknownTypeError.
    """
    word = name.strip().upper().replace("-", "_").removesuffix("*").removesuffix("_")
    if word in EventType.__members__:
        return frozenset({word})
    if group := GROUPS.get(word):
        return frozenset(kind.value for kind in group)
    found = frozenset(kind.value for kind in EventType if kind.value.startswith(f"{word}_"))
    if not found or not word:
        groups = sorted({kind.value.partition("_")[0].lower() for kind in EventType})
        raise UnknownTypeError(
            f"there is no event type {name!r}; name one, such as ALERT_CREATED, or the words that "
            f"several begin with: {', '.join(groups)}"
        )
    return found


def accounts_of(details: Mapping[str, JsonValue]) -> frozenset[str]:
    """The accounts that an event's details name."""
    found: set[str] = set()
    for held in (details, details.get("labels")):
        if isinstance(held, Mapping) and isinstance(account := held.get(_ACCOUNT), str):
            found.add(account)
    if isinstance(scope := details.get("scope"), str):
        with contextlib.suppress(ValueError):  # no scope of ours names no account either
            found.add(Scope.parse(scope).account)
    if isinstance(waited_for := details.get(_ACCOUNTS), list | tuple):
        found.update(one for one in waited_for if isinstance(one, str))
    return frozenset(found - {""})


def _alerts_of(payload: Payload) -> Iterator[str | None]:
    identity = payload.alert_id
    yield identity
    if identity is not None:  # risk_id:tier:episode
        yield identity.rsplit(":", 2)[0]
        yield identity.rsplit(":", 1)[0]
    labels = payload.details.get("labels")
    for held in (payload.details, labels):
        if isinstance(held, Mapping):
            for name in ("alertname", "risk_id", "cause"):
                if isinstance(value := held.get(name), str):
                    yield value


def _texts(payload: Payload) -> Iterator[str]:
    yield payload.message
    yield payload.action_taken
    yield payload.action_reason
    for text in (payload.id, payload.alert_id, payload.trade_id, payload.position_id):
        if text is not None:
            yield text
    if payload.actor_id is not None:
        yield payload.actor_id
    yield from _values(payload.details)


def _values(value: JsonValue) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from _values(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _values(item)
    elif value is not None and not isinstance(value, bool):
        yield str(value)


def _among(wanted: frozenset[str], found: Iterable[str | None]) -> bool:
    if not wanted:
        return True
    folded = {one.casefold() for one in wanted}
    return any(one is not None and one.casefold() in folded for one in found)
