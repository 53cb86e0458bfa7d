"""Kills that closed the gate of this machine alone, while another one leads: it is told of them.

A service that could record nothing, or ``riskwarden kill`` where nobody answered, keeps a kill in
the spool and beside the gate. Whoever leads on another machine knows nothing of it, and its gate
may be open. So who stands by hands on what a person, or a runtime, has asked for. It keeps its
ids, so that it is on record once and stays cleared once it was; and it is forgotten here only when
the leader has it on record, or is tripped in a tighter mode.

What an alert, a timer or a damaged file asked for is not handed on: the leader hears alerts and
timers itself. What it has on record since is forgotten here, and the rest stays where it is. The
gate that was closed for it stays closed, and names it as the record does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

import httpx

from risk_policy.clock import utc_now
from risk_policy.contracts import gate as contract
from risk_policy.contracts import marker
from risk_policy.contracts.operator import LONGEST_NAME, LONGEST_REASON
from risk_policy.contracts.restriction import Kill
from risk_policy.contracts.scope import Scope
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.errors import GateBusyError
from risk_receivers.gate.detail import DetailFile
from risk_receivers.gate.folder import FolderLock
from risk_receivers.kill.alert_keys import ids_on_record, is_repeat
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.journal import load
from risk_receivers.kill.order_watch import trip_of
from risk_receivers.kill.spool import Spool, is_waiting
from risk_receivers.kill.trip import AlertKill, OperatorKill, SpooledTrip, TimeoutKill
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_LOOK_SECONDS: Final = 1.0
#: Who is not known to the leader is blocked by it if he goes on asking.
_LAST_PAUSE_SECONDS: Final = 60.0
#: The gate's folder is held meanwhile: nobody takes over here.
_PATIENCE_SECONDS: Final = 3.0
#: Which it may have recorded since.
_HEARD_BY_THE_LEADER: Final = (AlertKill, TimeoutKill)
#: A reason, or who, that is nothing but blanks.
_NOT_SAID: Final = "not said"
_ON_RECORD: Final = (httpx.codes.OK, httpx.codes.CONFLICT)
_log = logging.getLogger(__name__)


def is_left_behind(data: Path) -> bool:
    """Whether a kill waits in a data folder, for who leads there. Raises OSError."""
    return is_waiting(data / "spool") or marker.is_ordered(data / "gate")


class LeftBehind(Worker):
    """Looks once a second, and less often for who turns it away."""

    def __init__(
        self,
        data: Path,
        leader: Callable[[], str],
        automatic: Automatic,
        place: Place,
        *,
        token: str,
        telemetry: Telemetry,
    ) -> None:
        super().__init__("left-behind", telemetry)
        self._data = data
        self._leader = leader
        self._automatic = automatic
        self._place = place
        self._headers = {"Authorization": f"Bearer {token}"}
        self._said = ""
        self._pause = _LOOK_SECONDS

    def round(self) -> float | None:
        """Hand on what there is."""
        try:
            if self._leader() and is_left_behind(self._data):
                with _own(self._data) as spool:
                    self._hand_on(spool)
        except GateBusyError:
            pass  # the one who publishes here records it
        except ROUND_ERRORS as error:
            self._say(f"what waits in {self._data} cannot be handed on: {error}")
        return self._pause

    def _hand_on(self, spool: Spool) -> None:
        order = marker.read_order(self._data / "gate")
        trips = {trip.id: trip for trip in spool.pending}
        if order is not None and order.id not in trips:
            trips[order.id] = trip_of(order, self._automatic.mode, utc_now())
        for trip in trips.values():
            # An order that cannot even be looked at has no id of its own.
            if not isinstance(trip.kill, OperatorKill) or trip.id == marker.UNREADABLE:
                continue
            if not self._is_taken(trip, trip.kill):
                continue
            with closing(open_read_only(self._place)) as connection:
                ids = ids_on_record(connection, [trip], self._automatic)
                # Else it asked for less than is in force.
                tighter = load(connection).of(Scope.parse(trip.kill.scope)).kill_id
            _name(self._data / "gate", ids or {trip.kill_id: tighter or trip.kill_id})
            if order is not None and order.id == trip.id:
                marker.withdraw_order(self._data / "gate", order)
            spool.merged([trip])
        waiting = spool.pending
        if others := [one for one in waiting if isinstance(one.kill, _HEARD_BY_THE_LEADER)]:
            with closing(open_read_only(self._place)) as connection:
                found = [one for one in others if self._is_on_record(connection, one, waiting)]
                ids = ids_on_record(connection, found, self._automatic)
            _name(self._data / "gate", ids)
            spool.merged(found)

    def _is_on_record(
        self, connection: Connection, trip: SpooledTrip, waiting: Sequence[SpooledTrip]
    ) -> bool:
        if not isinstance(trip.kill, TimeoutKill):
            return is_repeat(connection, trip, self._automatic)
        one = load(connection).with_id(trip.kill_id)
        if one is None:  # over, or there by another id; unless it waits here itself
            return all(isinstance(other.kill, TimeoutKill) for other in waiting)
        return one.on_timeout(utc_now()) is None

    def _is_taken(self, trip: SpooledTrip, kill: OperatorKill) -> bool:
        leader = self._leader()
        asked = {
            "id": trip.id,
            "kill_id": trip.kill_id,
            "mode": kill.mode.value,
            "reason": kill.reason.strip()[:LONGEST_REASON] or _NOT_SAID,
            "actor": kill.actor.strip()[:LONGEST_NAME] or _NOT_SAID,
            "scope": kill.scope,
        }
        try:
            answer = httpx.post(
                f"http://{leader}/api/v1/kill",
                json=asked,
                headers=self._headers,
                timeout=_PATIENCE_SECONDS,
                trust_env=False,
            )
        except (httpx.HTTPError, httpx.InvalidURL, UnicodeError) as error:
            self._say(f"a kill that waits here cannot be handed on to {leader}: {error}")
            return False
        if answer.status_code not in _ON_RECORD:
            self._say(
                f"a kill that waits here was not taken by {leader}: {answer.status_code} "
                f"{answer.reason_phrase}"
            )
            if not answer.is_server_error:
                self._pause = min(2 * self._pause, _LAST_PAUSE_SECONDS)
            return False
        self._pause = _LOOK_SECONDS
        _log.critical("the kill %s, which was given here, is known to %s now", trip.kill_id, leader)
        return True

    def _say(self, why: str) -> None:
        if why != self._said:
            _log.error("%s", why)
        self._said = why


@contextmanager
def _own(data: Path) -> Iterator[Spool]:
    """The spool of a folder in which nobody leads meanwhile. Raises StartError, SpoolError."""
    lock = FolderLock(data / "gate", patience_seconds=0)
    spool = Spool(data / "spool")
    try:
        spool.open()
        yield spool
    finally:
        spool.close()
        lock.release()


def _name(gate: Path, ids: Mapping[str, str]) -> None:
    """Have what was published here name kills as the record does. Raises OSError.

    It is by that id that they are cleared. By its own, one would trip again when this one leads.
    """
    found = contract.read_detail(gate)
    if found is None or not any(ids.get(kill.id, kill.id) != kill.id for kill in found.kills):
        return
    named = tuple(
        one.model_copy(update={"id": ids.get(one.id, one.id)}) if isinstance(one, Kill) else one
        for one in found.restrictions
    )
    file = DetailFile(gate)
    # Newer than the lease file, which nobody renews meanwhile: readers take it as it is.
    file.show(found.model_copy(update={"version": found.version + 1, "restrictions": named}))
    file.keep()
