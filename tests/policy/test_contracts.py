"""The contracts: bytes of the gate, shape of a snapshot, decimal texts of a report."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from risk_policy.catalogue.limits import LIMITS, Side
from risk_policy.catalogue.metrics import METRICS
from risk_policy.contracts import gate
from risk_policy.contracts.audit import PERMANENT, EventType
from risk_policy.contracts.marker import KillOrder
from risk_policy.contracts.operator import LONGEST_REASON
from risk_policy.contracts.reports import DecimalText
from risk_policy.contracts.restriction import (
    Kill,
    Restriction,
    RestrictionKind,
    UnknownRestriction,
)
from risk_policy.contracts.scope import Scope
from risk_policy.contracts.snapshot import Position, Snapshot
from risk_policy.model.audit import AuditRetention
from risk_policy.vocabulary import KillMode

HELD = Restriction(
    kind=RestrictionKind.BLOCK_TRADE,
    id="r1",
    cause="breach",
    level="critical",
    since=datetime(2026, 1, 2, tzinfo=UTC),
)
KILL = Kill(id="k1", mode=KillMode.PAUSE, cause="desk", level="operator", since=HELD.since)
WORD = st.integers(min_value=0, max_value=2**64 - 1)


def test_a_lease_file_is_these_64_bytes() -> None:
    data = gate.encode(lease_ns=1, version=2, longest_ns=3, boot=bytes(range(16)))
    assert data == (
        bytes([1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0])
        + b"RWGATE01"
        + bytes([3, 0, 0, 0, 0, 0, 0, 0])
        + bytes(range(16))
        + bytes(16)
    )


def test_the_words_of_a_lease_file_stand_where_the_contract_says() -> None:
    data = gate.encode(lease_ns=1, version=2, longest_ns=3, boot=bytes(16), restrictions=4)
    words = memoryview(data).cast("Q")
    places = (gate.LEASE_WORD, gate.VERSION_WORD, gate.LONGEST_WORD, gate.RESTRICTIONS_WORD)
    assert [words[place] for place in places] == [1, 2, 3, 4]


def test_a_lease_of_a_minute_may_be_granted_and_no_longer_one() -> None:
    for longest, grants in ((60 * 10**9, True), (60 * 10**9 + 1, False)):
        data = gate.encode(lease_ns=1, version=1, longest_ns=longest, boot=bytes(16))
        assert (gate.fault(data, bytes(16)) is None) is grants


def test_the_reasons_of_a_gate_are_written_for_people_and_read_again(tmp_path: Path) -> None:
    detail = gate.GateDetail(
        version=1, halted=False, policy_digest="abc", written_at=datetime(2026, 1, 2, tzinfo=UTC)
    )
    gate.write_detail(tmp_path, detail)
    text = (tmp_path / gate.DETAIL_FILE).read_text()
    assert text.startswith('{\n  "schema_version": 2,\n  "version": 1,\n')
    assert text.endswith("}\n")
    assert gate.read_detail(tmp_path) == detail
    assert [path.name for path in tmp_path.iterdir()] == [gate.DETAIL_FILE]
    with pytest.raises(ValidationError, match="frozen"):
        detail.version = 2  # type: ignore[misc]


@pytest.mark.parametrize(
    ("model", "name"),
    [
        (HELD, "id"),
        (KILL, "mode"),
        (UnknownRestriction(), "kind"),
        (Scope(account="main"), "account"),
        (
            gate.GateDetail(version=1, halted=True, policy_digest="", written_at=HELD.since),
            "halted",
        ),
        (KillOrder(id="one", at=datetime(2026, 1, 2, tzinfo=UTC)), "mode"),
    ],
    ids=lambda one: type(one).__name__,
)
def test_what_was_read_cannot_be_changed(model: Any, name: str) -> None:
    with pytest.raises(ValidationError, match="frozen"):
        setattr(model, name, "x")


@pytest.mark.parametrize("model", [HELD, KILL, Scope()], ids=lambda one: type(one).__name__)
def test_of_what_holds_the_gate_nothing_unknown_is_skipped_over(model: Any) -> None:
    said = model.model_dump()
    assert type(model).model_validate(said) == model
    with pytest.raises(ValidationError, match="not permitted"):
        type(model).model_validate({**said, "of a later version": "x"})


@pytest.mark.parametrize(
    ("field", "longest", "odd"),
    [("id", 64, ("", "a b")), ("reason", LONGEST_REASON, ()), ("actor", 200, ())],
)
def test_an_order_is_no_longer_than_what_is_read_of_it(
    field: str, longest: int, odd: tuple[str, ...]
) -> None:
    order = KillOrder(id="a", at=HELD.since)
    assert (order.mode, order.reason, order.actor) == (None, "", "")
    said = order.model_dump()
    longest_one = KillOrder.model_validate({**said, field: "x" * longest})
    assert getattr(longest_one, field) == "x" * longest
    for value in ("x" * (longest + 1), *odd):
        with pytest.raises(ValidationError, match=field):
            KillOrder.model_validate({**said, field: value})


def test_what_is_unknown_is_kept_as_it_is() -> None:
    assert UnknownRestriction().kind == "unnamed"
    said = {"kind": "size_multiplier", "factor": "0.5"}
    assert UnknownRestriction.model_validate(said).model_dump() == said


def test_of_reasons_that_have_no_end_no_more_is_read_than_shows_that(tmp_path: Path) -> None:
    with (tmp_path / gate.DETAIL_FILE).open("wb") as stream:
        stream.truncate(2**22)
    assert len(gate.detail_bytes(tmp_path)) == 2**20 + 1
    assert "damaged" in gate.detail_fault(tmp_path)


def test_reading_reasons_leaves_no_file_open(tmp_path: Path) -> None:
    (tmp_path / gate.DETAIL_FILE).write_bytes(b"{}")
    before = len(list(Path("/proc/self/fd").iterdir()))
    for _ in range(20):
        gate.read_detail(tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) < before + 20


@given(lease=WORD, longest=WORD, at=WORD)
def test_a_lease_opens_only_ahead_and_never_further_than_the_writer_grants(
    lease: int, longest: int, at: int
) -> None:
    assert gate.lease_is_open(lease, longest, at) == (lease > at and lease - at <= longest)


def test_halt_never_opens() -> None:
    assert not gate.lease_is_open(gate.HALT, 2**63, 0)


@given(data=st.binary(max_size=80))
def test_random_bytes_are_never_taken_for_a_lease_file(data: bytes) -> None:
    assert gate.fault(data, gate.boot_id()) is not None


def test_a_lease_file_of_another_boot_is_not_trusted() -> None:
    data = gate.encode(lease_ns=1, version=1, longest_ns=1, boot=bytes(16))
    assert gate.fault(data, bytes(16)) is None
    assert "before the machine last started" in (gate.fault(data, b"\x01" * 16) or "")


def test_market_time_is_the_wall_clock_unless_given() -> None:
    now = datetime(2026, 1, 2, 3, tzinfo=UTC)
    snapshot = Snapshot.model_validate(
        {"account": "main", "equity": 1, "cash": 1, "positions": [], "taken_at": now.isoformat()}
    )
    assert snapshot.market_time == now
    assert snapshot.trading_day == "2026-01-02"


def test_a_snapshot_that_tells_only_what_it_must_is_valid_and_says_nothing_of_the_rest() -> None:
    snapshot = Snapshot.model_validate(
        {
            "account": "main",
            "equity": 1,
            "cash": 1,
            "taken_at": "2026-01-02T03:00:00Z",
            "positions": [{"symbol": "A", "quantity": 1, "mark": 1, "average_price": 1}],
        }
    )
    (position,) = snapshot.positions
    assert {position.stop, position.held_periods, position.atr_ratio} == {None}
    assert {snapshot.leverage, snapshot.margin_used, snapshot.consecutive_losses} == {None}
    assert not snapshot.reports_stops
    assert Snapshot.model_validate_json(snapshot.model_dump_json()) == snapshot


@pytest.mark.parametrize("key", ["account", "equity", "cash", "positions", "taken_at"])
def test_what_every_snapshot_must_tell_has_no_default(key: str) -> None:
    told = {"account": "main", "equity": 1, "cash": 1, "positions": [], "taken_at": 0}
    assert Snapshot.model_validate(told).positions == ()
    del told[key]
    with pytest.raises(ValidationError, match="required"):
        Snapshot.model_validate(told)


@pytest.mark.parametrize("symbol", ["BTC/EUR", "", "a b", 'x"y', "a\nb"])
def test_a_symbol_that_would_break_a_risk_id_is_refused(symbol: str) -> None:
    with pytest.raises(ValidationError):
        Position(symbol=symbol, quantity=1, mark=1, average_price=1)


def test_two_positions_in_one_symbol_are_refused() -> None:
    now = datetime.now(UTC)
    position = Position(symbol="X", quantity=1, mark=1, average_price=1)
    with pytest.raises(ValidationError, match="one net position per symbol"):
        Snapshot(
            account="a", equity=1, cash=0, positions=(position,) * 2, taken_at=now, market_time=now
        )


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_figures_that_are_no_numbers_are_refused(value: str) -> None:
    with pytest.raises(ValidationError):
        Position(symbol="X", quantity=float(value), mark=1, average_price=1)


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**9), max_value=10**9, places=6
    )
)
def test_plain_decimals_are_decimal_texts(value: object) -> None:
    assert TypeAdapter(DecimalText).validate_python(f"{value:f}") == f"{value:f}"


@pytest.mark.parametrize("text", ["1e5", "NaN", "", "01", "1.", ".5", "+1", "0x1"])
def test_other_spellings_of_numbers_are_not(text: str) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(DecimalText).validate_python(text)


def test_kill_switch_and_what_deletes_and_holds_is_kept_for_ever_by_default() -> None:
    retention = AuditRetention()
    for event in EventType:
        forever = event.startswith(("KILL_SWITCH_", "RETENTION_", "LEGAL_HOLD_", "SIGNING_"))
        assert (retention.days_for(event) is None) == forever


def test_what_deletes_and_holds_is_kept_for_ever_whatever_the_policy_says() -> None:
    retention = AuditRetention(default_days=1, kill_switch_days=1)
    assert {event for event in EventType if retention.days_for(event) is None} == PERMANENT


@pytest.mark.parametrize(("preset", "years"), [("5y", 5), ("6y", 6), ("7y", 7)])
def test_a_preset_is_the_least_for_every_type(preset: Any, years: int) -> None:
    retention = AuditRetention(preset=preset, config_changed_days=4000)
    for event in EventType:
        days = retention.days_for(event)
        # From any day on: as many leap days as there can be in so many years.
        assert days is None or date(2027, 3, 1).replace(year=2027 + years) <= date(
            2027, 3, 1
        ) + timedelta(days=days)
    assert retention.days_for(EventType.CONFIG_CHANGED) == 4000
    assert retention.days_for(EventType.KILL_SWITCH_ACTIVATED) is None


def test_a_preset_that_there_is_not_names_those_there_are() -> None:
    with pytest.raises(ValidationError, match='must be one of "5y", "6y", "7y", or "" for none'):
        AuditRetention.model_validate({"preset": "10y"})


def test_alert_and_metric_names_are_unique_and_conventional() -> None:
    names = [spec.name for limit in LIMITS for spec in limit.alerts]
    assert len(names) == len(set(names))
    for metric in METRICS.values():
        # A colon marks what is recorded by a rule, an underscore what is exported.
        assert metric.name.startswith(("risk_", "risk:"))
        assert metric.component == "rules" or metric.name.startswith("risk_")
        assert (metric.kind == "counter") == metric.name.endswith("_total")


def test_every_limit_names_thresholds_of_the_policy_mildest_first() -> None:
    from risk_policy import Policy

    policy = Policy()
    for limit in LIMITS:
        bounds = [limit.bound(policy.number(spec.threshold)) for spec in limit.alerts]
        assert bounds == sorted(bounds, reverse=limit.side is Side.BELOW)
        assert [spec.tier.rank for spec in limit.alerts] == sorted(
            spec.tier.rank for spec in limit.alerts
        )
