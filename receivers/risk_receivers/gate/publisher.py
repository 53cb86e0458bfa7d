"""Publish the trade gate. Fails closed, in every way in which it can fail.

* HALT says that a kill over everything is in force. It is taken back by
  :meth:`GatePublisher.release` alone, for a kill that was cleared on record. That is not a lease:
  it comes with the next renewal, if everything else allows it.
* A kill of less than everything closes the gate for everybody, too, in memory and at once: the
  lease ends. It is granted again as soon as readers find that kill in ``gate.json``, milliseconds
  later for whom it does not cover; if that cannot be written, the gate stays closed for all.
* Nothing is granted before :meth:`GatePublisher.apply` was told the recorded state.
* Closing is one store into shared memory. It never waits for a disk, and no renewal can overtake
  it: both happen under one lock that is only ever held for a few stores.
* The lease is only renewed while the store records and the alert feed is alive: a service that
  cannot record a trip, or would never hear of one, must not go on allowing risk.
* When the publisher dies or hangs, the lease runs out by itself.
* On an orderly stop the lease ends at once: from then on nobody listens for alerts, and there
  is no reason to allow risk until the lease would have run out. It ends as expired, not as
  HALT: nothing was decided about open positions.

The bytes and their meaning are those of :mod:`risk_policy.contracts.gate`.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.restriction import Kill, Restriction, in_order, tightest_kill
from risk_policy.contracts.scope import EVERYTHING
from risk_receivers.errors import StartError
from risk_receivers.gate import statement
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.folder import FolderLock
from risk_receivers.gate.lease_file import LeaseFile
from risk_receivers.kill.board import KillBoard, latched, tightest

_NANOSECONDS: Final = 1_000_000_000
_log = logging.getLogger(__name__)


class GatePublisher:
    """The one writer of a gate folder. Leaving the context withdraws the lease."""

    def __init__(
        self,
        folder: Path,
        *,
        lease_seconds: float,
        renew_seconds: float,
        policy_digest: str,
        may_renew: Callable[[], bool],
    ) -> None:
        self._folder = folder
        self._detail_file = DetailFile(folder)
        self._longest = round(lease_seconds * _NANOSECONDS)
        self._renew_seconds = renew_seconds
        self._policy_digest = policy_digest
        self._may_renew = may_renew
        self._lock = threading.Lock()  # the words; never held while waiting for anything
        self._detail_lock = threading.Lock()  # gate.json
        self._board = KillBoard()
        self._held: tuple[Restriction, ...] = ()
        self._told = False
        self._halted = False
        self._closed_at: dict[str, datetime] = {}
        #: Whether the lease file said HALT when it was taken over: somebody decided that.
        self.found_halted = False
        #: Another one whenever gate.json has to say something else; both are the same once it does.
        self._wanted, self._shown = object(), object()
        self._renewed_ns = 0
        self._closed = False
        self._in_place = True
        self._stopping = threading.Event()
        self._due = threading.Event()  # a renewal, before its time
        self._thread = threading.Thread(target=self._renew_forever, name="gate", daemon=True)

    # -- start and stop --------------------------------------------------------------------

    def __enter__(self) -> Self:
        """Take the folder and close the gate until :meth:`apply`. Raises StartError."""
        self._folder_lock = FolderLock(self._folder)
        try:
            self._map()
        except OSError as error:
            self._folder_lock.release()
            raise StartError(f"{self._folder}: the lease file cannot be used: {error}") from error
        return self

    def start(self) -> None:
        """Renew the lease from now on, as long as that is allowed."""
        self._thread.start()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.withdraw()
        with self._lock:
            self._closed = True
        self._lease.close()
        self._folder_lock.release()

    def withdraw(self) -> None:
        """End the lease now and renew it no more."""
        self._stopping.set()
        self._due.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._lock:
            if not self.is_halted:
                self._lease.words[contract.LEASE_WORD] = contract.now_ns()

    def _map(self) -> None:
        """Map the lease file, closed."""
        before = contract.read_detail(self._folder)
        self._lease = LeaseFile(
            self._folder,
            longest_ns=self._longest,
            version=before.version if before else 0,
            halted=False,
        )
        self.found_halted = self._lease.found_halted
        self._detail_file.prepare()
        self._published = before
        #: The version of gate.json, and the one that the disk holds, too.
        self._version = self._kept_version = self._lease.version

    def _stay_in_place(self) -> bool:
        """Whether readers find both files; what somebody took away is made again, closed."""
        published = self._published
        if published is not None and not self._detail_file.holds(published):
            self._want_detail()
        if self._lease.is_in_place:
            return True
        with self._lock:  # whoever still has the old file mapped has seen its last lease
            lost = self._lease
            if not self.is_halted and lost.may_be_touched:
                lost.words[contract.LEASE_WORD] = contract.now_ns()
        try:
            found = LeaseFile(
                self._folder,
                longest_ns=self._longest,
                version=self._version,
                halted=self.is_halted,
            )
        except OSError as error:
            _log.critical("the lease file is gone and cannot be made again: %s", error)
            return False
        with self._lock:
            if self.is_halted:  # since it was made
                found.words[contract.LEASE_WORD] = contract.HALT
            self._lease = found  # a thread that reads the lost one's words keeps them mapped
            self._wanted = object()  # how much is in force stands in the lease file, too
        _log.critical("the lease file was taken away and was made again")
        return True

    # -- what it says ----------------------------------------------------------------------

    def shut(self, state: KillBoard) -> None:
        """Close the gate for the kills of a state, in memory, whatever else happens.

        Loosens nothing. Until :meth:`apply` or the next renewal has written the reasons, it is
        closed for everybody.
        """
        with self._lock:
            shut_for = {one.scope for one in self._board.in_force}
            self._board = latched(self._board, state)
            in_force = self._board.in_force
            at = utc_now()
            self._closed_at = {
                one.kill_id: self._closed_at.get(one.kill_id, at) for one in in_force
            }
            if self._board.everything.is_tripped:
                self._halted = True
                self._end_lease(contract.HALT)
            elif any(one.scope not in shut_for for one in in_force):
                self._wanted = object()
                if not self._halted:
                    self._end_lease(contract.now_ns())

    def apply(self, state: KillBoard) -> None:
        """Publish a recorded state. Never loosens what is already published."""
        self.shut(state)
        self._want_detail()
        with self._detail_lock:
            self._told = True
            self._publish_detail()
        self._due.set()

    def release(self, state: KillBoard) -> None:
        """Take back what was shut for kills that this state says were cleared. Waits for no disk.

        Whoever calls this makes sure that no trip is on its way.
        """
        with self._lock:
            self._board = tightest(self._board, state)
            self._wanted = object()
            if self._halted and not self._board.everything.is_tripped:
                self._halted = False
                # It ends as expired; the reasons follow, and then a lease.
                self._end_lease(contract.now_ns())
        self._due.set()

    def _end_lease(self, word: int) -> None:
        if not self._closed:
            self._lease.words[contract.LEASE_WORD] = word

    def hold(self, restrictions: Iterable[Restriction]) -> None:
        """Publish what is held beside the kill switch: all of it, as it is on record.

        A reader that has the reasons before has them until the version moves, so nobody is refused
        meanwhile whom nothing refuses. While they cannot be written, no lease is renewed.
        """
        with self._lock:
            self._held = in_order(restrictions)
        self._want_detail()
        with self._detail_lock:
            if self._told:
                self._publish_detail()

    @property
    def is_halted(self) -> bool:
        """Whether new risk is refused whatever the lease says."""
        return self._halted

    def closed_at(self, kill_id: str) -> datetime | None:
        """When this publisher closed the gate for a kill in force."""
        return self._closed_at.get(kill_id)

    @property
    def kills(self) -> tuple[Kill, ...]:
        """The kills that it is closed for, whether they can be written or not."""
        return self._board.restrictions

    @property
    def ordered_id(self) -> str:
        """Of the kill for which an order stands beside the gate; empty if none does."""
        order = marker.read_order(self._folder)
        return order.id if order else ""

    @property
    def is_withdrawn(self) -> bool:
        """Whether it is renewed no more, for the service stops."""
        return self._stopping.is_set()

    @property
    def is_open(self) -> bool:
        """Whether a reader may add risk now."""
        words = self._lease.words
        return contract.lease_is_open(
            words[contract.LEASE_WORD], words[contract.LONGEST_WORD], contract.now_ns()
        )

    @property
    def lease_remaining_seconds(self) -> float:
        """For how long the gate stays open without a renewal."""
        left = self._lease.words[contract.LEASE_WORD] - contract.now_ns()
        return max(0.0, left / _NANOSECONDS)

    @property
    def version(self) -> int:
        """The published version."""
        return self._version

    @property
    def detail(self) -> contract.GateDetail | None:
        """The published reasons."""
        return self._published

    @property
    def is_alive(self) -> bool:
        """Whether the renewing thread does its rounds."""
        if not self._thread.is_alive() or not self._in_place:
            return False
        return contract.now_ns() - self._renewed_ns < self._longest

    @property
    def _detail_owed(self) -> bool:
        return self._shown is not self._wanted

    def _want_detail(self) -> None:
        with self._lock:
            self._wanted = object()

    # -- the edge --------------------------------------------------------------------------

    def _publish_detail(self) -> None:
        """Write gate.json, then move the version. A failure is retried at the next renewal."""
        with self._lock:
            wanted, kills, halted = self._wanted, self._board.restrictions, self.is_halted
            held = self._held
        restrictions = in_order((*kills, *held))
        published = self._published
        is_kept = published is not None and self._detail_file.holds(published)
        if not (published is None or is_kept):
            _log.warning("gate.json was taken away or changed, it is written again")
        if (
            published is None
            or not is_kept
            or published.version != self.version
            or published.halted != halted
            or published.restrictions != restrictions
            or published.policy_digest != self._policy_digest
        ):
            published = contract.GateDetail(
                version=self.version + 1,
                halted=halted,
                restrictions=restrictions,
                policy_digest=self._policy_digest,
                written_at=utc_now(),
            )
            try:
                self._detail_file.show(published)
            except OSError as error:
                _log.error("gate.json cannot be written, trying again: %s", error)
                self._tell_of_kills(published)
                return
        self._state(published)
        with self._lock:
            self._shown = wanted

    def _tell_of_kills(self, detail: contract.GateDetail) -> None:
        """Where all of it finds no room, say at least what is to be closed, and how.

        What alerts hold is left out, so no lease runs on it, and none is granted: it stays owed.
        """
        kills = in_order(detail.kills)
        published = self._published
        is_known = published is not None and published.kills == kills
        if is_known or not kills or kills == detail.restrictions:
            return
        with self._lock:
            if self.is_open:
                self._end_lease(contract.now_ns())
        short = detail.model_copy(update={"restrictions": kills})
        try:
            self._detail_file.show(short)
        except OSError as error:
            _log.error("neither can what is tripped: %s", error)
            return
        self._state(short)

    def _state(self, published: contract.GateDetail) -> None:
        """Move the version to what gate.json says."""
        self._published = published
        with self._lock:
            self._version = published.version
            if not self._closed:
                self._lease.words[contract.RESTRICTIONS_WORD] = len(published.restrictions)
                self._lease.words[contract.VERSION_WORD] = published.version
        # No reader needs it, so none waits for it.
        statement.state(self._folder, tightest_kill(published.known, EVERYTHING))

    def _keep_detail(self) -> bool:
        """Whether the disk holds what gate.json says. A failure is retried at the next renewal."""
        version = self._version
        if self._kept_version != version:
            try:
                self._detail_file.keep()
            except OSError as error:
                _log.error("gate.json is on no disk yet, trying again: %s", error)
                return False
            self._kept_version = version
        return True

    def _renew_forever(self) -> None:
        while not self._stopping.is_set():
            self._due.clear()
            self._in_place = self._stay_in_place()
            if self._detail_owed and self._told:
                with self._detail_lock:
                    self._publish_detail()
            is_kept = self._keep_detail()
            asked = contract.now_ns()
            healthy = self._in_place and self._told and is_kept and self._may_renew()
            with self._lock:
                self._renewed_ns = contract.now_ns()
                if healthy and not self.is_halted and not self._detail_owed:
                    # From when it was asked: a process that is stopped in between and goes on
                    # much later grants nothing on what was so then.
                    self._lease.words[contract.LEASE_WORD] = asked + self._longest
            self._due.wait(self._renew_seconds)
