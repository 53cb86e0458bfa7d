"""What the alerts would have meant: the gate, the kill switch, and the account with it.

"With" is the account flat from the row at which the kill switch tripped, closed at that row's
prices; "without" is history as it was. Everything before a trip is the same in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.restriction import HELD_BY_ACTION
from risk_policy.model import Policy
from risk_policy.restricting import latching
from risk_policy.vocabulary import Action, KillMode
from risk_rules.backtest.clock import Clock
from risk_rules.backtest.episodes import Episode
from risk_rules.backtest.history import History

_DAYS_PER_MONTH: Final = 365.25 / 12
#: What a tripped kill switch does, until somebody clears it.
_TRIPPED: Final = {
    KillMode.PAUSE: "refuses new risk until it is cleared; closes nothing",
    KillMode.GRACEFUL: "refuses new risk until it is cleared, closes the rest after its timeout",
    KillMode.IMMEDIATE: "refuses new risk until it is cleared, cancels orders, closes positions",
}
#: What else is asked for, tightest first; what the gate does not hold is up to people. Actions that
#: ask for nothing about orders are absent.
_ASKED: Final = {
    Action.HALT_NEW_TRADES: "refuses orders that add risk",
    Action.EMERGENCY_REDUCE: "refuses orders that add risk; people reduce at once",
    Action.REDUCE_EXPOSURE: "refuses orders that add risk; people reduce",
    Action.PAUSE_NEW_ENTRIES: "refuses orders that add risk, for the time being",
    Action.BLOCK_TRADE: "refuses orders that add to what the alert is about",
    Action.REDUCE_SIZE: "refuses orders of more than a share of their size",
    Action.FORCE_CLOSE_REVIEW: "review the position: close it, or say why not",
}


@dataclass(frozen=True, slots=True)
class Curve:
    """An account's way: equity of every row, and what it came to.

    Attributes:
        drawdown: fall from the peak so far, as a ratio, of every row.
    """

    equity: tuple[float, ...]
    drawdown: tuple[float, ...]
    worst_drawdown: float
    profit: float
    profit_ratio: float


@dataclass(frozen=True, slots=True)
class Trip:
    """Where the kill switch tripped, and when the account was flat (None: it was not closed)."""

    alertname: str
    risk_id: str
    row: int
    flat_row: int | None


@dataclass(frozen=True, slots=True)
class GateUse:
    """How often and how long the gate would have acted in one way, or people been asked to.

    What is refused is told and not taken out of history: nobody knows what else would have been
    ordered. One that waits for a person lasts to the end, or as long as resuming is said to take.

    Attributes:
        times: stretches without a pause in between.
        rows: rows on which it would have.
        enforced: whether the gate does it; else alerts ask for it, and orders are left alone.
    """

    action: Action
    effect: str
    times: int
    rows: int
    first_row: int
    enforced: bool = False


@dataclass(frozen=True, slots=True)
class Count:
    """One alert over the whole history."""

    alertname: str
    tier: str
    severity: str
    fired: int
    rows: int
    escalated: int
    resolved: int
    false_alarms: int
    first_row: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """The whole outcome.

    Attributes:
        false_alarm_ratio: of alerts that ended and have a next tier, the share that ended
            without it; None if there were none.
        curve_with: None if the kill switch did not trip, or its mode closes nothing.
    """

    episodes: tuple[Episode, ...]
    counts: tuple[Count, ...]
    gate: tuple[GateUse, ...]
    trip: Trip | None
    months: float
    alerts_per_month: float
    false_alarm_ratio: float | None
    curve: Curve
    curve_with: Curve | None


def judge(
    policy: Policy,
    clock: Clock,
    history: History,
    told: Sequence[Episode],
    resume_seconds: float | None = None,
) -> Verdict:
    """Put the alerts together. Escalations are not counted as alerts of their own.

    ``resume_seconds`` is how long after its alert somebody resumes what waits for a person; never
    if None.
    """
    span = (history.times[-1] - history.times[0]).total_seconds() + history.spacing_seconds
    months = span / 86_400 / _DAYS_PER_MONTH
    ended = [episode.resolved_milder for episode in told if episode.resolved_milder is not None]
    trip = _trip(policy, clock, history, told)
    rows = len(history.times)
    return Verdict(
        episodes=tuple(told),
        counts=_counts(told, len(history.times)),
        gate=_gate(
            policy.alerting.kill_switch.mode,
            told,
            [held(policy, clock, episode, rows, resume_seconds) for episode in told],
            rows,
        ),
        trip=trip,
        months=months,
        alerts_per_month=len(told) / months,
        false_alarm_ratio=sum(ended) / len(ended) if ended else None,
        curve=curve_of(history.equity),
        curve_with=_flat_from(history.equity, trip.flat_row)
        if trip is not None and trip.flat_row is not None
        else None,
    )


def curve_of(equity: Sequence[float]) -> Curve:
    """Drawdown and profit of an equity curve."""
    drawdown, peak = [], equity[0]
    for value in equity:
        peak = max(peak, value)
        drawdown.append((peak - value) / peak if peak > 0 else 0.0)
    profit = equity[-1] - equity[0]
    ratio = profit / equity[0] if equity[0] > 0 else 0.0
    return Curve(tuple(equity), tuple(drawdown), max(drawdown), profit, ratio)


def _flat_from(equity: Sequence[float], row: int) -> Curve:
    return curve_of([*equity[: row + 1], *[equity[row]] * (len(equity) - row - 1)])


def _trip(policy: Policy, clock: Clock, history: History, told: Iterable[Episode]) -> Trip | None:
    first = min(
        (episode for episode in told if episode.action.trips_kill_switch),
        key=lambda episode: episode.began,
        default=None,
    )
    if first is None:
        return None
    flat: int | None = first.began
    if policy.alerting.kill_switch.mode is KillMode.PAUSE:
        flat = None
    elif policy.alerting.kill_switch.mode is KillMode.GRACEFUL:
        wait = policy.alerting.kill_switch.graceful_timeout_minutes * 60
        flat = min(first.began + round(wait / clock.step_seconds), len(history.times) - 1)
    return Trip(first.alertname, first.risk_id, first.began, flat)


def held(
    policy: Policy, clock: Clock, episode: Episode, rows: int, resume_seconds: float | None
) -> tuple[int, int]:
    """The rows on which what an alert asks for holds: the first, and the one after the last."""
    if episode.ended is None:
        return episode.began, rows
    if episode.alertname not in latching(policy):
        return episode.began, episode.ended
    if resume_seconds is None:
        return episode.began, rows
    return episode.began, min(episode.ended + round(resume_seconds / clock.step_seconds), rows)


def _gate(
    mode: KillMode,
    told: Sequence[Episode],
    held_on: Sequence[tuple[int, int]],
    rows: int,
) -> tuple[GateUse, ...]:
    tripping = [e for e in told if e.action.trips_kill_switch]
    uses = []
    if tripping:
        # That the alert ends opens nothing.
        first = min(tripping, key=lambda e: e.began)
        length = rows - first.began
        uses.append(GateUse(first.action, _TRIPPED[mode], 1, length, first.began, enforced=True))
    for action, effect in _ASKED.items():
        stretches = _union(on for e, on in zip(told, held_on, strict=True) if e.action is action)
        if stretches:
            length = sum(end - start for start, end in stretches)
            uses.append(
                GateUse(
                    action,
                    effect,
                    len(stretches),
                    length,
                    stretches[0][0],
                    enforced=action in HELD_BY_ACTION,
                )
            )
    return tuple(uses)


def _counts(told: Sequence[Episode], rows: int) -> tuple[Count, ...]:
    by_name: dict[str, list[Episode]] = {}
    for episode in told:
        by_name.setdefault(episode.alertname, []).append(episode)
    counts = [
        Count(
            alertname=name,
            tier=mine[0].tier,
            severity=mine[0].severity.value,
            fired=len(mine),
            rows=sum(
                end - start
                for start, end in _union(
                    (e.began, rows if e.ended is None else e.ended) for e in mine
                )
            ),
            escalated=sum(bool(e.escalations) for e in mine),
            resolved=sum(e.ended is not None for e in mine),
            false_alarms=sum(e.resolved_milder is True for e in mine),
            first_row=min(e.began for e in mine),
        )
        for name, mine in by_name.items()
    ]
    return tuple(sorted(counts, key=lambda count: (count.first_row, count.alertname)))


def _union(stretches: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """Stretches that touch or overlap as one, in order."""
    joined: list[tuple[int, int]] = []
    for start, end in sorted(stretches):
        if joined and start <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end))
        else:
            joined.append((start, end))
    return joined
