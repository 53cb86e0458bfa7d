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
from datetime import UTC, datetime
from enum import StrEnum
from typing import Final

from risk_policy.contracts.gate import LONGEST_DETAIL_BYTES, GateDetail, encode_detail
from risk_policy.contracts.restriction import Restriction, RestrictionKind, Until
from risk_policy.contracts.scope import EVERYTHING, SCOPE_LABELS, Scope
from risk_policy.vocabulary import Severity
from risk_receivers.incidents.lifecycle import State

#: More are published as what covers each account of theirs: readers take no file of any size.
MOST: Final = 1000
#: Who cannot read all of gate.json trades nothing. The other half is for the kills.
MOST_BYTES: Final = LONGEST_DETAIL_BYTES // 2
_LONGEST_CAUSE: Final = 200
_NEVER: Final = datetime.min.replace(tzinfo=UTC)


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
    """What the gate publishes, within :data:`MOST` and :data:`MOST_BYTES`: wider, never less."""
    found = list(held)
    each = tuple(one.restriction for one in found)
    if _fits(each):
        return each
    accounts: dict[tuple[RestrictionKind, str], list[Held]] = {}
    kinds: dict[RestrictionKind, list[Held]] = {}
    for one in found:
        accounts.setdefault((one.kind, one.scope.account), []).append(one)
        kinds.setdefault(one.kind, []).append(one)
    covering = tuple(
        alike[0].restriction if len(alike) == 1 else _together(Scope(account=account), alike)
        for (_, account), alike in accounts.items()
    )
    if _fits(covering):
        return covering
    return tuple(_together(EVERYTHING, alike) for alike in kinds.values())


def _fits(restrictions: tuple[Restriction, ...]) -> bool:
    """Whether every reader takes them, the kills beside them."""
    if len(restrictions) > MOST:
        return False
    detail = GateDetail(
        version=0, halted=False, restrictions=restrictions, policy_digest="", written_at=_NEVER
    )
    return len(encode_detail(detail)) <= MOST_BYTES


def _together(scope: Scope, alike: list[Held]) -> Restriction:
    first = min(alike, key=lambda one: one.since)
    ratios = [one.size_ratio for one in alike if one.size_ratio is not None]
    more = f" and {len(alike) - 1} more" if len(alike) > 1 else ""
    return Restriction(
        kind=first.kind,
        id=first.id,
        scope=scope,
        size_ratio=min(ratios, default=None),
        cause=first.cause[:_LONGEST_CAUSE] + more,
        level=max(alike, key=lambda one: one.level.rank).level.value,
        since=first.since,
        until=Until.RESUMED if any(one.latches for one in alike) else Until.ALERT_ENDS,
    )
