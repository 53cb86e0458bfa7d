"""One restriction and what becomes of it. Pure.

It is imposed by an alert of the alert feed alone: what only Alertmanager delivers may be made up by
whoever reaches it, and where Prometheus cannot deliver, the lease ends (see :mod:`..kill.doubt`).
Once imposed it follows its incident, whoever keeps that open:

    FIRING -> (lifted), LATCHED if a person has to resume     the incident was resolved
    FIRING -> DOUBTFUL                                        it expired: nobody knows
    DOUBTFUL -> (lifted), LATCHED                             it stayed away long enough (.patience)
    DOUBTFUL, LATCHED -> FIRING                               it fires again
    LATCHED, DOUBTFUL -> (lifted)                             a person resumed (.resuming)

Invariant: it is in force whenever its alert fires, and whenever nobody could know that.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final

from risk_policy.contracts.restriction import Restriction, RestrictionKind, Until
from risk_policy.contracts.scope import SCOPE_LABELS, Scope
from risk_policy.vocabulary import Severity
from risk_receivers.incidents.lifecycle import State

#: More are published as what covers each account of theirs: readers take no file of any size.
MOST: Final = 1000


class Standing(StrEnum):
    """What holds it in force."""

    FIRING = "FIRING"  # its incident is open
    DOUBTFUL = "DOUBTFUL"  # its incident expired, and it may fire without anybody knowing
    LATCHED = "LATCHED"  # its incident is over, and a person has to resume


@dataclass(frozen=True, slots=True)
class Held:
    """A restriction in force.

    Attributes:
        id: ``r`` and the number of the audit event that tells of it.
        level: the worst severity it was asked for with.
        incident: the latest incident that asked for it.
        latches: whether it outlives its incident until a person resumes.
    """

    id: str
    risk_id: str
    tier: str
    kind: RestrictionKind
    scope: Scope
    size_ratio: float | None
    cause: str
    level: Severity
    since: datetime
    incident: str
    latches: bool
    standing: Standing

    @property
    def restriction(self) -> Restriction:
        """What the gate publishes of it."""
        return Restriction(
            kind=self.kind,
            id=self.id,
            scope=self.scope,
            size_ratio=self.size_ratio,
            cause=self.cause,
            level=self.level.value,
            since=self.since,
            until=Until.RESUMED if self.latches else Until.ALERT_ENDS,
        )

    @property
    def after_its_alert(self) -> Standing | None:
        """What holds it once its alert is over; None if nothing does."""
        return Standing.LATCHED if self.latches else None

    def after(self, state: State) -> Standing | None:
        """What holds it while its incident stands there; None if nothing does any more."""
        if state.is_open:
            return Standing.FIRING
        if state is State.RESOLVED:
            return self.after_its_alert
        return Standing.LATCHED if self.standing is Standing.LATCHED else Standing.DOUBTFUL


@dataclass(frozen=True, slots=True)
class InForce:
    """What the gate has to hold.

    Attributes:
        as_of: the length of the chain that it belongs to: what is newer is longer.
    """

    as_of: int
    restrictions: tuple[Restriction, ...]


def scope_of(labels: dict[str, str]) -> Scope:
    """What an alert is about; everything, if it names nothing that an order could lie within."""
    return Scope(**{name: labels[name] for name in SCOPE_LABELS if labels.get(name)})


def published(held: Iterable[Held]) -> tuple[Restriction, ...]:
    """What the gate publishes, at most :data:`MOST`: wider rather than longer."""
    found = list(held)
    if len(found) <= MOST:
        return tuple(one.restriction for one in found)
    accounts: dict[tuple[RestrictionKind, str], list[Held]] = {}
    for one in found:
        accounts.setdefault((one.kind, one.scope.account), []).append(one)
    if len(accounts) > MOST:
        accounts = {}
        for one in found:
            accounts.setdefault((one.kind, ""), []).append(one)
    return tuple(_together(account, alike) for (_, account), alike in accounts.items())


def _together(account: str, alike: list[Held]) -> Restriction:
    first = min(alike, key=lambda one: one.since)
    if len(alike) == 1:
        return first.restriction
    ratios = [one.size_ratio for one in alike if one.size_ratio is not None]
    return Restriction(
        kind=first.kind,
        id=first.id,
        scope=Scope(account=account),
        size_ratio=min(ratios, default=None),
        cause=f"{first.cause} and {len(alike) - 1} more",
        level=max(alike, key=lambda one: one.level.rank).level.value,
        since=first.since,
        until=Until.RESUMED if any(one.latches for one in alike) else Until.ALERT_ENDS,
    )
