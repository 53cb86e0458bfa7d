"""Trips that the store could not take, each in a file of its own until it is merged.

Only trips are ever spooled, and only after the gate was closed for them. So a file that cannot
be read, or was not finished, is evidence of a trip: it is handed on as such, never skipped.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import Final

import msgspec

from risk_policy.vocabulary import KillMode
from risk_receivers.errors import SpoolError
from risk_receivers.intake.alert import Alert

_SUFFIX: Final = ".jsonl"
_log = logging.getLogger(__name__)


class OperatorKill(msgspec.Struct, frozen=True, tag="operator"):
    """Somebody asked for the kill switch."""

    mode: KillMode
    reason: str
    actor: str


class AlertKill(msgspec.Struct, frozen=True, tag="alert"):
    """An alert asked for the kill switch."""

    alert: Alert


class UnknownKill(msgspec.Struct, frozen=True, tag="unknown"):
    """Something asked for the kill switch, and all that is left is that it did."""

    evidence: str


class SpooledTrip(msgspec.Struct, frozen=True):
    """One trip, on its way to the store.

    Attributes:
        id: recorded in the store with the trip, so that it is merged once.
        kill_id: the id the gate was closed with.
    """

    id: str
    kill_id: str
    received_at: datetime
    kill: OperatorKill | AlertKill | UnknownKill


class Spool:
    """The folder of trips not yet in the store."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._pending: dict[str, SpooledTrip] = {}

    def open(self) -> None:
        """Read what an earlier run left. Raises SpoolError."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            paths = sorted(self._folder.glob(f"*{_SUFFIX}"))
            found = {path.stem: _read(path) for path in paths}
        except OSError as error:
            raise SpoolError(f"{self._folder}: the spool cannot be read: {error}") from error
        with self._lock:
            self._pending.update(found)

    @property
    def pending(self) -> Sequence[SpooledTrip]:
        """Trips that are not in the store yet, oldest first."""
        if not self._pending:
            return ()
        with self._lock:
            return sorted(self._pending.values(), key=lambda trip: trip.received_at)

    def add(self, trip: SpooledTrip) -> None:
        """Keep a trip, durably. Raises SpoolError; even then it stays pending in memory."""
        with self._lock:
            self._pending[trip.id] = trip
        target = self._folder / f"{trip.id}{_SUFFIX}"
        try:
            with target.open("wb") as stream:
                stream.write(msgspec.json.encode(trip) + b"\n")
                stream.flush()
                os.fsync(stream.fileno())
            _sync_folder(self._folder)
        except OSError as error:
            raise SpoolError(f"{target}: the trip cannot be spooled: {error}") from error

    def merged(self, trips: Sequence[SpooledTrip]) -> None:
        """Forget trips that the store has taken."""
        with self._lock:
            for trip in trips:
                self._pending.pop(trip.id, None)
        for trip in trips:
            try:
                (self._folder / f"{trip.id}{_SUFFIX}").unlink(missing_ok=True)
            except OSError as error:  # the store knows its id: it will not be merged twice
                _log.warning("a merged trip stays in the spool: %s", error)


def _read(path: Path) -> SpooledTrip:
    data = path.read_bytes()
    with contextlib.suppress(msgspec.MsgspecError, UnicodeError, RecursionError):
        trip = msgspec.json.decode(data, type=SpooledTrip)
        if trip.id == path.stem:
            return trip
    modified = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    return SpooledTrip(
        id=path.stem,
        kill_id=path.stem,
        received_at=modified,
        kill=UnknownKill(f"{path.name}: {data[:200].decode('utf-8', 'replace')}"),
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
