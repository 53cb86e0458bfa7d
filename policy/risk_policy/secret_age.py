"""Which secrets a policy uses, and when each was changed last, as far as anybody can tell.

A secret in a file is as old as the file, one in Vault as its version. Of a variable nobody knows,
unless ``NAME_ROTATED_AT`` says the date; then the age is unknown, and never called fine.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Final

from pydantic import BaseModel

from risk_policy import vault
from risk_policy.environment import Secret, lookup, variables
from risk_policy.errors import UnsetVariableError, VaultError
from risk_policy.model.policy import Policy

#: Looked at when there is no user yet, and then never again.
_OF_THE_FIRST_USER: Final = "alerting.dashboard.auth."
#: Of one server; the other backends are files.
_OF_THE_DATABASE: Final = "alerting.audit."
_OF_TELEGRAM: Final = "alerting.channels.telegram."


class SecretClass(StrEnum):
    """What it opens; the value is the key in ``[alerting.security.rotation]``."""

    API_KEYS = "api_keys_days"
    TELEGRAM = "telegram_days"
    DATABASE = "database_days"


@dataclass(frozen=True, slots=True)
class UsedSecret:
    """A secret that is set.

    Attributes:
        name: the policy's key of it.
        changed_at: None if nobody knows.
    """

    name: str
    of: SecretClass
    changed_at: datetime | None


def used_secrets(policy: Policy, environ: Mapping[str, str]) -> Iterator[UsedSecret]:
    """Every secret of what is switched on that is set. It may ask Vault, and takes its time."""
    for name, secret in secrets_in_use(policy):
        variable = next(iter(variables(secret.template)), "")
        if variable and not any(environ.get(one) for one in (variable, f"{variable}_FILE")):
            continue
        yield UsedSecret(name, _class_of(name), changed_at(secret, environ))


def secrets_in_use(policy: Policy) -> Iterator[tuple[str, Secret]]:
    """Every secret of what is switched on, by its key, whether it is set or not."""
    is_server = policy.alerting.audit.storage_backend == "postgresql"
    for name, secret in _secrets("alerting", policy.alerting):
        is_database = _class_of(name) is SecretClass.DATABASE
        if name.startswith(_OF_THE_FIRST_USER) or (is_database and not is_server):
            continue
        yield name, secret


def changed_at(secret: Secret, environ: Mapping[str, str]) -> datetime | None:
    """When it was changed last; None if nobody knows."""
    try:
        if vault.is_meant(secret.template):
            return vault.created_at(vault.parse(secret.template), environ, lookup)
        [name] = variables(secret.template)
        if said := environ.get(f"{name}_ROTATED_AT", ""):
            return _moment(said)
        value, file = environ.get(name, ""), environ.get(f"{name}_FILE", "")
        if not value and file:
            value = Path(file).read_text(encoding="utf-8").strip()
            if not vault.is_meant(value):
                return datetime.fromtimestamp(Path(file).stat().st_mtime, UTC)
        if vault.is_meant(value):
            return vault.created_at(vault.parse(value), environ, lookup)
    except (OSError, ValueError, UnsetVariableError, VaultError):
        return None
    return None


def _moment(text: str) -> datetime:
    found = datetime.fromisoformat(text)
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _class_of(name: str) -> SecretClass:
    if name.startswith(_OF_TELEGRAM):
        return SecretClass.TELEGRAM
    return SecretClass.DATABASE if name.startswith(_OF_THE_DATABASE) else SecretClass.API_KEYS


def _secrets(name: str, value: object) -> Iterator[tuple[str, Secret]]:
    if isinstance(value, Secret):
        yield name, value
    elif isinstance(value, tuple):
        for number, each in enumerate(value):
            yield from _secrets(f"{name}[{number}]", each)
    elif isinstance(value, BaseModel) and getattr(value, "enabled", True):
        for field in type(value).model_fields:
            yield from _secrets(f"{name}.{field}", getattr(value, field))
