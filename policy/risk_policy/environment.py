"""``${NAME}`` in policy values: from the environment, or from the file that ``NAME_FILE`` names.

Secrets are kept as templates and revealed where they are used, so that nothing that prints,
exports or hashes a policy can ever carry their value.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import GetCoreSchemaHandler
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from risk_policy.errors import UnsetVariableError

_VARIABLE: Final = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_]*)\}")


def variables(text: str) -> tuple[str, ...]:
    """Names of the variables a text refers to, in order."""
    return tuple(_VARIABLE.findall(text))


def lookup(name: str, environ: Mapping[str, str]) -> str:
    """The value of a variable.

    Raises:
        UnsetVariableError: neither NAME nor a readable NAME_FILE is there, or it is empty.
    """
    value = environ.get(name, "")
    if not value and (path := environ.get(f"{name}_FILE", "")):
        try:
            value = Path(path).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UnsetVariableError(name) from error
    if not value:
        raise UnsetVariableError(name)
    return value


def expand(text: str, environ: Mapping[str, str]) -> str:
    """Replace every ``${NAME}`` in a text. Raises UnsetVariableError."""
    return _VARIABLE.sub(lambda match: lookup(match[1], environ), text)


class Secret:
    """A reference to a secret, e.g. ``${SLACK_WEBHOOK_URL}``; never its value."""

    __slots__ = ("template",)

    def __init__(self, template: str) -> None:
        self.template = template

    def reveal(self, environ: Mapping[str, str] | None = None) -> str:
        """The secret itself. Raises UnsetVariableError."""
        return expand(self.template, os.environ if environ is None else environ)

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
        if isinstance(value, str) and _VARIABLE.search(value):
            return cls(value)
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
            json_schema_input_schema=core_schema.str_schema(pattern=r"\$\{[A-Za-z_]\w*\}"),
        )
