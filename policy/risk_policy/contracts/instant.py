"""A time in a contract: one that can be told in UTC, with a day to spare on either side.

Whoever takes it in may so compute with it without asking first. Nothing that happened lies beyond
these bounds but the times that some languages write where none was set, such as year 1.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Final

from pydantic import AfterValidator, AwareDatetime

_TO_SPARE: Final = timedelta(days=1)


def _usable(at: datetime) -> datetime:
    try:
        utc = at.astimezone(UTC)
        _ = utc - _TO_SPARE, utc + _TO_SPARE
    except OverflowError:
        raise ValueError("is no time that UTC could tell; was it never set?") from None
    return at


Instant = Annotated[AwareDatetime, AfterValidator(_usable)]
