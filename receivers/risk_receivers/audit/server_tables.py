"""The chain's tables in PostgreSQL: how they are made, and what was changed about them.

That the schema is ours, and which version wrote it, stands in a table of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from risk_receivers.audit.errors import UnreadableDatabaseError
from risk_receivers.database.dialect import translate
from risk_receivers.database.server import SCHEMA, ServerConnection

_VERSION: Final = "store_version"
_SCHEMAS: Final = "SELECT 1 FROM pg_namespace WHERE nspname = ?"
_RELATIONS: Final = (
    "SELECT c.relname, c.relkind, c.relrowsecurity, c.relpersistence FROM pg_class c "
    "JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ? AND c.relkind IN ('r', 'p', 'v', 'm', 'f')"
)
_COLUMNS: Final = (
    "SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a "
    "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ? AND c.relname = ? AND a.attnum > 0 AND NOT a.attisdropped "
    "ORDER BY a.attnum"
)
_COUNTED: Final = (
    "SELECT c.relname, a.attname FROM pg_attribute a "
    "JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ? AND c.relkind = 'r' AND a.attidentity <> '' ORDER BY c.relname"
)
_ADDED: Final = (
    "SELECT 'trigger', t.tgname, c.relname FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid "
    "JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = ?1 AND NOT t.tgisinternal "
    "UNION ALL SELECT 'rule', r.rulename, c.relname FROM pg_rewrite r "
    "JOIN pg_class c ON c.oid = r.ev_class JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ?1"
)
#: Tables whose rows are another's as well, and go by no key of its.
_CHILDREN: Final = (
    "SELECT p.relname, c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid "
    "JOIN pg_class p ON p.oid = i.inhparent JOIN pg_namespace n ON n.oid = p.relnamespace "
    "WHERE n.nspname = ?"
)
_KEYS: Final = (
    "SELECT c.relname, pg_get_constraintdef(k.oid) FROM pg_constraint k "
    "JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace "
    "WHERE n.nspname = ? AND k.contype = 'p'"
)
_LOGGED: Final = "p"


def names(connection: ServerConnection) -> set[str]:
    """The tables there are."""
    return {name for name, kind, *_ in connection.execute(_RELATIONS, (SCHEMA,)) if kind == "r"}


def columns(connection: ServerConnection, table: str) -> list[str]:
    """A table's columns, in order; none if there is no such table."""
    return [name for name, _ in connection.execute(_COLUMNS, (SCHEMA, table))]


def check_version(connection: ServerConnection, known: int) -> int:
    """The schema's version, 0 if there is none yet. Raises UnreadableDatabaseError."""
    found = names(connection)
    if not found:
        return 0
    if _VERSION not in found:
        raise UnreadableDatabaseError(
            f"its schema {SCHEMA} is another program's; give the store a database of its own"
        )
    (version,) = connection.execute(f"SELECT max(version) FROM {_VERSION}").fetchone()  # noqa: S608
    if version is None or version > known:
        raise UnreadableDatabaseError(
            f"has schema version {version}, this program knows {known}; "
            "use the newer program that wrote it"
        )
    return int(version)


def make_schema(connection: ServerConnection) -> None:
    """Have the schema, if its owner has not made it already."""
    if connection.execute(_SCHEMAS, (SCHEMA,)).fetchone() is None:
        connection.run(f"CREATE SCHEMA {SCHEMA}")


def note_version(connection: ServerConnection, version: int) -> None:
    """Note which version made the tables."""
    connection.execute(f"CREATE TABLE {_VERSION}(version INTEGER NOT NULL)")
    connection.execute(f"INSERT INTO {_VERSION} (version) VALUES (?)", (version,))  # noqa: S608


def move_aside(connection: ServerConnection, suffix: str) -> str | None:
    """Give the schema another name, in the caller's transaction; which, if it held any table."""
    if not names(connection):
        return None
    moved = f"{SCHEMA}_{suffix}"
    connection.run(f'ALTER SCHEMA {SCHEMA} RENAME TO "{moved}"')
    return moved


def count_on(connection: ServerConnection) -> None:
    """Have every counter go on behind the highest number there is."""
    for table, column in connection.execute(_COUNTED, (SCHEMA,)):
        following = f"(SELECT coalesce(max({column}), 0) + 1 FROM {table})"  # noqa: S608 - ours
        counter = f"pg_get_serial_sequence('{SCHEMA}.{table}', '{column}')"
        connection.run(f"SELECT setval({counter}, {following}, false)")


def definition_problems(connection: ServerConnection, definitions: Mapping[str, str]) -> list[str]:
    """What was changed about the tables: their form, and what acts on their rows or hides some."""
    found = {name: tuple(rest) for name, *rest in connection.execute(_RELATIONS, (SCHEMA,))}
    keys = dict(connection.execute(_KEYS, (SCHEMA,)).fetchall())
    problems = []
    for name, definition in definitions.items():
        if name not in found:
            problems.append(f"the table {name} is missing")
            continue
        kind, hides, persistence = found[name]
        if kind != "r":
            problems.append(f"{name} is no table: somebody put something else in its place")
        if hides:
            problems.append(f"a policy may hide rows of the table {name}")
        if persistence != _LOGGED:
            problems.append(f"the table {name} does not survive a crash of the server (UNLOGGED)")
        columns = _columns(definition)
        if connection.execute(_COLUMNS, (SCHEMA, name)).fetchall() != columns:
            problems.append(f"the table {name} was not made by this program: its types differ")
        if keys.get(name) != f"PRIMARY KEY ({columns[0][0]})":
            problems.append(f"the table {name} has lost its primary key: it may hold a row twice")
    problems += [
        f"the table {child} adds rows to the audit tables"
        for name, child in connection.execute(_CHILDREN, (SCHEMA,))
        if name in definitions
    ]
    problems += [
        f"a {kind} {added} was added to the audit tables"
        for kind, added, table in connection.execute(_ADDED, (SCHEMA,))
        if table in definitions
    ]
    return problems


def _columns(definition: str) -> list[tuple[str, str]]:
    """Names and types as a definition has them, one after another between its brackets."""
    inner = translate(definition).sql.partition("(")[2].rpartition(")")[0]
    words = (column.split() for column in inner.split(","))
    return [(name, kind.lower()) for name, kind, *_ in words]
