"""Proofs of the alerts about the parts themselves: dead ones, old data, nobody's account."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.contracts.jobs import ALERTMANAGER_JOB, EXPORTER_JOB, RECEIVERS_JOB
from risk_policy.model import Policy
from risk_rules.proofs.board import Board, Line, Truth
from risk_rules.proofs.series import Clock, Sample, milliseconds, policy_clock, samples_check
from risk_rules.timing import account_hold_seconds, failure_memory_seconds

_NUDGE: Final = 0.001
_FRESH: Final = 0.0
_GONE: Sample = None
_JOBS: Final = (
    (system.EXPORTER_DOWN, EXPORTER_JOB),
    (system.RECEIVERS_DOWN, RECEIVERS_JOB),
    (system.ALERTMANAGER_DOWN, ALERTMANAGER_JOB),
)


@dataclass(frozen=True)
class PartsProof:
    """Writes the tests of parts that may be dead."""

    policy: Policy

    def scenarios(self) -> list[dict[str, Any]]:
        """Every test of dead parts and of what they no longer report."""
        return [
            *self._crash_loops(),
            self._standby(),
            self._stale(),
            self._never_sends(),
            self._starts_late(),
            self._vanishes(),
            self._empty_after_a_restart(),
        ]

    @property
    def clock(self) -> Clock:
        """The policy's own pace."""
        return policy_clock(self.policy)

    def _board(self) -> Board:
        return Board(self.policy, self.clock)

    # -- dead parts ----------------------------------------------------------------------------

    def down(self, board: Board) -> int:
        """Up, one lost scrape, down, up again, then out of Prometheus's sight.

        For a test that is about something else, too: what takes long is evaluated once.
        """
        tick, lasts = self.clock.tick, 0
        board.expect(system.WATCHDOG, lambda _: 1.0)
        for alert, job in _JOBS:
            wait = milliseconds(self.policy.number(alert.duration))
            memory = milliseconds(failure_memory_seconds(self.policy, wait / 1000))
            phases: list[tuple[Sample, float]] = [
                (1.0, tick), (0.0, self.clock.scrape), (1.0, memory + wait + tick),
                (0.0, wait + tick), (1.0, memory + tick), (_GONE, wait + tick),
            ]  # fmt: skip
            line = board.feed(UP, {"job": job, "instance": "one"}, *phases)
            if alert is system.RECEIVERS_DOWN and self._peers:
                board.feed(m.RECEIVERS_LEADER, {"job": job, "instance": "one"}, (1.0, 0))
            board.expect(alert, self.is_down(alert, line), about=job)
            lasts = max(lasts, int(sum(lasting for _, lasting in phases)))
        return lasts

    def _crash_loops(self) -> Iterator[dict[str, Any]]:
        """A part that keeps dying beside one that does not is down, without a break."""
        board, lasts = self._board(), 0
        for alert, job in _JOBS:
            if alert is system.RECEIVERS_DOWN and self._peers:
                continue  # the one that does not die is enough
            wait = milliseconds(self.policy.number(alert.duration))
            memory = milliseconds(failure_memory_seconds(self.policy, wait / 1000))
            up = max(int(memory // self.clock.scrape), 1)
            loops = 2 + wait // (self.clock.scrape * (up + 1)) * 2
            samples = ((0.0,) + (1.0,) * up) * loops
            named = {"job": job, "instance": "one"}
            line = board.feed_samples(UP, {**named, "instance": "two"}, samples)
            healthy = board.feed(UP, named, (1.0, 0))
            board.expect(alert, self.is_down(alert, line, healthy), about=job)
            if alert is system.RECEIVERS_DOWN:
                board.expect(system.STANDBY_MISSING, self._is_missing(line, healthy))
            lasts = max(lasts, len(samples) * self.clock.scrape)
        yield board.scenario("a part that keeps dying beside one that does not", lasts)

    def _standby(self) -> dict[str, Any]:
        """Two receivers: one stands by, is gone for long, and comes back; then nobody leads."""
        board, tick = self._board(), self.clock.tick
        wait = milliseconds(self.policy.number(system.STANDBY_MISSING.duration))
        memory = milliseconds(failure_memory_seconds(self.policy, wait / 1000))
        gone = wait + 2 * tick
        named = {"job": RECEIVERS_JOB, "instance": "one"}
        beside = {**named, "instance": "two"}
        one = board.feed(UP, named, (1.0, 0))
        two = board.feed(
            UP, beside, (1.0, tick), (0.0, self.clock.scrape), (1.0, memory + tick),
            (0.0, gone), (1.0, 0),
        )  # fmt: skip
        long = tick + self.clock.scrape + memory + tick + gone + tick
        leads = board.feed(m.RECEIVERS_LEADER, named, (1.0, long), (0.0, 0))
        board.feed(m.RECEIVERS_LEADER, beside, (0.0, 0))
        board.expect(system.STANDBY_MISSING, self._is_missing(one, two))
        if self._peers:
            board.expect(
                system.RECEIVERS_DOWN,
                lambda now: None if leads.at(now) else 1.0,
                about=RECEIVERS_JOB,
            )
        else:
            board.expect(
                system.RECEIVERS_DOWN,
                self.is_down(system.RECEIVERS_DOWN, one, two),
                about=RECEIVERS_JOB,
            )
        return board.scenario("one of two receivers is gone, then nobody leads", long + gone)

    @property
    def _peers(self) -> bool:
        return bool(self.policy.alerting.high_availability.peers)

    @staticmethod
    def _is_missing(*lines: Line) -> Truth:
        def truth(now: int) -> float | None:
            latest = [up for line in lines if (up := line.at(now)) is not None]
            return 0.0 if latest and min(latest) == 0 and max(latest) == 1 else None

        return truth

    def is_down(self, alert: SystemAlert, *lines: Line) -> Truth:
        """Not all that is there answers, or did so throughout the memory of a failure."""
        wait = self.policy.number(alert.duration)
        memory = milliseconds(failure_memory_seconds(self.policy, wait))

        def truth(now: int) -> float | None:
            latest = [up for line in lines if (up := line.at(now)) is not None]
            lately = [up for line in lines for up in line.within(now, memory)]
            answers = bool(latest) and min(latest) == 1
            return None if answers and (not memory or min(lately) == 1) else 1.0

        return truth

    # -- old data ------------------------------------------------------------------------------

    def _stale(self) -> dict[str, Any]:
        """Below and at its limit, beyond, fresh again; and an exporter that dies with it."""
        board, tick = self._board(), self.clock.tick
        stale = self.policy.alerting.system.snapshot_stale_seconds
        hold = milliseconds(account_hold_seconds(self.policy))
        ages = (stale - _NUDGE, stale, round(stale + _NUDGE, 6), _FRESH)
        main = self._age(board, "main", *((age, tick) for age in ages))
        # Also claimed by an exporter with fresh data: the staler one counts.
        beside = self._age(board, "main", (_FRESH, 0), instance="two")
        old = round(stale + 2 * _NUDGE, 6)
        dying = self._age(board, "dying", (old, 2 * tick), (_GONE, hold + tick))
        other = self._age(board, "other", (_FRESH, 0))

        def is_stale(*lines: Line) -> Truth:
            def truth(now: int) -> float | None:
                latest = [found[-1] for line in lines if (found := line.within(now, hold))]
                return max(latest) if latest and max(latest) > stale else None

            return truth

        for account, lines in (("main", (main, beside)), ("dying", (dying,)), ("other", (other,))):
            board.expect(system.DATA_STALE, is_stale(*lines), {"account": account})
        return board.scenario("snapshots are old, and outlive their exporter", 3 * tick + hold)

    # -- nobody's account ----------------------------------------------------------------------

    def _never_sends(self) -> dict[str, Any]:
        """An exporter that starts and never gets a snapshot; then one arrives."""
        board, tick, stale = self._board(), self.clock.tick, self._stale_ms
        up = self._exporter(board, (1.0, 0))
        long = 2 * stale + 2 * tick
        age = self._age(board, "main", (_GONE, long), (_FRESH, tick))
        board.expect(system.NO_ACCOUNT, self._is_nobodys(up, age))
        return board.scenario("nobody ever sends a snapshot, then somebody does", long + 2 * tick)

    def _starts_late(self) -> dict[str, Any]:
        """An exporter that starts long after Prometheus may hear of its account a scrape later."""
        board, tick = self._board(), self.clock.tick
        dead = self._stale_ms + 2 * tick
        up = self._exporter(board, (0.0, dead), (1.0, tick))
        late = self.clock.scrape if self._patience else 0
        age = self._age(board, "main", (_GONE, dead + late), (_FRESH, tick))
        board.expect(system.NO_ACCOUNT, self._is_nobodys(up, age))
        # It says so itself: nothing fires while it starts.
        starting = board.evaluations(dead, dead + 2 * tick)
        silent = f'ALERTS{{alertname="{system.NO_ACCOUNT.name}",alertstate="firing"}}'
        quiet = [samples_check(silent, now, []) for now in starting]
        return board.scenario("an exporter that starts late is left time", dead + 2 * tick, quiet)

    def _vanishes(self) -> dict[str, Any]:
        """An exporter that answers throughout, and no longer tells of its account."""
        board, tick = self._board(), self.clock.tick
        told = self._stale_ms + 2 * tick
        up = self._exporter(board, (1.0, 0))
        age = self._age(board, "main", (_FRESH, told), (_GONE, 0))
        board.expect(system.NO_ACCOUNT, self._is_nobodys(up, age))
        return board.scenario("an account vanishes from an exporter", 2 * told + 2 * tick)

    def _empty_after_a_restart(self) -> dict[str, Any]:
        """An account is known, its exporter dies and comes back with no account: never silence."""
        board, tick = self._board(), self.clock.tick
        down = system.EXPORTER_DOWN
        gone = max(self._stale_ms, milliseconds(self.policy.number(down.duration))) + 2 * tick
        age = self._age(board, "main", (_FRESH, tick), (_GONE, 3 * gone))
        up = self._exporter(board, (1.0, tick), (0.0, gone), (1.0, gone))
        board.expect(system.NO_ACCOUNT, self._is_nobodys(up, age))
        board.expect(down, self.is_down(down, up), about=EXPORTER_JOB)
        alarm = f'alertname=~"{system.NO_ACCOUNT.name}|{down.name}",alertstate="firing"'
        start = tick + milliseconds(self.policy.number(down.duration)) + tick
        loud = [
            samples_check(f"count(ALERTS{{{alarm}}}) > bool 0", now, [({}, 1)])
            for now in board.evaluations(start, tick + 2 * gone)
        ]
        return board.scenario("never silence between a dead and an empty exporter",
                              tick + 2 * gone, loud)  # fmt: skip

    def _is_nobodys(self, up: Line, age: Line) -> Truth:
        """No age for as long as a snapshot may be old, from an exporter that answers at times."""
        stale = self._stale_ms
        window = stale + self.clock.scrape / 2

        def truth(now: int) -> float | None:
            if age.within(now, window):
                return None
            answered = any(sample == 1 for sample in up.within(now, window))
            known = up.at(now - stale) is not None
            running = not self._patience or up.at(now - self.clock.scrape) == 1
            return 1.0 if answered and known and running else None

        return truth

    @property
    def _patience(self) -> bool:
        """Whether a starting exporter is left a scrape, because it still counts as down then."""
        down = self.policy.alerting.system.exporter_down_seconds
        scrape = self.policy.alerting.prometheus.scrape_interval_seconds
        return failure_memory_seconds(self.policy, down) > 2 * scrape

    @property
    def _stale_ms(self) -> int:
        return milliseconds(self.policy.alerting.system.snapshot_stale_seconds)

    def _exporter(self, board: Board, *phases: tuple[Sample, float]) -> Line:
        return board.feed(UP, {"job": EXPORTER_JOB, "instance": "one"}, *phases)

    def _age(
        self, board: Board, account: str, *phases: tuple[Sample, float], instance: str = "one"
    ) -> Line:
        # Whatever the exporter calls it: the rule builds the risk_id itself.
        named = {"account": account, labels.RISK_ID: f"snapshot/{account}"}
        target = {"job": EXPORTER_JOB, "instance": instance}
        return board.feed(m.SNAPSHOT_AGE, {**named, **target}, *phases)
