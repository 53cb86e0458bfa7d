"""Carry out the order that somebody left as a file beside the gate.

Readers keep the gate closed as long as it stands there, so it is taken away only once the trip is
on record and published. Until then it is tried again; the same order is merged once. One that
cannot be taken away goes on keeping the gate closed, for those who ask over the network too, and
that is complained about.
"""

from __future__ import annotations

import logging
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Final
from uuid import uuid4

import msgspec

from risk_policy.contracts import marker
from risk_policy.contracts.marker import KillOrder
from risk_policy.vocabulary import KillMode
from risk_receivers.errors import LooserModeError
from risk_receivers.kill.trip import OperatorKill, SpooledTrip
from risk_receivers.ledger import Outcome
from risk_receivers.recorder import ACT_AFTER_SECONDS, Received, Recorder
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

#: Nothing waits for it: the readers are closed by the file itself.
_LOOK_SECONDS: Final = 0.1
#: A store that cannot take it is not asked more often.
_AGAIN_SECONDS: Final = 1.0
_SOMEBODY: Final = f"whoever made {marker.ORDER_FILE}"
_log = logging.getLogger(__name__)


class StandingOrder:
    """Whether an order stands there: meanwhile no lease is granted."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @property
    def complaint(self) -> str:
        """Why no lease is; empty if none stands there."""
        if not marker.is_ordered(self._folder):
            return ""
        return f"the order {self._folder / marker.ORDER_FILE} stands there"


class OrderWatch(Worker):
    """Looks ten times a second."""

    def __init__(
        self, folder: Path, recorder: Recorder, telemetry: Telemetry, automatic_mode: KillMode
    ) -> None:
        super().__init__("kill-order", telemetry)
        self._folder = folder
        self._recorder = recorder
        self._automatic_mode = automatic_mode
        self._order: KillOrder | None = None
        self._recording: Future[Outcome] | None = None
        self._acted = False
        self._stuck = ""

    @property
    def complaint(self) -> str:
        """Why it does not do its work; empty if it does."""
        return super().complaint or self._stuck

    def round(self) -> float | None:
        """Look once."""
        if not marker.is_ordered(self._folder):
            self._order = self._recording = None
            self._stuck = ""
            return _LOOK_SECONDS
        order = marker.read_order(self._folder)
        if order is None:
            return _LOOK_SECONDS
        if not self._is_done(order):
            return _AGAIN_SECONDS
        try:
            marker.withdraw_order(self._folder, order)
        except OSError as error:
            stuck = (
                f"the order {self._folder / marker.ORDER_FILE} was carried out and cannot be taken "
                f"away ({error.strerror}); the gate stays closed until somebody does"
            )
            if stuck != self._stuck:
                _log.error("%s", stuck)
            self._stuck = stuck
            return _AGAIN_SECONDS
        self._order = self._recording = None  # the next one may look the same
        return _LOOK_SECONDS

    def _is_done(self, order: KillOrder) -> bool:
        """Whether it is on record, or asks for less than is in force."""
        received = Received()
        trip = trip_of(order, self._automatic_mode, received.at)
        if order != self._order or self._recording is None:
            self._order, self._acted = order, False
            self._recording = self._recorder.take_kill(trip, received)
        try:
            outcome = self._recording.result(ACT_AFTER_SECONDS)
            if outcome.kill is None or not outcome.kill.everything.is_tripped:
                # One of the same id was carried out before, and that was cleared. This one stands.
                trip = msgspec.structs.replace(trip, id=str(uuid4()), kill_id=str(uuid4()))
                self._recording = self._recorder.take_kill(trip, received)
                return False
        except LooserModeError as error:
            _log.warning("the order in %s changes nothing: %s", marker.ORDER_FILE, error)
        except TimeoutError:
            if not self._acted:  # the recording goes on
                self._recorder.act_first([trip], received)
            self._acted = True
            return False
        except StoreError as error:  # the recorder tripped without it, and has it in the spool
            _log.error("the order in %s is not on record yet: %s", marker.ORDER_FILE, error)
            self._recording = None
            return False
        return True


def trip_of(order: KillOrder, automatic_mode: KillMode, received_at: datetime) -> SpooledTrip:
    """The trip that an order asks for; the same one whenever it is asked again."""
    kill = OperatorKill(
        mode=order.mode or automatic_mode,
        reason=order.reason or f"the file {marker.ORDER_FILE} was found beside the gate",
        actor=order.actor or _SOMEBODY,
    )
    return SpooledTrip(order.id, order.id, received_at, kill)
