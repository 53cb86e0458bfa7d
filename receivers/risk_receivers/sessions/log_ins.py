"""Logging in: by name, password and, of whoever has an authenticator, a code of it.

Whatever is wrong, the answer is the same and takes as long: nobody learns which names there are.
What was wrong stands in the record. Nobody is in before that is on record.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Final, Protocol

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.auth import Identity
from risk_receivers.doors.door import recorded
from risk_receivers.errors import ReceiversError
from risk_receivers.sessions.book import Sessions
from risk_receivers.sessions.lock_out import HAS_TO_WAIT, LockOut
from risk_receivers.sessions.session import Session, new_id
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import LOGIN_FAILED, Telemetry
from risk_receivers.users import table
from risk_receivers.users.authenticators import Authenticators
from risk_receivers.users.book import UserBook
from risk_receivers.users.hasher import BusyError, Hasher
from risk_receivers.users.user import User

PATH: Final = "/api/v1/session"
#: What is answered to whoever is not let in, whatever the reason.
WRONG: Final = (
    "the name, the password or the code is wrong, or the user is disabled; whoever has an "
    "authenticator sends its code (totp), too"
)
#: In which the record is waited for.
_PATIENCE_SECONDS: Final = 10.0
_WRONG_CODE: Final = "the right password, and a wrong code or none"
_log = logging.getLogger(__name__)


class Refused(Protocol):
    """Is told from where somebody failed to log in, why, and as whom if there is such a user."""

    def __call__(
        self, address: str, path: str, why: str, by: Identity | None, kind: EventType
    ) -> None:
        """Note it. Waits for nothing."""


class LogInRefusedError(ReceiversError):
    """Somebody is not let in.

    Attributes:
        code: 401 if something is wrong, 429 for whoever has to wait, 503 if nobody could look.
        retry_after_seconds: when to try again, if that makes a difference.
    """

    def __init__(self, code: int, detail: str, retry_after_seconds: int | None = None) -> None:
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        super().__init__(detail)


class _NotThisTimeError(ReceiversError):
    """Why a log-in with the right password fails all the same; for the record."""


class LogIns:
    """Decides who is let in. One event loop's."""

    def __init__(
        self,
        *,
        users: UserBook,
        authenticators: Authenticators,
        sessions: Sessions,
        hasher: Hasher,
        lock_out: LockOut,
        writer: Writer,
        telemetry: Telemetry,
        refused: Refused,
        entered: Callable[[Identity, str], None],
    ) -> None:
        """``refused`` and ``entered`` are told from where somebody came."""
        self._users = users
        self._authenticators = authenticators
        self._sessions = sessions
        self._hasher = hasher
        self._lock_out = lock_out
        self._writer = writer
        self._telemetry = telemetry
        self._refused = refused
        self._entered = entered

    def is_somebodys(self, address: str) -> bool:
        """Whether anybody has logged in from there before."""
        return self._lock_out.is_somebodys(address)

    async def attempt(
        self, name: str, password: str, code: str, address: str
    ) -> tuple[Session, User, str]:
        """A session, whose it is, and its token. Raises LogInRefusedError."""
        if wait := self._lock_out.wait_seconds(name, address):
            raise self._no(name, address, "locked", HAS_TO_WAIT, wait)
        self._lock_out.begin(name, address)
        user = self._users.find(name)
        try:
            is_stranger = not self._lock_out.is_familiar(name, address)
            verdict = await asyncio.wrap_future(
                self._hasher.verify(
                    user.password if user else None, password, is_stranger=is_stranger
                )
            )
        except BusyError as error:
            self._lock_out.undecided(name, address)
            self._telemetry.count(m.LOGINS, "busy")
            raise LogInRefusedError(503, str(error), 2) from None
        if user is None:
            disabled = self._users.known(name) is not None
            raise self._no(name, address, "failed", "disabled" if disabled else "no such user")
        if not verdict.good:
            raise self._no(name, address, "failed", "a wrong password")
        try:
            return await self._let_in(user, code, address, verdict.rehashed)
        except _NotThisTimeError as error:
            raise self._no(name, address, "failed", str(error)) from None
        except (StoreError, TimeoutError) as error:
            self._lock_out.undecided(name, address)
            _log.error("a log-in of %s is not recorded: %s", name, error)
            raise LogInRefusedError(
                503, "the store cannot record a log-in now; a bearer token works all the same", 5
            ) from None

    async def _let_in(
        self, user: User, code: str, address: str, rehashed: str | None
    ) -> tuple[Session, User, str]:
        number = new_id()
        codes = self._authenticators.of_user(user)
        # Before the store is asked: it would tell by its time, and by a failure of its own, that
        # the password was right.
        if codes is not None and not codes.is_likely(code, utc_now()):
            raise _NotThisTimeError(_WRONG_CODE)

        def work(transaction: Transaction) -> datetime:
            known = table.find(transaction.connection, user.name)
            if known is None or known.changed_at != user.changed_at:
                raise _NotThisTimeError("something about the user was changed meanwhile")
            if codes is not None and not codes.take(transaction, code):
                raise _NotThisTimeError(_WRONG_CODE)
            table.note_login(transaction.connection, user.name, transaction.now, rehashed)
            transaction.append(_began(user, number, address, has_code=codes is not None))
            return transaction.now

        at = await recorded(self._writer.submit(work), _PATIENCE_SECONDS)
        self._users.note_login(user, at, rehashed)
        self._lock_out.succeeded(user.name, address)
        self._telemetry.count(m.LOGINS, "succeeded")
        self._entered(Identity(user.name, user.roles, session=number), address)
        session, token = self._sessions.begin(number, user, address)
        return session, user, token

    def log_out(self, token: bytes, address: str) -> None:
        """Over at once, and soon on record."""
        session = self._sessions.end(token)
        if session is not None:
            self._telemetry.count(m.LOGINS, "logged_out")
            put_ends_on_record(self._writer, [session], session.name, address, "logged out")

    def _no(
        self, name: str, address: str, outcome: str, why: str, wait: int | None = None
    ) -> LogInRefusedError:
        """Note that somebody is not let in, and say so."""
        user = self._users.known(name)
        # A name that is nobody's may be a password in the wrong field: it goes on no record.
        by = None if user is None else Identity(user.name, user.roles)
        self._telemetry.count(*LOGIN_FAILED)
        self._telemetry.count(m.LOGINS, outcome)
        self._refused(address, PATH, why, by, EventType.LOGIN_REFUSED)
        if wait is None:
            return LogInRefusedError(401, WRONG)
        return LogInRefusedError(
            429, f"too many log-ins failed; the next one is looked at in {wait} s", wait
        )


