"""An order to write a report, and the answer: what passes between the service and its writer."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import msgspec

from risk_policy import Policy
from risk_policy.model.reports import Objectives
from risk_policy.vocabulary import Severity
from risk_receivers.database.place import Place, Server, path_of
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.terms import Terms


class Order(msgspec.Struct, frozen=True):
    """What to write of what, and where to.

    Attributes:
        database: where the store is kept, and ``dsn``, which may hold a password, if a server keeps
            it. Readers find segment files by themselves.
        signing_key: beside which the signer keeps what it has signed last.
        folder: where the files go; ``name`` is theirs without the ending.
        forms: how the report is written, the first of them if no more.
    """

    kind: str
    database: str
    dsn: str
    signing_key: str
    start: datetime
    end: datetime
    zone: str
    made_at: datetime
    prometheus: str
    scrape_seconds: float
    policy_digest: str
    objectives: dict[str, float]
    reaches_people: Severity | None
    folder: str
    name: str
    forms: tuple[str, ...]

    @classmethod
    def of(
        cls,
        policy: Policy,
        *,
        kind: str,
        database: Place,
        signing_key: Path,
        period: Period,
        made_at: datetime,
        folder: str,
        name: str,
    ) -> Order:
        """An order by the policy."""
        alerting, terms = policy.alerting, Terms.of(policy)
        return cls(
            kind=kind,
            database=str(path_of(database)),
            dsn=database.dsn if isinstance(database, Server) else "",
            signing_key=str(signing_key),
            start=period.start,
            end=period.end,
            zone=period.zone,
            made_at=made_at,
            prometheus=f"http://{alerting.endpoints.prometheus}",
            scrape_seconds=terms.scrape_seconds,
            policy_digest=terms.policy_digest,
            objectives=terms.objectives.model_dump(),
            reaches_people=terms.reaches_people,
            folder=folder,
            name=name,
            forms=alerting.reports.formats,
        )

    @property
    def place(self) -> Place:
        """Where the store is kept."""
        path = Path(self.database)
        return Server(self.dsn, path) if self.dsn else path

    @property
    def period(self) -> Period:
        """What it is about."""
        return Period(self.start, self.end, self.zone)

    @property
    def terms(self) -> Terms:
        """What the policy says of it."""
        objectives = Objectives(**self.objectives)
        return Terms(self.policy_digest, self.scrape_seconds, objectives, self.reaches_people)


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
