"""The exchange cancels what works once nobody tells it that all is well."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from itertools import pairwise
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from risk_runtime import DeadMansSwitch, Side
from risk_runtime.paper.broker import BrokerState, PaperBroker
from risk_runtime.paper.countdown import PaperCountdown

SECONDS = 30.0


def resting() -> PaperBroker:
    broker = PaperBroker(BrokerState(cash=Decimal(1000)))
    broker.place_limit("AAPL", Side.BUY, Decimal(1), Decimal(90))
    return broker


@given(st.lists(st.tuples(st.floats(0, 40), st.booleans())))
def test_what_works_is_cancelled_if_and_only_if_the_last_good_beat_is_too_long_ago(
    rounds: list[tuple[float, bool]],
) -> None:
    now, armed_at = 0.0, None
    broker = resting()
    countdown = PaperCountdown(broker, lambda: now)
    switch = DeadMansSwitch(countdown, SECONDS, lambda: now)
    for passed, is_well in rounds:
        now += passed
        cancelled = countdown.pass_time()
        if armed_at is not None and now >= armed_at + SECONDS:
            assert cancelled
            assert not broker.working
            return
        assert not cancelled
        switch.beat(is_well=is_well)
        if is_well and (armed_at is None or now >= armed_at + SECONDS / 3):
            armed_at = now


def test_a_refresh_that_comes_too_late_undoes_nothing() -> None:
    now = 0.0
    broker = resting()
    countdown = PaperCountdown(broker, lambda: now)
    countdown.refresh(SECONDS)
    now = SECONDS
    countdown.refresh(SECONDS)
    assert not broker.working


def test_disarmed_it_cancels_nothing() -> None:
    now = 0.0
    broker = resting()
    countdown = PaperCountdown(broker, lambda: now)
    countdown.refresh(SECONDS)
    countdown.disarm()
    now = 10 * SECONDS
    assert countdown.pass_time() == ()
    assert broker.working


def test_zero_asks_the_exchange_for_nothing() -> None:
    now = 0.0
    countdown = PaperCountdown(resting(), lambda: now)
    DeadMansSwitch(countdown, 0.0, lambda: now).beat(is_well=True)
    now = 1e9
    assert countdown.pass_time() == ()


def test_an_exchange_that_cannot_be_reached_is_asked_again_at_the_next_beat() -> None:
    class Unreachable:
        def __init__(self) -> None:
            self.asked: list[float] = []

        def refresh(self, seconds: float) -> None:
            self.asked.append(seconds)
            raise TimeoutError("no answer")

        def disarm(self) -> None:
            """Never asked."""

    exchange = Unreachable()
    switch = DeadMansSwitch(exchange, SECONDS, lambda: 0.0)
    switch.beat(is_well=True)
    switch.beat(is_well=True)
    assert exchange.asked == [SECONDS, SECONDS]


class Days:
    """Clock of an exchange; each day of the rig takes so many seconds of it."""

    def __init__(self, rig: Any, seconds: float) -> None:
        self.now, self.seconds, self.rig = 0.0, seconds, rig
        self.resting: list[int] = []
        rig.exchange_clock, rig.on_day = (lambda: self.now), self.passes
        rig.first, rig.last = date(2007, 1, 3), date(2007, 3, 30)
        rig.terms = replace(rig.terms, cancel_all_after_seconds=SECONDS)

    def passes(self, _: date) -> None:
        self.now += self.seconds
        if self.rig.runtime is not None:
            self.resting.append(len(self.rig.runtime.broker.working))


def test_a_runtime_that_does_its_rounds_keeps_its_orders(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)
    days = Days(rig, SECONDS / 4)
    rig.run()
    assert rig.journal("orders_abandoned") == []
    assert any(before and after for before, after in pairwise(days.resting)), "some rest for days"


def test_a_runtime_that_was_frozen_finds_its_orders_cancelled_and_none_of_them_filled(
    rig: Any, writer: Any
) -> None:
    writer.open(seconds=59)
    Days(rig, SECONDS)
    broker = rig.run().broker
    abandoned = rig.journal("orders_abandoned")
    assert abandoned
    filled = {line["order_id"] for line in rig.journal("order_filled")}
    assert not filled & {order for line in abandoned for order in line["order_ids"]}
    assert not broker.working or broker.working[-1].order_id not in abandoned[-1]["order_ids"]


def test_an_exporter_that_takes_no_snapshots_ends_the_refreshing(rig: Any, writer: Any) -> None:
    writer.open(seconds=59)
    days = Days(rig, SECONDS / 4)
    passes = rig.on_day

    def fails_later(day: date) -> None:
        passes(day)
        if any(days.resting):
            raise OSError("no room")

    rig.on_day = fails_later
    rig.run()
    assert rig.journal("orders_abandoned")
