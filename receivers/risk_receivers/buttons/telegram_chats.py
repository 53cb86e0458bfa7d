"""In which Telegram chats a press counts: those the policy names, and what a group of them became.

A group that becomes a supergroup gets another id, and is the same people in the same place.
Messages follow it, so their buttons have to work there too, before anybody has edited the policy
and after a restart. Only Telegram itself, asked by the channel, says what became of a group; what
comes with a press is believed by nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Mapping
from contextlib import closing
from typing import Final

from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.place import Place
from risk_receivers.facts import keep_fact
from risk_receivers.store.writer import Transaction

_PREFIX: Final = "telegram_chat_became:"
_KEPT: Final = "SELECT name, value FROM fact WHERE name >= ? AND name < ?"
_log = logging.getLogger(__name__)


class Chats:
    """The chats of one bot's buttons."""

    def __init__(
        self, allowed: Collection[str], database: Place, followed: Mapping[str, str]
    ) -> None:
        """``followed`` is where the channel notes which group became which."""
        self._allowed = frozenset(allowed)
        self._database = database
        self._followed = followed
        self._kept: dict[str, str] | None = None

    def allow(self, chat: str) -> bool:
        """Whether a press counts there. Raises what the store does."""
        if chat in self._allowed:
            return True
        moves = {**self._on_record(), **self._followed}
        return any(chat in _what_became_of(one, moves) for one in self._allowed)

    @property
    def news(self) -> dict[str, str]:
        """What became of groups and is not on record yet. Raises what the store does."""
        if not self._followed:
            return {}
        kept = self._on_record()
        return {old: new for old, new in dict(self._followed).items() if kept.get(old) != new}

    def keep(self, transaction: Transaction, news: Mapping[str, str]) -> None:
        """Put it on record."""
        for old, new in news.items():
            keep_fact(transaction.connection, _PREFIX + old, new)

    def kept(self, news: Mapping[str, str]) -> None:
        """It is on record."""
        self._kept = {**self._on_record(), **news}
        for old, new in news.items():
            if any(old in {one, *_what_became_of(one, self._kept)} for one in self._allowed):
                _log.warning(
                    "presses count in Telegram chat %s as they did in %s: write %s into "
                    "alerting.channels.telegram.allowed_chats",
                    *(new, old, new),
                )

    def _on_record(self) -> dict[str, str]:
        if self._kept is None:
            with closing(open_read_only(self._database)) as connection:
                rows = connection.execute(_KEPT, (_PREFIX, _PREFIX[:-1] + ";"))  # ; follows :
                self._kept = {name.removeprefix(_PREFIX): chat for name, chat in rows}
        return self._kept


def _what_became_of(chat: str, moves: Mapping[str, str]) -> set[str]:
    """Every id that a chat has had since; it may have moved in a circle."""
    found: set[str] = set()
    while (chat := moves.get(chat, "")) and chat not in found:
        found.add(chat)
    return found
