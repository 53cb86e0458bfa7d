"""``POST /api/v1/system/kill-switch``: the kill switch for people at a screen, in two steps.

The first says what exactly would happen, and to which positions; the second does it, with the
code of the first, the mode typed as a word, and the authenticator's code where the policy asks for
codes. Whoever cannot wait for any of it has ``POST /api/v1/kill``.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from datetime import datetime
from typing import Annotated, Final

from pydantic import StringConstraints, ValidationError

from risk_policy.contracts.scope import Scope
from risk_policy.model.stack import KillSwitch
from risk_receivers.access import Refused
from risk_receivers.body import Body
from risk_receivers.doors.door import Reply, WholeDoor, problem
from risk_receivers.doors.kill import KillDoor, KillRequest
from risk_receivers.invalid import problems_of
from risk_receivers.kill.clearing import Codes, LooseningRefusedError, Request, What
from risk_receivers.kill.preview import holdings, steps
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.prometheus import PrometheusApi, PrometheusError
from risk_receivers.shapes.system import Holding, TripPreview

PATH: Final = "/api/v1/system/kill-switch"
_WRONG_TOTP: Final = (
    "this takes a code of the authenticator (totp), and this one is missing, wrong or too old. "
    "Whoever cannot wait: riskwarden kill"
)
#: How long somebody who stops waits to hear what it would do.
_LOOK_SECONDS: Final = 1.5
#: Threads that may wait for Prometheus here at a time: large bodies of the feeds are read by others
#: of them.
_MOST_LOOKING: Final = 2
_log = logging.getLogger(__name__)


class TripRequest(KillRequest):
    """The first step, or with its confirmation the second."""

    confirmation: Annotated[str, StringConstraints(max_length=200)] = ""
    word: Annotated[str, StringConstraints(strip_whitespace=True, max_length=20)] = ""
    totp: Annotated[str, StringConstraints(max_length=20)] = ""


class TripDoor(WholeDoor):
    """Tells what would happen, or lets it happen. For one thread."""

    def __init__(
        self,
        kill: KillDoor,
        codes: Codes,
        second_factor: SecondFactor,
        prometheus: PrometheusApi,
        refused: Refused,
        *,
        terms: KillSwitch,
        stale_seconds: float,
        clock: Callable[[], datetime],
    ) -> None:
        """``refused`` is told from where a second step came in vain, and why; what an account
        reported longer ago than ``stale_seconds`` may not be so any more.
        """
        self._kill = kill
        self._codes = codes
        self._second_factor = second_factor
        self._prometheus = prometheus
        self._refused = refused
        self._terms = terms
        self._stale_seconds = stale_seconds
        self._clock = clock
        self._looking = 0

    async def take(self, body: Body) -> Reply:
        """Take a step."""
        try:
            wanted = TripRequest.model_validate_json(body.data)
        except ValidationError as error:
            return problem(400, problems_of(error))
        about = f"{wanted.mode.value} of {wanted.scope}"
        request = Request(What.TRIP, about, body.actor(wanted.actor), wanted.reason)
        if not wanted.confirmation:
            return Reply(200, {**await self._preview(wanted, request, body)})
        if why := self._refusal(wanted, request, body):
            self._refused(body.address, PATH, f"a kill that was not confirmed: {why}", body.by)
            return problem(409, f"{why}; nothing was tripped by this request")
        self._codes.use(wanted.confirmation)
        return await self._kill.trip(wanted, body)

    def _refusal(self, wanted: TripRequest, request: Request, body: Body) -> str:
        """Why a second step is none; empty if it is one."""
        try:
            self._codes.check(wanted.confirmation, request, None, body.by_name)
        except LooseningRefusedError as error:
            return str(error)
        if wanted.word.upper() != _word(wanted):
            self._codes.fail(wanted.confirmation)
            return f"word must be the mode, {_word(wanted)}"
        if not self._second_factor.is_shown(body.by, wanted.totp, self._clock()):
            self._codes.fail(wanted.confirmation)
            return _WRONG_TOTP
        return ""

    async def _preview(self, wanted: TripRequest, request: Request, body: Body) -> TripPreview:
        positions, unknown = await self._look(Scope.parse(wanted.scope))
        return {
            "confirmation": self._codes.give(request, None, body.by_name),
            "expires_in_seconds": self._terms.confirm_within_seconds,
            "needs_totp": self._second_factor.needed_of(body.by),
            "word": _word(wanted),
            "mode": wanted.mode.value,
            "scope": wanted.scope,
            "steps": steps(wanted.mode, self._terms.graceful_timeout_minutes),
            "positions": positions,
            "unknown": unknown or None,
        }

    async def _look(self, scope: Scope) -> tuple[list[Holding] | None, str]:
        if self._looking >= _MOST_LOOKING:
            return None, "others wait for Prometheus already"
        self._looking += 1
        looked = asyncio.get_running_loop().run_in_executor(
            None, holdings, self._prometheus, scope, self._clock().timestamp(), self._stale_seconds
        )
        looked.add_done_callback(self._has_looked)
        await asyncio.wait((looked,), timeout=_LOOK_SECONDS)
        if not looked.done():
            return None, f"Prometheus does not answer within {_LOOK_SECONDS:g} s"
        try:
            return looked.result()
        except PrometheusError as error:
            return None, str(error)
        except Exception:  # noqa: BLE001 - nothing that is told may keep anybody from stopping
            _log.exception("what a kill would cover cannot be told")
            return None, "a mistake in the service; see its log"

    def _has_looked(self, looked: asyncio.Future[tuple[list[Holding] | None, str]]) -> None:
        self._looking -= 1
        looked.exception()  # or nobody asks for it, after waiting in vain


def _word(wanted: TripRequest) -> str:
    return wanted.mode.value.upper()
