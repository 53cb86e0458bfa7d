"""People who may log in: made, changed, shut out and removed, all on record.

What gives somebody more is good once it is on record. What takes it away is the other way round:
whoever is disabled or removed is out at once, whatever the store does, and an answer says whether
that is on record.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace

from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.vocabulary import Category, Role, Severity
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.on_record import on_record
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.tokens.registry import Doing
from risk_receivers.users import table
from risk_receivers.users.authenticators import Authenticators
from risk_receivers.users.book import UserBook
from risk_receivers.users.user import User

Change = Callable[[User, Transaction], User]


class UserExistsError(ReceiversError):
    """Somebody has this name."""


class NoSuchUserError(ReceiversError):
    """Nobody has this name."""


class WrongCodeError(ReceiversError):
    """The first code of a new authenticator is not right, or none was made."""


class UserRegistry:
    """The one way to become a user, and to stop being one."""

    def __init__(self, writer: Writer, book: UserBook, authenticators: Authenticators) -> None:
        self._writer = writer
        self._book = book
        self._authenticators = authenticators

    def add(self, name: str, roles: Sequence[Role], password: str, doing: Doing) -> User:
        """Somebody new; ``password`` is its hash. Raises UserExistsError or StoreError."""

        def work(transaction: Transaction) -> User:
            if table.find(transaction.connection, name) is not None:
                raise UserExistsError(f"there is a user named {name}: choose another name")
            now = transaction.now
            user = User(name, tuple(roles), password, now, doing.actor, now)
            table.put(transaction.connection, user)
            said = f"{doing.actor} made the user {name} of {' and '.join(user.roles)}"
            transaction.append(_event(EventType.USER_CREATED, said, user, doing))
            return user

        return on_record(self._writer, work, self._book.put)

    def set_password(self, name: str, password: str, doing: Doing) -> User:
        """Another password; whoever is logged in by the old one is out."""
        return self._change(
            *(name, doing, "password", f"the password of {name}"),
            lambda user, transaction: replace(user, password=password, changed_at=transaction.now),
        )

    def set_roles(self, name: str, roles: Sequence[Role], doing: Doing) -> User:
        """Other roles; whoever is logged in has to do so anew."""
        return self._change(
            *(name, doing, "roles", f"the roles of {name} to {' and '.join(roles)}"),
            lambda user, transaction: replace(user, roles=tuple(roles), changed_at=transaction.now),
        )

    def confirm_totp(self, name: str, code: str, doing: Doing) -> User:
        """The authenticator that was proposed counts, if this is a code of it.

        Raises WrongCodeError, NoSuchUserError, SealError or StoreError.
        """
        found = self._authenticators.proposed(name)
        if found is None:
            raise WrongCodeError(f"no authenticator of {name} waits for its first code; begin anew")
        sealed, codes = found

        def change(user: User, transaction: Transaction) -> User:
            codes.begin_anew(transaction)  # undone again, if the code is wrong
            if not codes.take(transaction, code):
                raise WrongCodeError(
                    "the code is wrong or too old; bring the one that the authenticator shows now, "
                    "after three wrong ones the next"
                )
            return replace(user, sealed_totp=sealed, changed_at=transaction.now)

        user = self._change(name, doing, "totp", f"the authenticator of {name}", change)
        self._authenticators.settled(name)
        return user

    def drop_totp(self, name: str, doing: Doing) -> User:
        """From now on a password is enough."""
        self._authenticators.settled(name)
        return self._change(
            *(name, doing, "no totp", f"{name} to have no authenticator"),
            lambda user, transaction: replace(user, sealed_totp=None, changed_at=transaction.now),
        )

    def disable(self, name: str, doing: Doing) -> User:
        """From now on they are out. Raises StoreError: then they are, as long as this runs."""
        self._shut_out(name)

        def work(transaction: Transaction) -> User:
            user = _found(transaction, name)
            now = transaction.now
            user = replace(user, disabled_at=user.disabled_at or now, changed_at=now)
            table.put(transaction.connection, user)
            said = f"{doing.actor} disabled the user {name}"
            transaction.append(_event(EventType.USER_DISABLED, said, user, doing))
            return user

        return on_record(self._writer, work, self._book.put)

    def enable(self, name: str, doing: Doing) -> User:
        """They may log in again."""

        def work(transaction: Transaction) -> User:
            user = _found(transaction, name)
            user = replace(user, disabled_at=None, changed_at=transaction.now)
            table.put(transaction.connection, user)
            said = f"{doing.actor} enabled the user {name}"
            transaction.append(_event(EventType.USER_ENABLED, said, user, doing))
            return user

        return on_record(self._writer, work, self._book.let_in)

    def remove(self, name: str, doing: Doing) -> User:
        """There is no such user any more. Raises StoreError: then they are only out."""
        self._shut_out(name)

        def work(transaction: Transaction) -> User:
            user = _found(transaction, name)
            table.remove(transaction.connection, name)
            said = f"{doing.actor} removed the user {name} of {' and '.join(user.roles)}"
            transaction.append(_event(EventType.USER_REMOVED, said, user, doing))
            return user

        return on_record(self._writer, work, lambda user: self._book.remove(user.name))

    def _shut_out(self, name: str) -> None:
        if self._book.known(name) is None:
            raise NoSuchUserError(f"there is no user named {name}")
        self._authenticators.settled(name)
        self._book.shut_out(name)

    def _change(self, name: str, doing: Doing, kind: str, what: str, change: Change) -> User:
        def work(transaction: Transaction) -> User:
            user = change(_found(transaction, name), transaction)
            table.put(transaction.connection, user)
            said = f"{doing.actor} changed {what}"
            transaction.append(_event(EventType.USER_CHANGED, said, user, doing, {"changed": kind}))
            return user

        return on_record(self._writer, work, self._book.put)


def load_users(database: Place, book: UserBook) -> None:
    """Put everybody who is on record into the book."""
    with closing(open_read_only(database)) as connection:
        for user in table.load(connection):
            book.put(user)


def _found(transaction: Transaction, name: str) -> User:
    user = table.find(transaction.connection, name)
    if user is None:
        raise NoSuchUserError(f"there is no user named {name}")
    return user


_DONE = {
    EventType.USER_CREATED: "created",
    EventType.USER_CHANGED: "changed",
    EventType.USER_DISABLED: "disabled",
    EventType.USER_ENABLED: "enabled",
    EventType.USER_REMOVED: "removed",
}


def _event(
    kind: EventType,
    said: str,
    user: User,
    doing: Doing,
    more: dict[str, JsonValue] | None = None,
) -> AuditEvent:
    return AuditEvent(
        kind,
        said,
        severity=Severity.WARNING,
        category=Category.SECURITY,
        details={
            "name": user.name,
            "roles": [*user.roles],
            "has_totp": user.sealed_totp is not None,
            "token": doing.token,
            "address": doing.address,
            **(more or {}),
        },
        action_taken=_DONE[kind],
        action_reason=doing.reason,
        actor_type=ActorType.USER,
        actor_id=doing.actor,
    )
