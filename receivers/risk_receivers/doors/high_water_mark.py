"""``POST /api/v1/high-water-mark``: both steps of resetting an account's mark.

Each is on record before its answer. That of the second is what the exporter has to be told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import ConfigDict, StringConstraints, ValidationError

from risk_policy.contracts import high_water_mark as contract
from risk_policy.contracts.operator import OperatorName, Reason
from risk_policy.model.stack import KillSwitch
from risk_policy.vocabulary import Permission
from risk_receivers.access import Access, Refused
from risk_receivers.auth import NO_TOKEN
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, recorded
from risk_receivers.invalid import problems_of
from risk_receivers.kill.clearing import Change
from risk_receivers.kill.loosening import Step
from risk_receivers.kill.mark_reset import MarkResets, Outcome, request_of
from risk_receivers.kill.second_factor import SecondFactor, person_of
from risk_receivers.recorder import Recorder
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction

_MALFORMED: Final = "a request about a high-water mark that cannot be read"
_log = logging.getLogger(__name__)


class MarkRequest(contract.MarkChange):
    """The first step, or with its confirmation the second."""

    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: Reason
    confirmation: Annotated[str, StringConstraints(max_length=200)] = ""
    totp: Annotated[str, StringConstraints(max_length=20)] = ""

    @property
    def change(self) -> contract.MarkChange:
        return contract.MarkChange(**self.model_dump(include=set(contract.MarkChange.model_fields)))


class HighWaterMarkDoor(WholeDoor):
    """Gives a code, or records what was confirmed with one."""

    def __init__(
        self,
        resets: MarkResets,
        recorder: Recorder,
        refused: Refused,
        deadline_seconds: float,
        *,
        terms: KillSwitch,
        second_factor: SecondFactor,
        access: Access,
    ) -> None:
        """``refused`` is told from where what cannot be read came, to which door, and why."""
        self._resets = resets
        self._recorder = recorder
        self._refused = refused
        self._deadline_seconds = deadline_seconds
        self._terms = terms
        self._second_factor = second_factor
        self._access = access

    async def take(self, body: Body) -> Reply:
        """Take a step."""
        try:
            wanted = MarkRequest.model_validate_json(body.data)
        except ValidationError as error:
            self._refused(body.address, contract.PATH, _MALFORMED, body.by)
            return problem(400, problems_of(error))
        change = wanted.change
        request = request_of(change, body.actor(wanted.actor), wanted.reason)
        step = Step(
            *(request, wanted.confirmation, body.address, body.by_name, wanted.totp),
            person_of(body.by),
        )
        if body.by is None:
            return problem(401, NO_TOKEN)
        need = Permission.CONFIRM if step.code else Permission.LOOSEN
        if not self._access.has(body.by, need):
            refusal = self._access.refuse(body.by, body.address, contract.PATH, need)
            return problem(refusal.code, refusal.error)
        take = self._resets.confirm if step.code else self._resets.ask

        def work(transaction: Transaction) -> Outcome:
            return take(transaction, step, change, unrecorded=self._recorder.unrecorded)

        return await self._done(work, body)

    async def _done(self, work: Callable[[Transaction], Outcome], body: Body) -> Reply:
        outcomes: list[Outcome] = []

        def keep(transaction: Transaction) -> Change:
            outcome = work(transaction)
            outcomes.append(outcome)
            return Change(refusal=outcome.refusal, messages=outcome.messages)

        try:
            change = await recorded(self._recorder.change(keep), self._deadline_seconds)
        except TimeoutError:
            error = "the store is too slow; it may go on record yet: take the same step again"
            return problem(503, error)
        except StoreError as failure:
            _log.error("a reset of a high-water mark is not recorded: %s", failure)
            return problem(503, "the store cannot record it now, so nothing was changed")
        if change.refusal:
            return problem(409, change.refusal)
        outcome = outcomes[-1]
        if outcome.reset is not None:
            return Reply(200, {"reset": outcome.reset.model_dump()})
        return Reply(
            200,
            {
                "confirmation": outcome.code,
                "expires_in_seconds": self._terms.confirm_within_seconds,
                "needs_second_person": self._terms.needs_second_person,
                "needs_totp": self._second_factor.needed_of(body.by),
            },
        )
