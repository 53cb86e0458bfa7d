"""The table of the people who may log in."""

from __future__ import annotations

from datetime import datetime

from risk_policy.vocabulary import Role
from risk_receivers.database.connection import Connection
from risk_receivers.schema import from_text, optional_text, optional_time, to_text
from risk_receivers.users.user import User

_COLUMNS = (
    "name, roles, password, created_at, created_by, changed_at, disabled_at, totp, last_login_at"
)


def load(connection: Connection) -> list[User]:
    """Everybody."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM person ORDER BY name")  # noqa: S608
    return [_user(row) for row in rows]


def find(connection: Connection, name: str) -> User | None:
    """Whoever has this name."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM person WHERE name = ?",  # noqa: S608
        (name,),
    ).fetchone()
    return None if row is None else _user(row)


def put(connection: Connection, user: User) -> None:
    """Keep somebody as they are now."""
    connection.execute(
        f"INSERT INTO person ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) "  # noqa: S608
        "ON CONFLICT (name) DO UPDATE SET roles = excluded.roles, password = excluded.password, "
        "changed_at = excluded.changed_at, disabled_at = excluded.disabled_at, "
        "totp = excluded.totp, last_login_at = excluded.last_login_at",
        (
            *(user.name, " ".join(user.roles), user.password),
            *(to_text(user.created_at), user.created_by, to_text(user.changed_at)),
            *(optional_text(user.disabled_at), user.sealed_totp, optional_text(user.last_login_at)),
        ),
    )


def note_login(connection: Connection, name: str, at: datetime, rehashed: str | None) -> None:
    """Somebody logged in; ``rehashed`` is their password's hash by today's parameters."""
    connection.execute(
        "UPDATE person SET last_login_at = ?, password = coalesce(?, password) WHERE name = ?",
        (to_text(at), rehashed, name),
    )


def remove(connection: Connection, name: str) -> None:
    """Nobody has this name any more."""
    connection.execute("DELETE FROM person WHERE name = ?", (name,))


def _user(
    row: tuple[str, str, str, str, str, str, str | None, bytes | None, str | None],
) -> User:
    name, roles, password, created_at, created_by, changed_at, disabled_at, totp, login_at = row
    return User(
        name,
        tuple(Role(role) for role in roles.split()),
        password,
        from_text(created_at),
        created_by,
        from_text(changed_at),
        optional_time(disabled_at),
        None if totp is None else bytes(totp),
        optional_time(login_at),
    )
