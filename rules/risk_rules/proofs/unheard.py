"""Proof of the alert about other alerts: whatever is critical while the receivers are dead."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts.jobs import ALERTMANAGER_JOB, EXPORTER_JOB, RECEIVERS_JOB
from risk_policy.model import Policy
from risk_policy.vocabulary import Severity
from risk_rules.proofs.board import Board, Truth
from risk_rules.proofs.series import Clock, milliseconds
from risk_rules.proofs.system import PartsProof

_ONE = {"instance": "one"}


@dataclass(frozen=True)
class UnheardProof:
    """Writes its test, at a pace at which it is over before anything escalates."""

    policy: Policy
    clock: Clock

    def scenario(self) -> dict[str, Any]:
        """The receivers die, come back and cannot record, while disks fill and the switch trips."""
        board, tick = Board(self.policy, self.clock), self.clock.tick
        wait = milliseconds(self.policy.number(system.RECEIVERS_DOWN.duration))
        dead = wait + 4 * tick
        back = tick + dead
        for job in (EXPORTER_JOB, ALERTMANAGER_JOB):
            board.feed(UP, {"job": job, **_ONE}, (1.0, 0))
        board.feed(m.SNAPSHOT_AGE, {"account": "main", **_ONE}, (0.0, 0))
        up = board.feed(UP, {"job": RECEIVERS_JOB, **_ONE}, (1.0, tick), (0.0, dead), (1.0, 0))
        if self.policy.alerting.high_availability.peers:
            board.feed(m.RECEIVERS_LEADER, {"job": RECEIVERS_JOB, **_ONE}, (1.0, 0))
        writes = board.feed(
            m.WRITER_HEALTHY, _ONE, (1.0, back + 6 * tick), (0.0, 2 * tick), (1.0, 0)
        )
        # One disk is full throughout, another for a while; their warnings fire with them.
        full = 0.01
        board.feed(m.DISK_FREE, {"component": "receivers", **_ONE}, (full, 0))
        short = (1.0, back - tick), (full, tick), (1.0, 0)
        other = board.feed(m.DISK_FREE, {"component": "exporter", **_ONE}, *short)
        tripped = board.feed(m.KILL_SWITCH_TRIPPED, _ONE, (0.0, back - 2 * tick), (1.0, 0))
        is_down = PartsProof(self.policy).is_down(system.RECEIVERS_DOWN, up)

        def deaf(now: int) -> bool:
            return self._lasts(is_down, now, wait) or writes.at(now) == 0

        def disks(now: int) -> float | None:
            return 1.0 + (other.at(now) == full) if deaf(now) else None

        def switch(now: int) -> float | None:
            return 1.0 if deaf(now) and tripped.at(now) == 1 else None

        for severity, alert, truth in (
            (Severity.CRITICAL, system.DISK_FULL, disks),
            (Severity.EMERGENCY, system.KILL_SWITCH_TRIGGERED, switch),
        ):
            identity = {"of_severity": severity.value, "watched": alert.name}
            board.expect(system.ALERT_UNHEARD, truth, identity)
        return board.scenario("what is critical while the receivers are dead", back + 10 * tick)

    def _lasts(self, truth: Truth, now: int, wait: int) -> bool:
        """Whether a condition has held for as long as its alert wants."""
        half = milliseconds(self.policy.alerting.prometheus.evaluation_interval_seconds) / 2
        since = now
        while since >= 0 and truth(since) is not None:
            since -= self.clock.evaluation
        held = now - since - self.clock.evaluation
        return truth(now) is not None and (not wait or held >= wait - half)
