"""An operator's kill. It waits for nothing but the store: not for Flask's threads, and no report.

It is on record and the gate is closed before its 200. If it cannot be recorded the gate is
closed all the same, and the answer says both. A store that hangs holds the gate open for no more
than a moment.
"""

from __future__ import annotations

import logging
from typing import Annotated, Final

import msgspec
from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from risk_policy.contracts.operator import KillScope, OperatorName, Reason
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, recorded_or_acted
from risk_receivers.errors import LooserModeError
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.invalid import problems_of
from risk_receivers.kill.trip import OperatorKill
from risk_receivers.recorder import ACT_AFTER_SECONDS, Received, Recorder, operator_trip
from risk_receivers.store.errors import StoreError

_KEPT_ASIDE: Final = (
    "the store could not record it: it is kept aside and recorded as soon as the store works again"
)
_log = logging.getLogger(__name__)


class KillRequest(BaseModel):
    """Trip the kill switch, or tighten it."""

    model_config = ConfigDict(extra="forbid")

    mode: KillMode
    reason: Reason
    actor: OperatorName
    scope: KillScope = "*"


_Id = Annotated[str, StringConstraints(pattern=r"^[0-9A-Za-z-]{1,80}$")]


class GivenKill(KillRequest):
    """The same, or one that was given elsewhere before: by its ``id`` it goes on record once."""

    id: _Id | None = None
    kill_id: _Id | None = None


def _unexpected(error: Exception) -> bool:
    return not isinstance(error, TimeoutError | StoreError)


class KillDoor(WholeDoor):
    """``POST /api/v1/kill``."""

    def __init__(self, recorder: Recorder, gate: GatePublisher, deadline_seconds: float) -> None:
        self._recorder = recorder
        self._gate = gate
        self._deadline_seconds = deadline_seconds

    async def take(self, body: Body) -> Reply:
        """Trip, or tighten."""
        try:
            wanted = GivenKill.model_validate_json(body.data)
        except ValidationError as error:
            return problem(400, problems_of(error))
        return await self.trip(wanted, body)

    async def trip(self, wanted: KillRequest, body: Body) -> Reply:
        """Do what was understood."""
        received = Received()
        scope = Scope.parse(wanted.scope)
        kill = OperatorKill(
            wanted.mode,
            wanted.reason,
            body.actor(wanted.actor),
            token=body.by_name,
            address=body.address,
            scope=wanted.scope,
        )
        trip = operator_trip(kill, received)
        if is_given := isinstance(wanted, GivenKill) and wanted.id is not None:
            known_as, known = wanted.kill_id or wanted.id, self._recorder.known
            # Another one by the name of one that was cleared would be on record and close nothing.
            if known_as in known.cleared or known.with_id(known_as):
                known_as = trip.kill_id
            trip = msgspec.structs.replace(trip, id=wanted.id, kill_id=known_as)
        is_looser = self._recorder.known.of(scope).would_loosen(wanted.mode)
        try:
            outcome = await recorded_or_acted(
                self._recorder.take_kill(trip, received),
                self._deadline_seconds,
                lambda: self._recorder.act_first([trip], received),
                # What asks for less than is in force is about to be refused.
                act_after_seconds=self._deadline_seconds if is_looser else ACT_AFTER_SECONDS,
            )
        except LooserModeError as error:
            return problem(409, str(error))
        except Exception as error:  # noqa: BLE001 - whatever it is, the recorder closes the gate
            _log.error("a kill is not on record yet: %s", error, exc_info=_unexpected(error))
            said = self._recorder.complaint or _KEPT_ASIDE
            return problem(503, f"the gate is closed; {said}")
        state = None if outcome.kill is None else outcome.kill.of(scope)
        if state is None or state.mode is None:
            assert is_given, "a new one is in force"
            return problem(409, f"the kill {trip.kill_id} is on record already, and was cleared")
        return Reply(
            200,
            {
                "kill_id": state.kill_id,
                "scope": wanted.scope,
                "state": state.phase.value,
                "mode": state.mode.value,
                "already_tripped": state.kill_id != trip.kill_id,
                "gate_version": self._gate.version,
            },
        )
