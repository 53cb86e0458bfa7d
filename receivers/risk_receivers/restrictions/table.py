"""The table of restrictions in force. What was lifted is gone from it and stays in the chain."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from risk_policy.catalogue.system import (
    DATA_STALE,
    EXPORTER_DOWN,
    LIMIT_UNEVALUABLE,
    NO_ACCOUNT,
    RULES_FAILING,
    RULES_LATE,
)
from risk_policy.contracts.restriction import RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import Severity
from risk_receivers.database.connection import Connection
from risk_receivers.restrictions.held import Held, Standing
from risk_receivers.schema import from_text, to_text

_COLUMNS: Final = (
    "id, risk_id, tier, kind, scope, size_ratio, cause, level, since, incident, latches, standing"
)
_READ: Final = f"SELECT {_COLUMNS} FROM restriction "  # noqa: S608 - constants
_WRITE: Final = (
    f"INSERT INTO restriction ({_COLUMNS}) "  # noqa: S608 - constants
    f"VALUES ({', '.join('?' * (_COLUMNS.count(',') + 1))})"
)
#: While one of these is open, a limit may be breached and not fire.
_BLIND: Final = (
    EXPORTER_DOWN,
    DATA_STALE,
    NO_ACCOUNT,
    LIMIT_UNEVALUABLE,
    RULES_FAILING,
    RULES_LATE,
)
#: The states are spelt as their index has them.
_BLINDED: Final = (
    "SELECT alertname FROM incident WHERE state IN ('CREATED', 'DISPATCHED') "  # noqa: S608
    f"AND alertname IN ({', '.join(repr(alert.name) for alert in _BLIND)}) LIMIT 1"
)


def of_breach(connection: Connection, risk_id: str, tier: str) -> list[Held]:
    """Those that one breach holds."""
    return _read(connection, "WHERE risk_id = ? AND tier = ?", (risk_id, tier))


def by_id(connection: Connection, restriction: str) -> Held | None:
    """One of them."""
    return next(iter(_read(connection, "WHERE id = ?", (restriction,))), None)


def every(connection: Connection) -> list[Held]:
    """All, the oldest first."""
    return _read(connection, "ORDER BY since, id", ())


def doubtful(connection: Connection) -> list[str]:
    """The ids of those whose incident expired."""
    rows = connection.execute(
        "SELECT id FROM restriction WHERE standing = ?", (Standing.DOUBTFUL.value,)
    )
    return [restriction for (restriction,) in rows]


def blinded_by(connection: Connection) -> str:
    """An open alert that says that limits cannot be judged; empty if there is none."""
    row = connection.execute(_BLINDED).fetchone()
    return row[0] if row else ""


def write(connection: Connection, held: Held) -> None:
    """Write it down, as it is now."""
    values = (
        held.id,
        held.risk_id,
        held.tier,
        held.kind.value,
        held.scope.model_dump_json(),
        held.size_ratio,
        held.cause,
        held.level.value,
        to_text(held.since),
        held.incident,
        int(held.latches),
        held.standing.value,
    )
    connection.execute(
        "DELETE FROM restriction WHERE id = ? OR (risk_id = ? AND tier = ? AND kind = ?)",
        values[:4],
    )
    connection.execute(_WRITE, values)


def remove(connection: Connection, held: Held) -> None:
    """It is in force no more."""
    connection.execute("DELETE FROM restriction WHERE id = ?", (held.id,))


def _read(connection: Connection, where: str, values: Iterable[str]) -> list[Held]:
    return [_held(row) for row in connection.execute(_READ + where, tuple(values))]


def _held(row: tuple[Any, ...]) -> Held:
    return Held(
        id=row[0],
        risk_id=row[1],
        tier=row[2],
        kind=RestrictionKind(row[3]),
        scope=Scope.model_validate_json(row[4]),
        size_ratio=row[5],
        cause=row[6],
        level=Severity(row[7]),
        since=from_text(row[8]),
        incident=row[9],
        latches=bool(row[10]),
        standing=Standing(row[11]),
    )
