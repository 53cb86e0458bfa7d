"""Making and revoking tokens, on record; and when each was used last.

A new token is good once it is on record. Revoking is the other way round: the token is no good at
once, whatever the store does, and an answer says whether that is on record.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Role, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.on_record import on_record
from risk_receivers.schema import to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.tokens import table
from risk_receivers.tokens.book import Book
from risk_receivers.tokens.given import GivenToken, digest_of, new_token
from risk_receivers.workers import ROUND_ERRORS, Worker

#: How often it is written down when tokens were used; nothing depends on it.
_USES_SECONDS: Final = 60.0
#: How long the last of them may keep a stop waiting.
_STOP_SECONDS: Final = 2.0
_log = logging.getLogger(__name__)


class NameTakenError(ReceiversError):
    """Somebody has a good token of that name."""


class NoSuchTokenError(ReceiversError):
    """Nobody has a good token of that name."""


@dataclass(frozen=True, slots=True)
class Doing:
    """Who makes or revokes a token, with whose token, from where, and why."""

    actor: str
    token: str
    address: str
    reason: str = ""


class Registry:
    """The one way to a new token, and out of an old one."""

    def __init__(self, writer: Writer, book: Book) -> None:
        self._writer = writer
        self._book = book
        self._owed: dict[str, GivenToken] = {}  # revoked, which is not on record yet

    def create(
        self, name: str, roles: Sequence[Role], lasting: timedelta, doing: Doing
    ) -> tuple[GivenToken, str]:
        """A new token, told this once. Raises NameTakenError or StoreError."""
        number, secret = new_token()
        digest = digest_of(secret.encode())

        def work(transaction: Transaction) -> GivenToken:
            now = transaction.now
            if known := table.standing(transaction.connection, name, now):
                raise NameTakenError(
                    f"there is a token named {name}, good until {to_text(known.expires_at)}: "
                    "revoke that one, or choose another name"
                )
            token = GivenToken(number, name, tuple(roles), digest, now, doing.actor, now + lasting)
            table.insert(transaction.connection, token)
            said = f"{doing.actor} made the token {name} for {' and '.join(token.roles)}"
            transaction.append(_event(EventType.TOKEN_CREATED, said, token, doing))
            return token

        return on_record(self._writer, work, self._book.put), secret

    def revoke(self, name: str, doing: Doing) -> GivenToken:
        """From now on it is no good. Raises NoSuchTokenError, or StoreError: then it is no good
        as long as this service runs, and asking once more puts that on record.
        """
        owed = (token for token in list(self._owed.values()) if token.name == name)
        token = self._book.standing(name) or next(owed, None)
        if token is None:
            raise NoSuchTokenError(f"there is no token named {name} that is still good")
        found = token
        self._owed[found.id] = found
        self._book.put(replace(found, revoked_at=utc_now()))

        def work(transaction: Transaction) -> GivenToken:
            table.revoke(transaction.connection, found.id, transaction.now)
            said = f"{doing.actor} revoked the token {name} of {' and '.join(found.roles)}"
            transaction.append(_event(EventType.TOKEN_REVOKED, said, found, doing))
            return replace(found, revoked_at=transaction.now)

        revoked = on_record(self._writer, work, self._book.put)
        self._owed.pop(found.id, None)
        return revoked

    def all(self) -> list[GivenToken]:
        """Every token there was, the latest first."""
        return self._book.all()


class Uses(Worker):
    """Writes down when tokens were used last."""

    def __init__(self, writer: Writer, book: Book, telemetry: Telemetry) -> None:
        super().__init__("token-uses", telemetry)
        self._writer = writer
        self._book = book
        self._owed: dict[str, datetime] = {}

    def round(self) -> float | None:
        """Write down what is new."""
        self._write(None)
        return _USES_SECONDS

    def stop(self) -> None:
        """End, and write down what is left."""
        super().stop()
        self._write(_STOP_SECONDS)

    def _write(self, timeout: float | None) -> None:
        self._owed.update(self._book.take_uses())
        if not (owed := dict(self._owed)):
            return
        try:
            self._writer.submit(lambda t: table.note_uses(t.connection, owed)).result(timeout)
        except (TimeoutError, *ROUND_ERRORS) as error:
            _log.warning("when tokens were used is not written down yet: %s", error)
            return
        self._owed.clear()


def load_book(database: Place, book: Book) -> None:
    """Put every token that is on record into the book."""
    with closing(open_read_only(database)) as connection:
        for token in table.load(connection):
            book.put(token)


def _event(kind: EventType, said: str, token: GivenToken, doing: Doing) -> AuditEvent:
    details: dict[str, JsonValue] = {
        "id": token.id,
        "name": token.name,
        "roles": [*token.roles],
        "expires_at": to_text(token.expires_at),
        "token": doing.token,
        "address": doing.address,
    }
    return AuditEvent(
        kind,
        said,
        severity=Severity.WARNING,
        category=Category.SECURITY,
        details=details,
        action_taken="created" if kind is EventType.TOKEN_CREATED else "revoked",
        action_reason=doing.reason,
        actor_type=ActorType.USER,
        actor_id=doing.actor,
    )
