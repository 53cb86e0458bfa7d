"""Proofs of what takes minutes and is about no limit: failures that are forgotten, escalation."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.metrics import foreign
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.contracts.jobs import ALERTMANAGER_JOB, EXPORTER_JOB, RECEIVERS_JOB
from risk_policy.model import Policy
from risk_rules.proofs.board import Board, Line, Truth, acknowledged
from risk_rules.proofs.conditions import COUNTED, remembered, rising
from risk_rules.proofs.guard import unconfirmed_and_gone
from risk_rules.proofs.series import Clock, Sample, milliseconds
from risk_rules.proofs.silence import SilenceProof

_GONE: Sample = None
_ONE = {"instance": "one"}


@dataclass(frozen=True)
class SlowProof:
    """Writes the slow tests of system and guard."""

    policy: Policy

    def system_scenarios(self) -> list[dict[str, Any]]:
        """Escalations of the health alerts, and failures that are long ago."""
        waiting, forgotten = Board(self.policy, self.clock), Board(self.policy, self.clock)
        self._wait(waiting)
        self._forget(forgotten)
        self._nobody(forgotten)
        lasts = self._last + self._longest + self._ack + 2 * self.clock.tick
        return [
            waiting.scenario("nobody answers an alert about the risk layer", lasts),
            forgotten.scenario("failures that are long ago", max(lasts, self._forgotten)),
            self._at_once(lasts),
        ]

    def guard_scenarios(self) -> list[dict[str, Any]]:
        """Security events: counted within their window, and unanswered; and what is held."""
        board = Board(self.policy, self.clock)
        self._security(board)
        lasts = max(self._security_lasts, unconfirmed_and_gone(board))
        return [board.scenario("guard: suspicious events, and nobody answers", lasts)]

    @cached_property
    def clock(self) -> Clock:
        """A slower pace: several evaluations within everything that is counted."""
        policy = self.policy
        minutes = min(
            policy.alerting.system.failure_window_minutes,
            policy.alerting.security.window_minutes,
            policy.alerting.escalation.time_based.critical_to_emergency_minutes,
        )
        least = milliseconds(policy.alerting.prometheus.evaluation_interval_seconds)
        pace = max(least, min(15_000, milliseconds(minutes * 60) // 8))
        return Clock(pace, pace)

    @cached_property
    def _last(self) -> int:
        minutes = self.policy.alerting.escalation.time_based.critical_to_emergency_minutes
        return milliseconds(minutes * 60)

    @cached_property
    def _longest(self) -> int:
        durations = [alert.duration for alert in system.SYSTEM_ALERTS if alert.duration]
        return milliseconds(max(self.policy.number(key) for key in durations))

    # -- escalation ----------------------------------------------------------------------------

    def _expect(
        self,
        board: Board,
        alert: SystemAlert,
        truth: Truth,
        identity: Mapping[str, str] | None = None,
        about: str = "",
    ) -> None:
        """An alert whose acknowledgement ends after a while: its clock starts then."""
        ids = [about] if about else list((identity or {}).values())
        risk_id = labels.risk_id(alert.limit, *ids)
        until = (self._longest + self._ack) / 1000
        ack = acknowledged(board, risk_id, alert.severity.value, until)
        board.expect(alert, truth, identity, about, ack)

    @cached_property
    def _ack(self) -> int:
        return 3 * self.clock.tick

    def _wait(self, board: Board) -> None:
        """Everything that escalates is due throughout."""

        def always(_: int) -> float:
            return 1.0

        for alert, job in (
            (system.RECEIVERS_DOWN, RECEIVERS_JOB),
            (system.ALERTMANAGER_DOWN, ALERTMANAGER_JOB),
        ):
            board.feed(foreign.UP, {"job": job, **_ONE}, (0.0, 0))
            self._expect(board, alert, always, about=job)
        self._expect(board, system.EXPORTER_DOWN, always, about=EXPORTER_JOB)
        board.feed(foreign.UP, {"job": EXPORTER_JOB, **_ONE}, (1.0, 0))
        board.feed(foreign.UP, {"job": EXPORTER_JOB, "instance": "two"}, (0.0, 0))
        stale = 10 * self.policy.alerting.system.snapshot_stale_seconds
        board.feed(m.SNAPSHOT_AGE, {"account": "old", **_ONE}, (stale, 0))
        self._expect(board, system.DATA_STALE, lambda _: stale, {"account": "old"})
        board.feed(m.POSITIONS_OPEN, {"account": "bare", **_ONE}, (1.0, 0))
        for name in self.policy.alerting.system.required_limits:
            about = {"account": "bare", "watched": name}
            self._expect(board, system.LIMIT_UNEVALUABLE, always, about)
        board.feed(foreign.PROMETHEUS_RELOADED, {"job": "prometheus"}, (0.0, 0))
        self._expect(board, system.CONFIG_RELOAD_FAILED, lambda _: 0.0, {"job": "prometheus"})
        board.feed(m.FAST_LANE_UNACKNOWLEDGED, _ONE, (1.0, 0))
        self._expect(board, system.FAST_LANE_UNHEARD, always, _ONE)
        board.feed(m.WRITER_HEALTHY, {}, (0.0, 0))
        self._expect(board, system.NOT_RECORDING, lambda _: 0.0)
        board.feed(m.AUDIT_INTACT, {}, (0.0, 0))
        self._expect(board, system.CHAIN_BROKEN, lambda _: 0.0)
        board.feed(m.DISK_FREE, {"component": "receivers"}, (0.01, 0))
        self._expect(board, system.DISK_FULL, lambda _: 0.01, {"component": "receivers"})
        board.feed(m.CERTIFICATE_EXPIRES, {}, (0.0, 0))
        self._expect(board, system.CERTIFICATE_ENDING, lambda _: 0.0)
        size = board.feed(m.AUDIT_EVENTS, {}, (9.0, self.clock.scrape), (5.0, 0))
        cut = remembered(self.policy, self.clock, lambda now: size.at(now) == 5)
        self._expect(board, system.CHAIN_TRUNCATED, cut)
        rises = tuple(float(number) for number in range(2 * self._last // self.clock.scrape))
        failing = board.feed_samples(foreign.RULE_FAILURES, {"rule_group": "g"}, rises)
        window = milliseconds(self.policy.alerting.system.failure_window_minutes * 60)
        self._expect(board, system.RULES_FAILING, rising(failing, window))

    def _nobody(self, board: Board) -> None:
        """An exporter that answers and knows of no account."""
        board.feed(foreign.UP, {"job": EXPORTER_JOB, **_ONE}, (1.0, 0))
        stale = milliseconds(self.policy.alerting.system.snapshot_stale_seconds)
        self._expect(board, system.NO_ACCOUNT, lambda now: 1.0 if now >= stale else None)

    def _at_once(self, lasts: int) -> dict[str, Any]:
        """What no slow scrape would see: the moment in which records were replaced, the beginning
        of a silence.
        """
        scrape = milliseconds(self.policy.alerting.prometheus.scrape_interval_seconds)
        board = Board(self.policy, Clock(scrape, self.clock.evaluation))
        board.feed(m.AUDIT_EVENTS, {}, (9.0, 0))
        at = self.clock.tick
        board.feed(m.AUDIT_HEAD, {"word": "0"}, (1.0, at), (2.0, 0))
        rewritten = remembered(self.policy, board.clock, lambda now: now == at)
        self._expect(board, system.CHAIN_REWRITTEN, rewritten)
        proof = SilenceProof(self.policy, board.clock)
        begins, silent = proof.for_good(board)
        self._expect(board, system.RUNTIME_SILENT, silent, {"account": "main"})
        name = "nobody answers after records were rewritten and runtimes fell silent"
        return board.scenario(name, max(lasts + begins, proof.for_good_lasts))

    # -- failures that are long ago ------------------------------------------------------------

    @cached_property
    def _forgotten(self) -> int:
        window = milliseconds(self.policy.alerting.system.failure_window_minutes * 60)
        lately = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60)
        return max(window, lately) + 6 * self.clock.tick

    def _forget(self, board: Board) -> None:
        """A failure counts for its window; a limit that is withdrawn is missed for a while."""
        window = milliseconds(self.policy.alerting.system.failure_window_minutes * 60)
        for alert, metric, identity, named in COUNTED:
            steps = (7.0, self.clock.tick), (8.0, self.clock.tick), (0.0, 0)
            line = board.feed(metric, {**identity, **named, **_ONE}, *steps)
            board.expect(alert, rising(line, window), identity)
        tick = self.clock.tick
        again = {"channel": "pager"}
        steps = (7.0, tick), (8.0, tick), (9.0, 0)
        line = board.feed(m.CHANNEL_BREAKDOWNS, {**again, **_ONE}, *steps)
        board.expect(system.CHANNEL_FAILING, rising(line, window, more_than=1), again)
        lately = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60)
        board.feed(m.POSITIONS_OPEN, {"account": "main", **_ONE}, (1.0, 0))
        required = self.policy.alerting.system.required_limits
        for name in required:
            named = {"account": "main", "limit": name, "risk_id": f"{name}/main"}
            board.feed(m.LIMIT_RAW, named, (0.1, 0))
        own = "cvar" if "cvar" not in required else "leverage"
        named = {"account": "main", "limit": own, "risk_id": f"{own}/main"}
        line = board.feed(m.LIMIT_RAW, named, (0.1, tick), (_GONE, 0))
        length = lately + self.clock.scrape / 2

        def missed(now: int) -> float | None:
            return 1.0 if line.at(now) is None and line.within(now, length) else None

        board.expect(system.LIMIT_UNEVALUABLE, missed, {"account": "main", "watched": own})

    # -- security ------------------------------------------------------------------------------

    @cached_property
    def _security_window(self) -> int:
        return milliseconds(self.policy.alerting.security.window_minutes * 60)

    @cached_property
    def _security_lasts(self) -> int:
        return (
            max(3 * self._security_window, 2 * self._security_window + self._ack + self._last)
            + 8 * self.clock.tick
        )

    def _security(self, board: Board) -> None:
        """One event short of the count, the count, and long ago; what escalates goes on first."""
        tick, window = self.clock.tick, self._security_window
        length = window + self.policy.alerting.prometheus.scrape_interval_seconds * 500
        for kind, alert in system.SECURITY_ALERTS.items():
            least = int(self.policy.number(f"alerting.security.{kind}_count"))
            first = (0.0, window + tick), (float(least - 1), tick)
            then: tuple[tuple[Sample, float], ...] = ((float(least), 0),)
            samples = self.clock.samples(*first, *then)
            if alert.escalates:
                goes_on = (self._last + self._ack + tick) // self.clock.scrape
                samples += tuple(float(least + number) for number in range(1, goes_on))
            line = board.feed_samples(m.SECURITY_EVENTS, {"kind": kind, **_ONE}, samples)

            def many(now: int, line: Line = line, least: int = least) -> float | None:
                count = line.rise(now, length)
                return float(count) if count >= least else None

            if alert.escalates:
                # Its acknowledgement ends soon after it begins.
                until = (window + self._ack + tick) / 1000
                ack = acknowledged(board, alert.limit, alert.severity.value, until)
                board.expect(alert, many, acked=ack)
            else:
                board.expect(alert, many)
