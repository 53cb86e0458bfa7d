"""Proofs of the alerts about security, the kill switch, events and storms."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_rules.proofs.board import Board, Line, Truth
from risk_rules.proofs.series import Sample, milliseconds, policy_clock

_GONE: Sample = None
_ONE, _TWO = {"instance": "one"}, {"instance": "two"}
_STAMP: Final = 1000


@dataclass(frozen=True)
class GuardProof:
    """Writes the quick tests of the guard's alerts."""

    policy: Policy

    def scenarios(self) -> list[dict[str, Any]]:
        """Every one of these tests."""
        board = Board(self.policy, policy_clock(self.policy))
        self._kill_switch(board)
        self._not_confirmed(board)
        self._live_orders(board)
        self._events(board)
        self._storm(board)
        self._evaluation(board)
        name = "guard: kill switch, events, storms, and what nobody answers"
        return [board.scenario(name, self._shown + 8 * board.clock.tick)]

    @property
    def _shown(self) -> int:
        return milliseconds(self.policy.alerting.system.event_seconds)

    def _kill_switch(self, board: Board) -> None:
        """Disarmed, armed, tripped and cleared; of two receivers the worse one counts."""
        tick = board.clock.tick
        armed = board.feed(m.KILL_SWITCH_ARMED, _ONE, (0.0, 2 * tick), (1.0, 0))
        board.feed(m.KILL_SWITCH_ARMED, _TWO, (1.0, 0))

        def newly(now: int) -> float | None:
            return 1.0 if armed.at(now) == 1 and armed.at(now - self._shown) != 1 else None

        board.expect(system.KILL_SWITCH_ARMED, newly)
        tripped = board.feed(m.KILL_SWITCH_TRIPPED, _ONE, (0.0, tick), (1.0, tick), (0.0, 0))
        board.feed(m.KILL_SWITCH_TRIPPED, _TWO, (0.0, 0))
        # One of a single symbol, after that over everything was cleared.
        of_symbol = {"scope": "symbol"}
        kills = board.feed(
            m.KILLS, {**of_symbol, **_ONE}, (0.0, 4 * tick), (1.0, 2 * tick), (0.0, 0)
        )
        board.feed(m.KILLS, {"scope": "everything", **_TWO}, (0.0, 0))
        board.expect(
            system.KILL_SWITCH_TRIGGERED,
            lambda now: 1.0 if tripped.at(now) == 1 or kills.at(now) == 1 else None,
        )

        def disarmed(now: int) -> float | None:
            return 0.0 if armed.at(now) == 0 and tripped.at(now) != 1 else None

        board.expect(system.KILL_SWITCH_DISARMED, disarmed)
        blocked = board.feed(m.SECURITY_BLOCKED, _ONE, (0.0, tick), (1.0, 2 * tick),
                             (3.0, tick), (0.0, 0))  # fmt: skip
        board.feed(m.SECURITY_BLOCKED, _TWO, (0.0, 0))
        board.expect(system.ADDRESS_BLOCKED, lambda now: blocked.at(now) or None)
        self._key_overdue(board)
        # It lasts as long as the silence does, and is about this silence alone.
        this = {"silence": "5e1f"}
        broad = board.feed(
            m.SILENCE_TOO_BROAD,
            {**this, **_ONE},
            (_GONE, tick),
            (1.0, tick),
            (0.0, tick),
            (1.0, tick),
            (_GONE, 0),
        )
        board.feed(m.SILENCE_TOO_BROAD, {**this, **_TWO}, (0.0, 0))
        board.feed(m.SILENCE_TOO_BROAD, {"silence": "other", **_ONE}, (0.0, 0))
        board.expect(system.SILENCE_TOO_BROAD, lambda now: broad.at(now) or None, this)

    def _key_overdue(self, board: Board) -> None:
        """As old as it may become, older, and changed; another has more time left."""
        tick = board.clock.tick
        most = float(self.policy.alerting.security.rotation.api_keys_days * 86_400)
        this, other = {"secret": "alerting.auth.runtime_token"}, {"secret": "token grafana"}
        board.feed(m.SECRET_ROTATE_AFTER, {**this, **_ONE}, (most, 0))
        board.feed(m.SECRET_ROTATE_AFTER, {**other, **_ONE}, (most, 0))
        board.feed(m.SECRET_AGE, {**other, **_ONE}, (most, 0))
        age = board.feed(
            m.SECRET_AGE, {**this, **_ONE}, (most, 2 * tick), (most + 60, 2 * tick), (0.0, 0)
        )

        def overdue(now: int) -> float | None:
            value = age.at(now)
            return value if value is not None and value > most else None

        board.expect(system.KEY_OVERDUE, overdue, this)

    def _live_orders(self, board: Board) -> None:
        """Ruled out, possible, ruled out and possible again; of two exporters the worse counts."""
        tick, main = board.clock.tick, {"account": "main"}
        phases = (1.0, tick), (0.0, 2 * tick), (1.0, tick), (0.0, 0)
        line = board.feed(m.LIVE_ORDERS_RULED_OUT, {**main, **_ONE}, *phases)
        board.feed(m.LIVE_ORDERS_RULED_OUT, {**main, **_TWO}, (1.0, 0))
        # Another account never is.
        board.feed(m.LIVE_ORDERS_RULED_OUT, {"account": "other", **_ONE}, (1.0, 0))

        def newly(now: int) -> float | None:
            return 0.0 if line.at(now) == 0 and line.at(now - self._shown) != 0 else None

        board.expect(system.LIVE_ORDERS_POSSIBLE, newly, main)

    def _not_confirmed(self, board: Board) -> None:
        """Nothing to close, to be closed since a moment, since too long, and confirmed."""
        longest = self.policy.alerting.kill_switch.confirm_flat_within_seconds
        tick = board.clock.tick
        # Beyond the limit two ticks from the beginning, and confirmed two later.
        since = 2 * tick / _STAMP - longest
        line = board.feed(m.KILL_SWITCH_UNCONFIRMED, _ONE, (0.0, tick), (since, 3 * tick), (0.0, 0))
        # Another one counts from a moment later, and is never told that it is over.
        later = 2 * tick / _STAMP
        beside = board.feed(
            m.KILL_SWITCH_UNCONFIRMED, _TWO, (0.0, tick), (later, 3 * tick), (0.0, 0)
        )
        board.expect(system.KILL_SWITCH_NOT_CONFIRMED, _owed(self.policy, line, beside))

    def _events(self, board: Board) -> None:
        """Shown for a while after it happened, whoever still remembers it."""
        for number, (alert, metric) in enumerate((
            (system.STOP_LOSS_TRIGGERED, m.STOP_LOSS_TRIGGERED),
            (system.TAKE_PROFIT_TRIGGERED, m.TAKE_PROFIT_TRIGGERED),
        )):  # fmt: skip
            identity = {"account": "main", "symbol": "AAPL"}
            at = (2 + number) * board.clock.tick
            when = at / _STAMP
            line = board.feed(metric, {**identity, **_ONE}, (_GONE, at), (when, 0))
            board.feed(metric, {**identity, **_TWO}, (-self._shown / _STAMP, 0))
            board.feed(metric, {**identity, "symbol": "OLD", **_ONE}, (-self._shown / _STAMP, 0))
            board.expect(alert, self._lately(line, when), identity)

    def _lately(self, line: Line, when: float) -> Truth:
        def truth(now: int) -> float | None:
            ago = now / _STAMP - when
            return ago if line.at(now) is not None and ago * _STAMP < self._shown else None

        return truth

    def _storm(self, board: Board) -> None:
        """One short of a storm, a storm over several subjects, and none across tiers."""
        often, tick = self.policy.alerting.escalation.frequency_based, board.clock.tick
        least, minutes = often.storm_alert_at_count, often.window_minutes
        whole = duration(max(round(minutes * 60), 1))
        part = duration(max(round(minutes * 40), 1))

        def began(name: str, tier: str, window: str, *phases: tuple[Sample, float]) -> Line:
            about = {"limit": "drawdown", "tier": tier, "risk_id": f"drawdown/{name}"}
            named = {**about, "account": name, "window": window}
            return board.feed(m.BREACH_EPISODES, named, *phases)

        half = float(least // 2)
        began("a", "warning", whole, (half, 0))
        rest = least - half
        other = began("b", "warning", whole, (rest - 1, tick), (rest, tick), (rest - 1, 0))
        began("a", "critical", whole, (float(least - 1), 0))
        began("a", "warning", part, (float(least), 0))

        def storm(now: int) -> float | None:
            count = half + (other.at(now) or 0.0)
            return count if count >= least else None

        if often.enabled and self.policy.alerting.escalation.enabled:
            board.expect(system.ALERT_STORM, storm,
                         {"watched": "drawdown", "of_tier": "warning"})  # fmt: skip

    def _evaluation(self, board: Board) -> None:
        """Whatever has waited for so long asks about the kill switch, once per account."""
        how = self.policy.alerting.escalation
        minutes = how.time_based.emergency_kill_switch_minutes
        half = self.policy.alerting.prometheus.evaluation_interval_seconds / 2
        tick = board.clock.tick

        def waiting(account: str, limit: str, since: float, until: int) -> Line:
            about = {"limit": limit, "tier": "critical", "risk_id": f"{limit}/{account or 'x'}"}
            named = {**about, **({"account": account} if account else {})}
            return board.feed(m.UNACKED_SINCE, named, (since, until), (_GONE, 0))

        for account, limit in (("main", "drawdown"), ("", "exporter_down")):
            # It will have waited long enough some evaluations from now, and then is answered.
            since = (2 * tick) / _STAMP - minutes * 60
            line = waiting(account, limit, since, 4 * tick)
            waiting(account, "var", since + 60 * minutes, 0)
            # So has another, but the longest counts.
            waiting(account, "leverage", since + board.clock.evaluation / _STAMP, 4 * tick)

            def asks(now: int, line: Line = line) -> float | None:
                began = line.at(now)
                waited = now / _STAMP - began if began is not None else 0.0
                return waited if waited >= round(minutes * 60 - half, 3) else None

            if how.enabled and how.time_based.enabled:
                about = {"account": account or "system"}
                board.expect(system.KILL_SWITCH_EVALUATION, asks, about)


def unconfirmed_and_gone(board: Board) -> int:
    """What was not confirmed when the receivers went away is still not, for long. How long it takes
    to see that.
    """
    policy, tick = board.policy, board.clock.tick
    hold = _hold(policy)
    since = -2 * policy.alerting.kill_switch.confirm_flat_within_seconds
    line = board.feed(
        m.KILL_SWITCH_UNCONFIRMED, _ONE, (since, tick), (_GONE, hold + 2 * tick),
        (since, tick), (_GONE, tick), (0.0, 0),
    )  # fmt: skip
    board.expect(system.KILL_SWITCH_NOT_CONFIRMED, _owed(policy, line))
    _tripped_and_gone(board)
    return hold + 7 * tick


def _tripped_and_gone(board: Board) -> None:
    """A switch that was tripped when they went away is, until they say that it was cleared."""
    tick, hold = board.clock.tick, _hold(board.policy)
    lines = [
        board.feed(metric, {**labels, **_ONE}, *phases)
        for metric, labels, phases in (
            (
                m.KILL_SWITCH_TRIPPED,
                {},
                ((1.0, tick), (_GONE, hold + 2 * tick), (1.0, tick), (_GONE, tick), (0.0, 0)),
            ),
            (
                m.KILLS,
                {"scope": "symbol"},
                ((1.0, tick), (_GONE, hold + 3 * tick), (1.0, tick), (_GONE, tick), (0.0, 0)),
            ),
        )
    ]
    within = hold + policy_clock(board.policy).scrape / 2

    def truth(now: int) -> float | None:
        last = [found[-1] for line in lines if (found := line.within(now, within))]
        return 1.0 if 1.0 in last else None

    board.expect(system.KILL_SWITCH_TRIGGERED, truth)


def _hold(policy: Policy) -> int:
    return milliseconds(policy.alerting.latch.hold_missing_minutes * 60)


def _owed(policy: Policy, *lines: Line) -> Truth:
    """How long the oldest has been owed, by what each said last."""
    longest = policy.alerting.kill_switch.confirm_flat_within_seconds
    hold = _hold(policy) + policy_clock(policy).scrape / 2

    def truth(now: int) -> float | None:
        last = [found[-1] for line in lines if (found := line.within(now, hold))]
        owed = [now / _STAMP - since for since in last if since]
        return max(owed) if owed and max(owed) > longest else None

    return truth
