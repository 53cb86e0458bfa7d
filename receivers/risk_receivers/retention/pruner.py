"""Applies retention to the audit chain: says first what will go, then lets it go in small steps.

Invariants, whenever the process dies:

- No payload is gone without a durable record RETENTION_APPLIED that names it.
- What was announced and is still there is gone on with at the next start, unless a hold was placed
  meanwhile; then it is looked at anew.
- Nobody who writes ever waits for more than one small step.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import datetime
from functools import partial
from typing import Final

from risk_receivers.audit import retention_records, tables
from risk_receivers.audit.holds import Hold, HoldFilter, ranges_of
from risk_receivers.audit.record import check_record
from risk_receivers.audit.retained import GRACE, Applied, Retained
from risk_receivers.database.connection import DATABASE_ERRORS, Connection
from risk_receivers.database.place import Place, Segmented, Server, path_of, segments_of
from risk_receivers.retention import works
from risk_receivers.retention.clock_trust import doubt
from risk_receivers.retention.errors import ChangedMeanwhileError, ClockDoubtedError
from risk_receivers.retention.plan import MOST_RANGES, Plan, Reached, make_plan
from risk_receivers.retention.works import Doer
from risk_receivers.store import write_ahead_log
from risk_receivers.store.errors import StoreBusyError
from risk_receivers.store.writer import Writer

#: Payloads of one transaction: some milliseconds, which is what a kill may have to wait.
_BATCH: Final = 50
#: Of segment files: each step rewrites those that it is about, a few megabytes.
_BATCH_OF_SEGMENTS: Final = 2000
_STEPS_OF_A_LOOK: Final = 40
#: It rests so many times as long as a step took.
_REST_FACTOR: Final = 10
#: The same of looking, which holds up nobody who writes.
_REST_OF_LOOKING: Final = 2
#: How often it looks again if others come in between, before it gives up until the next time.
_ATTEMPTS: Final = 10
_LOOK: Final = 2000
_PATIENCE_SECONDS: Final = 10.0
_log = logging.getLogger(__name__)


class _StoppedError(Exception):
    """The service stops. Never leaves this module."""


class Pruner:
    """Deletes what is due, on record. For one thread."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        *,
        doer: Doer = Doer(),  # noqa: B008 - frozen
        rest: Callable[[float], bool],
    ) -> None:
        """``rest`` waits and says whether to stop."""
        self._database = database
        self._writer = writer
        self._doer = doer
        self._rest = rest
        self._deleted: Callable[[int], None] = lambda _: None
        self._is_wiped = False  # whoever was here before may have died in between
        # Commands have the path alone, and a new service's folder is not there yet.
        is_in_files = isinstance(database, Segmented) or segments_of(path_of(database)).is_dir()
        self._batch = _BATCH_OF_SEGMENTS if is_in_files else _BATCH
        self._retained = Retained()

    def look(self) -> Retained:
        """What is on record of retention and holds."""
        with closing(tables.open_read_only(self._database)) as connection:
            self._retained = retention_records.read(connection, self._retained)
        return self._retained

    def doubt(self, now: datetime, seen_since: datetime) -> str:
        """Why the clock is not to be believed; empty if it is."""
        applied = self.look().applied
        with closing(tables.open_read_only(self._database)) as connection:
            return doubt(connection, now, seen_since, applied[-1] if applied else None)

    def plan(self, now: datetime, reached: Reached | None = None) -> Plan:
        """What may go by a clock that shows ``now``."""
        return make_plan(self._database, self.look(), now - GRACE, reached)

    def finish(self) -> int:
        """Go on with what was announced and is still there; how many payloads that were."""
        retained = self.look()
        return self._delete(retained.latest) if retained.latest else 0

    def prune(
        self,
        now: datetime,
        seen_since: datetime,
        *,
        vouched: str = "",
        deleted: Callable[[int], None] = lambda _: None,
    ) -> int:
        """Delete all that is due; how many payloads that were.

        ``vouched`` is who says that the clock is right; ``deleted`` is told of each step.
        Raises ClockDoubtedError, ChangedMeanwhileError if others came in between again and again,
        and what writing raises.
        """
        if (why := self.doubt(now, seen_since)) and not vouched:
            raise ClockDoubtedError(why)
        self._deleted = deleted
        gone = in_vain = 0
        while in_vain < _ATTEMPTS:
            try:
                gone += self.finish()
                plan = self._looked_up(now)
                if plan is None or not plan.count:
                    break
                gone += self._apply(plan, vouched if why else "")
            except ChangedMeanwhileError as error:
                _log.info("retention looks again: %s", error)
                in_vain += 1
                continue
            if not plan.is_cut or self._rest(0.0):
                break
            in_vain = 0  # what is more than one record names goes record by record
        else:
            raise ChangedMeanwhileError(f"given up after {_ATTEMPTS} attempts; try again later")
        self._is_wiped = self._is_wiped and not gone
        self.wipe()
        return gone

    def wipe(self) -> None:
        """Have nothing of what was deleted stand in the log, either; if not now, then next time."""
        if self._is_wiped or isinstance(self._database, Server):
            return  # a server's log is its own
        path = path_of(self._database)
        try:
            self._is_wiped = write_ahead_log.truncate(path, patience_seconds=_PATIENCE_SECONDS)
        except (StoreBusyError, *DATABASE_ERRORS, OSError) as error:
            _log.warning("the write-ahead log was not emptied: %s", error)

    def place(self, name: str, reason: str, covers: HoldFilter) -> int:
        """Place a hold; its record. Raises HoldError, ChangedMeanwhileError and what writing may.

        From when it is durable nothing that it covers is deleted.
        """
        for _ in range(_ATTEMPTS):
            known = self.look()
            first = None
            if last := known.latest:
                with closing(tables.open_read_only(self._database)) as connection:
                    first = works.first_still_there(connection, last, 1)
            work = partial(
                works.place,
                name=name,
                reason=reason,
                covers=covers,
                doer=self._doer,
                known=known,
                still_there=first,
            )
            try:
                return self._writer.run(work, _PATIENCE_SECONDS)
            except ChangedMeanwhileError:
                continue
        raise ChangedMeanwhileError("retention was applied again and again meanwhile; try again")

    def release(self, name: str, reason: str) -> int:
        """Release a hold; the record of that. Raises HoldError and what writing raises."""
        work = partial(works.release, name=name, reason=reason, doer=self._doer, known=self.look())
        return self._writer.run(work, _PATIENCE_SECONDS)

    def look_up(self, hold: Hold, until: int) -> None:
        """Put on record which payloads up to a record a hold covers that has to read them."""
        found: list[int] = []
        after = hold.looked_at
        with closing(tables.open_read_only(self._database)) as connection:
            while after < until:
                rows = tables.rows_after(connection, after, min(_LOOK, until - after))
                after = max((row.seq for row in rows if type(row.seq) is int), default=until)
                for row in rows:
                    header = check_record(row).header
                    payload = row.payload
                    if (
                        header
                        and isinstance(payload, bytes)
                        and hold.filter.covers(header, payload)
                    ):
                        found.append(header.seq)
                ranges = ranges_of(found)
                if len(ranges) >= MOST_RANGES or after >= until:
                    self._extend(hold.name, after, found)
                    found = []

    def _extend(self, name: str, looked_at: int, found: list[int]) -> None:
        self._writer.run(
            partial(
                works.extend,
                name=name,
                looked_at=looked_at,
                found=ranges_of(found),
                known=self.look(),
            ),
            _PATIENCE_SECONDS,
        )

    def _looked_up(self, now: datetime) -> Plan | None:
        """What may go, once all holds were looked up; None if it is to stop."""
        try:
            plan = self.plan(now, self._politely())
            if plan.unlooked:
                for name, until in plan.unlooked.items():
                    self.look_up(plan.retained.holds[name], until)
                plan = self.plan(now, self._politely())
        except _StoppedError:
            return None
        return plan

    def _politely(self) -> Reached:
        """Rests after every page, for whoever else wants to compute."""
        began = time.monotonic()

        def reached(_: int, __: int) -> None:
            nonlocal began
            if self._rest(_REST_OF_LOOKING * (time.monotonic() - began)):
                raise _StoppedError
            began = time.monotonic()

        return reached

    def _apply(self, plan: Plan, vouched: str) -> int:
        work = partial(works.announce, plan=plan, doer=self._doer, vouched=vouched)
        applied = self._writer.run(work, _PATIENCE_SECONDS)
        return self._delete(applied)

    def _delete(self, applied: Applied) -> int:
        gone = 0
        with closing(tables.open_read_only(self._database)) as connection:
            for number, seqs in enumerate(self._steps(connection, applied)):
                if number % _STEPS_OF_A_LOOK == 0:
                    known = self.look()  # what each step has to read anew stays little
                began = time.monotonic()
                step = partial(works.delete, seqs=seqs, applied=applied, known=known)
                count = self._writer.submit(step).result()
                gone += count
                self._deleted(count)
                if self._rest(_REST_FACTOR * (time.monotonic() - began)):
                    break
        return gone

    def _steps(self, connection: Connection, applied: Applied) -> Iterator[list[int]]:
        waiting: list[int] = []
        for seqs in works.still_there(connection, applied):
            waiting += seqs
            while len(waiting) >= self._batch:
                yield waiting[: self._batch]
                del waiting[: self._batch]
        if waiting:
            yield waiting
