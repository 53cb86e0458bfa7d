"""An order to write a report, and the answer: what passes between the service and its writer."""

from __future__ import annotations

from datetime import datetime

import msgspec

from risk_policy import Policy
from risk_policy.model.reports import Objectives
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.terms import Terms


class Order(msgspec.Struct, frozen=True):
    """What to write of what, and where to.

    Attributes:
        folder: where the files go; ``name`` is theirs without the ending.
        forms: how the report is written, the first of them if no more.
    """

    kind: str
    database: str
    start: datetime
    end: datetime
    zone: str
    made_at: datetime
    prometheus: str
    scrape_seconds: float
    policy_digest: str
    objectives: dict[str, float]
    folder: str
    name: str
    forms: tuple[str, ...]

    @classmethod
    def of(
        cls,
        policy: Policy,
        *,
        kind: str,
        database: str,
        period: Period,
        made_at: datetime,
        folder: str,
        name: str,
    ) -> Order:
        """An order by the policy."""
        alerting = policy.alerting
        return cls(
            kind=kind,
            database=database,
            start=period.start,
            end=period.end,
            zone=period.zone,
            made_at=made_at,
            prometheus=f"http://{alerting.endpoints.prometheus}",
            scrape_seconds=alerting.prometheus.scrape_interval_seconds,
            policy_digest=policy.digest,
            objectives=alerting.reports.objectives.model_dump(),
            folder=folder,
            name=name,
            forms=alerting.reports.formats,
        )

    @property
    def period(self) -> Period:
        """What it is about."""
        return Period(self.start, self.end, self.zone)

    @property
    def terms(self) -> Terms:
        """What the policy says of it."""
        return Terms(self.policy_digest, self.scrape_seconds, Objectives(**self.objectives))


class File(msgspec.Struct, frozen=True):
    """A file that was written."""

    name: str
    size: int
    sha256: str


class Answer(msgspec.Struct, frozen=True):
    """What came of it.

    Attributes:
        lines: the report in short, its first line before everything else.
        problems: what was asked for and could not be written, and why.
        head: where the audit chain ended that was read.
    """

    title: str
    lines: tuple[str, ...]
    files: tuple[File, ...]
    problems: tuple[str, ...]
    head: str
    is_trustworthy: bool
