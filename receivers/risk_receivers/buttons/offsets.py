"""Up to where Telegram's updates were taken, kept so that a restart neither repeats nor loses one.

Telegram forgets an update after a day, and after a week without any it begins to count anew
somewhere else. So a place in the count means nothing once it is older than that day, and what
is asked for then is whatever there is.
"""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from typing import Final

from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.facts import fact, keep_fact
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction

#: Longer than Telegram keeps an update, shorter than it keeps counting.
_MEANS_SOMETHING: Final = timedelta(days=2)


class Offsets:
    """The place of one bot. Another bot counts its own."""

    def __init__(self, database: Place, bot_id: str) -> None:
        self.bot_id = bot_id
        self._database = database
        self._name = f"telegram_offset:{bot_id}"

    def next(self) -> int | None:
        """The first update that was not taken; None for whatever there is."""
        with closing(open_read_only(self._database)) as connection:
            found = fact(connection, self._name)
        if found is None:
            return None
        taken, _, at = found.partition(" ")
        age = utc_now() - from_text(at)
        return int(taken) + 1 if abs(age) < _MEANS_SOMETHING else None

    def took(self, transaction: Transaction, update_id: int) -> None:
        """Note that an update was taken, in the transaction that holds what followed from it."""
        keep_fact(transaction.connection, self._name, f"{update_id} {to_text(transaction.now)}")
