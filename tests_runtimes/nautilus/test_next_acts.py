"""The order of closing as a decision, against venues that do as they please."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from risk_runtime.adapters.nautilus.closing import (
    RETRY_SECONDS,
    Asked,
    Cancel,
    CancelAgain,
    Close,
    ConfirmFlat,
    Held,
    Mode,
    SetMode,
    View,
    Working,
    next_acts,
)


class Venue:
    """An account whose venue answers what it is asked when it likes, and fills what it likes."""

    def __init__(self, draw: Any) -> None:
        self.draw = draw
        self.now = 0.0
        self.mode = Mode.ACTIVE
        self.asked = Asked()
        self.held = {f"p{n}": Decimal(q) for n, q in enumerate(draw(_QUANTITIES)) if q}
        self.orders = {f"o{n}": f"p{n % 3}" for n in range(draw(st.integers(0, 4)))}
        self.closes: dict[str, tuple[str, Decimal]] = {}
        self.sent = 0
        self.acts: list[Any] = []
        self.confirmed = self.cancelled_again = False
        self.kind = True

    def view(self) -> View:
        working = [Working(name, where) for name, where in self.orders.items()]
        working += [Working(name, p, closes=True) for name, (p, _) in self.closes.items()]
        closing: dict[str, Decimal] = {}
        for position, left in self.closes.values():
            closing[position] = closing.get(position, Decimal(0)) + left
        held = [Held(p, p, q, closing.get(p, Decimal(0))) for p, q in self.held.items()]
        return View(self.mode, tuple(working), tuple(held))

    def step(self) -> bool:
        acts = next_acts(
            self.view(),
            self.asked,
            self.now,
            confirmed=self.confirmed,
            cancelled_again=self.cancelled_again,
        )
        for act in acts:
            self.perform(act)
        return bool(acts)

    def perform(self, act: Any) -> None:
        self.acts.append(act)
        if isinstance(act, Cancel | Close):
            self.confirmed = self.cancelled_again = False
        match act:
            case SetMode(mode):
                self.mode = mode
            case Cancel(names):
                for name in names:
                    self.asked.cancels[name] = self.now
                    self.asked.first_cancels.setdefault(name, self.now)
            case Close(position, quantity, buys):
                assert self.mode is Mode.REDUCING
                assert buys == (self.held[position] < 0)
                in_flight = sum(left for p, left in self.closes.values() if p == position)
                assert in_flight + quantity == abs(self.held[position]), "exactly, never twice"
                self.sent += 1
                self.closes[f"c{self.sent}"] = (position, quantity)
                self.asked.closes[f"c{self.sent}"] = self.now
            case ConfirmFlat():
                self.confirmed = self.view().flat
                assert not self.held
                assert not self.orders
            case CancelAgain():
                assert self.mode is Mode.HALTED
                self.cancelled_again = True

    def answer(self) -> None:
        """Something happens at the venue, as long as it likes; later it does as it is asked."""
        for name in list(self.orders):
            if name in self.asked.cancels and self.likes():
                del self.orders[name]
        for name, (position, left) in list(self.closes.items()):
            cancelled = name in self.asked.cancels
            filled = left if self.kind else Decimal(self.draw(st.integers(0, int(left))))
            sign = 1 if self.held[position] > 0 else -1
            self.held[position] -= sign * filled
            if not self.held[position]:
                del self.held[position]
            if filled == left or (cancelled and self.likes()):
                del self.closes[name]
            elif not filled and self.likes():
                del self.closes[name]
                self.asked.refused_closes[position] = self.now
            else:
                self.closes[name] = (position, left - filled)

    def likes(self) -> bool:
        return self.kind or bool(self.draw(st.booleans()))


_QUANTITIES = st.lists(st.integers(-9, 9), max_size=3)


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_whatever_the_venue_does_it_ends_flat_halted_and_cancelled_again(data: Any) -> None:
    venue = Venue(data.draw)
    for number in range(60):
        venue.kind = number >= 10
        while venue.step():
            assert len(venue.acts) < 1000
        venue.answer()
        venue.now += data.draw(st.sampled_from((0.1, RETRY_SECONDS))) if number < 10 else 6.0
    assert venue.view().flat
    assert venue.mode is Mode.HALTED
    assert venue.cancelled_again
    names = [type(act).__name__ for act in venue.acts]
    assert venue.acts[0] == SetMode(Mode.REDUCING)
    assert names[-3:] == ["ConfirmFlat", "SetMode", "CancelAgain"]


def test_an_order_that_cannot_be_cancelled_keeps_its_own_position_open_only_for_a_while() -> None:
    stubborn = Working("o1", "AAPL")
    held = (Held("p1", "AAPL", Decimal(5)), Held("p2", "IBM", Decimal(-3)))
    asked = Asked()

    def acts(now: float) -> tuple[Any, ...]:
        view = View(Mode.REDUCING, (stubborn,), held)
        return next_acts(view, asked, now, confirmed=False, cancelled_again=False)

    assert acts(0.0) == (Cancel(("o1",)), Close("p2", Decimal(3), buys=True))
    asked.cancels["o1"] = asked.first_cancels["o1"] = 0.0
    assert Close("p1", Decimal(5), buys=False) not in acts(RETRY_SECONDS - 0.1)
    assert Close("p1", Decimal(5), buys=False) in acts(RETRY_SECONDS)
