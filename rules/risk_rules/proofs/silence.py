"""Proofs of the alert about a runtime that has fallen silent, and of what is no silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.model import Policy
from risk_rules.proofs.board import Board, Line, Truth
from risk_rules.proofs.series import Clock, Sample, milliseconds, samples_check
from risk_rules.system import EXPORTER_JOB, LOOKED, RECENT, UP

_FRESH: Final = 0.0
_GONE: Sample = None
_ONE: Final = {"job": EXPORTER_JOB, "instance": "one"}
_TWO: Final = {"job": EXPORTER_JOB, "instance": "two"}
Phase = tuple[Sample, float]


@dataclass(frozen=True)
class SilenceProof:
    """Writes the tests of dead-man's timers."""

    policy: Policy
    clock: Clock

    def scenarios(self) -> list[dict[str, Any]]:
        """Every way of falling silent, and everything that only looks like one."""
        silence, tick = self._silence, self.clock.tick
        old = self._old
        short = silence - 2 * self.clock.scrape - tick
        return [
            # It stops, and is heard again.
            self._scenario(
                "a runtime stops sending", [(_FRESH, tick), (old, silence + 2 * tick), (_FRESH, 0)]
            ),
            # It dies with the exporter that it embeds, and both come back.
            self._scenario(
                "a runtime dies with its exporter",
                [(_FRESH, tick), (_GONE, silence + 2 * tick), (_FRESH, 0)],
                [(1.0, tick), (0.0, silence + 2 * tick), (1.0, 0)],
            ),
            # An exporter comes back and remembers how old its last snapshot is.
            self._scenario(
                "an exporter is restarted",
                [(_FRESH, tick), (_GONE, short), (old, tick), (_FRESH, 0)],
                [(1.0, tick), (0.0, short), (1.0, 0)],
                never=True,
            ),
            # Everything starts; the account of yesterday is shown, and its runtime comes late.
            self._scenario(
                "a stack starts with an account that is known",
                [(_GONE, tick), (old, 2 * silence), (_FRESH, 0)],
                [(_GONE, tick), (1.0, 0)],
                never=True,
            ),
            # The same, where it had been fresh until the stack was stopped.
            self._scenario(
                "a stack is stopped and started again",
                [(_FRESH, tick), (_GONE, 2 * silence), (old, 2 * silence), (_FRESH, 0)],
                [(1.0, tick), (_GONE, 2 * silence), (1.0, 0)],
                never=True,
            ),
            # A second exporter hears it all the time.
            self._scenario(
                "another exporter hears the runtime", [(_FRESH, tick), (old, 0)],
                beside=[(_FRESH, 0)], never=True,
            ),
            self._retired(),
        ]  # fmt: skip

    def throughout(self, board: Board) -> tuple[int, Truth]:
        """One that falls silent for good, at a time at which an evaluation sees it; since when."""
        pace, reach = self.clock.evaluation, (1 + RECENT) * self._silence // 2
        begins = -(-(reach + self.clock.tick) // pace) * pace
        up = board.feed(UP, _ONE, (1.0, 0))
        ages = [(_FRESH, begins - reach), (self._old, 0)]
        line = board.feed(m.SNAPSHOT_AGE, {"account": "main", **_ONE}, *ages)
        return begins, self._is_silent(up, line)

    def _scenario(
        self,
        name: str,
        ages: list[Phase],
        up: list[Phase] | None = None,
        *,
        beside: list[Phase] | None = None,
        never: bool = False,
    ) -> dict[str, Any]:
        board = Board(self.policy, self.clock)
        seen = board.feed(UP, _ONE, *(up or [(1.0, 0)]))
        lines = [board.feed(m.SNAPSHOT_AGE, {"account": "main", **_ONE}, *ages)]
        if beside is not None:
            board.feed(UP, _TWO, (1.0, 0))
            lines.append(board.feed(m.SNAPSHOT_AGE, {"account": "main", **_TWO}, *beside))
        other = board.feed(m.SNAPSHOT_AGE, {"account": "other", **_TWO}, (_FRESH, 0))
        alert = system.RUNTIME_SILENT.under(self.policy)
        board.expect(alert, self._is_silent(seen, *lines), {"account": "main"})
        board.expect(alert, self._is_silent(seen, other), {"account": "other"})
        lasts = int(sum(lasting for _, lasting in ages)) + self._silence + 2 * self.clock.tick
        quiet = self._quiet(board, lasts) if never else []
        return board.scenario(name, lasts, quiet)

    def _retired(self) -> dict[str, Any]:
        """Silent and dropped: it goes on until an exporter that answers has not known it for long.

        One that does not answer says nothing about what it would know.
        """
        hold = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60)
        silence, tick = self._silence, self.clock.tick
        silent = tick + silence + 2 * tick
        board = Board(self.policy, self.clock)
        up = board.feed(UP, _ONE, (1.0, silent), (0.0, tick), (1.0, 0))
        ages = [(_FRESH, tick), (self._old, silent - tick), (_GONE, 0)]
        line = board.feed(m.SNAPSHOT_AGE, {"account": "main", **_ONE}, *ages)
        alert = system.RUNTIME_SILENT.under(self.policy)
        board.expect(alert, self._is_silent(up, line), {"account": "main"})
        return board.scenario("a silent account is retired", silent + hold + 4 * tick)

    def _quiet(self, board: Board, lasts: int) -> list[dict[str, Any]]:
        """It never fires, whatever the truth below says."""
        named = f'ALERTS{{alertname="{system.RUNTIME_SILENT.name}"}}'
        return [samples_check(named, now, []) for now in board.evaluations(0, lasts)]

    def _is_silent(self, up: Line, *lines: Line) -> Truth:
        """No fresh one for so long, though there was one lately; then until there is one."""
        stale, half = self.policy.alerting.system.snapshot_stale_seconds, self.clock.scrape / 2
        hold = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60) + half
        least = LOOKED * self._silence / self.clock.scrape

        def fresh(now: int, window: float) -> bool:
            return any(age <= stale for line in lines for age in line.within(now, window + half))

        def retired(now: int) -> bool:
            answers = up.within(now, hold)
            known = any(line.within(now, hold) for line in lines)
            return not known and bool(answers) and min(answers) == 1

        def begins(now: int) -> bool:
            looked = len(up.within(now, self._silence + half)) >= least
            return looked and fresh(now, RECENT * self._silence)

        return self._latched(begins, retired, lambda now: fresh(now, self._silence))

    def _latched(
        self,
        begins: Callable[[int], bool],
        retired: Callable[[int], bool],
        is_heard: Callable[[int], bool],
    ) -> Truth:
        known: dict[int, bool] = {-self.clock.evaluation: False}

        def at(now: int) -> bool:
            for then in range(max(known) + self.clock.evaluation, now + 1, self.clock.evaluation):
                before = known[then - self.clock.evaluation]
                goes_on = before and not retired(then)
                known[then] = (begins(then) or goes_on) and not is_heard(then)
            return known[now]

        return lambda now: 1.0 if at(now - now % self.clock.evaluation) else None

    @property
    def _silence(self) -> int:
        return milliseconds(self.policy.alerting.dead_man.runtime_seconds)

    @property
    def _old(self) -> float:
        return self.policy.alerting.system.snapshot_stale_seconds + 1.0
