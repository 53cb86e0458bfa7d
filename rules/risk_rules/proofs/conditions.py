"""Proofs of the alerts about figures, configuration, delivery, records and disks."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.metrics import Metric, foreign
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import alert as labels
from risk_policy.contracts.jobs import EXPORTER_JOB, RECEIVERS_JOB
from risk_policy.model import Policy
from risk_rules.promql import number
from risk_rules.proofs import two_levels
from risk_rules.proofs.board import Board, Line, Truth
from risk_rules.proofs.series import Clock, Sample, milliseconds, policy_clock, selector
from risk_rules.proofs.system import PartsProof
from risk_rules.timing import account_hold_seconds, looked_back_seconds

_GONE: Sample = None
_NUDGE: Final = 1e-6
_ONE, _TWO = {"instance": "one"}, {"instance": "two"}
#: Alerts that a counter raises by rising: their metric, whom they are about, its other labels.
COUNTED: Final[tuple[tuple[SystemAlert, Metric, dict[str, str], dict[str, str]], ...]] = (
    (system.RULES_FAILING, foreign.RULE_FAILURES, {}, {"rule_group": "g"}),
    (system.RULES_LATE, foreign.RULE_MISSED, {}, {"rule_group": "g"}),
    (system.ALERTS_UNDELIVERED, foreign.UNDELIVERED, {"alertmanager": "http://a"}, {}),
    (system.CHANNEL_FAILING, m.FAILOVERS, {"channel": "mail"}, {"to": "chat"}),
    (system.UNEXPECTED_ERRORS, m.UNEXPECTED_ERRORS, {"component": "receivers"}, {}),
)


@dataclass(frozen=True)
class ConditionsProof:
    """Writes the quick tests of the health alerts that no dead part is behind."""

    policy: Policy

    def scenarios(self) -> list[dict[str, Any]]:
        """Every one of these tests."""
        board = Board(self.policy, policy_clock(self.policy))
        self._levels(board)
        two_levels.disk(board, self._phase / 2)
        two_levels.certificate(board, self._phase / 2)
        self._clock_skew(board)
        self._figures(board)
        self._drift(board)
        self._counters(board)
        self._chain(board)
        name = "figures, configuration, delivery, records and disks"
        channels = Board(self.policy, policy_clock(self.policy))
        self._channels(channels)
        lasts = max(3 * self._phase + 2 * self._down_for, PartsProof(self.policy).down(channels))
        return [
            board.scenario(name, self._lasts),
            channels.scenario("channels; a part is down, loses a scrape, vanishes", lasts),
            self._fast_lane(),
            self._long_ago(),
        ]

    @property
    def _lasts(self) -> int:
        return 4 * self._phase

    @property
    def _phase(self) -> int:
        """After this long, whatever is going to fire does."""
        durations = [alert.duration for alert in system.SYSTEM_ALERTS if alert.duration]
        policy = self.policy
        longest = max(
            [policy.number(key) for key in durations if "down" not in key]
            + [account_hold_seconds(policy)]
        )
        return milliseconds(longest) + 2 * policy_clock(policy).tick

    # -- levels --------------------------------------------------------------------------------

    def _levels(self, board: Board) -> None:
        own = self.policy.alerting.system
        least = round(own.var_covered_min_pct / 100, 10)
        above: list[tuple[SystemAlert, Metric, float, str]] = [
            (system.STATE_UNSAVED, m.STATE_UNSAVED, own.snapshot_stale_seconds, ""),
            (system.DEAD_LETTERS, m.DEAD_LETTERS, 0, "channel"),
            (system.CHAIN_UNSIGNED, m.AUDIT_UNSIGNED, own.audit_unsigned_seconds, ""),
            (system.RETENTION_STOPPED, m.AUDIT_RETENTION_STOPPED, 0, ""),
            (system.REPORTS_FAILING, m.REPORTS_FAILING, 0, ""),
        ]
        below: list[tuple[SystemAlert, Metric, float, str]] = [
            (system.VAR_INCOMPLETE, m.VAR_COVERED, least, "account"),
        ]
        for sign, table in ((1, above), (-1, below)):
            for alert, metric, level, label in table:
                self._level(board, alert, metric, round(level, 10), sign, label)
        self._flag(board, system.CHAIN_BROKEN, m.AUDIT_INTACT, {})
        self._flag(board, system.NOT_RECORDING, m.WRITER_HEALTHY, {})
        for metric, job in (
            (foreign.PROMETHEUS_RELOADED, "prometheus"),
            (foreign.ALERTMANAGER_RELOADED, "alertmanager"),
        ):
            self._flag(board, system.CONFIG_RELOAD_FAILED, metric, {"job": job})

    def _level(
        self, board: Board, alert: SystemAlert, metric: Metric, level: float, sign: int, label: str
    ) -> None:
        """Short of a level, at it, beyond it, short again; somebody else is fine throughout."""
        step = sign * max(abs(level), 1) * _NUDGE
        safe, beyond = round(level - step, 10), round(level + step, 10)
        # Not every metric has the label; what has none is about everything.
        identity = {label: f"{alert.limit}-a"} if label else {}
        named = identity or {"account": "a"}
        phases = [(value, self._phase) for value in (safe, level, beyond, safe)]
        lines = (
            board.feed(metric, {**named, **_ONE}, *phases),
            board.feed(metric, {**named, **_TWO}, (safe, 0)),
        )
        other = {next(iter(named)): f"{alert.limit}-b"}
        board.feed(metric, {**other, **_ONE}, (safe, 0))

        def truth(now: int) -> float | None:
            found = [value for line in lines if (value := line.at(now)) is not None]
            worst = max(found) if sign > 0 else min(found)
            return worst if sign * (worst - level) > 0 else None

        board.expect(alert, truth, identity)

    def _flag(
        self, board: Board, alert: SystemAlert, metric: Metric, identity: dict[str, str]
    ) -> None:
        """1, then 0 at one of two, then 1 again."""
        line = board.feed(metric, {**identity, **_ONE}, (1.0, self._phase), (0.0, self._phase),
                          (1.0, 0))  # fmt: skip
        board.feed(metric, {**identity, **_TWO}, (1.0, 0))
        board.expect(alert, lambda now: 0.0 if line.at(now) == 0 else None, identity)

    # -- clocks --------------------------------------------------------------------------------

    def _clock_skew(self, board: Board) -> None:
        """Behind, at the limit, ahead; the clock of another one is right."""
        limit, scrape = self.policy.alerting.system.clock_skew_seconds, board.clock.scrape
        far = round(limit + 0.001, 6)
        phase = self._phase
        steps = ((0.0, phase), (limit, phase), (far, phase), (-far, phase), (0.0, self._lasts))
        offsets = [offset or 0.0 for offset in board.clock.samples(*steps)]
        stamps = [number * scrape / 1000 for number in range(len(offsets))]
        skewed = tuple(at + offset for at, offset in zip(stamps, offsets, strict=True))
        right = tuple(stamps)
        for metric, job, instance in (
            (m.EXPORTER_TIME, EXPORTER_JOB, "one"),
            (m.RECEIVERS_TIME, RECEIVERS_JOB, "three"),
        ):
            identity = {"instance": instance}
            line = board.feed_samples(metric, {"job": job, **identity}, skewed)
            board.feed_samples(metric, {"job": job, **_TWO}, right)
            # Another job finds the same instance right; the worse one counts.
            board.feed_samples(metric, {"job": "other", **identity}, right)

            def truth(now: int, line: Line = line) -> float | None:
                clock = line.at(now)
                asked = now // scrape * scrape / 1000
                apart = abs(asked - clock) if clock is not None else 0.0
                return apart if apart > limit else None

            board.expect(system.CLOCK_SKEW, truth, identity)

    # -- figures -------------------------------------------------------------------------------

    def _figures(self, board: Board) -> None:
        """NaN, figures that are missing, and such that are withdrawn."""
        phase = self._phase
        required = self.policy.alerting.system.required_limits
        own = next(limit.name for limit in LIMITS if limit.identity == ("account",)
                   and limit.name not in required)  # fmt: skip
        held = next(limit.name for limit in LIMITS if not limit.is_account_level)

        def raw(account: str, limit: str, *phases: tuple[Sample, float], about: str = "") -> Line:
            named = {"account": account, "limit": limit, "risk_id": f"{limit}/{account}{about}"}
            return board.feed(m.LIMIT_RAW, named, *phases)

        def reported(account: str, *phases: tuple[Sample, float]) -> Line:
            return board.feed(m.POSITIONS_OPEN, {"account": account, **_ONE}, *phases)

        here = reported("here", (3.0, 0))
        lines = {
            name: raw("here", name, (0.1, phase), (_GONE, phase), (0.1, phase)) for name in required
        }
        lines[own] = raw("here", own, (0.1, phase), (_GONE, phase), (0.1, phase))
        raw("here", held, (0.9, phase), (_GONE, 2 * phase), (0.9, 0), about="/x")
        for name, line in lines.items():
            board.expect(system.LIMIT_UNEVALUABLE, _missing(line, here),
                         {"account": "here", "watched": name})  # fmt: skip
        gone = reported("gone", (1.0, phase), (_GONE, 0))
        bare = reported("bare", (1.0, 0))
        nowhere = Line(board.clock, ())
        for name in required:
            line = raw("gone", name, (0.1, phase), (_GONE, 0))
            board.expect(system.LIMIT_UNEVALUABLE, _missing(line, gone),
                         {"account": "gone", "watched": name})  # fmt: skip
            board.expect(system.LIMIT_UNEVALUABLE, _missing(nowhere, bare),
                         {"account": "bare", "watched": name})  # fmt: skip
        # NaN is a figure, and not one: nobody calls it missing, somebody calls it NaN.
        reported("odd", (1.0, 0))
        for name in required:
            nan = (0.1, phase), (math.nan, phase), (0.1, 0)
            line, twin = raw("odd", name, *nan), raw("odd", name, *nan, about="/y")
            board.expect(system.VALUE_NAN, _not_a_number(line, twin),
                         {"account": "odd", "watched": name})  # fmt: skip

    def _drift(self, board: Board) -> None:
        """A component on the same policy, one on another, and the same one mended."""
        hold = milliseconds(account_hold_seconds(self.policy))

        def info(component: str, digest: str, *phases: tuple[Sample, float]) -> Line:
            return board.feed(m.POLICY_INFO, {"component": component, "digest": digest}, *phases)

        info("exporter", self.policy.digest, (1.0, 0))
        info("rules", self.policy.digest, (1.0, 0))
        other = info("receivers", "0" * 64, (_GONE, self._phase), (1.0, self._phase), (_GONE, 0))
        board.expect(system.POLICY_DRIFT, lambda now: 2.0 if other.within(now, hold) else None)

    # -- counters ------------------------------------------------------------------------------

    def _counters(self, board: Board) -> None:
        """Counters that stand still, then rise once; the end is left to the slow tests."""
        window = milliseconds(self.policy.alerting.system.failure_window_minutes * 60)
        for alert, metric, identity, named in COUNTED:
            line = board.feed(metric, {**identity, **named, **_ONE}, (7.0, self._phase), (8.0, 0))
            still = dict.fromkeys(identity, "other")
            board.feed(metric, {**identity, **named, **still, **_TWO}, (7.0, 0))
            board.expect(alert, rising(line, window), identity)
        # One that is up now is not forgiven what others took over before.
        board.feed(m.CHANNEL_UP, {"channel": "mail", **_ONE}, (1.0, 0))

    # -- channels ------------------------------------------------------------------------------

    @property
    def _down_for(self) -> int:
        return milliseconds(self.policy.alerting.system.channel_down_seconds)

    def _channels(self, board: Board) -> None:
        """A channel that is down for long, for a while, that breaks down once, and again."""
        # A try that failed and was repeated, however often messages were sent or failed.
        for outcome in ("sent", "failed"):
            board.feed(m.MESSAGES, {"channel": "chat", "outcome": outcome}, (1.0, 5), (50.0, 0))
        window = milliseconds(self.policy.alerting.system.failure_window_minutes * 60)
        once, twice = {"channel": "chat"}, {"channel": "pager"}
        board.feed(m.CHANNEL_BREAKDOWNS, {**once, **_ONE}, (7.0, self._phase), (8.0, 0))
        board.feed(m.CHANNEL_BREAKDOWNS, {**once, **_TWO}, (7.0, self._phase), (8.0, 0))
        again = board.feed(
            m.CHANNEL_BREAKDOWNS, {**twice, **_ONE},
            (7.0, self._phase), (8.0, min(self._phase, window / 2) / 2), (9.0, 0),
        )  # fmt: skip
        board.feed(m.CHANNEL_BREAKDOWNS, {**twice, **_TWO}, (7.0, 0))
        board.expect(system.CHANNEL_FAILING, rising(again, window, more_than=1), twice)

        long, scrape = self._down_for, board.clock.scrape
        dead, restarted = {"channel": "hook"}, {"channel": "sms"}
        line = board.feed(m.CHANNEL_UP, {**dead, **_ONE},
                          (1.0, self._phase), (0.0, long + self._phase), (1.0, 0))  # fmt: skip
        board.feed(m.CHANNEL_UP, {**dead, **_TWO}, (1.0, 0))
        for named in (_ONE, _TWO):  # one after the other
            start = self._phase + (named is _TWO) * long
            board.feed(m.CHANNEL_UP, {**restarted, **named},
                       (1.0, start), (0.0, max(long - scrape, 0)), (1.0, 0))  # fmt: skip

        def truth(now: int) -> float | None:
            was_down = line.at(now - long) == 0
            return 1.0 if was_down and not any(line.within(now, long + scrape / 2)) else None

        board.expect(system.CHANNEL_FAILING, truth, dead)

    # -- the fast lane -------------------------------------------------------------------------

    def _fast_lane(self) -> dict[str, Any]:
        """One is off for a while, one waits for a moment and then for long; another is well."""
        board = Board(self.policy, policy_clock(self.policy))
        tick, wait = (
            board.clock.tick,
            milliseconds(self.policy.number(system.FAST_LANE_UNHEARD.duration)),
        )
        on = board.feed(m.FAST_LANE_ON, _ONE, (1.0, tick), (0.0, tick), (1.0, 0))
        for well in (_TWO, {"job": "other", **_ONE}):
            board.feed(m.FAST_LANE_ON, well, (1.0, 0))
            board.feed(m.FAST_LANE_UNACKNOWLEDGED, well, (0.0, 0))
        if self.policy.alerting.fast_lane.enabled:
            board.expect(system.FAST_LANE_OFF, lambda now: 0.0 if on.at(now) == 0 else None, _ONE)
        waiting = board.feed(
            m.FAST_LANE_UNACKNOWLEDGED, _ONE,
            (0.0, tick), (1.0, board.clock.scrape), (0.0, tick), (2.0, wait + tick), (0.0, 0),
        )  # fmt: skip
        board.expect(system.FAST_LANE_UNHEARD, lambda now: waiting.at(now) or None, _ONE)
        return board.scenario("the fast lane", wait + 6 * tick)

    # -- the audit chain -----------------------------------------------------------------------

    def _chain(self, board: Board) -> None:
        """It grows, is rewritten at the same length, is cut short, and goes on."""
        policy, clock, phase = self.policy, board.clock, self._phase
        size = board.feed(m.AUDIT_EVENTS, _ONE, (10.0, phase), (11.0, 2 * phase),
                          (9.0, phase / 2), (12.0, 0))  # fmt: skip
        # A second witness that stands still hides neither growth nor loss.
        board.feed(m.AUDIT_EVENTS, _TWO, (8.0, 0))
        heads = [
            board.feed(m.AUDIT_HEAD, {"word": str(word), **_ONE}, (5.0 + word, phase),
                       (6.0 + word, phase), (7.0 + word * (word == 0), phase), (8.0, 0))
            for word in range(2)
        ]  # fmt: skip

        def shorter(now: int) -> bool:
            return (size.at(now) or 0) < max(size.within(now, now))

        board.expect(system.CHAIN_TRUNCATED, remembered(policy, clock, shorter))
        moment = 3.5 * clock.scrape

        def replaced(now: int) -> bool:
            other = any(_changed(head, now, moment) for head in heads)
            return other and not _changed(size, now, moment)

        lately = milliseconds(looked_back_seconds(policy))

        def rewritten(now: int) -> bool:
            """At this evaluation; where those are rare, at any scrape since the one before."""
            scrapes = range(now - now % clock.scrape, now - lately, -clock.scrape)
            return any(map(replaced, scrapes if lately else (now,)))

        board.expect(system.CHAIN_REWRITTEN, remembered(policy, clock, rewritten))

    def _long_ago(self) -> dict[str, Any]:
        """What was seen of the chain hours before the test began is forgotten in its course."""
        board, left = Board(self.policy, policy_clock(self.policy)), 4 * self._tick
        memory = milliseconds(self.policy.alerting.system.audit_witness_hours * 3600)
        seen = (left - memory) / 1000
        inputs = []
        for alert in (system.CHAIN_TRUNCATED, system.CHAIN_REWRITTEN):
            board.expect(alert, lambda now: seen if now < left else None)
            named = {labels.LIMIT: alert.limit, labels.RISK_ID: labels.risk_id(alert.limit)}
            series = selector(m.LIMIT_VALUE.name, named)
            inputs.append({"series": series, "values": number(seen)})
        test = board.scenario("what was seen of the records hours ago", 2 * left)
        return {**test, "input_series": inputs}

    @property
    def _tick(self) -> int:
        return policy_clock(self.policy).tick


def remembered(policy: Policy, clock: Clock, seen: Callable[[int], bool]) -> Truth:
    """What an evaluation saw lately; when that was, in seconds."""
    memory = milliseconds(policy.alerting.system.audit_witness_hours * 3600)

    def truth(now: int) -> float | None:
        for at in range(now - now % clock.evaluation, -1, -clock.evaluation):
            if at <= now - memory:
                break
            if seen(at):
                return at / 1000
        return None

    return truth


def rising(line: Line, window: float, more_than: float = 0) -> Truth:
    """A counter has grown within a window and half a scrape."""
    length = window + line.clock.scrape / 2
    return lambda now: 1.0 if line.rise(now, length) > more_than else None


def _changed(line: Line, now: int, window: float) -> bool:
    return len(set(line.within(now, window))) > 1


def _missing(line: Line, account: Line) -> Truth:
    def truth(now: int) -> float | None:
        return 1.0 if account.at(now) is not None and line.at(now) is None else None

    return truth


def _not_a_number(*lines: Line) -> Truth:
    def truth(now: int) -> float | None:
        count = sum(value is not None and math.isnan(value) for line in lines
                    for value in (line.at(now),))  # fmt: skip
        return float(count) if count else None

    return truth
