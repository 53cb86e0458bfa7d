"""Every secret a policy refers to, found by its type: a new one cannot be forgotten."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from risk_policy.environment import Secret
from risk_policy.errors import UnsetVariableError


def secrets_of(section: BaseModel, path: str = "") -> Iterator[tuple[str, Secret]]:
    """The references to secrets below a table, each with its dotted key."""
    for name, value in section:
        key = f"{path}.{name}" if path else name
        if isinstance(value, BaseModel):
            yield from secrets_of(value, key)
        elif isinstance(value, Secret):
            yield key, value
        elif isinstance(value, tuple):
            found = (one for one in value if isinstance(one, Secret))
            yield from ((f"{key}.{number}", one) for number, one in enumerate(found))


def revealed_secrets(section: BaseModel, environ: Mapping[str, str] | None = None) -> list[str]:
    """What they hold, of those that are set."""
    found = []
    for _, secret in secrets_of(section):
        try:
            found.append(secret.reveal(environ))
        except UnsetVariableError:
            continue
    return found
