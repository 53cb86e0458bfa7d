"""Who may call what: bearer tokens, compared in constant time."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from enum import StrEnum

from risk_policy import Policy, UnsetVariableError
from risk_receivers.errors import StartError


class Role(StrEnum):
    """Whose token it is; the value is the token's key in ``[alerting.auth]``."""

    ALERT_FEED = "alert_feed_token"
    NOTIFICATION_FEED = "notification_feed_token"
    RUNTIME = "runtime_token"
    OPERATOR = "operator_token"


class Tokens:
    """The tokens of all roles."""

    def __init__(self, secrets: Mapping[Role, str]) -> None:
        self._expected = {role: secret.encode() for role, secret in secrets.items()}

    @classmethod
    def from_policy(cls, policy: Policy, environ: Mapping[str, str] | None = None) -> Tokens:
        """Reveal the tokens. Raises StartError naming every variable that is not set."""
        secrets: dict[Role, str] = {}
        problems: list[str] = []
        for role in Role:
            try:
                secrets[role] = getattr(policy.alerting.auth, role.value).reveal(environ)
            except UnsetVariableError as error:
                problems.append(f"alerting.auth.{role.value}: {error}")
        if problems:
            raise StartError("; ".join(problems))
        return cls(secrets)

    def allow(self, authorization: bytes, *roles: Role) -> bool:
        """Whether an Authorization header carries the token of one of these roles."""
        scheme, _, token = authorization.partition(b" ")
        if scheme.lower() != b"bearer":
            return False
        # Every comparison is made, so that the time taken does not tell which one matched.
        matches = [hmac.compare_digest(token.strip(), self._expected[role]) for role in roles]
        return any(matches)
