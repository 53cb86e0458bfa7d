"""The table of the tokens that were given."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from risk_policy.vocabulary import Role
from risk_receivers.database.connection import Connection
from risk_receivers.schema import from_text, optional_text, optional_time, to_text
from risk_receivers.tokens.given import GivenToken

_COLUMNS = "id, name, roles, digest, created_at, created_by, expires_at, revoked_at, last_used_at"


def load(connection: Connection) -> list[GivenToken]:
    """Every token there was."""
    rows = connection.execute(f"SELECT {_COLUMNS} FROM given_token ORDER BY created_at")  # noqa: S608
    return [_token(row) for row in rows]


def insert(connection: Connection, token: GivenToken) -> None:
    """Keep a new one."""
    connection.execute(
        f"INSERT INTO given_token ({_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",  # noqa: S608
        (
            *(token.id, token.name, " ".join(token.roles), token.digest),
            *(to_text(token.created_at), token.created_by, to_text(token.expires_at)),
            *(optional_text(token.revoked_at), optional_text(token.last_used_at)),
        ),
    )


def standing(connection: Connection, name: str, now: datetime) -> GivenToken | None:
    """The good token of a name."""
    row = connection.execute(
        f"SELECT {_COLUMNS} FROM given_token "  # noqa: S608
        "WHERE name = ? AND revoked_at IS NULL AND expires_at > ?",
        (name, to_text(now)),
    ).fetchone()
    return None if row is None else _token(row)


def revoke(connection: Connection, number: str, now: datetime) -> None:
    """It is no good any more."""
    connection.execute(
        "UPDATE given_token SET revoked_at = coalesce(revoked_at, ?) WHERE id = ?",
        (to_text(now), number),
    )


def note_uses(connection: Connection, used: Mapping[str, datetime]) -> None:
    """When tokens were used last."""
    connection.executemany(
        "UPDATE given_token SET last_used_at = ? WHERE id = ?",
        [(to_text(at), number) for number, at in used.items()],
    )


def _token(row: tuple[str, str, str, bytes, str, str, str, str | None, str | None]) -> GivenToken:
    number, name, roles, digest, created_at, created_by, expires_at, revoked_at, used_at = row
    return GivenToken(
        number,
        name,
        tuple(Role(role) for role in roles.split()),
        bytes(digest),
        from_text(created_at),
        created_by,
        from_text(expires_at),
        optional_time(revoked_at),
        optional_time(used_at),
    )
