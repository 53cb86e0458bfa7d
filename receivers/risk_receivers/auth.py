"""Who may call what: bearer tokens, compared in constant time; who may not is noted."""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Final

from risk_policy import Policy, UnfitTokenError, UnsetVariableError
from risk_receivers.errors import StartError

#: Addresses whose refusals are counted apart; beyond that all counts begin anew.
_ADDRESSES: Final = 1000
_log = logging.getLogger(__name__)


class Role(StrEnum):
    """Whose token it is; the value is the token's key in ``[alerting.auth]``."""

    ALERT_FEED = "alert_feed_token"
    NOTIFICATION_FEED = "notification_feed_token"
    RUNTIME = "runtime_token"
    OPERATOR = "operator_token"
    APPROVER = "approver_token"  # somebody else, who confirms what an operator asked for


class Tokens:
    """The tokens of all roles."""

    def __init__(
        self, secrets: Mapping[Role, str], refused: Callable[[], None] = lambda: None
    ) -> None:
        """``refused`` is called for every request that did not bring the right token."""
        self._expected = {role: secret.encode() for role, secret in secrets.items()}
        self._refused = refused
        self._lock = threading.Lock()
        self._refusals: dict[str, int] = {}

    @classmethod
    def from_policy(
        cls,
        policy: Policy,
        environ: Mapping[str, str] | None = None,
        refused: Callable[[], None] = lambda: None,
    ) -> Tokens:
        """Reveal the tokens. Raises StartError naming every one that is not set, or not its own."""
        secrets: dict[Role, str] = {}
        problems: list[str] = []
        for role in Role:
            reference = getattr(policy.alerting.auth, role.value)
            if role is Role.APPROVER and not policy.alerting.kill_switch.needs_second_person:
                continue
            try:
                secret = reference.reveal_token(environ)
            except (UnfitTokenError, UnsetVariableError) as error:
                problems.append(f"alerting.auth.{role.value}: {error}")
                continue
            if not secret:
                problems.append(f"alerting.auth.{role.value}: the token is blank; set {reference}")
                continue
            if twin := next((other for other in secrets if secrets[other] == secret), None):
                problems.append(
                    f"alerting.auth.{role.value}: is the same token as {twin.value}; whoever may "
                    f"do the one could do the other: set {reference} to one of its own"
                )
            secrets[role] = secret
        if problems:
            raise StartError("; ".join(problems))
        return cls(secrets, refused)

    def allow(self, authorization: bytes, *roles: Role, address: str) -> bool:
        """Whether an Authorization header carries the token of one of these roles."""
        return self.role_of(authorization, *roles, address=address) is not None

    def role_of(self, authorization: bytes, *roles: Role, address: str) -> Role | None:
        """Whose token of these an Authorization header carries."""
        if found := self._match(authorization, roles):
            return found
        self._note_refusal(address)
        return None

    def knows(self, authorization: bytes) -> bool:
        """Whether it carries anybody's token. Nothing is noted: much needs none."""
        return self._match(authorization, tuple(Role)) is not None

    def _match(self, authorization: bytes, roles: tuple[Role, ...]) -> Role | None:
        scheme, _, token = authorization.partition(b" ")
        # Every comparison is made, so that the time taken does not tell which one matched.
        known = [role for role in roles if role in self._expected]
        matches = [r for r in known if hmac.compare_digest(token.strip(), self._expected[r])]
        return matches[0] if matches and scheme.lower() == b"bearer" else None

    def _note_refusal(self, address: str) -> None:
        self._refused()
        with self._lock:
            if len(self._refusals) >= _ADDRESSES:
                self._refusals.clear()
            count = self._refusals[address] = self._refusals.get(address, 0) + 1
        if count & (count - 1) == 0:  # 1, 2, 4, 8, ...: whoever hammers does not fill the disk
            _log.warning("a wrong token, or none, from %s (refusals so far: %d)", address, count)


def unauthorized(*roles: Role) -> str:
    """What to send instead."""
    names = " or ".join(f"alerting.auth.{role.value}" for role in roles)
    return f"send the bearer token that {names} names"
