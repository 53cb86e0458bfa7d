"""Somebody who is logged in gives themselves another password.

It takes the old one, so that a session that somebody else got hold of is no way to an account;
wrong ones make wait like those of log-ins, for it is the same that is guessed at. Every session of
theirs is over then but the one that asked, and that one goes on by another token.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.audit import EventType
from risk_receivers.auth import Identity
from risk_receivers.errors import ReceiversError
from risk_receivers.kill.second_factor import WRONG_CODE
from risk_receivers.sessions.book import Sessions
from risk_receivers.sessions.credentials import Cookie
from risk_receivers.sessions.lock_out import HAS_TO_WAIT, LockOut
from risk_receivers.sessions.log_ins import Refused
from risk_receivers.sessions.session import Session
from risk_receivers.telemetry import LOGIN_FAILED, Telemetry
from risk_receivers.tokens.registry import Doing
from risk_receivers.users.book import UserBook
from risk_receivers.users.fresh_code import FreshCode
from risk_receivers.users.hasher import BusyError, Hasher
from risk_receivers.users.passwords import fault_of
from risk_receivers.users.registry import UserRegistry

PATH: Final = "/api/v1/session/password"
_HASHING_SECONDS: Final = 30.0
_NO_SESSION: Final = "this takes a session: whoever comes with a token has no password"


class PasswordStaysError(ReceiversError):
    """Somebody is given no other password.

    Attributes:
        code: of HTTP.
        retry_after_seconds: for how long they have to wait.
        needs_totp: whether it is for want of a code of the authenticator.
    """

    def __init__(
        self,
        code: int,
        detail: str,
        *,
        retry_after_seconds: int | None = None,
        needs_totp: bool = False,
    ) -> None:
        self.code = code
        self.retry_after_seconds = retry_after_seconds
        self.needs_totp = needs_totp
        super().__init__(detail)


@dataclass(frozen=True, slots=True)
class Changed:
    """What is told once.

    Attributes:
        cookie: the header that gives the browser the session's new token.
        ended: how many other sessions are over.
    """

    session: Session
    cookie: tuple[str, str]
    ended: int


@dataclass(frozen=True, slots=True)
class OwnPassword:
    """Changes it."""

    users: UserBook
    registry: UserRegistry
    sessions: Sessions
    hasher: Hasher
    lock_out: LockOut
    fresh_code: FreshCode
    cookie: Cookie
    refused: Refused
    telemetry: Telemetry

    def change(self, by: Identity, address: str, old: str, new: str, code: str) -> Changed:
        """From now on it is another one. Raises PasswordStaysError, BusyError or StoreError."""
        user = self.users.find(by.name) if by.session else None
        if user is None:
            raise PasswordStaysError(409, _NO_SESSION)
        if wait := self.lock_out.wait_seconds(by.name, address):
            self._note(by, address, HAS_TO_WAIT)
            raise PasswordStaysError(
                429,
                f"too many wrong passwords came; the next one is looked at in {wait} s",
                retry_after_seconds=wait,
            )
        self.lock_out.begin(by.name, address)
        try:
            verdict = self.hasher.verify(user.password, old).result(_HASHING_SECONDS)
        except (BusyError, TimeoutError) as error:
            self.lock_out.undecided(by.name, address)
            raise _busy(error) from error
        if not verdict.good:
            self._note(by, address, "a wrong password, to be given another one")
            raise PasswordStaysError(403, "old: is not the password that you have")
        self.lock_out.undecided(by.name, address)  # it did not fail, and is no log-in either
        if old == new:
            raise PasswordStaysError(400, "new: is the old one")
        if fault := fault_of(new, by.name):
            raise PasswordStaysError(400, f"new: {fault}")
        if not self.fresh_code.is_good(by, code):
            raise PasswordStaysError(403, WRONG_CODE, needs_totp=True)
        try:
            hashed = self.hasher.hash(new).result(_HASHING_SECONDS)
        except TimeoutError as error:
            raise _busy(error) from error
        others = len(self.sessions.all(by.name)) - 1
        doing = Doing(by.name, by.name, address, "their own")
        changed = self.registry.set_password(by.name, hashed, doing)
        renewed = self.sessions.renew(by.session, user, changed)
        if renewed is None:
            raise PasswordStaysError(
                409, "the password is changed, and the session ended meanwhile: log in again"
            )
        session, token = renewed
        name, value = self.cookie.given(token, self.sessions.most_seconds)
        return Changed(session, (name.decode(), value.decode()), max(0, others))

    def _note(self, by: Identity, address: str, why: str) -> None:
        self.telemetry.count(*LOGIN_FAILED)
        self.refused(address, PATH, why, by, EventType.LOGIN_REFUSED)


def _busy(error: BusyError | TimeoutError) -> BusyError:
    if isinstance(error, BusyError):
        return error
    return BusyError("the machine is too busy to hash a password; try again")
