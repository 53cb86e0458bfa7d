"""Somebody who may log in, as they are kept."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final

from pydantic import AfterValidator, Field

from risk_policy.vocabulary import Role
from risk_receivers.auth import Key

#: Small letters alone: Ann and ann are one person.
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._@+-]{0,63}")


@dataclass(frozen=True, slots=True)
class User:
    """What is kept of somebody.

    Attributes:
        password: its Argon2id hash, with salt and parameters.
        created_by: the name of who had them made, as it is on record.
        changed_at: when what a session rests on was changed last: password, roles, authenticator,
            and whether they may log in at all. Whatever began before is over.
        sealed_totp: the secret of their authenticator, sealed; None if they have none.
    """

    name: str
    roles: tuple[Role, ...]
    password: str
    created_at: datetime
    created_by: str
    changed_at: datetime
    disabled_at: datetime | None = None
    sealed_totp: bytes | None = None
    last_login_at: datetime | None = None


def fit_name(name: str) -> str:
    """A name that somebody may have. Raises ValueError that says what is wrong."""
    if not _NAME.fullmatch(name):
        raise ValueError(
            "must be up to 64 characters of a-z, 0-9 and . _ @ + -, beginning with one of the first"
        )
    if name in set(Key):
        raise ValueError("is the name of a token of the policy; choose another")
    return name


#: The same, in a request.
FitName = Annotated[
    str, AfterValidator(fit_name), Field(json_schema_extra={"pattern": f"^{_NAME.pattern}$"})
]
