"""Names that the policy takes from the catalogue."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator
from pydantic_core import PydanticCustomError

from risk_policy.catalogue.limits import LIMITS


def _known(name: str) -> str:
    names = [limit.name for limit in LIMITS if limit.is_account_level]
    if name not in names:
        close = difflib.get_close_matches(name, names, 1)
        raise PydanticCustomError(
            "limit",
            "is no limit of an account; {meant}known are {names}",
            {"meant": f"did you mean {close[0]}? " if close else "", "names": ", ".join(names)},
        )
    return name


#: A limit that every account has a figure for, if anybody reports it.
LimitName = Annotated[str, AfterValidator(_known)]
