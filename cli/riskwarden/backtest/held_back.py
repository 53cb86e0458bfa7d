"""Which orders of the replayed book the gate would have held back.

The book is replayed without a gate, so that every policy is judged by the same one. As long as this
finds none, a live run of the same policy holds the very same book; from the first one on, it holds
less. What a tripped kill switch refuses is not counted: from there on the account is closed.
"""

from __future__ import annotations

from collections.abc import Sequence

from risk_policy import Policy
from risk_policy.contracts.restriction import HELD_BY_ACTION, Restriction
from risk_policy.contracts.scope import SCOPE_LABELS, Scope
from risk_policy.restricting import size_ratio
from risk_rules.backtest import Clock, Episode, History
from risk_rules.backtest.verdict import held
from risk_runtime import Order
from risk_runtime.gate_reading import refuses


def held_back(
    policy: Policy,
    clock: Clock,
    history: History,
    told: Sequence[Episode],
    orders: Sequence[Sequence[Order]],
    resume_seconds: float | None,
) -> list[tuple[int, Order]]:
    """The orders, with their rows, that a restriction would have refused as they were."""
    rows = len(history.times)
    in_force = [
        (*held(policy, clock, episode, rows, resume_seconds), restriction)
        for episode in told
        if (restriction := _restriction(policy, history, episode))
    ]
    tripped = min((e.began for e in told if e.action.trips_kill_switch), default=rows)
    return [
        (row, order)
        for row, asked in enumerate(orders[: tripped + 1])
        for order in asked
        # It is sent before its own row is shown to anybody.
        if not order.reduces_risk
        and any(start < row <= end and refuses(one, order) for start, end, one in in_force)
    ]


def _restriction(policy: Policy, history: History, episode: Episode) -> Restriction | None:
    kind = HELD_BY_ACTION.get(episode.action)
    if kind is None:
        return None
    scope = {name: value for name, value in episode.subject.items() if name in SCOPE_LABELS}
    return Restriction(
        kind=kind,
        id=episode.risk_id,
        scope=Scope(**scope),
        size_ratio=size_ratio(policy, kind, episode.tier),
        cause=episode.alertname,
        level=episode.severity.value,
        since=history.times[episode.began],
    )
