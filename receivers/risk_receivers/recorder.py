"""Record first, then act, then answer; and act first where nothing can be recorded.

The order for everything that comes in:

1. one durable transaction holds incident, audit event, messages and kill switch;
2. in the writer's thread, at once, the gate is closed;
3. only then is whoever waits woken, and the request gets its answer.

If the store cannot commit, or not in time, a trip closes the gate all the same, its record goes
to the spool, and the request is told that it failed. Acting first is the exception that the
kill switch gets, and nothing else.

A clearing is the other way round: it is on record first, and opens nothing while a trip is on its
way past the store. Both are decided under one lock, which is never held while waiting.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import Final, TypeVar
from uuid import uuid4

from msgspec import Struct, field, structs

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.reports import Report
from risk_receivers.errors import LooserModeError, SpoolError
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.incidents.table import Breach
from risk_receivers.intake.alert import Batch
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import KillBoard, tightest
from risk_receivers.kill.clearing import Change
from risk_receivers.kill.closing_time import keep_closing_time
from risk_receivers.kill.memory import trigger_of
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import (
    AlertKill,
    OperatorKill,
    SilenceKill,
    SpooledTrip,
    TimeoutKill,
)
from risk_receivers.ledger import Ledger, Outcome
from risk_receivers.reports.recording import Taken, take_reports
from risk_receivers.restrictions.held import InForce
from risk_receivers.store.errors import StoreError
from risk_receivers.store.followed import Followed
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

T = TypeVar("T")
_log = logging.getLogger(__name__)
#: A commit takes milliseconds, and some hundred of them on a slow disk. What closes the gate does
#: not wait longer for the store than that, however long its answer may take.
ACT_AFTER_SECONDS: Final = 0.25


class Received(Struct, frozen=True):
    """When a request was complete."""

    at: datetime = field(default_factory=utc_now)
    monotonic: float = field(default_factory=time.monotonic)


def trips_of(batch: Batch, received: Received) -> tuple[SpooledTrip, ...]:
    """The trips that a batch asks for. Whichever way they go on record, it is one kill."""
    if not (tripping := batch.tripping):
        return ()
    kill_id = str(uuid4())
    return tuple(
        SpooledTrip(str(uuid4()), kill_id, received.at, AlertKill(alert)) for alert in tripping
    )


def operator_trip(kill: OperatorKill, received: Received) -> SpooledTrip:
    """An operator's kill, with the ids under which it goes on record."""
    return SpooledTrip(str(uuid4()), str(uuid4()), received.at, kill)