def put_ends_on_record(
    writer: Writer, sessions: Sequence[Session], by: str, address: str, why: str
) -> None:
    """That sessions are over. Waits for nothing: they are over, whatever the store does."""

    def work(transaction: Transaction) -> None:
        for session in sessions:
            transaction.append(_ended(session, by, address, why))

    try:
        writer.submit(work)
    except StoreError as error:
        _log.error("that %s is %s is not on record: %s", by, why, error)


def _began(user: User, number: str, address: str, *, has_code: bool) -> AuditEvent:
    return AuditEvent(
        EventType.SESSION_BEGAN,
        f"{user.name} logged in at {address}",
        severity=Severity.INFO,
        category=Category.SECURITY,
        details={
            "session": number,
            "address": address,
            "roles": [*user.roles],
            "second_factor": has_code,
        },
        action_taken="logged in",
        actor_type=ActorType.USER,
        actor_id=user.name,
    )


def _ended(session: Session, by: str, address: str, why: str) -> AuditEvent:
    return AuditEvent(
        EventType.SESSION_ENDED,
        f"the session of {session.name} is over: {why}",
        severity=Severity.INFO,
        category=Category.SECURITY,
        details={"session": session.id, "name": session.name, "address": address},
        action_taken="logged out",
        action_reason=why,
        actor_type=ActorType.USER,
        actor_id=by,
    )
