"""Trips that the store could not take, each kept on disk until it is merged.

Only trips are ever spooled, and only after the gate was closed for them. So an entry that cannot
be read, or was not finished, is evidence of a trip: it is handed on as such, never skipped.

Where the store cannot write, the disk is often full. So the spool has slots whose space was taken
when it was opened; a file of its own is for a trip that finds no slot. A trip that can be kept
nowhere is held in memory, tried again and complained about until it is kept or recorded.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import os
import threading
from collections.abc import Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from risk_policy.clock import utc_now
from risk_policy.contracts.scope import Scope
from risk_receivers.errors import SpoolError
from risk_receivers.kill.essence import essence
from risk_receivers.kill.trip import OperatorKill, SpooledTrip, UnknownKill
from risk_receivers.store import reserve

_SUFFIX: Final = ".jsonl"
_SLOTS_FILE: Final = "slots"
#: Repeats of a trip are kept once, so that many are different reasons to trip.
_SLOTS: Final = 16
_SLOT_BYTES: Final = 16_384
_log = logging.getLogger(__name__)


class Spool:
    """The folder of trips not yet in the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()  # what is in memory; never held while waiting for a disk
        self._disk_lock = threading.Lock()
        self._pending: dict[str, SpooledTrip] = {}
        self._unkept: dict[str, SpooledTrip] = {}
        self._slots: reserve.Reserved | None = None
        self._slot_of: dict[str, int] = {}
        self._left: set[str] = set()  # merged, and not to be erased

    def open(self) -> None:
        """Read what an earlier run left and take the space for more. Raises SpoolError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            slots = self._folder / _SLOTS_FILE
            reserve.ensure(slots, _SLOTS * _SLOT_BYTES)
            self._slots = reserve.Reserved(slots)
            found = {path.stem: _read_file(path) for path in self._folder.glob(f"*{_SUFFIX}")}
        except (OSError, ValueError) as error:
            raise SpoolError(f"{self._folder}: the spool cannot be used: {error}") from error
        for slot, data in _filled(self._slots):
            trip = _decoded(data) or _unknown(
                f"slot-{slot}-{hashlib.sha256(data).hexdigest()[:16]}", data, utc_now()
            )
            self._slot_of[trip.id] = slot
            if isinstance(found.get(trip.id, trip).kill, UnknownKill) or trip.id not in found:
                found[trip.id] = trip  # a file of the same trip that was not finished
        for trip in found.values():
            if isinstance(trip.kill, UnknownKill):
                _log.critical("a spooled trip cannot be read, the gate stays closed: %s", trip)
        with self._lock:
            self._pending.update(found)

    def close(self) -> None:
        """Let go of the slots."""
        with self._disk_lock:
            slots, self._slots = self._slots, None
        if slots is not None:
            slots.close()

    @property
    def pending(self) -> Sequence[SpooledTrip]:
        """Trips that are not in the store yet, oldest first."""
        if not self._pending:
            return ()
        with self._lock:
            return sorted(self._pending.values(), key=lambda trip: trip.received_at)

    @property
    def complaint(self) -> str:
        """What a restart would lose; empty if nothing."""
        if not (count := len(self._unkept)):
            return ""
        trips = "a trip of the kill switch is" if count == 1 else f"{count} trips are"
        return (
            f"{trips} held in memory only, for neither store nor spool can be written: "
            "make room or mend the disk, and do not stop this service before"
        )

    def look(self) -> bool:
        """Take in what somebody else has put there since, as ``riskwarden kill`` does that gets no
        answer; whether there was any. Raises OSError.

        Left until the next start it would trip then, long after all it was about was cleared.
        """
        with self._disk_lock:
            with self._lock:
                known = {*self._pending, *self._left}
            found = {
                path.stem: _read_file(path)
                for path in self._folder.glob(f"*{_SUFFIX}")
                if path.stem not in known
            }
        with self._lock:
            self._pending.update(found)
        return bool(found)

    def add(self, trip: SpooledTrip) -> None:
        """Keep a trip, durably. Raises SpoolError; even then it stays pending in memory."""
        with self._lock:
            self._pending[trip.id] = trip
            self._unkept[trip.id] = trip
        self._keep(trip)

    def persist(self) -> None:
        """Try again to keep what is held in memory only. Raises SpoolError."""
        for trip in list(self._unkept.values()):
            self._keep(trip)

    def merged(self, trips: Sequence[SpooledTrip]) -> None:
        """Forget trips that the store has taken."""
        if not trips:
            return
        with self._lock:
            for trip in trips:
                self._pending.pop(trip.id, None)
                self._unkept.pop(trip.id, None)
        with self._disk_lock:
            for trip in trips:
                try:
                    self._erase(trip)
                except OSError as error:  # the store knows its id: it will not be merged twice
                    self._left.add(trip.id)
                    _log.warning("a merged trip stays in the spool: %s", error)

    # -- the disk --------------------------------------------------------------------------

    def _keep(self, trip: SpooledTrip) -> None:
        with self._disk_lock:
            if trip.id not in self._unkept:
                return
            try:
                self._write(trip)
            except OSError as error:
                raise SpoolError(f"{self._folder}: the trip cannot be spooled: {error}") from error
        with self._lock:
            self._unkept.pop(trip.id, None)

    def _write(self, trip: SpooledTrip) -> None:
        data = msgspec.json.encode(trip) + b"\n"
        if self._in_slot(trip.id, data):
            return
        try:
            with self._file(trip).open("wb") as stream:
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            reserve.sync_folder(self._folder)
        except OSError:
            # What was begun stays as evidence, unless the essence of the trip fits in a slot.
            if not self._in_slot(trip.id, msgspec.json.encode(essence(trip)) + b"\n"):
                raise
            with contextlib.suppress(OSError):
                self._file(trip).unlink(missing_ok=True)

    def _in_slot(self, trip_id: str, data: bytes) -> bool:
        """Write it to a free slot; False if that cannot be."""
        free = set(range(_SLOTS)).difference(self._slot_of.values())
        if self._slots is None or not free or len(data) > _SLOT_BYTES:
            return False
        slot = min(free)
        try:
            self._slots.write(slot * _SLOT_BYTES, data.ljust(_SLOT_BYTES, b"\0"))
        except OSError as error:
            _log.warning("a slot of the spool cannot be written: %s", error)
            return False
        self._slot_of[trip_id] = slot
        return True

    def _erase(self, trip: SpooledTrip) -> None:
        self._file(trip).unlink(missing_ok=True)
        slot = self._slot_of.get(trip.id)
        if slot is None or self._slots is None:
            return
        self._slots.write(slot * _SLOT_BYTES, bytes(_SLOT_BYTES))
        del self._slot_of[trip.id]

    def _file(self, trip: SpooledTrip) -> Path:
        return self._folder / f"{trip.id}{_SUFFIX}"


def is_waiting(folder: Path) -> bool:
    """Whether there is a trip of a service that does not run. Reads only. Raises OSError."""
    slots = folder / _SLOTS_FILE
    return any(folder.glob(f"*{_SUFFIX}")) or bool(
        slots.exists() and slots.read_bytes().strip(b"\0")
    )


def _filled(slots: reserve.Reserved) -> Iterator[tuple[int, bytes]]:
    for slot in range(_SLOTS):
        if data := slots.read(slot * _SLOT_BYTES, _SLOT_BYTES).rstrip(b"\0"):
            yield slot, data


def _read_file(path: Path) -> SpooledTrip:
    data = path.read_bytes()
    if (trip := _decoded(data)) and trip.id == path.stem:
        return trip
    return _unknown(path.name, data, datetime.fromtimestamp(path.stat().st_mtime).astimezone())


def _decoded(data: bytes) -> SpooledTrip | None:
    with contextlib.suppress(msgspec.MsgspecError, ValueError, RecursionError):
        trip = msgspec.json.decode(data, type=SpooledTrip)
        if isinstance(trip.kill, OperatorKill):
            Scope.parse(trip.kill.scope)
        return trip
    return None


def _unknown(name: str, data: bytes, at: datetime) -> SpooledTrip:
    evidence = f"{name}: {data[:200].decode('utf-8', 'replace')}"
    trip_id = name.removesuffix(_SUFFIX)
    return SpooledTrip(id=trip_id, kill_id=trip_id, received_at=at, kill=UnknownKill(evidence))
