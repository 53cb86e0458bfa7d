"""What happened, put together from what the chain tells record by record. Values only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime

from risk_policy.vocabulary import Category, Severity
from risk_receivers.periodic.period import Period


@dataclass(frozen=True, slots=True)
class Escalation:
    """An alert that came to count as worse."""

    at: datetime
    severity: Severity
    why: str


@dataclass(slots=True)
class Alert:
    """One incident: an alert from its first firing on.

    Attributes:
        starts_at: when the breach began, as the rules saw it; ``at`` is when it was on record.
        asks_gate: whether it asks for something at the gate: the kill switch, or less.
        held_at: when that was done, or found to be done already; None if it never was.
        handed_on_at: when Alertmanager wanted people to be told of it; None if it never did.
        told_at: when the first channel that reaches people had confirmed a message about it.
        acked_at: when somebody took it on for the first time; ``acks_in_force`` are those of which
            nobody has told that they ended.
        failed: messages about it that were given up and that no other channel took over.
    """

    id: str
    name: str
    risk_id: str
    tier: str
    account: str
    category: Category | None
    severity: Severity
    at: datetime
    starts_at: datetime
    value: str = ""
    threshold: str = ""
    summary: str = ""
    escalations: list[Escalation] = field(default_factory=list)
    acked_at: datetime | None = None
    acked_by: str = ""
    acks_in_force: set[str] = field(default_factory=set)
    asks_gate: bool = False
    held_at: datetime | None = None
    handed_on_at: datetime | None = None
    told_at: datetime | None = None
    told_by: str = ""
    failed: int = 0
    ended_at: datetime | None = None
    ended: str = ""

    @property
    def worst(self) -> Severity:
        """The worst that it ever counted as."""
        return max((self.severity, *(e.severity for e in self.escalations)), key=lambda s: s.rank)

    @property
    def is_breach(self) -> bool:
        """Whether a threshold was crossed that it names; most others have none."""
        return bool(self.tier and self.threshold)

    def is_open_at(self, at: datetime) -> bool:
        """Whether it had begun and was not over."""
        return self.at < at and (self.ended_at is None or self.ended_at >= at)

    def is_open_in(self, period: Period) -> bool:
        """Whether it was, at any time of a period."""
        return self.at < period.end and (self.ended_at is None or self.ended_at >= period.start)


@dataclass(frozen=True, slots=True)
class Ack:
    """Somebody took an alert on."""

    at: datetime
    by: str
    comment: str
    risk_id: str
    seconds: float | None
    severity: Severity | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """An order that was refused."""

    at: datetime
    account: str
    order: str
    reason: str
    limit: str


@dataclass(slots=True)
class Kill:
    """One kill, from its trip to its clearing.

    Attributes:
        starts_at: when the breach began that tripped it; None if a person did, or none is told.
        accounts: whom the alert was about that tripped it, and who has closed or cancelled since.
        flat: when each account confirmed that it held nothing.
    """

    id: str
    at: datetime
    scope: str
    mode: str
    cause: str
    by: str
    reason: str
    starts_at: datetime | None = None
    tightened: list[datetime] = field(default_factory=list)
    closed: int = 0
    cancelled: int = 0
    accounts: set[str] = field(default_factory=set)
    flat: dict[str, datetime] = field(default_factory=dict)
    cleared_at: datetime | None = None
    cleared_by: str = ""
    cleared_because: str = ""


@dataclass(slots=True)
class Restriction:
    """What an alert held at the gate.

    Attributes:
        breach: whose alert that was: its risk_id and tier.
    """

    id: str
    at: datetime
    kind: str
    scope: str
    cause: str
    breach: tuple[str, str]
    starts_at: datetime | None
    latched: bool = False
    lifted_at: datetime | None = None
    lifted: str = ""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one message through one channel.

    Attributes:
        reason: why it was given up; empty if it was delivered.
        taken_over_by: which channel told people instead.
    """

    at: datetime
    channel: str
    subject: str
    kind: str
    reason: str = ""
    taken_over_by: str = ""

    @property
    def is_delivered(self) -> bool:
        """Whether somebody has it."""
        return not self.reason


@dataclass(slots=True)
class Outage:
    """Time in which a feed was silent."""

    feed: str
    began: datetime
    ended: datetime | None = None

    def seconds_in(self, period: Period) -> float:
        """How much of it lies within a period."""
        end = min(self.ended or period.end, period.end)
        return max((end - max(self.began, period.start)).total_seconds(), 0.0)


@dataclass(frozen=True, slots=True)
class Drill:
    """A rehearsal that was finished."""

    at: datetime
    scenario: str
    environment: str
    result: str


@dataclass(frozen=True, slots=True)
class Note:
    """Something that happened and is told in the record's own words."""

    seq: int
    type: str
    at: datetime
    text: str
    by: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """Everything, as far as it can matter for the time that was asked about.

    Attributes:
        types: how often each type of event happened, by time: (when, type), oldest first.
        gone: the same for those whose payload is gone.
        unrecorded: from the last record before each start of the service until then: for some of
            that time, nobody knows how much, it did not run.
        first: when the oldest record was made, and ``last`` the latest; None in an empty chain.
    """

    alerts: Sequence[Alert]
    acks: Sequence[Ack]
    blocked: Sequence[Blocked]
    kills: Sequence[Kill]
    restrictions: Sequence[Restriction]
    deliveries: Sequence[Delivery]
    outages: Sequence[Outage]
    drills: Sequence[Drill]
    notes: Sequence[Note]
    types: Sequence[tuple[datetime, str]]
    gone: Sequence[tuple[datetime, str]]
    unrecorded: Sequence[tuple[datetime, datetime]]
    first: datetime | None
    last: datetime | None

    def counts(self, period: Period) -> Counter[str]:
        """How often each type of event happened."""
        return Counter(kind for at, kind in self.types if at in period)

    def gone_in(self, period: Period) -> Counter[str]:
        """Of how many, by type, nothing but that is left."""
        return Counter(kind for at, kind in self.gone if at in period)

    def alerts_in(self, period: Period) -> list[Alert]:
        """Those that began to fire."""
        return [one for one in self.alerts if one.at in period]
