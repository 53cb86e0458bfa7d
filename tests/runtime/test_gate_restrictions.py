"""Restrictions: what an open gate refuses, to whom, and what each refusal says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from gate_files import detail_with, gate_at, lease_bytes
from hypothesis import given
from hypothesis import strategies as st

from risk_policy.contracts import gate as contract
from risk_policy.contracts.restriction import Kill, Restriction, RestrictionKind, in_order
from risk_policy.contracts.scope import SCOPE_LABELS, Scope
from risk_policy.vocabulary import KillMode
from risk_runtime import GateReading, GateState, Order, Side
from risk_runtime.gate_reading import decide

SINCE = "2008-10-02T00:00:00Z"
BTC = Order("BTC-EUR", Side.BUY, 1.0, 100.0, account="main", strategy="trend", venue="kraken")
ETH = replace(BTC, symbol="ETH-EUR")


def held(kind: str = "block_trade", scope: str = "*", **fields: Any) -> dict[str, Any]:
    return {
        "kind": kind,
        "id": "r1",
        "scope": Scope.parse(scope).model_dump(),
        "cause": "POSITION_SIZE_BREACH",
        "level": "critical",
        "since": SINCE,
        **fields,
    }


def kill(scope: str, mode: str = "immediate") -> dict[str, Any]:
    return held("kill_switch", scope, mode=mode, id="k1", cause="desk")


def test_a_new_order_may_have_the_smallest_share_that_anything_over_it_allows(
    gate_dir: Path,
) -> None:
    half = held("reduce_size", "account=main", size_ratio=0.5)
    quarter = held("reduce_size", "symbol=BTC-EUR", size_ratio=0.25, id="r2")
    blocked = held("block_trade", "symbol=SAP", id="r3")
    detail = detail_with(half, quarter, blocked)
    gate = gate_at(gate_dir, lease_bytes(), detail=detail)
    shares = [gate.size_ratio(one) for one in (BTC, ETH, replace(BTC, symbol="SAP"))]
    assert shares == [0.25, 0.5, 0.0]
    assert gate.size_ratio(replace(ETH, account="other")) == 1.0


def test_what_only_reduces_risk_is_told_what_it_passes_by(gate_dir: Path) -> None:
    reducing = replace(BTC, side=Side.SELL, position_quantity=1.0)
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with(held()))
    assert gate.check(reducing).reason == (
        "it only reduces risk, although block_trade: POSITION_SIZE_BREACH (critical)"
    )
    gate = gate_at(gate_dir, lease_bytes(lease_ns=98 * 10**9))
    assert gate.check(reducing).reason.startswith(
        "it only reduces risk, although the gate is closed: the risk layer gave no sign of life"
    )


@pytest.mark.parametrize(
    "kind", ["halt_new_trades", "reduce_only", "pause_new_entries", "block_trade"]
)
def test_a_restriction_refuses_what_adds_risk_within_its_scope_and_says_why(
    gate_dir: Path, kind: str
) -> None:
    detail = detail_with(held(kind, "account=main,symbol=BTC-EUR"))
    gate = gate_at(gate_dir, lease_bytes(), detail=detail)
    for _ in range(2):  # as it is read, and as it is remembered
        decision = gate.check(BTC)
        assert (decision.allowed, decision.state) == (False, GateState.OPEN)
        assert decision.reason == (
            f"{kind} for account=main,symbol=BTC-EUR: POSITION_SIZE_BREACH (critical)"
        )
        assert decision.restriction is not None
        assert decision.restriction.id == "r1"
        assert gate.check(ETH).allowed
        assert gate.check(replace(BTC, account="other")).allowed
        reducing = gate.check(replace(BTC, side=Side.SELL, position_quantity=1.0))
        assert reducing.allowed
        assert "POSITION_SIZE_BREACH" in reducing.reason
        assert not gate.check(replace(BTC, account="")).allowed, "it may be of that account"


def test_a_kill_of_less_than_everything_leaves_the_rest_open(gate_dir: Path) -> None:
    detail = detail_with(kill("strategy=trend"), kill("account=main", "graceful"))
    gate = gate_at(gate_dir, lease_bytes(), detail=detail)
    assert "mode immediate" in gate.check(BTC).reason
    assert gate.check(replace(BTC, account="second", strategy="carry")).allowed
    directive = gate.directive(Scope(account="main"))
    assert directive is not None
    assert directive.mode is KillMode.GRACEFUL, "not all of the account is of that strategy"
    both = gate.directive(Scope(account="main", strategy="trend"))
    assert both is not None
    assert both.mode is KillMode.IMMEDIATE
    assert gate.directive(Scope(account="second")) is None
    assert len(gate.read().kills) == 2


def test_a_kill_of_everything_beside_a_running_lease_closes_the_gate(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with(kill("*")))
    decision = gate.check(ETH)
    assert (decision.allowed, decision.state) == (False, GateState.UNTRUSTED)


def test_smaller_sizes_are_asked_of_new_orders_alone(gate_dir: Path) -> None:
    halved = held("reduce_size", "account=main", size_ratio=0.5, cause="CONSECUTIVE_LOSSES_WARNING")
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with(halved))
    assert gate.size_ratio(BTC) == 0.5
    assert gate.size_ratio(Scope(account="other")) == 1.0
    assert gate.check(replace(BTC, full_quantity=2.0)).allowed
    told = gate.check(replace(BTC, quantity=1.01, full_quantity=2.0))
    assert not told.allowed
    assert told.reason == (
        "reduce_size to 50% for account=main: CONSECUTIVE_LOSSES_WARNING (critical); "
        "1.01 is more than that of 2"
    )
    assert "does not say its full_quantity" in gate.check(BTC).reason
    assert gate.check(replace(BTC, side=Side.SELL, position_quantity=1.0)).allowed


def test_nothing_is_as_large_as_it_may_be_while_the_gate_is_closed(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(lease_ns=contract.HALT))
    assert gate.size_ratio(Scope(account="main")) == 0.0


@pytest.mark.parametrize(
    "odd",
    [
        held(scope="*", later_field=1),
        {**held(), "scope": {"desk": "x"}},
        held("kill_switch"),
        held("block_trade", mode="pause"),
        held("reduce_size"),
        held("reduce_size", size_ratio=1.5),
        held("block_trade", size_ratio=0.5),
    ],
)
def test_a_restriction_that_is_not_understood_closes_the_gate(
    gate_dir: Path, odd: dict[str, Any]
) -> None:
    gate = gate_at(gate_dir, lease_bytes(), detail=detail_with(odd))
    assert gate.check(ETH).state is GateState.UNTRUSTED


def test_restrictions_that_come_and_go_are_seen_by_the_version(gate_dir: Path) -> None:
    gate = gate_at(gate_dir, lease_bytes(version=7), detail=detail_with(version=7))
    assert gate.check(BTC).allowed
    (gate_dir / contract.DETAIL_FILE).write_bytes(detail_with(held(), version=8))
    with (gate_dir / contract.LEASE_FILE).open("r+b") as stream:
        stream.seek(8)
        stream.write((8).to_bytes(8, "little"))
    assert not gate.check(BTC).allowed
    assert gate.wait_change(0.0)


LABELS = st.sampled_from(["", "a", "b"])
SCOPES = st.builds(Scope, **dict.fromkeys(SCOPE_LABELS, LABELS))
HELD = st.builds(
    Restriction,
    kind=st.sampled_from(
        [k for k in RestrictionKind if k.value not in ("kill_switch", "reduce_size")]
    ),
    id=st.just("r"),
    scope=SCOPES,
    cause=st.just("c"),
    level=st.just("critical"),
    since=st.just(SINCE),
)
ORDERS = st.builds(
    Order,
    symbol=st.sampled_from(["a", "b"]),
    side=st.just(Side.BUY),
    quantity=st.just(1.0),
    price=st.just(1.0),
    position_quantity=st.sampled_from([0.0, -2.0]),
    **dict.fromkeys(("account", "strategy", "venue", "sector", "asset"), LABELS),
)


@given(st.lists(HELD, max_size=4), ORDERS)
def test_an_order_passes_if_it_reduces_or_lies_outside_of_every_scope(
    restrictions: list[Restriction], order: Order
) -> None:
    def outside(scope: Scope) -> bool:
        return any(
            getattr(scope, name) and getattr(order, name) not in ("", getattr(scope, name))
            for name in SCOPE_LABELS
        )

    reading = GateReading(GateState.OPEN, 1, restrictions=in_order(restrictions))
    expected = order.position_quantity < 0 or all(outside(one.scope) for one in restrictions)
    assert decide(order, reading).allowed is expected


@given(SCOPES)
def test_a_scope_is_read_back_from_its_text(scope: Scope) -> None:
    assert Scope.parse(str(scope)) == scope
    assert scope.includes(scope)
    assert scope.may_cover(scope)


@pytest.mark.parametrize("text", ["", "account", "account=", "desk=1", "account=a,account=b", ","])
def test_what_is_no_scope_is_refused_with_what_would_be_one(text: str) -> None:
    with pytest.raises(ValueError, match=r"scope"):
        Scope.parse(text)


def test_the_worst_comes_first() -> None:
    common: dict[str, Any] = {"id": "x", "cause": "c", "level": "l", "since": SINCE}
    blocked = Restriction(kind=RestrictionKind.BLOCK_TRADE, **common)
    paused = Kill(mode=KillMode.PAUSE, **common)
    closing = Kill(mode=KillMode.IMMEDIATE, **common)
    assert in_order([blocked, paused, closing]) == (closing, paused, blocked)
    half, quarter = (
        Restriction(kind=RestrictionKind.REDUCE_SIZE, size_ratio=ratio, **common)
        for ratio in (0.5, 0.25)
    )
    assert in_order([half, quarter]) == (quarter, half)