class Recorder:
    """The one way into the store for everything that may trip the kill switch."""

    def __init__(
        self,
        *,
        writer: Writer,
        ledger: Ledger,
        gate: GatePublisher,
        spool: Spool,
        telemetry: Telemetry,
        automatic: Automatic,
        wake: Callable[[], None],
        wake_doubt: Callable[[], None],
    ) -> None:
        self._writer = writer
        self._ledger = ledger
        self._gate = gate
        self._spool = spool
        self._telemetry = telemetry
        self._automatic = automatic
        self._wake = wake
        self._wake_doubt = wake_doubt
        self._lock = threading.Lock()
        self._known = KillBoard()
        self._closed: frozenset[str] = frozenset()  # the kills that the gate was closed for
        self._acting = 0  # trips on their way past the store, which no clearing may overtake
        self._holding = threading.Lock()  # what is in force is published in the order of the record
        self._held: InForce | None = None
        self._changed: KillBoard | None = None  # a recorded change that waits for such trips
        self._first_aid = ThreadPoolExecutor(1, thread_name_prefix="act-first")
        # Apart from it: a disk that does not take one trip keeps no later one from being shown.
        self._aside = ThreadPoolExecutor(1, thread_name_prefix="keep-aside")

    def know(self, state: KillBoard, held: InForce) -> None:
        """Take over the recorded state at start and publish it."""
        self._hold(held)  # before anything could open the gate
        with self._lock:
            self._known = state
            self._closed = frozenset(one.kill_id for one in state.in_force)
        self._gate.apply(state)
        for one in state.in_force:  # unless it was kept when it happened, this is when it closed
            keep_closing_time(self._writer, one, self._gate.closed_at(one.kill_id))

    @property
    def known(self) -> KillBoard:
        """The state in memory: what is on record, and what could not be recorded yet."""
        return self._known

    @property
    def complaint(self) -> str:
        """What a restart would lose; empty if nothing."""
        return self._spool.complaint

    def close(self) -> None:
        """Finish what acts without the store."""
        self._first_aid.shutdown()
        self._aside.shutdown()

    # -- what comes in ---------------------------------------------------------------------

    def take_batch(
        self, batch: Batch, received: Received, trips: Sequence[SpooledTrip]
    ) -> Future[Outcome]:
        """Record one request of a feed. The future resolves once all of it is done."""
        kill_id = trips[0].kill_id if trips else ""
        return self._record(
            lambda transaction: self._ledger.take_batch(transaction, batch, received.at, kill_id),
            trips,
            received,
        )

    def take_kill(self, trip: SpooledTrip, received: Received) -> Future[Outcome]:
        """Record an operator's kill."""
        return self._record(
            lambda transaction: self._ledger.take_operator_kill(transaction, trip),
            [trip],
            received,
        )

    def trip_by_itself(self, kill: TimeoutKill | SilenceKill, kill_id: str = "") -> None:
        """What nobody asked for: on record if it can be. Waits for the store no longer than a
        moment.
        """
        received = Received()
        trip = SpooledTrip(str(uuid4()), kill_id or str(uuid4()), received.at, kill)
        recording = self._record(
            lambda transaction: self._ledger.merge_spool(transaction, [trip]), [trip], received
        )
        try:
            recording.result(ACT_AFTER_SECONDS)
        except TimeoutError:
            self.act_first([trip], received)
        except StoreError as error:
            _log.error("a kill that nobody asked for is not on record yet: %s", error)

    def take_reports(self, reports: tuple[Report, ...]) -> Future[Taken]:
        """Record what the runtime reports. Raises StoreError, or NotYetError."""
        return self._writer.submit(
            lambda transaction: take_reports(transaction, reports, self._is_coming)
        )

    def _is_coming(self, kill_id: str) -> bool:
        """Whether a kill is in force and may not be on record yet."""
        known = self._known
        if known.with_id(kill_id) is not None:
            return True
        return kill_id == self._gate.ordered_id and kill_id not in known.cleared

    def act_first(self, trips: Sequence[SpooledTrip], received: Received) -> Future[None]:
        """The store takes too long: trip without it, if anything asks for that.

        The gate is closed before this returns, the rest follows. The store may still commit. Then
        the spooled trips turn out to be repeats.
        """
        return self._aside.submit(self._trip_without_store, self._shown(trips, received), received)

    def merge_spool(self) -> Future[Outcome] | None:
        """Take spooled trips into the store, if there are any. Raises StoreError."""
        if not (pending := self._spool.pending):
            return None
        return self._submit(
            lambda transaction: self._ledger.merge_held(transaction, pending, self._known)
        )

    @property
    def unrecorded(self) -> bool:
        """Whether the switch was tripped or tightened by what is not on record yet."""
        with self._lock:
            return bool(self._acting or self._spool.pending)

    def change(self, work: Callable[[Transaction], Change]) -> Future[Change]:
        """Record what somebody does to the switch, and let it take effect. Raises StoreError."""

        def recorded(change: Change) -> None:
            if change.state is not None:
                self._take_effect(change.state)
            if change.in_force is not None:
                self._hold(change.in_force.found)
            if change.messages:
                self._wake()

        return self._writer.submit(work, Followed(recorded))

    def _take_effect(self, state: KillBoard) -> None:
        with self._lock:
            if self._acting or self._spool.pending:
                self._changed = state  # what waits there is recorded first, and may trip again
                return
            self._changed = None
            self._known = tightest(self._known, state)
            self._gate.release(self._known)

    def let_go(self, restrictions: Sequence[str]) -> Future[Outcome]:
        """Record that alerts that expired are over, and lift what they held. Raises StoreError."""
        return self._submit(lambda transaction: self._ledger.let_go(transaction, restrictions))

    def expire(self, now: datetime, breaches: Sequence[Breach]) -> Future[Outcome]:
        """Record what of some breaches is no longer repeated. Raises StoreError."""
        return self._submit(lambda transaction: self._ledger.expire(transaction, now, breaches))

    # -- what follows ----------------------------------------------------------------------

    def _record(
        self,
        work: Callable[[Transaction], Outcome],
        trips: Sequence[SpooledTrip],
        received: Received,
    ) -> Future[Outcome]:
        try:
            return self._submit(work, trips, received)
        except StoreError as error:
            return self._aside.submit(self._refuse, self._shown(trips, received), received, error)

    def _submit(
        self,
        work: Callable[[Transaction], Outcome],
        trips: Sequence[SpooledTrip] = (),
        received: Received | None = None,
    ) -> Future[Outcome]:
        """Queue a work. Its future resolves once what follows from the commit is done."""
        since = received or Received()

        def recorded(outcome: Outcome) -> None:
            self._settle(outcome, since)
            if outcome.looser:
                raise LooserModeError(outcome.looser)

        def failed(_: BaseException | None) -> None:
            self._trip_without_store(self._halt_for(trips), since)

        # The ledger does nothing beyond a transaction.
        return self._writer.submit(work, Followed(recorded, failed), may_run_again=True)

    def _refuse(
        self, trips: Sequence[SpooledTrip], received: Received, error: StoreError
    ) -> Outcome:
        self._trip_without_store(trips, received)
        raise error

    def _settle(self, outcome: Outcome, received: Received) -> None:
        if outcome.kill is not None:
            with self._lock:
                self._known = tightest(self._known, outcome.kill)
            self._close_gate(outcome.kill, received)
        if outcome.in_force is not None:
            self._hold(outcome.in_force.found)
        for why in outcome.escalations:
            self._telemetry.count(m.INCIDENT_ESCALATIONS, why)
        self._spool.merged(outcome.merged)
        if (changed := self._changed) is not None:
            self._take_effect(changed)
        if outcome.doubted:
            self._wake_doubt()
        if outcome.messages:
            self._wake()

    def _hold(self, held: InForce | None) -> None:
        assert held is not None  # found before the commit
        with self._holding:
            if held is self._held or (self._held and held.as_of < self._held.as_of):
                return  # of the same commit; or a callback came late
            self._held = held
            self._gate.hold(held.restrictions)

    def _shown(self, trips: Sequence[SpooledTrip], received: Received) -> Sequence[SpooledTrip]:
        """Close the gate for those of them that are heeded, and have readers find why."""
        heeded = self._halt_for(trips)
        if heeded:
            self._first_aid.submit(self._close_gate, self._known, received, recorded=False)
        return heeded

    def _halt_for(self, trips: Sequence[SpooledTrip]) -> Sequence[SpooledTrip]:
        """Close the gate for the trips that a switch in this state heeds, and say which."""
        with self._lock:
            heeded = []
            for trip in trips:
                trigger = trigger_of(trip, self._automatic)
                if not self._known.heeds_unrecorded(trigger):
                    continue
                heeded.append(trip)
                if event := self._known.on_trigger(trigger):
                    self._known = self._known.after(event)
            state = self._known
            self._acting += bool(heeded)
        if heeded:
            self._gate.shut(state)
        return heeded

    def _trip_without_store(self, trips: Sequence[SpooledTrip], received: Received) -> None:
        """What follows from :meth:`_halt_for`, once for each."""
        if not trips:
            return
        try:
            self._spool_trips(trips, received)
        finally:
            with self._lock:
                self._acting -= 1

    def _spool_trips(self, trips: Sequence[SpooledTrip], received: Received) -> None:
        self._close_gate(self._known, received, recorded=False)
        known = {trip.gist for trip in self._spool.pending}
        for trip in trips:
            if trip.gist in known:
                continue  # a repeat of what waits already
            try:
                self._spool.add(structs.replace(trip, known=self._writer.head.size))
            except SpoolError as error:
                _log.critical("the gate is closed, on record nowhere but in memory: %s", error)

    def _close_gate(self, state: KillBoard, received: Received, *, recorded: bool = True) -> None:
        self._gate.shut(state)
        delay = time.monotonic() - received.monotonic
        self._gate.apply(state)
        with self._lock:
            new = [one for one in state.in_force if one.kill_id not in self._closed]
            self._closed |= {one.kill_id for one in new}
        if new:
            self._telemetry.set(m.GATE_PUBLISH_SECONDS, value=delay)
        if recorded:
            for one in new:
                keep_closing_time(self._writer, one, self._gate.closed_at(one.kill_id))
