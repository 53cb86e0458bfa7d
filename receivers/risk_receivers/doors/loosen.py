"""Loosening and arming the kill switch, resuming trading: on record before the answer, always.

What loosens takes two requests (:mod:`..kill.clearing`). Nothing here can keep a trip waiting: both
go through the store one after the other, and a trip that passes the store by goes first.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable
from typing import Annotated, Any, Final, Protocol

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError

from risk_policy.contracts.operator import OperatorName, Reason
from risk_policy.model.stack import KillSwitch
from risk_policy.vocabulary import Permission
from risk_receivers.access import Access, Refused
from risk_receivers.auth import NO_TOKEN
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem, recorded
from risk_receivers.invalid import problems_of
from risk_receivers.kill.clearing import Change, Request, What
from risk_receivers.kill.loosening import Loosening, Step
from risk_receivers.kill.second_factor import SecondFactor, person_of
from risk_receivers.recorder import Recorder
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction

_MALFORMED: Final = "a request about the kill switch that cannot be read"
_LOOK_SECONDS: Final = 0.02
_log = logging.getLogger(__name__)


class SwitchRequest(BaseModel):
    """Who wants something of the kill switch, and why."""

    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: Reason


class LooseningRequest(SwitchRequest):
    """The first step, or with its confirmation the second."""

    kill_id: Annotated[str, StringConstraints(max_length=200)] = ""
    confirmation: Annotated[str, StringConstraints(max_length=200)] = ""
    totp: Annotated[str, StringConstraints(max_length=20)] = ""


class _Door(WholeDoor):
    """What these doors have in common."""

    def __init__(
        self,
        recorder: Recorder,
        refused: Refused,
        deadline_seconds: float,
    ) -> None:
        """``refused`` is told from where what cannot be read came, to which door, and why."""
        self._recorder = recorder
        self._refused = refused
        self._deadline_seconds = deadline_seconds

    def _unreadable(self, body: Body, path: str, error: ValidationError) -> Reply:
        self._refused(body.address, path, _MALFORMED, body.by)
        return problem(400, problems_of(error))

    async def _done(
        self, work: Callable[[Transaction], Change], answer: Callable[[], dict[str, Any]]
    ) -> Reply:
        try:
            change = await recorded(self._recorder.change(work), self._deadline_seconds)
        except TimeoutError:
            error = "the store is too slow; it may take effect yet: look with riskwarden status"
            return problem(503, error)
        except StoreError as failure:
            _log.error("an order about the kill switch is not recorded: %s", failure)
            return problem(503, "the store cannot record it now, so nothing was changed")
        return problem(409, change.refusal) if change.refusal else Reply(200, answer())


class Decides(Protocol):
    """Who decides whether something is loosened, and records that."""

    def ask(
        self, transaction: Transaction, step: Step, *, blind: str, unrecorded: bool
    ) -> tuple[Change, str]:
        """The first step; what became of it, and the code for the second."""

    def confirm(
        self, transaction: Transaction, step: Step, *, blind: str, unrecorded: bool
    ) -> Change:
        """The second step."""


class LoosenDoor(_Door):
    """``POST /api/v1/system/kill-switch/clear``, ``/api/v1/system/kill-switch/disarm`` and
    ``/api/v1/restrictions/{id}/resume``, each first and second step.
    """

    def __init__(
        self,
        what: What,
        decides: Decides,
        recorder: Recorder,
        refused: Refused,
        deadline_seconds: float,
        *,
        blind: Callable[[], str],
        terms: KillSwitch,
        second_factor: SecondFactor,
        access: Access,
    ) -> None:
        """``blind`` says why nobody could tell what fires; empty if that is known."""
        super().__init__(recorder, refused, deadline_seconds)
        self._decides = decides
        self._what = what
        self._blind = blind
        self._terms = terms
        self._second_factor = second_factor
        self._access = access

    async def take(self, body: Body) -> Reply:
        """Give a code, or do what was confirmed with one."""
        try:
            wanted = LooseningRequest.model_validate_json(body.data)
        except ValidationError as error:
            return self._unreadable(body, self._path(body), error)
        request = Request(
            self._what,
            body.subject or wanted.kill_id,
            body.actor(wanted.actor),
            wanted.reason,
        )
        step = Step(
            *(request, wanted.confirmation, body.address, body.by_name, wanted.totp),
            person_of(body.by),
        )
        if refusal := self._may_not(body, step):
            return refusal
        await self._until_recorded()
        if not step.code:
            return await self._ask(step, body)
        return await self._done(
            lambda transaction: self._decides.confirm(
                transaction, step, blind=self._blind(), unrecorded=self._recorder.unrecorded
            ),
            lambda: {"done": self._what.value, "kill_id": request.kill_id},
        )

    def _path(self, body: Body) -> str:
        if self._what is What.RESUME:
            return f"/api/v1/restrictions/{body.subject}/resume"
        return f"/api/v1/system/kill-switch/{self._what.value}"

    def _may_not(self, body: Body, step: Step) -> Reply | None:
        """Each step takes a permission of its own."""
        need = Permission.CONFIRM if step.code else Permission.LOOSEN
        if body.by is None:
            return problem(401, NO_TOKEN)
        if self._access.has(body.by, need):
            return None
        refusal = self._access.refuse(body.by, body.address, self._path(body), need)
        return problem(refusal.code, refusal.error)

    async def _until_recorded(self) -> None:
        """Where the store was slow, a trip is recorded a moment after it has acted."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._deadline_seconds):
                while self._recorder.unrecorded:  # noqa: ASYNC110 - threads set no asyncio.Event
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _ask(self, step: Step, body: Body) -> Reply:
        codes: list[str] = []

        def work(transaction: Transaction) -> Change:
            change, code = self._decides.ask(
                transaction, step, blind=self._blind(), unrecorded=self._recorder.unrecorded
            )
            codes.append(code)
            return change

        return await self._done(
            work,
            lambda: {
                "confirmation": codes[0],
                "expires_in_seconds": self._terms.confirm_within_seconds,
                "needs_second_person": self._terms.needs_second_person,
                "needs_totp": self._second_factor.needed_of(body.by),
                "what": self._what.value,
                "kill_id": step.request.kill_id,
            },
        )


class ArmDoor(_Door):
    """``POST /api/v1/system/kill-switch/arm``: one step, for it loosens nothing."""

    def __init__(
        self,
        loosening: Loosening,
        recorder: Recorder,
        refused: Refused,
        deadline_seconds: float,
    ) -> None:
        super().__init__(recorder, refused, deadline_seconds)
        self._loosening = loosening

    async def take(self, body: Body) -> Reply:
        """Arm."""
        try:
            wanted = SwitchRequest.model_validate_json(body.data)
        except ValidationError as error:
            return self._unreadable(body, "/api/v1/system/kill-switch/arm", error)
        request = Request(What.DISARM, "", body.actor(wanted.actor), wanted.reason)
        step = Step(request, "", body.address, body.by_name)
        return await self._done(
            lambda transaction: self._loosening.arm(transaction, step), lambda: {"done": "arm"}
        )
