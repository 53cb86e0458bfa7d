"""What is written down of a drill: enough to do it again, and to see whether it went well."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import AwareDatetime, BaseModel, ConfigDict

from risk_policy.clock import utc_now


class Result(StrEnum):
    """How a drill ended."""

    PASS = "PASS"  # noqa: S105 - the word of drill logs
    FAIL = "FAIL"


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Step(_Part):
    """Something that was done, with what shows it; ``command`` is what does it again by hand."""

    at: AwareDatetime
    what: str
    command: str = ""


class Observation(_Part):
    """Something that was seen."""

    at: AwareDatetime
    what: str


class Criterion(_Part):
    """What had to be so, whether it was, and what shows it."""

    what: str
    met: bool
    evidence: str


class FollowUp(_Part):
    """What somebody has to do now."""

    what: str
    owner: str


class Drill(_Part):
    """One drill.

    Attributes:
        id: number within its log, and what names it in the audit chain.
        environment: paper, testnet or live.
        data: folder of the stack it ran against; empty if it needed none.
    """

    id: str
    scenario: str
    title: str
    operator: str
    environment: str
    policy_digest: str
    data: str = ""
    started_at: AwareDatetime
    ended_at: AwareDatetime
    preconditions: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    observations: tuple[Observation, ...] = ()
    criteria: tuple[Criterion, ...] = ()
    follow_ups: tuple[FollowUp, ...] = ()
    trouble: str = ""

    @property
    def result(self) -> Result:
        """FAIL unless everything that had to be so was seen to be so."""
        passed = bool(self.criteria) and all(one.met for one in self.criteria) and not self.trouble
        return Result.PASS if passed else Result.FAIL

    @property
    def seconds(self) -> float:
        """How long it took."""
        return (self.ended_at - self.started_at).total_seconds()


class Notes:
    """Taken while a drill runs."""

    def __init__(self) -> None:
        self.started_at: datetime = utc_now()
        self.preconditions: list[str] = []
        self.steps: list[Step] = []
        self.observations: list[Observation] = []
        self.criteria: list[Criterion] = []
        self.follow_ups: list[FollowUp] = []

    def given(self, what: str) -> None:
        """Something that held before."""
        self.preconditions.append(what)

    def did(self, what: str, command: str = "") -> None:
        """Something that was done."""
        self.steps.append(Step(at=utc_now(), what=what, command=command))

    def saw(self, what: str) -> None:
        """Something that was seen."""
        self.observations.append(Observation(at=utc_now(), what=what))

    def expect(self, what: str, *, met: bool, evidence: str) -> None:
        """Something that has to be so."""
        self.criteria.append(Criterion(what=what, met=met, evidence=evidence))
        if not met:
            self.follow_ups.append(FollowUp(what=f"find out why not: {what}", owner="operator"))

    def later(self, what: str, owner: str) -> None:
        """Something that is left to do."""
        self.follow_ups.append(FollowUp(what=what, owner=owner))
