"""Proofs of the alert about a runtime that has fallen silent, and of what is no silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.contracts.jobs import EXPORTER_JOB
from risk_policy.model import Policy
from risk_rules.proofs.board import Board, Line, Truth
from risk_rules.proofs.series import Clock, Sample, milliseconds, samples_check
from risk_rules.system import LOOKED, RECENT

_GONE: Sample = None
_ONE, _TWO, _THREE = (
    {"job": EXPORTER_JOB, "instance": name} for name in ("one", "two", "three")
)  # fmt: skip
Phase = tuple[Sample, float]


@dataclass(frozen=True)
class SilenceProof:
    """Writes the tests of dead-man's timers."""

    policy: Policy
    clock: Clock

    def scenarios(self) -> list[dict[str, Any]]:
        """Every way of falling silent, and everything that only looks like one."""
        return [self._falling(), self._outage()]

    def _falling(self) -> dict[str, Any]:
        """Under the eyes of Prometheus."""
        board, tick, scrape = Board(self.policy, self.clock), self.clock.tick, self.clock.scrape
        fresh, old = self._fresh, self._old
        long, short = self._silence + 2 * tick, max(self._silence - 3 * scrape, scrape)
        up = [
            board.feed(UP, _ONE, (1.0, 0)),
            board.feed(UP, _TWO, (1.0, tick), (0.0, long), (1.0, 0)),
            board.feed(UP, _THREE, (1.0, tick), (0.0, short), (1.0, 0)),
        ]
        ages: dict[str, list[tuple[dict[str, str], list[Phase]]]] = {
            # It stops, and is heard again; another exporter never had anything but old news.
            "stops": [(_ONE, [(fresh, tick), (old, long), (fresh, 0)]), (_TWO, [(old, 0)])],
            # It dies with the exporter that it embeds, and both come back.
            "dies": [(_TWO, [(fresh, tick), (_GONE, long), (fresh, 0)])],
            # An exporter comes back and remembers how old its last snapshot is.
            "restarted": [
                (_THREE, [(fresh, tick), (_GONE, short), (old, scrape), (fresh, 0)])
            ],
            # A second exporter hears it all the time.
            "beside": [(_ONE, [(fresh, tick), (old, 0)]), (_THREE, [(fresh, 0)])],
        }  # fmt: skip
        for account, told in ages.items():
            self._expect(board, account, up, *(self._feed(board, account, *one) for one in told))
        return self._scenario(board, "runtimes fall silent", long + 3 * tick, list(ages))

    def _outage(self) -> dict[str, Any]:
        """What happened while everything was stopped Prometheus did not see."""
        board, tick, silence = Board(self.policy, self.clock), self.clock.tick, self._silence
        fresh, old = self._fresh, self._old
        early, down = 0.4 * silence, 1.35 * silence
        before = tick + early
        up = [
            board.feed(UP, _ONE, (1.0, before), (_GONE, down), (1.0, 0)),
            # Of an exporter that starts later, Prometheus has seen less.
            board.feed(UP, _TWO, (_GONE, before + down + silence / 4), (1.0, 0)),
        ]
        ages: dict[str, list[Phase]] = {
            # Its last fresh snapshot is recent enough once Prometheus has looked for long enough,
            "recent": [(fresh, before), (_GONE, down), (old, 0)],
            # that of this one is not,
            "early": [(fresh, tick), (old, early), (_GONE, down), (old, 0)],
            # and this one is of yesterday, shown because an exporter remembers it.
            "yesterday": [(_GONE, before + down), (old, 0)],
        }
        for account, phases in ages.items():
            self._expect(board, account, up, self._feed(board, account, _ONE, phases))
        lasts = round(before + down) + silence + 2 * tick
        return self._scenario(board, "everything is stopped and started again", lasts, list(ages))

    def for_good(self, board: Board) -> tuple[int, Truth]:
        """Silent for good, or until it is retired; since when, and that of the account ``main``.

        A silent account that is dropped goes on until all exporters answer and none has known it
        for long. One that does not answer says nothing about what it would know.
        """
        begins, ages = self._dying()
        tick = self.clock.tick
        silent = begins + tick
        up = [
            board.feed(UP, _ONE, (1.0, silent), (0.0, tick), (1.0, 0)),
            board.feed(UP, _TWO, (1.0, 0)),
        ]
        for account, dropped in (("first", silent), ("later", silent + 3 * tick)):
            phases = [*ages, (self._old, dropped - ages[0][1]), (_GONE, 0)]
            self._expect(board, account, up, self._feed(board, account, _ONE, phases))
        main = self._feed(board, "main", _ONE, [*ages, (self._old, 0)])
        return begins, self._is_silent(up, main)

    @property
    def for_good_lasts(self) -> int:
        """Until whoever is retired is forgotten."""
        hold = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60)
        return self._dying()[0] + hold + 7 * self.clock.tick

    def _dying(self) -> tuple[int, list[Phase]]:
        """When an evaluation sees that it is silent, however rare they are, and what was before."""
        pace, reach = self.clock.evaluation, (1 + RECENT) * self._silence // 2
        begins = -(-(reach + self.clock.tick) // pace) * pace
        return begins, [(self._fresh, begins - reach)]

    def _feed(
        self, board: Board, account: str, exporter: dict[str, str], phases: list[Phase]
    ) -> Line:
        return board.feed(m.SNAPSHOT_AGE, {"account": account, **exporter}, *phases)

    def _expect(self, board: Board, account: str, up: list[Line], *ages: Line) -> None:
        alert = system.RUNTIME_SILENT
        board.expect(alert, self._is_silent(up, *ages), {"account": account})

    def _scenario(self, board: Board, name: str, lasts: int, accounts: list[str]) -> dict[str, Any]:
        """Also that it never fires in between for an account that is not silent at any time."""
        found = board.scenario(name, lasts)
        fires = {
            account
            for entry in found["alert_rule_test"]
            for alert in entry["exp_alerts"]
            for account in [alert["exp_labels"]["account"]]
        }
        window = duration(lasts / 1000 + 1)
        alerts = f'ALERTS{{{labels.ALERTNAME}="{system.RUNTIME_SILENT.name}"}}'
        ever = f"group by (account) (count_over_time({alerts}[{window}]))"
        expected = [({"account": account}, 1.0) for account in accounts if account in fires]
        return found | {
            "promql_expr_test": [
                *found.get("promql_expr_test", ()),
                samples_check(ever, lasts, expected),
            ]
        }

    def _is_silent(self, up: list[Line], *ages: Line) -> Truth:
        """No fresh one for so long, though there was one lately; then until there is one."""
        stale, half = self.policy.alerting.system.snapshot_stale_seconds, self.clock.scrape / 2
        hold = milliseconds(self.policy.alerting.latch.hold_missing_minutes * 60) + half
        least = LOOKED * self._silence / self.clock.scrape

        def fresh(now: int, window: float) -> bool:
            return any(age <= stale for line in ages for age in line.within(now, window + half))

        def retired(now: int) -> bool:
            answers = [answer for line in up for answer in line.within(now, hold)]
            known = any(line.within(now, hold) for line in ages)
            return not known and bool(answers) and min(answers) == 1

        def begins(now: int) -> bool:
            looked = max(len(line.within(now, self._silence + half)) for line in up)
            return looked >= least and fresh(now, RECENT * self._silence)

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
    def _fresh(self) -> float:
        """As old as a fresh one may be."""
        return self.policy.alerting.system.snapshot_stale_seconds

    @property
    def _old(self) -> float:
        return self.policy.alerting.system.snapshot_stale_seconds + 1.0
