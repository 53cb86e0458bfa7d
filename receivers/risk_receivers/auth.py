"""Whose token a request brings: one of the policy's own, or one that somebody was given.

All of it is answered from memory, in constant time: who may stop the account does not wait for the
store, and how long the answer takes tells nothing about any secret.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from risk_policy import Policy, UnfitTokenError, UnsetVariableError
from risk_policy.vocabulary import Role
from risk_receivers.errors import StartError
from risk_receivers.tokens.book import Book, Unfit

#: Why somebody is nobody, unless more is known.
NO_TOKEN: Final = "a wrong token, or none"  # noqa: S105 - words, and no token


class Key(StrEnum):
    """Whose token it is; the value is the token's key in ``[alerting.auth]``."""

    ALERT_FEED = "alert_feed_token"
    NOTIFICATION_FEED = "notification_feed_token"
    RUNTIME = "runtime_token"
    OPERATOR = "operator_token"
    APPROVER = "approver_token"  # somebody else, who confirms what an operator asked for


#: Those of people who own the machine; the others are of machines, which have no role.
ADMINS: Final = frozenset({Key.OPERATOR, Key.APPROVER})


@dataclass(frozen=True, slots=True)
class Identity:
    """Who brought a token.

    Attributes:
        name: of the token: the one it was given, or its key in ``[alerting.auth]``.
        roles: none for a machine.
        key: which of the policy's own it is; None for a token that somebody was given.
        token_id: of a token that somebody was given.
        session: the id of the session of who is logged in; empty for who brought a token.
    """

    name: str
    roles: tuple[Role, ...] = ()
    key: Key | None = None
    token_id: str = ""
    session: str = ""

    @property
    def is_person(self) -> bool:
        """Whether somebody speaks, and no machine."""
        return bool(self.roles)

    def actor(self, said: str) -> str:
        """Who goes on record: nobody with a token of their own passes for somebody else."""
        return said if self.key else self.name


@dataclass(frozen=True, slots=True)
class Stranger:
    """Who brought no token that is good.

    Attributes:
        why: as it is answered and recorded.
        identity: whose token it was while it was good.
    """

    why: str = NO_TOKEN
    identity: Identity | None = None


class Tokens:
    """The policy's own tokens, and those in the book."""

    def __init__(self, secrets: Mapping[Key, str], book: Book | None = None) -> None:
        self._expected = [
            (secret.encode(), Identity(key.value, (Role.ADMIN,) if key in ADMINS else (), key))
            for key, secret in secrets.items()
        ]
        self.book: Final = book or Book()

    @classmethod
    def from_policy(cls, policy: Policy, environ: Mapping[str, str] | None = None) -> Tokens:
        """Reveal the tokens. Raises StartError naming every one that is not set, or not its own."""
        secrets: dict[Key, str] = {}
        problems: list[str] = []
        for key in Key:
            reference = getattr(policy.alerting.auth, key.value)
            if key is Key.APPROVER and not policy.alerting.kill_switch.needs_second_person:
                continue
            try:
                secret = reference.reveal_token(environ)
            except (UnfitTokenError, UnsetVariableError) as error:
                problems.append(f"alerting.auth.{key.value}: {error}")
                continue
            if not secret:
                problems.append(f"alerting.auth.{key.value}: the token is blank; set {reference}")
                continue
            if twin := next((other for other in secrets if secrets[other] == secret), None):
                problems.append(
                    f"alerting.auth.{key.value}: is the same token as {twin.value}; whoever may "
                    f"do the one could do the other: set {reference} to one of its own"
                )
            secrets[key] = secret
        if problems:
            raise StartError("; ".join(problems))
        return cls(secrets)

    def identify(self, authorization: bytes) -> Identity | Stranger:
        """Whose token an Authorization header carries."""
        scheme, _, token = authorization.partition(b" ")
        token = token.strip()
        # Every comparison is made, so that the time taken does not tell which one matched.
        matches = [its for own, its in self._expected if hmac.compare_digest(token, own)]
        given = self.book.find(token)
        if scheme.lower() != b"bearer":
            return Stranger()
        if matches:
            return matches[0]
        if given is None:
            return Stranger()
        found = given.token if isinstance(given, Unfit) else given
        identity = Identity(found.name, found.roles, None, found.id)
        return Stranger(given.why, identity) if isinstance(given, Unfit) else identity

    def knows(self, authorization: bytes) -> bool:
        """Whether it carries anybody's token that is good. Nothing is noted: much needs none."""
        return isinstance(self.identify(authorization), Identity)
