"""Where the story of an alert begins in the audit chain.

Nothing points from an alert to its records: they are looked for from the time on at which it began.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from risk_receivers.audit import tables
from risk_receivers.audit.record import check_record
from risk_receivers.database.place import Place

#: The incident was told the time before its first record was.
_SLACK: Final = timedelta(minutes=1)


def begins_after(place: Place, began: datetime) -> int:
    """The last record from before an alert: they are in the order in which they happened."""
    moment = began - _SLACK

    def is_earlier(seq: int) -> bool:
        row = tables.read(place, lambda connection: tables.row_at(connection, seq))
        header = check_record(row).header if row else None
        return header is not None and header.recorded_at < moment

    return _last(is_earlier, tables.read(place, tables.head).size)


def _last(fits: Callable[[int], bool], most: int) -> int:
    """The last of 1 to ``most`` that fits, where those that do come first; 0 if none does."""
    least = 0
    while least < most:
        middle = (least + most + 1) // 2
        least, most = (middle, most) if fits(middle) else (least, middle - 1)
    return least
