"""That somebody ran the go-live checklist, on record: ``POST /api/v1/golive``.

The record holds how each line ended and the digest of the report, so that an auditor who is handed
a report can see that it is the one of that evening. What the lines say is the word of who ran it.
"""

from __future__ import annotations

import logging
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.golive import MOST_LINES, GoLiveResult, Outcome
from risk_policy.contracts.operator import OperatorName
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, recorded
from risk_receivers.invalid import problems_of
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer

_Name = Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9-]{0,49}$")]
_Digest = Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")]
_log = logging.getLogger(__name__)


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid")

    name: _Name
    outcome: Outcome
    because: Annotated[str, StringConstraints(max_length=500)] = ""


class GoLiveCheck(BaseModel):
    """How the checklist ended; ``because`` says why a line was skipped, or who vouches for it."""

    model_config = ConfigDict(extra="forbid")

    result: GoLiveResult
    environment: Literal["paper", "testnet", "live"]
    actor: OperatorName
    lines: Annotated[tuple[_Line, ...], Field(min_length=1, max_length=MOST_LINES)]
    policy_digest: _Digest
    report_sha256: _Digest | Literal[""] = ""


class GoLiveDoor(WholeDoor):
    """``POST /api/v1/golive``."""

    def __init__(self, writer: Writer, deadline_seconds: float) -> None:
        self._writer = writer
        self._deadline_seconds = deadline_seconds

    async def take(self, body: Body) -> Reply:
        """Record it."""
        try:
            said = GoLiveCheck.model_validate_json(body.data)
        except ValidationError as error:
            return problem(400, problems_of(error))
        if said.result is not GoLiveResult.of(one.outcome for one in said.lines):
            return problem(400, "result: is not what the lines amount to")
        event = _event(said, body)
        try:
            work = self._writer.submit(lambda transaction: transaction.append(event))
            seq = await recorded(work, self._deadline_seconds)
        except (TimeoutError, StoreError) as error:
            _log.error("a go-live check is not on record: %s", error)
            return problem(503, "the store cannot record this now; try again", 1)
        return Reply(200, {"audit_seq": seq})


def _event(said: GoLiveCheck, body: Body) -> AuditEvent:
    counted = {
        outcome: sum(one.outcome is outcome for one in said.lines)
        for outcome in Outcome
        if any(one.outcome is outcome for one in said.lines)
    }
    counts = ", ".join(f"{count} {outcome.value}" for outcome, count in counted.items())
    is_ready = said.result is GoLiveResult.READY
    return AuditEvent(
        EventType.GO_LIVE_CHECKED,
        f"go-live checklist ({said.environment}): {said.result.value}; {counts}",
        severity=Severity.INFO if is_ready else Severity.WARNING,
        category=Category.SYSTEM,
        details={
            "result": said.result.value,
            "environment": said.environment,
            "lines": [one.model_dump(mode="json") for one in said.lines],
            "policy_digest": said.policy_digest,
            "report_sha256": said.report_sha256,
            "address": body.address,
            "token": body.by_name,
        },
        actor_type=ActorType.USER,
        actor_id=body.actor(said.actor),
    )
