"""Sessions and lock-out, whatever happens in whatever order: checked against the plain rules."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from risk_policy.vocabulary import Role
from risk_receivers.sessions.backoff import Backoff
from risk_receivers.sessions.book import MOST_OF_ONE, Sessions
from risk_receivers.sessions.lock_out import FREE_TRIES_OF_A_NAME, LockOut, subscriber
from risk_receivers.users.book import UserBook
from risk_receivers.users.user import User

SECOND = 1_000_000_000
IDLE, MOST = 60, 300
NAMES = st.sampled_from(["ann", "bob"])
START = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)


class SessionsInAnyOrder(RuleBasedStateMachine):
    """What is good is what the rules say: not idle, not old, and nothing changed since."""

    @initialize()
    def begin(self) -> None:
        self.now = 1000
        self.changes = 0
        self.users = UserBook()
        self.sessions = Sessions(
            self.users,
            idle_seconds=IDLE,
            most_seconds=MOST,
            clock=lambda: self.now * SECOND,
            wall_clock=lambda: START,
        )
        #: token -> whose, when it began, when it was used, whether something ended it
        self.expected: dict[str, tuple[str, int, int]] = {}
        for name in ("ann", "bob"):
            self.users.put(User(name, (Role.AUDITOR,), "hash", START, "owner", START))

    def good(self, token: str) -> bool:
        if token not in self.expected:
            return False
        _, began, used = self.expected[token]
        return self.now - began < MOST and self.now - used < IDLE

    def void(self, name: str) -> None:
        self.expected = {t: one for t, one in self.expected.items() if one[0] != name}

    def changed(self, name: str) -> User:
        self.changes += 1
        user = self.users.known(name)
        assert user is not None
        return replace(user, changed_at=START + timedelta(microseconds=self.changes))

    @rule(name=NAMES)
    def log_in(self, name: str) -> None:
        user = self.users.find(name)
        if user is None:
            return
        _, token = self.sessions.begin(f"s{len(self.expected)}", user, "192.0.2.7")
        own = [t for t, one in self.expected.items() if one[0] == name and self.good(t)]
        for oldest in own[: max(0, len(own) - MOST_OF_ONE + 1)]:
            del self.expected[oldest]
        self.expected[token] = (name, self.now, self.now)

    @rule(seconds=st.integers(0, IDLE + 5))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds

    @rule(which=st.integers(0, 30))
    def use(self, which: int) -> None:
        if not self.expected:
            return
        token = list(self.expected)[which % len(self.expected)]
        name, began, _ = self.expected[token]
        found = self.sessions.find(token.encode())
        assert (found is not None) == self.good(token)
        if found is not None:
            assert found[1].name == found[0].name == name
            self.expected[token] = (name, began, self.now)

    @rule(which=st.integers(0, 30))
    def log_out(self, which: int) -> None:
        if not self.expected:
            return
        token = list(self.expected)[which % len(self.expected)]
        self.sessions.end(token.encode())
        del self.expected[token]
        assert self.sessions.find(token.encode()) is None

    @rule(name=NAMES)
    def be_logged_out(self, name: str) -> None:
        self.sessions.end_all(name)
        self.void(name)

    @rule(name=NAMES)
    def change_password_or_roles(self, name: str) -> None:
        self.users.put(self.changed(name))
        self.void(name)

    @rule(name=NAMES)
    def shut_out(self, name: str) -> None:
        """At once, before anything is on record."""
        self.users.shut_out(name)
        self.void(name)

    @rule(name=NAMES)
    def let_in_again(self, name: str) -> None:
        self.users.let_in(self.changed(name))
        self.void(name)

    @invariant()
    def what_is_listed_is_what_is_good(self) -> None:
        good = [token for token in self.expected if self.good(token)]
        assert len(self.sessions.all()) == len(good)
        for name in ("ann", "bob"):
            own = [token for token in good if self.expected[token][0] == name]
            assert len(self.sessions.all(name)) == len(own) <= MOST_OF_ONE

    @invariant()
    def nobody_guesses(self) -> None:
        assert self.sessions.find(b"") is None
        assert self.sessions.find(b"s1") is None


SessionsInAnyOrder.TestCase.settings = settings(
    max_examples=40, stateful_step_count=30, deadline=None
)
TestSessions = SessionsInAnyOrder.TestCase


@given(
    st.lists(
        st.one_of(
            st.tuples(st.just("fail"), st.just(0)),
            st.tuples(st.just("wait"), st.integers(0, 40)),
            st.tuples(st.just("succeed"), st.just(0)),
        ),
        max_size=60,
    )
)
def test_the_wait_doubles_up_to_a_most_and_is_forgiven(steps: list[tuple[str, int]]) -> None:
    now = [0]
    backoff = Backoff(
        lambda: now[0], free=3, first_seconds=1, most_seconds=16, forgotten_seconds=100
    )
    failed, until, last = 0, 0, 0
    for what, seconds in steps:
        now[0] += seconds * SECOND
        wait = backoff.wait_seconds("ann")
        assert wait == max(0, until - now[0]) / SECOND
        assert backoff.wait_seconds("bob") == 0
        if what == "fail" and not wait:
            failed = 1 if now[0] - last >= 100 * SECOND else failed + 1
            last = now[0]
            backoff.begin("ann")
            until = 0 if failed < 3 else last + min(2 ** (failed - 3), 16) * SECOND
        if what == "succeed" and not wait:
            backoff.forgive("ann")
            failed, until = 0, 0


def locked_out_after(lock_out: LockOut, name: str, address: str, tries: int) -> bool:
    for _ in range(tries):
        lock_out.begin(name, address)
    return lock_out.wait_seconds(name, address) > 0


def test_many_at_the_same_time_are_no_way_around_it() -> None:
    lock_out = LockOut(lambda: 0)
    began = 0
    while not lock_out.wait_seconds("ann", f"192.0.2.{began}"):
        lock_out.begin("ann", f"192.0.2.{began}")  # and none of them has an answer yet
        began += 1
    assert began == FREE_TRIES_OF_A_NAME


def test_whoever_guesses_at_many_names_waits_and_nobody_else() -> None:
    lock_out = LockOut(lambda: 0)
    names = 0
    while not lock_out.wait_seconds(f"name{names}", "192.0.2.7"):
        lock_out.begin(f"name{names}", "192.0.2.7")
        names += 1
    assert names == 20
    assert lock_out.wait_seconds("ann", "192.0.2.8") == 0


def test_strangers_lock_nobody_out_where_they_work() -> None:
    lock_out = LockOut(lambda: 0)
    lock_out.begin("ann", "192.0.2.8")
    lock_out.succeeded("ann", "192.0.2.8")
    assert locked_out_after(lock_out, "ann", "203.0.113.5", 10)
    assert lock_out.wait_seconds("ann", "192.0.2.8") == 0
    assert locked_out_after(lock_out, "ann", "192.0.2.8", FREE_TRIES_OF_A_NAME)


def test_who_logged_in_here_before_pays_for_nobody_behind_the_same_address() -> None:
    lock_out = LockOut(lambda: 0, {"ann": ["192.0.2.7"]})
    for number in range(40):
        lock_out.begin(f"name{number}", "192.0.2.7")
    assert lock_out.wait_seconds("bob", "192.0.2.7") > 0
    assert lock_out.wait_seconds("ann", "192.0.2.7") == 0
    assert lock_out.is_somebodys("192.0.2.7")
    assert not lock_out.is_somebodys("192.0.2.8")
    assert locked_out_after(lock_out, "ann", "192.0.2.7", FREE_TRIES_OF_A_NAME)


def test_an_account_of_ones_own_pays_for_no_guessing() -> None:
    lock_out = LockOut(lambda: 0)
    for number in range(19):
        lock_out.begin(f"name{number}", "192.0.2.7")
        lock_out.begin(f"eve{number % 2}", "192.0.2.7")
        lock_out.succeeded(f"eve{number % 2}", "192.0.2.7")
    assert lock_out.wait_seconds("ann", "192.0.2.7") == 0
    lock_out.begin("ann", "192.0.2.7")
    assert lock_out.wait_seconds("ann", "192.0.2.7") > 0


def test_whoever_logs_in_all_the_time_has_to_wait_and_nobody_else() -> None:
    now = [0]
    lock_out, good = LockOut(lambda: now[0]), 0
    while not lock_out.wait_seconds("ann", "192.0.2.7"):
        lock_out.begin("ann", "192.0.2.7")
        lock_out.succeeded("ann", "192.0.2.7")
        good += 1
    assert good == 20
    assert lock_out.wait_seconds("bob", "192.0.2.7") == 0
    now[0] += 60 * SECOND
    assert lock_out.wait_seconds("ann", "192.0.2.7") == 0


def test_a_network_of_ipv6_is_one_subscriber() -> None:
    assert subscriber("2001:db8:1:2::5") == subscriber("2001:db8:1:2:ffff::1")
    assert subscriber("2001:db8:1:2::5") != subscriber("2001:db8:1:3::5")
    assert subscriber("::ffff:192.0.2.7") == subscriber("192.0.2.7")
    assert subscriber("") == ""
