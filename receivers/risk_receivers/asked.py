"""Types of what is asked in query strings."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime, BeforeValidator

#: Its form alone; whether there is such a moment is seen by who reads it.
_FORM: Final = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d{1,9})?)?([Zz]|[+-]\d\d:?\d\d)")


def _rfc3339(text: object) -> object:
    """A plus that nobody escaped has become a space."""
    if not isinstance(text, str):
        return text
    head, _, tail = text.rpartition(" ")
    unescaped = f"{head}+{tail}" if "T" in head.upper() else text
    if not _FORM.fullmatch(unescaped):
        raise ValueError("must be a time such as 2026-03-02T15:00:00Z, with its zone")
    return unescaped


def _in_utc(moment: datetime) -> datetime:
    """On the first and the last day there is, some zones have hours that UTC does not."""
    try:
        return moment.astimezone(UTC)
    except OverflowError as error:
        raise ValueError("must be a time between the years 1 and 9999 in UTC") from error


#: A moment of RFC 3339, in UTC.
Moment = Annotated[AwareDatetime, BeforeValidator(_rfc3339), AfterValidator(_in_utc)]
