"""``/api/v1/session``: who somebody is, logging in, logging out.

Whoever logs in is a stranger until then: few bodies of theirs are read at a time, and small ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from risk_policy.model.permissions import Permissions
from risk_receivers.access import Access, Refusal
from risk_receivers.auth import Identity
from risk_receivers.body import BodyReader, End, Receive
from risk_receivers.doors.door import Reply, problem
from risk_receivers.invalid import problems_of
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.schema import to_text
from risk_receivers.sessions.credentials import Credentials
from risk_receivers.sessions.lock_out import subscriber
from risk_receivers.sessions.log_ins import PATH, LogInRefusedError, LogIns
from risk_receivers.sessions.session import Session
from risk_receivers.shapes.users import Whoami
from risk_receivers.users.book import UserBook
from risk_receivers.users.passwords import MOST_LENGTH

#: Log-ins that go on at a time, and those of one address: slow senders take nobody else's place,
#: and that of nobody who works here, however many addresses they send from.
_MOST_AT_A_TIME: Final = 64
_MOST_OF_ONE_ADDRESS: Final = 4
#: A name, a password and a code, however they are written.
MOST_BODY_MIB: Final = 8 / 1024
_BODY_SECONDS: Final = 5.0
_SET_UP: Final = (
    "nobody can log in yet: make the first user with riskwarden user add NAME --role admin"
)
_SWITCHED_OFF: Final = "logging in is switched off: alerting.dashboard.auth.enabled = false"


class LogInRequest(BaseModel):
    """Who wants to log in."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)

    name: Annotated[str, Field(max_length=100)]
    password: Annotated[str, Field(max_length=MOST_LENGTH)]
    totp: Annotated[str, Field(max_length=20)] = ""


class SessionDoor:
    """Answers everything on one path, to anybody."""

    methods: Final[Collection[str]] = ("GET", "POST", "DELETE")

    def __init__(
        self,
        *,
        access: Access,
        users: UserBook,
        log_ins: LogIns | None,
        second_factor: SecondFactor,
    ) -> None:
        """Without ``log_ins`` nobody can log in, and tokens alone are good."""
        self._access = access
        self._permissions: Permissions = access.permissions
        self._users = users
        self._log_ins = log_ins
        self._second_factor = second_factor
        self._bodies = BodyReader(max_mib=MOST_BODY_MIB, timeout_seconds=_BODY_SECONDS)
        self._going_on: Counter[str] = Counter()

    async def answer(
        self, method: str, credentials: Credentials, address: str, receive: Receive
    ) -> Reply:
        """Answer a request."""
        if method == "GET":
            return self._who(credentials, address)
        if not credentials.comes_from(self._access.origins):
            return problem(403, "a page of another site sent this; log in at this service's own")
        if method == "DELETE":
            return self._log_out(credentials, address)
        if self._log_ins is None:
            return problem(403, _SWITCHED_OFF)
        sender = subscriber(address)
        if self._going_on[sender] >= _MOST_OF_ONE_ADDRESS or (
            self._going_on.total() >= _MOST_AT_A_TIME and not self._log_ins.is_somebodys(address)
        ):
            return problem(503, "too many log-ins are on their way; try again", 1)
        self._going_on[sender] += 1
        try:
            return await self._log_in(self._log_ins, address, receive)
        finally:
            self._going_on[sender] -= 1
            if not self._going_on[sender]:
                del self._going_on[sender]

    async def _log_in(self, log_ins: LogIns, address: str, receive: Receive) -> Reply:
        body = await self._bodies.read(receive)
        if body.end is not End.COMPLETE:
            return problem(body.code, "a log-in is a few hundred bytes, and sent at once")
        try:
            wanted = LogInRequest.model_validate_json(body.data)
        except ValidationError as error:
            return problem(400, problems_of(error))
        try:
            session, _, token = await log_ins.attempt(
                wanted.name.strip(), wanted.password, wanted.totp, address
            )
        except LogInRefusedError as error:
            return problem(error.code, str(error), error.retry_after_seconds)
        found = self._access.sessions.find(token.encode())
        if found is None:  # they were disabled at this very moment
            return problem(401, "the session ended as it began; log in again")
        cookie = self._access.cookie.given(token, self._access.sessions.most_seconds)
        reply = self._shown(self._access.identity_of(*found), session)
        return Reply(200, {**reply}, headers=(cookie,))

    def _who(self, credentials: Credentials, address: str) -> Reply:
        found = self._access.who(credentials, address, PATH)
        if isinstance(found, Refusal):
            return problem(found.code, found.error)
        return Reply(200, {**self._shown(*found)})

    def _log_out(self, credentials: Credentials, address: str) -> Reply:
        token = self._access.cookie.token_in(credentials.cookie)
        found = self._access.sessions.find(token)
        if found is not None:
            if not self._access.has_csrf_token(credentials, found[0]):
                return problem(403, "send the session's own token as X-CSRF-Token")
            if self._log_ins is not None:
                self._log_ins.log_out(token, address)
        return Reply(200, {**self._shown(None, None)}, headers=(self._access.cookie.taken(),))

    def _shown(self, identity: Identity | None, session: Session | None) -> Whoami:
        """Who somebody is, and what they may; nobody may nothing."""
        may = self._permissions.of(identity.roles) if identity else frozenset()
        user = self._users.known(identity.name) if identity and session else None
        advice = _SET_UP if self._log_ins is not None and self._users.is_empty() else None
        return {
            "authenticated": identity is not None,
            "name": identity.name if identity else None,
            "by": None if identity is None else "session" if session else "token",
            "roles": [*identity.roles] if identity else [],
            "permissions": sorted(permission.value for permission in may),
            "csrf_token": session.csrf_token if session else None,
            "began_at": to_text(session.began_at) if session else None,
            "has_totp": user is not None and user.sealed_totp is not None,
            "needs_totp": identity is not None and self._second_factor.needed_of(identity),
            "can_log_in": self._log_ins is not None and not self._users.is_empty(),
            "advice": _SWITCHED_OFF if self._log_ins is None else advice,
        }
