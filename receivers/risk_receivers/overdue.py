"""Hands messages over that a channel has not confirmed in time, to the next of its fallbacks.

A thread of its own, since a channel that hangs keeps its courier waiting. What was due before the
service started gets its whole time once more: nobody could have delivered it. What nobody can
take over stays with its channel, which goes on trying.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from functools import partial
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels.failover import hand_over
from risk_receivers.channels.outbox import overdue
from risk_receivers.courier import Terms
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: How late a message may be taken over: nothing beside the time that it was given.
_LOOK_SECONDS: Final = 0.5
_log = logging.getLogger(__name__)


class Overdue(Worker):
    """Watches the deadlines of every channel that somebody can take over from."""

    def __init__(
        self,
        terms: Mapping[str, Terms],
        database: Place,
        writer: Writer,
        telemetry: Telemetry,
        has_confirmed: Callable[[str, int], bool],
    ) -> None:
        """``has_confirmed`` knows of channels and messages of which that is on no record yet."""
        super().__init__("overdue", telemetry)
        self._terms = {name: of for name, of in terms.items() if of.fallbacks.get(name)}
        self._database = database
        self._writer = writer
        self._has_confirmed = has_confirmed
        self._started_at = utc_now()
        #: Overdue and nobody's to take over, which time does not change.
        self._left: dict[str, set[int]] = {name: set() for name in self._terms}

    def round(self) -> float | None:
        """Look once."""
        try:
            for name, terms in self._terms.items():
                self._look(name, terms)
        except ROUND_ERRORS as error:
            _log.error("messages that are overdue are taken over later: %s", error)
        return _LOOK_SECONDS if self._terms else None

    def _look(self, name: str, terms: Terms) -> None:
        before = utc_now() - timedelta(seconds=terms.deadline_seconds)
        if before < self._started_at:
            return
        with closing(open_read_only(self._database)) as connection:
            late = overdue(connection, name, before)
        left = self._left[name]
        left.intersection_update(late)
        reason = f"not confirmed within {terms.deadline_seconds:g} s"
        for number in late:
            if self._stopping.is_set():
                return
            if number in left:
                continue
            taker = self._writer.submit(
                partial(self._hand_over, name=name, number=number, reason=reason)
            ).result()
            if taker is None:
                left.add(number)
                continue
            _log.error("channel %s: message %d is taken over by %s", name, number, taker)
            self._telemetry.count(m.MESSAGES, name, "failed")
            self._telemetry.count(m.FAILOVERS, name, taker)
            terms.wake()

    def _hand_over(
        self, transaction: Transaction, *, name: str, number: int, reason: str
    ) -> str | None:
        """Who takes it over, unless its channel has confirmed it while the store was busy."""
        if self._has_confirmed(name, number):
            return None
        return hand_over(transaction, self._terms[name].fallbacks, number, reason)
