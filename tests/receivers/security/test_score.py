"""Points decay, blocks end by themselves, and what is kept is bounded."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from risk_receivers.security.score import MOST_BLOCKS, MOST_SCORES, POINTS, Act, Scores

SECOND = 1_000_000_000
HALF_LIFE, BLOCK_AT, BLOCK = 600.0, 100.0, 900.0
ADDRESSES = st.sampled_from(["192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1"])


class Clock:
    """Time that stands still until somebody moves it."""

    def __init__(self) -> None:
        self.now = 10**18

    def __call__(self) -> int:
        return self.now

    def pass_(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


def scores(clock: Clock, never: tuple[str, ...] = ()) -> Scores:
    return Scores(
        half_life_seconds=HALF_LIFE,
        block_at=BLOCK_AT,
        block_seconds=BLOCK,
        never=never,
        clock=clock,
    )


class ScoresInAnyOrder(RuleBasedStateMachine):
    """Against the plain sum of what each act is still worth."""

    @initialize()
    def begin(self) -> None:
        self.clock = Clock()
        self.scores = scores(self.clock, ("127.0.0.0/8",))
        self.acts: dict[str, list[tuple[Act, int]]] = {}
        self.until: dict[str, int] = {}

    def points(self, address: str) -> float:
        points, then = 0.0, self.clock.now
        for act, at in self.acts.get(address, []):
            points = min(self.decayed(points, at - then) + POINTS[act], 2 * BLOCK_AT)
            then = at
        return self.decayed(points, self.clock.now - then)

    @staticmethod
    def decayed(points: float, nanoseconds: int) -> float:
        return points * float(0.5 ** (max(0, nanoseconds) / SECOND / HALF_LIFE))

    def is_blocked(self, address: str) -> bool:
        return self.until.get(address, 0) > self.clock.now

    @rule(address=ADDRESSES, act=st.sampled_from(Act), times=st.integers(1, 8))
    def does(self, address: str, act: Act, times: int) -> None:
        for _ in range(times):
            if address == "127.0.0.1":
                assert not self.scores.add(address, act)
                continue
            self.acts.setdefault(address, []).append((act, self.clock.now))
            expected = self.points(address) >= BLOCK_AT - 1e-6 and not self.is_blocked(address)
            if abs(self.points(address) - BLOCK_AT) < 1e-6:
                expected = self.scores.add(address, act)  # either is right by a hair
            else:
                assert self.scores.add(address, act) is expected
            if expected:
                self.until[address] = self.clock.now + round(BLOCK * SECOND)

    @rule(seconds=st.sampled_from([1, 60, 300, 899, 900, 86_400]))
    def passes(self, seconds: int) -> None:
        self.clock.pass_(seconds)

    @rule(address=ADDRESSES)
    def lifted(self, address: str) -> None:
        assert self.scores.lift(address) is self.is_blocked(address)
        self.acts.pop(address, None)
        self.until.pop(address, None)

    @invariant()
    def stands_as_the_rules_say(self) -> None:
        for address in ("192.0.2.1", "192.0.2.2", "2001:db8::1", "127.0.0.1"):
            blocked = self.scores.blocked_seconds(address)
            assert (blocked > 0) is self.is_blocked(address)
            assert blocked <= BLOCK
        shown = {one.address.replace("::/64", "::1"): one for one in self.scores.all()}
        for address, one in shown.items():
            assert one.points == pytest.approx(self.points(address))
        for address in self.acts:
            assert (address in shown) is (self.points(address) >= 0.5 or self.is_blocked(address))
        assert self.scores.blocks() == sum(map(self.is_blocked, self.until))


TestScoresInAnyOrder = ScoresInAnyOrder.TestCase
TestScoresInAnyOrder.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)


def test_slips_over_a_day_block_nobody_and_hammering_does_soon() -> None:
    clock = Clock()
    slow = scores(clock)
    for _ in range(100):
        assert not slow.add("192.0.2.1", Act.LOGIN_FAILED)
        clock.pass_(HALF_LIFE)
    tries = next(n for n in range(1, 100) if slow.add("192.0.2.9", Act.AUTH_FAILED))
    assert tries == 10


def test_a_block_ends_by_itself_and_what_led_to_it_still_counts() -> None:
    clock = Clock()
    kept = scores(clock)
    assert [kept.add("192.0.2.1", Act.INTRUSION) for _ in range(3)] == [False, False, True]
    assert kept.blocked_seconds("192.0.2.1") == BLOCK
    assert kept.blocked_seconds("192.0.2.2") == 0
    clock.pass_(BLOCK)
    assert kept.blocked_seconds("192.0.2.1") == 0
    assert kept.add("192.0.2.1", Act.INTRUSION) is False
    assert kept.add("192.0.2.1", Act.INTRUSION) is True


def test_an_attack_of_a_minute_does_not_make_every_slip_a_block_for_hours() -> None:
    clock = Clock()
    kept = scores(clock)
    for _ in range(2000):  # a scanner, that does not stop when it is blocked
        kept.add("192.0.2.1", Act.INTRUSION)
    clock.pass_(BLOCK + 1)
    assert not kept.add("192.0.2.1", Act.LOGIN_FAILED)
    assert kept.blocked_seconds("192.0.2.1") == 0


def test_a_subscriber_has_one_score_however_many_addresses_they_use() -> None:
    kept = scores(Clock())
    one, two, three = ("2001:db8::1", "2001:db8::2", "2001:db8::ffff:3")
    assert [kept.add(each, Act.INTRUSION) for each in (one, two, three)] == [False, False, True]
    assert kept.blocked_seconds("2001:db8::1234") > 0
    assert kept.blocked_seconds("2001:db8:0:1::1") == 0
    assert kept.lift("2001:db8::/64")
    assert kept.blocked_seconds("2001:db8::1") == 0


def test_what_is_exempt_or_no_address_is_never_blocked() -> None:
    kept = scores(Clock(), ("127.0.0.0/8", "::1", "10.1.0.0/16"))
    for address in ("127.0.0.1", "::ffff:127.0.0.1", "::1", "10.1.2.3", "slack:U1", ""):
        assert not any(kept.add(address, Act.INTRUSION) for _ in range(10))
    assert kept.all() == []


@settings(max_examples=3, deadline=None)
@given(st.integers(0, 2**31))
def test_a_flood_of_addresses_fills_no_memory(start: int) -> None:
    kept = scores(Clock())
    for number in range(MOST_SCORES + 100):
        kept.add(str(ipaddress.IPv4Address(start + number)), Act.RATE_LIMITED)
    assert len(kept.all()) == MOST_SCORES
    for number in range(MOST_BLOCKS + 50):
        for _ in range(3):
            kept.add(str(ipaddress.IPv4Address(start + number)), Act.INTRUSION)
    assert kept.blocks() == MOST_BLOCKS
    # Whoever came last is blocked all the same.
    assert kept.blocked_seconds(str(ipaddress.IPv4Address(start + MOST_BLOCKS + 49))) > 0
