"""Gives, takes back, prolongs and voids acknowledgements, and keeps the record of all silences.

One thing at a time, under one lock: whoever asks Alertmanager for something writes down what
came of it before anybody else looks, so that what people did here is never mistaken for
something that was found there, and no silence is prolonged twice.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import uuid4

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.model.escalation import Acknowledgement
from risk_receivers.acks import table
from risk_receivers.acks.answered import measured
from risk_receivers.acks.client import AlertmanagerClient, wire_time
from risk_receivers.acks.errors import (
    AlertmanagerError,
    AlreadyAcknowledgedError,
    BusyError,
    NotAcknowledgedError,
    NothingToAcknowledgeError,
    TooLongError,
)
from risk_receivers.acks.plan import Planned, Seen, of_step, plan, prolonged, unaccounted
from risk_receivers.acks.recording import Doing, record
from risk_receivers.acks.silences import (
    Breach,
    Silence,
    SilenceState,
    acknowledged,
    matchers_for,
    one_line,
    worse_muted,
)
from risk_receivers.acks.state import (
    Muting,
    Standing,
    prolonged_end,
    removed,
    seen,
    voided,
)
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

#: How long somebody waits for a look at Alertmanager that is going on, and for the store.
_PATIENCE_SECONDS: Final = 10.0
#: A silence is prolonged this long before its end, or half a prolongation if that is less: time
#: for a few tries if Alertmanager does not answer at once.
_LEAD: Final = timedelta(seconds=30)
#: How many requests may wait for Alertmanager at a time. They share the service's threads with
#: an operator's kill, which must always find one that is free.
_MOST_WAITING: Final = 2
#: How many open incidents are named to somebody who asked for another.
_MOST_NAMED: Final = 10
#: How many silences are asked for one by one while the list of all cannot be had.
_MOST_SINGLY: Final = 20
#: Trouble of less than this is a restart; the metric knows of it all the same.
_NEWS_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)
#: What belongs into the transaction that puts something on record.
Also = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True)
class Situation:
    """What is on record: the silences that are not over, and what fires."""

    known: dict[str, Muting]
    firing: list[Breach]


class AckKeeper:
    """The one place where silences are made, ended and written down. Thread-safe."""

    def __init__(
        self,
        *,
        client: AlertmanagerClient,
        database: Place,
        writer: Writer,
        outbox: Outbox,
        terms: Acknowledgement,
        telemetry: Telemetry,
        wake: Callable[[], None],
    ) -> None:
        self._client = client
        self._database = database
        self._writer = writer
        self._outbox = outbox
        self._default = timedelta(minutes=terms.default_minutes)
        self._longest = timedelta(minutes=terms.max_minutes)
        self._extend = terms.extend
        self._telemetry = telemetry
        self._wake = wake
        self._lock = threading.Lock()
        self._places = threading.BoundedSemaphore(_MOST_WAITING)
        #: Silences that are over, at Alertmanager and on record: there is no news of them.
        self._settled: set[str] = set()
        self._trouble_since: float | None = None
        self._told_of_trouble = False
        telemetry.set(m.SILENCES_SEEN, value=0)
        telemetry.set(m.SILENCES_UNREADABLE, value=0)

    # -- what people ask for ---------------------------------------------------------------

    def give(
        self,
        incident: str,
        lasting: timedelta | None,
        author: str,
        comment: str,
        *,
        once: bool = False,
        also: Also | None = None,
    ) -> Muting:
        """Acknowledge an incident; with ``once`` only if nobody has.

        Raises:
            TooLongError: the policy does not allow it for so long.
            NothingToAcknowledgeError: it is not open.
            AlreadyAcknowledgedError: somebody has acknowledged it, and ``once`` was asked for.
            AlertmanagerError: the silence was not made, or it is not known whether it was.
        """
        author, comment = one_line(author), one_line(comment)
        if lasting is not None and not timedelta() < lasting <= self._longest:
            raise TooLongError(
                "for: must be more than nothing and at most "
                f"{self._longest.total_seconds() / 60:g} minutes "
                "(alerting.acknowledgement.max_minutes)"
            )
        with self._one_of_few(), self._alone():
            situation = self._situation()
            firing = situation.firing
            breach = next((one for one in firing if one.incident == incident), None)
            if breach is None:
                shown = sorted(one.incident for one in firing)[:_MOST_NAMED]
                raise NothingToAcknowledgeError(
                    f"{incident} is not open; "
                    + (f"try {', '.join(shown)}" if shown else "none is")
                )
            if once and (holds := _covering(situation, breach)):
                raise AlreadyAcknowledgedError(f"{incident} is acknowledged already", holds)
            request = self._request(breach, lasting or self._default, author, comment)
            self._write([Planned(None, request)])
            try:
                silence_id = self._client.put(
                    request.matchers,
                    starts_at=wire_time(request.starts_at),
                    ends_at=request.ends_at,
                    author=author,
                    comment=comment,
                )
            except AlertmanagerError as error:
                if error.refused:
                    failed = replace(request, standing=Standing.FAILED, ended_at=utc_now())
                    self._write([Planned(request, failed)])
                raise
            silence = self._client.silence(silence_id)
            if silence is None:
                raise AlertmanagerError("Alertmanager has lost the silence that it just made")
            step = seen(request, silence, request.tiers, utc_now())
            self._write(of_step(request, step, firing), Doing(author, comment), also)
            return step.muting

    def take_back(self, risk_id: str, tier: str, author: str, comment: str) -> list[Muting]:
        """End every acknowledgement of a breach.

        Raises:
            NotAcknowledgedError: there is none.
            AlertmanagerError: those that were not ended still hold.
        """
        with self._one_of_few(), self._alone():
            with closing(open_read_only(self._database)) as connection:
                covering = table.covering(connection, risk_id, tier)
            if not covering:
                raise NotAcknowledgedError(f"{risk_id} ({tier or 'no tier'}) is not acknowledged")
            for muting in covering:
                self._end(muting, Doing(author, comment))
            return covering

    def end(self, silence_id: str, author: str, comment: str) -> Muting:
        """End any silence. Raises NotAcknowledgedError if none is in force, AlertmanagerError."""
        with self._one_of_few(), self._alone():
            with closing(open_read_only(self._database)) as connection:
                muting = table.one(connection, silence_id)
            if muting is None or muting.ended_at is not None:
                raise NotAcknowledgedError(f"no silence {silence_id} is in force")
            self._end(muting, Doing(author, comment))
            return muting

    def _end(self, muting: Muting, doing: Doing) -> None:
        self._client.expire(muting.id)
        self._write(of_step(muting, removed(muting, utc_now()), ()), doing)

    # -- what happens by itself ------------------------------------------------------------

    def synchronise(self) -> bool:
        """Look at every silence once, and do what follows; whether Alertmanager answered.

        Raises:
            StoreError, OSError, DATABASE_ERRORS: nothing is lost, the next look finds it again.
        """
        with self._alone():
            situation = self._situation()
            said, answered = self._ask(situation)
            known = situation.known | self._on_record(said, situation)
            self._write(plan(known, said, situation.firing, utc_now()))
            over = {one.id for one in said.silences if one.state is SilenceState.EXPIRED}
            self._settled |= over
            if not answered:
                return False
            situation = self._situation()
            trouble = ""
            for muting in situation.known.values():
                if not muting.acknowledges:
                    continue
                try:
                    self._look_after(muting, situation.firing)
                except AlertmanagerError as error:
                    trouble = str(error)
                    if not error.refused:  # no answer: the others would only wait for it, too
                        break
            self._note(trouble)
            return not trouble

    def _look_after(self, muting: Muting, firing: list[Breach]) -> None:
        if worse := worse_muted(muting.matchers, muting.tiers, firing):
            self._client.expire(muting.id)
            step = voided(muting, utc_now())
            reason = f"{worse.incident} is worse than what was acknowledged"
            self._write(of_step(muting, step, firing), Doing(reason=reason))
            return
        still = any(one.risk_id == muting.risk_id and one.tier in muting.tiers for one in firing)
        end = prolonged_end(
            muting, utc_now(), firing=still, lead=min(_LEAD, self._default / 2), by=self._default
        )
        if end is None:
            return
        current = self._client.silence(muting.id)
        # One that somebody has just ended would be made anew by this.
        if current is not None and current.state is SilenceState.ACTIVE:
            new_id = self._client.put(
                current.matchers,
                starts_at=current.starts_at_text,
                ends_at=end,
                author=current.author,
                comment=current.comment,
                silence_id=muting.id,
            )
            self._write(
                prolonged(muting, new_id, end, utc_now()), Doing(reason="its incident is open")
            )

    def _ask(self, situation: Situation) -> tuple[Seen, bool]:
        """What Alertmanager says, and whether it says everything."""
        known = situation.known
        try:
            listing = self._client.silences()
        except AlertmanagerError as error:
            self._note(str(error))
            # The list of all may be what fails; those that count may still be had one by one.
            standing = [one.id for one in known.values() if one.acknowledges]
            return self._ask_singly(standing), False
        self._telemetry.set(m.SILENCES_UNREADABLE, value=listing.damaged)
        self._settled &= {silence.id for silence in listing.silences}
        news = [
            silence
            for silence in listing.silences
            if silence.state is not SilenceState.EXPIRED or silence.id not in self._settled
        ]
        singly = self._ask_singly(unaccounted(known, listing))
        return Seen((*news, *singly.silences), singly.gone), True

    def _ask_singly(self, ids: list[str]) -> Seen:
        """What can be learnt of some silences; nothing of those that cannot be asked for."""
        found: list[Silence] = []
        gone: set[str] = set()
        for silence_id in ids[:_MOST_SINGLY]:
            try:
                silence = self._client.silence(silence_id)
            except AlertmanagerError as error:
                _log.info("silence %s stays as it was known: %s", silence_id, error)
                break
            if silence is None:
                gone.add(silence_id)
            else:
                found.append(silence)
        return Seen(tuple(found), frozenset(gone))

    def _on_record(self, said: Seen, situation: Situation) -> dict[str, Muting]:
        """What is on record of listed silences that are over here."""
        unknown = [one.id for one in said.silences if one.id not in situation.known]
        if not unknown:
            return {}
        with closing(open_read_only(self._database)) as connection:
            found = [table.one(connection, silence_id) for silence_id in unknown]
        return {one.id: one for one in found if one is not None}

    # -- the rim ---------------------------------------------------------------------------

    def _request(self, breach: Breach, lasting: timedelta, author: str, comment: str) -> Muting:
        now = _whole_milliseconds(utc_now())
        matchers = matchers_for(breach)
        return Muting(
            id=f"request:{uuid4()}",
            standing=Standing.REQUESTED,
            matchers=matchers,
            starts_at=now,
            ends_at=_whole_milliseconds(now + lasting),
            author=author,
            comment=comment,
            made_at=now,
            tiers=acknowledged(matchers, [breach]),
            incident=breach.incident,
            extend_until=now + max(self._longest, lasting) if self._extend else None,
        )

    def _situation(self) -> Situation:
        with closing(open_read_only(self._database)) as connection:
            standing = {one.id: one for one in table.standing(connection)}
            return Situation(standing, table.open_breaches(connection))

    def _write(
        self, planned: list[Planned], doing: Doing | None = None, also: Also | None = None
    ) -> None:
        if not planned:
            return

        def work(transaction: Transaction) -> int:
            if also is not None:
                also(transaction)
            return record(transaction, self._outbox, planned, doing)

        if measured(self._writer, self._telemetry, planned, work, _PATIENCE_SECONDS):
            self._wake()

    def _note(self, trouble: str) -> None:
        """Keep the metric, and say in the log what lasts."""
        self._telemetry.set(m.SILENCES_SEEN, value=float(not trouble))
        if not trouble:
            if self._told_of_trouble:
                _log.warning("Alertmanager's silences can be read again")
            self._trouble_since, self._told_of_trouble = None, False
            return
        now = time.monotonic()
        since = self._trouble_since = self._trouble_since or now
        if now - since > _NEWS_SECONDS and not self._told_of_trouble:
            _log.error("acknowledgements only run out by themselves: %s", trouble)
            self._told_of_trouble = True

    @contextmanager
    def _one_of_few(self) -> Iterator[None]:
        """Refuse at once what would keep too many of the service's threads waiting."""
        if not self._places.acquire(blocking=False):
            raise BusyError("Alertmanager is slow and others are waiting for it; try again")
        try:
            yield
        finally:
            self._places.release()

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if not self._lock.acquire(timeout=_PATIENCE_SECONDS):
            raise BusyError("Alertmanager is slow and others are waiting for it; try again")
        try:
            yield
        finally:
            self._lock.release()


def _covering(situation: Situation, breach: Breach) -> Muting | None:
    """The acknowledgement of a breach that holds longest."""
    now = utc_now()
    covering = [
        one
        for one in situation.known.values()
        if one.acknowledges
        and one.ends_at > now
        and one.risk_id == breach.risk_id
        and breach.tier in one.tiers
    ]
    return max(covering, key=lambda one: one.ends_at, default=None)


def _whole_milliseconds(at: datetime) -> datetime:
    return at.replace(microsecond=at.microsecond // 1000 * 1000)
