"""``${NAME}`` in policy values: from the environment, from the file that ``NAME_FILE`` names, or
from Vault, where NAME is a ``vault://mount/path#key``.

Secrets are kept as templates and revealed where they are used, so that nothing that prints,
exports or hashes a policy can ever carry their value. Besides them, only fields marked
:data:`EXPANDABLE` take variables: the policy's digest covers the file and not the environment,
so what decides about rules and artefacts has to stand in the file itself.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from risk_policy import vault
from risk_policy.errors import (
    UnfitTokenError,
    UnreadableVariableError,
    UnsetVariableError,
    VaultError,
)

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


class Expandable:
    """Type of the one marker of a field that takes variables."""

    def __repr__(self) -> str:
        return "EXPANDABLE"


#: Metadata of a field whose value may come from the environment, in whole or in part.
EXPANDABLE: Final = Expandable()


def mentions_variable(text: str) -> bool:
    """Whether a text refers to a variable, or was meant to."""
    return "${" in text


def is_well_formed(text: str) -> bool:
    """Whether every reference in a text is one: ``${NAME}``."""
    return not mentions_variable(_VARIABLE.sub("", text))


def variables(text: str) -> tuple[str, ...]:
    """Names of the variables a text refers to, in order."""
    return tuple(_VARIABLE.findall(text))


def lookup(name: str, environ: Mapping[str, str]) -> str:
    """The value of a variable.

    Raises:
        UnsetVariableError: neither NAME nor NAME_FILE is set.
        UnreadableVariableError: what one of them points to is not to be had.
    """
    value = environ.get(name, "")
    if not value and (path := environ.get(f"{name}_FILE", "")):
        value = _from_file(name, path)
    if not value:
        raise UnsetVariableError(name)
    if vault.is_meant(value):
        if name == vault.TOKEN:
            raise UnreadableVariableError(name, "what opens Vault cannot be kept in it")
        return vault.read(vault.parse(value), environ, lookup)
    return value


def _from_file(name: str, path: str) -> str:
    """What a secret's file holds, without the white space around it."""
    try:
        value = Path(path).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        why = "is not there"
    except OSError as error:
        why = f"cannot be read ({error.strerror or type(error).__name__})"
    except ValueError:  # no path at all, or no text
        why = "is no text file"
    else:
        if value:
            return value
        why = "is empty"
    # Only what is a path for sure is repeated: it may be the secret itself by mistake.
    where = Path(path)
    is_path = where.is_absolute() and where.parent != Path("/") and _is_there(where.parent)
    told = f"{name}_FILE names {path}, which" if is_path else f"what {name}_FILE names"
    raise UnreadableVariableError(name, f"{told} {why}") from None


def _is_there(folder: Path) -> bool:
    try:
        return folder.is_dir()
    except (OSError, ValueError):
        return False


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace every ``${NAME}`` in a text. Raises UnsetVariableError."""
    if vault.is_meant(text):
        return vault.read(vault.parse(text), environ, lookup)
    return _VARIABLE.sub(lambda match: lookup(match[1], environ), text)


class Secret:
    """A reference to a secret: exactly one variable, e.g. ``${SLACK_WEBHOOK_URL}``, or a place in
    Vault, e.g. ``vault://secret/riskwarden#slack``.
    """

    __slots__ = ("template",)

    def __init__(self, template: str) -> None:
        self.template = template

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """The secret itself. Raises UnsetVariableError."""
        return expand(self.template, os.environ if environ is None else environ)

    def reveal_token(self, environ: Mapping[str, str] | None = None) -> str:
        """The secret as a bearer token. Raises UnsetVariableError or UnfitTokenError."""
        token = self.reveal(environ).strip()
        if not (token.isascii() and token.isprintable()):
            raise UnfitTokenError(self.template)
        return token

    def __repr__(self) -> str:
        return f"Secret({self.template!r})"

    def __str__(self) -> str:
        return self.template

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other.template == self.template

    def __hash__(self) -> int:
        return hash(self.template)

    @classmethod
    def _validate(cls, value: object) -> Secret:
        if isinstance(value, Secret):
            return value
        if isinstance(value, str) and _VARIABLE.fullmatch(value):
            return cls(value)
        if isinstance(value, str) and vault.is_meant(value):
            try:
                return cls(str(vault.parse(value)))
            except VaultError as error:
                raise PydanticCustomError("secret", "{why}", {"why": str(error)}) from None
        if isinstance(value, str) and mentions_variable(value):
            # What stands around the variable may be a part of the secret.
            raise PydanticCustomError(
                "secret",
                "a secret is exactly one variable; write ${NAME} alone and put the whole value "
                "into NAME or NAME_FILE",
            )
        raise PydanticCustomError(
            "secret",
            "a secret must not stand in the policy; write ${NAME} and set NAME or NAME_FILE",
        )

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: type[Any], handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            cls._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(str),
            json_schema_input_schema=core_schema.str_schema(
                pattern=rf"^(\$\{{[A-Za-z_][A-Za-z0-9_]*\}}|{vault.PATTERN})$"
            ),
        )
