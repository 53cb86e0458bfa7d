"""Kills of several scopes: each is latched by itself, and nothing covered is looser than asked."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from pydantic import TypeAdapter

from risk_policy.contracts.operator import KillScope
from risk_policy.contracts.restriction import tightest_kill
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.kill.board import KillBoard, fold, latched, own_id, tightest
from risk_receivers.kill.switch import (
    EventKind,
    KillEvent,
    KillSwitch,
    Phase,
    Trigger,
    timeout_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MAIN, BTC = Scope(account="main"), Scope(symbol="BTC-EUR")
MAIN_BTC = Scope(account="main", symbol="BTC-EUR")
SCOPES = [EVERYTHING, MAIN, BTC, MAIN_BTC, Scope(strategy="trend"), Scope(venue="kraken")]
modes = st.sampled_from(list(KillMode))
scopes = st.sampled_from(SCOPES)


@dataclass(frozen=True)
class Position:
    account: str = "main"
    strategy: str = "trend"
    venue: str = "kraken"
    sector: str = "coins"
    asset: str = "BTC"
    symbol: str = "BTC-EUR"


POSITIONS = [
    Position(account, strategy, venue, symbol=symbol)
    for account in ("main", "other")
    for strategy in ("trend", "carry")
    for venue in ("kraken", "xetra")
    for symbol in ("BTC-EUR", "SAP")
]


def trigger(scope: Scope, mode: KillMode = KillMode.PAUSE, kill_id: str = "") -> Trigger:
    return Trigger(
        *(f"request:{kill_id or scope}", kill_id or f"kill {scope}", mode, "why", "operator", NOW),
        by_person=True,
        scope=scope,
    )


def pulled(board: KillBoard, *pulls: Trigger) -> KillBoard:
    for pull in pulls:
        event = board.on_trigger(pull)
        assert event is not None
        board = board.after(event)
    return board


def test_a_wider_kill_loosens_no_narrower_and_what_is_cleared_is_one_of_them() -> None:
    board = pulled(
        KillBoard(), trigger(MAIN_BTC, KillMode.IMMEDIATE), trigger(EVERYTHING, KillMode.PAUSE)
    )
    covered, other = Position(), Position(symbol="SAP")
    kill, wider = (tightest_kill(board.restrictions, one) for one in (covered, other))
    assert kill is not None
    assert wider is not None
    assert (kill.mode, wider.mode) == (KillMode.IMMEDIATE, KillMode.PAUSE)

    event = board.on_clear("kill *", NOW)
    assert event is not None
    board = board.after(event)
    assert [one.scope for one in board.in_force] == [MAIN_BTC]
    assert tightest_kill(board.restrictions, other) is None
    assert board.on_clear("kill *", NOW) is None, "it was cleared"


def test_a_trip_within_what_is_covered_is_latched_and_survives_the_clearing_of_the_wider() -> None:
    board = pulled(KillBoard(), trigger(MAIN, KillMode.IMMEDIATE))
    event = board.on_trigger(trigger(MAIN_BTC, KillMode.PAUSE))
    assert event is not None
    assert event.kind is EventKind.TRIPPED
    board = board.after(event)
    cleared = board.on_clear(f"kill {MAIN}", NOW)
    assert cleared is not None
    kill = tightest_kill(board.after(cleared).restrictions, Position())
    assert kill is not None
    assert (kill.scope, kill.mode) == (MAIN_BTC, KillMode.PAUSE)


def test_nothing_is_disarmed_before_all_is_cleared_and_a_disarmed_board_heeds_people_alone() -> (
    None
):
    board = pulled(KillBoard(), trigger(BTC))
    assert board.on_disarm(NOW) is None
    cleared = board.on_clear(f"kill {BTC}", NOW)
    assert cleared is not None
    board = board.after(cleared)
    disarmed = board.on_disarm(NOW)
    assert disarmed is not None
    board = board.after(disarmed)

    alert = replace(trigger(MAIN, kill_id="alert"), by_person=False, holds=True)
    assert not board.heeds(alert)
    recorded = board.on_trigger(alert)
    assert recorded is not None
    assert recorded.kind is EventKind.TRIGGER_RECORDED
    board = board.after(recorded)
    assert not board.is_tripped

    by_hand = pulled(board, trigger(MAIN, KillMode.PAUSE))
    assert by_hand.is_disarmed
    tighter = replace(alert, key="another", mode=KillMode.IMMEDIATE)
    assert by_hand.heeds(tighter), "what is tripped is tightened, disarmed or not"
    assert by_hand.of(MAIN).mode is KillMode.PAUSE
    assert pulled(by_hand, tighter).of(MAIN).mode is KillMode.IMMEDIATE

    armed = board.on_arm(NOW)
    assert armed is not None
    assert pulled(board.after(armed), alert).of(MAIN).is_tripped, "what still holds trips then"


def test_a_graceful_kill_is_tightened_in_its_own_scope() -> None:
    board = pulled(
        KillBoard(), trigger(BTC, KillMode.GRACEFUL), trigger(EVERYTHING, KillMode.GRACEFUL)
    )
    board = pulled(board, timeout_of(f"kill {BTC}", NOW))
    assert board.of(BTC).mode is KillMode.IMMEDIATE
    assert board.everything.mode is KillMode.GRACEFUL
    assert board.on_trigger(timeout_of("of another kill", NOW)) is None


def test_what_accounts_say_is_kept_in_the_scope_of_the_kill_that_they_say_it_of() -> None:
    board = pulled(KillBoard(), trigger(MAIN), trigger(EVERYTHING))
    says: list[Callable[[KillSwitch], KillEvent | None]] = [
        lambda one: one.on_account("main", NOW),
        lambda one: one.on_closing(f"kill {MAIN}", "main", NOW),
        lambda one: one.on_flat(f"kill {MAIN}", "main", NOW),
    ]
    for say in says:
        event = say(board.of(MAIN))
        assert event is not None
        assert event.scope == MAIN
        board = board.after(event)
    assert board.of(MAIN).phase is Phase.FLAT_CONFIRMED
    assert board.everything.phase is Phase.TRIPPED
    cleared = board.on_clear(f"kill {MAIN}", NOW)
    assert cleared is not None
    board = board.after(cleared)
    assert board.of(MAIN).scope == MAIN
    assert board.of(MAIN).restriction is None
    assert pulled(board, trigger(MAIN, kill_id="again")).of(MAIN).scope == MAIN


def test_a_clearing_of_everything_begins_anew_for_every_scope_known_or_not() -> None:
    board = pulled(KillBoard(), trigger(MAIN), trigger(EVERYTHING))
    for number in (1, 2):
        cleared = board.on_clear(board.everything.kill_id, NOW)
        assert cleared is not None
        board = board.after(cleared)
        for scope in (EVERYTHING, MAIN, BTC):
            assert (board.of(scope).epoch, board.of(scope).anew_at) == (number, NOW)
            news = replace(trigger(scope), key="news")
            assert board.heeds_unrecorded(news)
            assert not board.heeds_unrecorded(replace(news, over_at=NOW))
        holds = replace(trigger(MAIN), holds=True)
        board = pulled(board, holds)
        assert board.on_trigger(holds) is None, "once in each epoch"
        board = pulled(board, trigger(EVERYTHING, kill_id=f"another {number}"))


def test_those_concerning_a_position_are_those_that_may_cover_it() -> None:
    board = pulled(KillBoard(), trigger(MAIN), trigger(BTC), trigger(Scope(venue="xetra")))
    covering = [one.scope for one in board.concerning(Position())]
    assert covering == [MAIN, BTC]
    assert [one.scope for one in board.concerning(Position(symbol=""))] == [MAIN, BTC]
    assert board.concerning(Position(account="other", symbol="SAP")) == ()


def test_what_is_latched_is_tightened_and_takes_more_than_to_hear_of_a_clearing() -> None:
    loose, tight = (
        pulled(KillBoard(), trigger(MAIN, mode)) for mode in (KillMode.PAUSE, KillMode.IMMEDIATE)
    )
    assert latched(loose, tight).of(MAIN).mode is KillMode.IMMEDIATE
    assert latched(tight, loose).of(MAIN).mode is KillMode.IMMEDIATE
    cleared = loose.on_clear(f"kill {MAIN}", NOW)
    assert cleared is not None
    assert latched(loose, loose.after(cleared)).of(MAIN) == loose.of(MAIN)
    disarm = KillBoard().on_disarm(NOW)
    assert disarm is not None
    disarmed = KillBoard().after(disarm)
    assert latched(KillBoard(), disarmed) == disarmed


def test_a_very_long_history_is_folded() -> None:
    """Step by step that would be work for hours: every step copied all that had been seen."""
    count = 300_000
    kinds = [EventKind.TRIPPED, *[EventKind.TRIGGER_RECORDED] * count]
    events = [
        KillEvent(kind, "kill", NOW, f"incident:{n}", KillMode.PAUSE)
        for n, kind in enumerate(kinds)
    ]
    assert len(fold(events).everything.seen) == count + 1


def test_an_armed_switch_holds_nothing_at_the_gate() -> None:
    assert KillSwitch().restriction is None
    assert not KillSwitch().is_tripped
    assert not KillSwitch().would_loosen(KillMode.PAUSE)


def test_one_cause_starts_a_kill_with_an_id_of_its_own_in_every_scope() -> None:
    ids = [own_id("cause", scope) for scope in SCOPES]
    assert ids[0] == "cause"
    assert len(set(ids)) == len(SCOPES)
    assert ids == [own_id("cause", scope) for scope in SCOPES]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("sector=tech", "sector is no scope of the kill switch"),
        ("account=main,asset=BTC", "asset is no scope of the kill switch"),
        ("main", "label=value"),
        ("account=", "label=value"),
        ("account=a,account=b", "names account twice"),
    ],
)
def test_what_is_no_scope_of_a_kill_is_refused_with_what_is(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        TypeAdapter(KillScope).validate_python(text)


def test_a_scope_has_one_spelling() -> None:
    adapter: TypeAdapter[str] = TypeAdapter(KillScope)
    assert adapter.validate_python(" symbol=SAP , account=main ") == "account=main,symbol=SAP"
    assert adapter.validate_python("*") == "*"


class AnyInterleaving(RuleBasedStateMachine):
    """Triggers in every scope, clearings by id, disarming, restarts, in every order."""

    def __init__(self) -> None:
        super().__init__()
        self.board = KillBoard()
        self.durable: list[KillEvent] = []
        self.boards = [self.board]
        self.asked: dict[Scope, KillMode] = {}
        self.ids: dict[Scope, str] = {}
        self.clock = NOW

    def _happened(self, event: KillEvent | None) -> None:
        if event is not None:
            self.durable.append(event)
            self.board = self.board.after(event)
            self.boards.append(self.board)

    @rule(
        scope=scopes,
        mode=modes,
        cause=st.integers(0, 3),
        holds=st.booleans(),
        by_person=st.booleans(),
    )
    def pull(self, scope: Scope, mode: KillMode, cause: int, holds: bool, by_person: bool) -> None:
        pull = Trigger(
            f"incident:{cause} {scope}" if not by_person else f"request:{len(self.durable)}",
            f"kill-{len(self.durable)}",
            *(mode, "cause", "emergency", self.clock),
            holds=holds,
            by_person=by_person,
            scope=scope,
        )
        is_heeded = self.board.heeds(pull)
        is_disarmed = self.board.is_disarmed and scope not in self.asked
        assert is_heeded == (by_person or not is_disarmed)
        event = self.board.on_trigger(pull)
        self._happened(event)
        if event is None or not is_heeded:
            return
        if scope not in self.asked:
            assert event.kind is EventKind.TRIPPED
            self.ids[scope] = pull.kill_id
        self.asked[scope] = max(mode, self.asked.get(scope, mode), key=lambda one: one.rank)

    @rule(scope=scopes)
    def time_is_over(self, scope: Scope) -> None:
        over = self.board.of(scope).on_timeout(self.clock)
        assert (over is not None) == (self.asked.get(scope) is KillMode.GRACEFUL)
        if over is not None:
            self._happened(self.board.on_trigger(over))
            self.asked[scope] = KillMode.IMMEDIATE

    @rule(scope=scopes, right=st.booleans())
    def clear(self, scope: Scope, right: bool) -> None:
        kill_id = self.ids.get(scope, "none") if right else "other"
        event = self.board.on_clear(kill_id, self.clock)
        assert (event is not None) == (right and scope in self.asked)
        self._happened(event)
        if event is not None:
            del self.asked[scope], self.ids[scope]

    @rule()
    def disarm(self) -> None:
        event = self.board.on_disarm(self.clock)
        assert not (event and self.asked), "what is tripped has to be cleared"
        self._happened(event)

    @rule()
    def arm(self) -> None:
        self._happened(self.board.on_arm(self.clock))

    @rule()
    def crash_and_restart(self) -> None:
        self.board = fold(self.durable)

    @rule(hours=st.integers(-48, 48))
    def the_clock_jumps(self, hours: int) -> None:
        self.clock += timedelta(hours=hours)

    @invariant()
    def every_scope_holds_what_was_asked_for_it_until_it_is_cleared(self) -> None:
        assert {one.scope: one.mode for one in self.board.in_force} == self.asked
        assert {one.scope: one.kill_id for one in self.board.in_force} == self.ids

    @invariant()
    def nothing_covered_is_looser_than_what_was_asked_for(self) -> None:
        for position in POSITIONS:
            covering = [mode for scope, mode in self.asked.items() if scope.includes(position)]
            kill = tightest_kill(self.board.restrictions, position)
            assert (kill.mode if kill else None) == max(
                covering, key=lambda one: one.rank, default=None
            )

    @invariant()
    def is_what_its_history_says(self) -> None:
        assert fold(self.durable) == self.board

    @invariant()
    def every_kill_has_an_id_of_its_own(self) -> None:
        tripped = [event.kill_id for event in self.durable if event.kind is EventKind.TRIPPED]
        assert len(set(tripped)) == len(tripped)
        assert not self.board.cleared.intersection(self.ids.values())

    @invariant()
    def whoever_holds_it_and_hears_late_or_never_loosens_it_without_a_clearing(self) -> None:
        held = shut = KillBoard()
        for board in self.boards:
            before = shut
            held, shut = tightest(held, board), latched(shut, board)
            for one in before.in_force:
                now = shut.of(one.scope)
                assert now.is_tripped, "to hear of a clearing is none"
        for board in self.boards:
            held = tightest(held, board)
            assert {one.scope: one.mode for one in held.in_force} == self.asked
        assert held.everything.phase is self.board.everything.phase
        assert (held.everything.phase is Phase.DISARMED) == self.board.is_disarmed


TestAnyInterleaving = AnyInterleaving.TestCase
#: Every step is held against all that came before it.
TestAnyInterleaving.settings = settings(max_examples=30, stateful_step_count=25, deadline=None)
