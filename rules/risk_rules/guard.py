"""Conditions about security, about the kill switch, and about events."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system
from risk_policy.model import Policy
from risk_rules import promql
from risk_rules.conditions import Condition
from risk_rules.timing import off_multiple


def guard_conditions(policy: Policy) -> Iterator[Condition]:
    """Every condition of the guard catalogue that does not follow from other alerts."""
    yield from _security(policy)
    yield from _kill_switch(policy)
    yield from _events(policy)


def _security(policy: Policy) -> Iterator[Condition]:
    """Kinds of events, counted by the security monitor and by the receivers themselves."""
    window = promql.duration(off_multiple(policy, policy.alerting.security.window_minutes * 60))
    for kind, alert in system.SECURITY_ALERTS.items():
        events = promql.series(m.SECURITY_EVENTS, kind=kind)
        count = promql.number(policy.number(f"alerting.security.{kind}_count"))
        # Extrapolation to the edges of the window must not turn four into five, or five into four.
        yield Condition(alert, f"floor(sum(increase({events}[{window}])) + 0.25) >= {count}")
    blocked = f"max({promql.series(m.SECURITY_BLOCKED)}) > 0"
    yield Condition(system.ADDRESS_BLOCKED, blocked)
    oldest = f"max by (secret) ({promql.series(m.SECRET_AGE)})"
    longest = f"min by (secret) ({promql.series(m.SECRET_ROTATE_AFTER)})"
    yield Condition(system.KEY_OVERDUE, f"{oldest} > on (secret) {longest}")
    yield _live_orders(policy)
    broad = f"max by (silence) ({promql.series(m.SILENCE_TOO_BROAD)}) > 0"
    yield Condition(system.SILENCE_TOO_BROAD, broad)


def _live_orders(policy: Policy) -> Condition:
    """Shown for a while once no gate holds; whoever was not heard of before begins anew."""
    lately = promql.duration(policy.alerting.system.event_seconds)
    ruled_out = promql.series(m.LIVE_ORDERS_RULED_OUT)
    before = f"min by (account) ({ruled_out} offset {lately}) == 0"
    now = f"min by (account) ({ruled_out}) == 0"
    return Condition(system.LIVE_ORDERS_POSSIBLE, f"{now} unless on (account) {before}")


def _kill_switch(policy: Policy) -> Iterator[Condition]:
    # That the receivers were not heard for a moment does not clear what they said last.
    hold = promql.duration(off_multiple(policy, policy.alerting.latch.hold_missing_minutes * 60))
    was_tripped = f"max(last_over_time({promql.series(m.KILL_SWITCH_TRIPPED)}[{hold}])) == 1"
    kills = f"max(last_over_time({promql.series(m.KILLS)}[{hold}])) > 0"
    yield Condition(system.KILL_SWITCH_TRIGGERED, f"{was_tripped} or {kills}")
    yield _not_confirmed(policy)
    armed = promql.series(m.KILL_SWITCH_ARMED)
    lately = promql.duration(policy.alerting.system.event_seconds)
    newly = f"min({armed}) == 1 unless on () min({armed} offset {lately}) == 1"
    yield Condition(system.KILL_SWITCH_ARMED, newly)
    # What is tripped is not armed either, and has stopped what there is to stop.
    tripped = f"max({promql.series(m.KILL_SWITCH_TRIPPED)}) == 1"
    yield Condition(system.KILL_SWITCH_DISARMED, f"min({armed}) == 0 unless on () {tripped}")


def _not_confirmed(policy: Policy) -> Condition:
    """The receivers say since when, from their record; while they are gone, what they said last."""
    hold = promql.duration(off_multiple(policy, policy.alerting.latch.hold_missing_minutes * 60))
    since = f"min(last_over_time({promql.series(m.KILL_SWITCH_UNCONFIRMED)}[{hold}]) != 0)"
    longest = promql.number(policy.alerting.kill_switch.confirm_flat_within_seconds)
    return Condition(system.KILL_SWITCH_NOT_CONFIRMED, f"time() - {since} > {longest}")


def _events(policy: Policy) -> Iterator[Condition]:
    """An event is shown for a while. Its time survives restarts; a counter's rise does not."""
    shown = promql.number(policy.alerting.system.event_seconds)
    for alert, metric in (
        (system.STOP_LOSS_TRIGGERED, m.STOP_LOSS_TRIGGERED),
        (system.TAKE_PROFIT_TRIGGERED, m.TAKE_PROFIT_TRIGGERED),
    ):
        ago = f"time() - max by (account, symbol) ({promql.series(metric)})"
        yield Condition(alert, f"{ago} < {shown}")
