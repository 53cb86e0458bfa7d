"""That a drill began, and how it ended, on record: ``POST /api/v1/drills``.

Whoever reads the chain later has to see which of its alerts and kills were rehearsed.
"""

from __future__ import annotations

import logging
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints, ValidationError

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.operator import OperatorName
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, recorded
from risk_receivers.invalid import problems_of
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer

_Text = Annotated[str, StringConstraints(max_length=1000)]
_MOST_CRITERIA: Final = 100
_log = logging.getLogger(__name__)


class _Criterion(BaseModel):
    model_config = ConfigDict(extra="forbid")

    what: _Text
    met: StrictBool
    evidence: _Text


class DrillEvent(BaseModel):
    """That a drill began, or how it ended."""

    model_config = ConfigDict(extra="forbid")

    phase: Literal["started", "ended"]
    id: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    scenario: Annotated[str, StringConstraints(min_length=1, max_length=100)]
    environment: Literal["paper", "testnet", "live"]
    actor: OperatorName
    result: Literal["PASS", "FAIL", ""] = ""
    criteria: Annotated[tuple[_Criterion, ...], Field(max_length=_MOST_CRITERIA)] = ()


class DrillDoor(WholeDoor):
    """``POST /api/v1/drills``."""

    def __init__(self, writer: Writer, deadline_seconds: float) -> None:
        self._writer = writer
        self._deadline_seconds = deadline_seconds

    async def take(self, body: Body) -> Reply:
        """Record it."""
        try:
            said = DrillEvent.model_validate_json(body.data)
        except ValidationError as error:
            return problem(400, problems_of(error))
        event = _event(said, body)
        try:
            work = self._writer.submit(lambda transaction: transaction.append(event))
            seq = await recorded(work, self._deadline_seconds)
        except (TimeoutError, StoreError) as error:
            _log.error("a drill is not on record: %s", error)
            return problem(503, "the store cannot record this now; try again", 1)
        return Reply(200, {"audit_seq": seq})


def _event(said: DrillEvent, body: Body) -> AuditEvent:
    ended = said.phase == "ended"
    failed = ended and said.result != "PASS"
    return AuditEvent(
        EventType.DRILL_ENDED if ended else EventType.DRILL_STARTED,
        f"drill {said.id} ({said.scenario}, {said.environment}) "
        + (f"ended: {said.result or 'FAIL'}" if ended else "began"),
        severity=Severity.WARNING if failed else Severity.INFO,
        category=Category.SYSTEM,
        details={
            "drill_id": said.id,
            "scenario": said.scenario,
            "environment": said.environment,
            "result": said.result,
            "criteria": [one.model_dump() for one in said.criteria],
            "address": body.address,
            "token": body.by_name,
        },
        actor_type=ActorType.USER,
        actor_id=body.actor(said.actor),
    )
