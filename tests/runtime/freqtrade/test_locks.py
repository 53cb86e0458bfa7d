"""Which pairs the gate locks, and that only locks of our own are ever taken away."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import GateState
from risk_runtime.adapters.freqtrade.bot import Lock
from risk_runtime.adapters.freqtrade.locks import (
    ALL_PAIRS,
    FAR_AHEAD,
    change_of,
    reason_text,
    wanted_locks,
)
from risk_runtime.gate_reading import GateReading

BOT = Scope(account="main", strategy="Trend", venue="binance")
PAIRS = ("BTC/USDT", "ETH/USDT", "BTC/USDT:USDT")
NOW = datetime(2026, 3, 2, 15, tzinfo=UTC)
FOREVER = int(FAR_AHEAD.timestamp() * 1000) + 60_000  # freqtrade rounds up to the next candle


def restriction(scope: Scope, kind: RestrictionKind = RestrictionKind.BLOCK_TRADE) -> Restriction:
    ratio = 0.5 if kind is RestrictionKind.REDUCE_SIZE else None
    told = {"cause": "a test", "level": "critical", "since": NOW, "size_ratio": ratio}
    return Restriction(kind=kind, id="r", scope=scope, **told)


def wanted(*restrictions: Restriction, is_guarded: bool = False) -> set[str]:
    reading = GateReading(GateState.OPEN, 1, restrictions=restrictions)
    return set(wanted_locks(reading, BOT, PAIRS, is_guarded=is_guarded))


@pytest.mark.parametrize("state", [one for one in GateState if one is not GateState.OPEN])
def test_a_gate_that_is_not_open_locks_everything(state: GateState) -> None:
    reading = GateReading(state, 1, reason="no sign of life")
    assert wanted_locks(reading, BOT, PAIRS, is_guarded=True) == {ALL_PAIRS: "no sign of life"}


@pytest.mark.parametrize(
    ("scope", "locked"),
    [
        (Scope(), {ALL_PAIRS}),
        (Scope(account="main"), {ALL_PAIRS}),
        (Scope(account="main", venue="binance"), {ALL_PAIRS}),
        (Scope(account="other"), set()),
        (Scope(strategy="Mean"), set()),
        (Scope(symbol="BTC-USDT"), {"BTC/USDT"}),
        (Scope(asset="BTC"), {"BTC/USDT", "BTC/USDT:USDT"}),
        (Scope(account="other", asset="BTC"), set()),
        (Scope(symbol="DOGE-USDT"), set()),
        (Scope(sector="tech"), set()),
    ],
)
def test_a_restriction_locks_what_it_may_cover(scope: Scope, locked: set[str]) -> None:
    assert wanted(restriction(scope)) == locked
    kill = Kill(
        id="k", scope=scope, mode=KillMode.PAUSE, cause="a test", level="operator", since=NOW
    )
    assert wanted(kill) == locked


def test_smaller_sizes_lock_a_bot_that_cannot_keep_them() -> None:
    smaller = restriction(Scope(asset="ETH"), RestrictionKind.REDUCE_SIZE)
    assert wanted(smaller) == {"ETH/USDT"}
    assert wanted(smaller, is_guarded=True) == set()
    assert wanted(smaller, restriction(Scope(asset="ETH")), is_guarded=True) == {"ETH/USDT"}


def test_a_venue_that_is_not_known_yet_counts_as_covered() -> None:
    reading = GateReading(GateState.OPEN, 1, restrictions=(restriction(Scope(venue="kraken")),))
    assert set(wanted_locks(reading, Scope(account="main"), PAIRS, is_guarded=False)) == {ALL_PAIRS}


def lock(number: int, pair: str, reason: str, end: int = FOREVER, side: str = "*") -> Lock:
    return Lock(id=number, pair=pair, side=side, lock_end_timestamp=end, reason=reason)


def test_only_what_lacks_is_added_and_only_our_own_is_taken_away() -> None:
    existing = (
        lock(1, "*", "Auto lock"),
        lock(2, "BTC/USDT", reason_text("halted")),
        lock(3, "ETH/USDT", reason_text("halted")),
        lock(4, "ETH/USDT", "StoplossGuard"),
    )
    change = change_of(existing, {"BTC/USDT": "x", "*": "x"})
    assert change.add == ("*",)
    assert change.delete == (3,)
    assert change_of(existing, {}).delete == (2, 3)


@pytest.mark.parametrize(
    "weak", [lock(1, "*", reason_text("x"), end=1), lock(1, "*", reason_text("x"), side="long")]
)
def test_a_lock_that_ends_soon_or_holds_one_side_is_none(weak: Lock) -> None:
    assert change_of((weak,), {"*": "x"}).add == ("*",)


def test_a_reason_fits_into_the_database() -> None:
    assert len(reason_text("x" * 1000)) <= 255
