"""The thread that trips the kill switch when Prometheus falls silent, where the policy wants that.

Only who was heard since the start can fall silent: a stack that starts, or starts again, trips
nothing. One outage trips once, and again only if the switch was cleared or armed meanwhile; a
switch that is disarmed records it and stays as it is.
"""

from __future__ import annotations

from typing import Final

from risk_policy.vocabulary import DeadManAction
from risk_receivers.gate.pulse import Pulse
from risk_receivers.kill.trip import SilenceKill
from risk_receivers.recorder import Recorder
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

_LOOK_SECONDS: Final = 0.5  # the shortest silence that a policy would sensibly allow is seconds


class SilenceWatch(Worker):
    """Looks twice a second."""

    def __init__(
        self, pulse: Pulse, recorder: Recorder, telemetry: Telemetry, action: DeadManAction
    ) -> None:
        super().__init__("silence-watch", telemetry)
        self._pulse = pulse
        self._recorder = recorder
        self._halts = action is DeadManAction.HALT
        self._told: tuple[int, int] | None = None  # which outage, in which epoch of the switch

    def round(self) -> float | None:
        """Look once."""
        state, lost = self._recorder.known.everything, self._pulse.lost_since_ns
        if self._halts and lost is not None and self._told != (lost, state.epoch):
            if not state.is_tripped:
                self._recorder.trip_by_itself(SilenceKill("PROMETHEUS_SILENT"))
            self._told = (lost, state.epoch)
        return _LOOK_SECONDS
