"""The safety snapshot: what is unknown is never safe, nothing secret leaves, nothing is touched."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from snapshot_desk import NOBODY, OPEN, Exporter, exposition

from risk_policy import default_policy_path
from risk_policy.catalogue.limits import LIMITS
from risk_policy.clock import utc_now
from risk_policy.contracts.gating import FLAGS, LiveOrders, ToldGating, TradingEnvironment
from risk_policy.contracts.safety_snapshot import Bearing, SafetySnapshot

# -- the verdict ----------------------------------------------------------------------------


def test_with_nothing_there_everything_is_unknown_and_nothing_is_safe(
    taken: Callable[..., SafetySnapshot], policy: Path
) -> None:
    policy.unlink()
    one = taken(ask=False)
    assert one.safety.live_orders is LiveOrders.UNKNOWN
    assert not one.safety.is_live_execution_ruled_out
    assert one.safety.adds_risk == "refused", "a gate that is not there is closed"
    assert one.kill_switches is None
    assert one.restrictions is None
    assert not one.limits.are_known
    assert {one.about for one in one.safety.reasons if one.bearing is Bearing.UNKNOWN} >= {
        "runtimes",
        "kill switch",
        "restrictions",
        "limits",
        "audit chain",
        "drills",
    }
    assert {source.state.value for source in one.sources} == {"absent", "not asked"}


@pytest.mark.parametrize(
    ("gating", "ago", "live", "told"),
    [
        ({"mode": "paper"}, 0, "impossible", "mode is paper, not live"),
        (OPEN | {"live_dry_run": True}, 0, "impossible", "live_dry_run is true"),
        (OPEN, 0, "possible", "every gate is open"),
        ({"mode": "live", "live_dry_run": False}, 0, "unknown", "does not tell enable_live"),
        ({"mode": "paper"}, 60, "unknown", "too old to count (it said: effective mode paper)"),
        ({"mode": "paper"}, -3600, "unknown", "too old to count"),
        (None, 0, "unknown", "tells nothing of its gates"),
    ],
)
def test_what_runtimes_told_decides_while_it_is_fresh(
    taken: Callable[..., SafetySnapshot],
    tell: Callable[..., None],
    gating: dict[str, Any] | None,
    ago: float,
    live: str,
    told: str,
) -> None:
    tell(gating, ago)
    safety = taken().safety
    assert safety.live_orders == live
    assert safety.is_live_execution_ruled_out is (live == "impossible")
    assert any(told in reason.text for reason in safety.reasons if "main" in reason.about)


def test_one_account_that_is_live_outweighs_all_that_are_not(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None]
) -> None:
    tell({"mode": "paper"}, account="a")
    tell(OPEN, account="b")
    tell(None, account="c")
    assert taken().safety.live_orders is LiveOrders.POSSIBLE


def test_a_stack_that_was_started_as_live_is_not_safe_because_a_runtime_says_paper(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], data: Path
) -> None:
    tell({"mode": "paper"})
    assert taken().safety.live_orders is LiveOrders.IMPOSSIBLE
    (data / "stack.json").write_text("whatever")
    assert taken().stack_environment == "live", "what is not plainly something else is live"
    assert taken().safety.live_orders is LiveOrders.UNKNOWN


def test_what_cannot_be_read_of_an_account_is_unknown_and_not_left_out(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], data: Path
) -> None:
    tell({"mode": "paper"})
    (data / "runtime" / "exporter" / "main" / "state.json").write_text("{")
    one = taken()
    assert [account.account for account in one.gating] == ["main"]
    assert one.safety.live_orders is LiveOrders.UNKNOWN


@given(
    mode=st.sampled_from(TradingEnvironment),
    flags=st.fixed_dictionaries({}, optional=dict.fromkeys(FLAGS, st.booleans())),
)
def test_impossible_needs_a_gate_that_is_known_to_hold(
    mode: TradingEnvironment, flags: dict[str, bool]
) -> None:
    told = ToldGating.model_validate({"mode": mode, **flags})
    holds = (
        mode is not TradingEnvironment.LIVE
        or flags.get("enable_live_trading") is False
        or flags.get("live_mode_armed") is False
        or flags.get("live_dry_run") is True
        or (
            flags.get("require_confirm_token") is True
            and flags.get("confirm_token_present") is False
        )
    )
    assert (told.live_orders is LiveOrders.IMPOSSIBLE) is holds


# -- limits -----------------------------------------------------------------------------------


def test_every_threshold_stands_there_with_the_line_it_is_written_in(
    taken: Callable[..., SafetySnapshot],
) -> None:
    path = default_policy_path()
    one, lines = taken(policy=path), path.read_text().splitlines()
    settings = {setting.key: setting for setting in one.limits.settings}
    for limit in LIMITS:
        for spec in limit.alerts:
            found = settings[spec.threshold]
            assert spec.name in {alert.alert for alert in found.alerts}
            assert found.line is not None
            written = lines[found.line - 1].partition("#")[0].split("=")
            assert written[0].strip() == spec.threshold.rpartition(".")[2]
            assert float(written[1]) == found.value
    assert one.limits.digest == hashlib.sha256(path.read_bytes()).hexdigest()
    secrets = [key for key in settings if "token" in key or "channels" in key or "auth" in key]
    assert secrets == []


def test_defaults_have_no_line_and_notionals_come_from_the_equity_that_was_told(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], policy: Path
) -> None:
    text = NOBODY + "[alerting.pre_trade]\norder_max_pct = 12\n"
    policy.write_text(text)
    tell({"mode": "paper"})
    orders = {one.name: one for one in taken().limits.orders}
    assert orders["max_notional_per_order"].amounts == {"main": 12_000}
    assert orders["max_notional_per_order"].line == len(text.splitlines())
    assert orders["max_notional_total"].amounts == {"main": 50_000}
    assert orders["max_notional_total"].line is None
    assert orders["min_order_size"].ratio_of_equity is None


def test_a_variable_that_only_the_service_has_takes_no_limit_out_of_sight(
    taken: Callable[..., SafetySnapshot], policy: Path
) -> None:
    text = NOBODY + "[alerting.channels.slack]\nenabled = true\nwebhook_url = '${HOOK}'\n"
    policy.write_text(text)
    one = taken()
    assert one.limits.are_known
    (source,) = (source for source in one.sources if source.name == "policy")
    assert f"1 problem in line {len(text.splitlines())}:" in source.note


@pytest.mark.parametrize(
    "text",
    ["[alerting.kill_switch]\nmode = 'sometimes'", "[alerting.thresholds.portfolio]\nx = 1", "[["],
)
def test_limits_of_a_policy_that_nobody_would_run_are_unknown(
    taken: Callable[..., SafetySnapshot], policy: Path, text: str
) -> None:
    policy.write_text(text)
    one = taken()
    assert not one.limits.are_known
    assert one.limits.settings == ()
    assert one.digests.policy == hashlib.sha256(text.encode()).hexdigest()


def test_rules_that_were_made_from_another_policy_are_told(
    taken: Callable[..., SafetySnapshot], data: Path
) -> None:
    rules = data / "prometheus" / "rules"
    rules.mkdir(parents=True)
    (rules / "a.yml").write_text(f"# DO NOT EDIT\n# policy sha256: {'0' * 64}\n")
    one = taken()
    assert one.limits.in_force is False
    assert any("rules: on another policy" in reason.text for reason in one.safety.reasons)


# -- who is asked, and what for -----------------------------------------------------------------


def test_a_running_exporter_is_asked_by_get_without_a_token(
    taken: Callable[..., SafetySnapshot], exporter: Exporter
) -> None:
    exporter.text = exposition("testnet", utc_now())
    environ = {"RISKWARDEN_OPERATOR_TOKEN": "operator-secret", "http_proxy": "http://10.0.0.1:1"}
    one = taken(environ)
    (account,) = one.gating
    assert (account.effective_mode, account.equity, account.currency) == ("testnet", 5000, "EUR")
    assert one.safety.live_orders is LiveOrders.IMPOSSIBLE
    assert {received.method for received in exporter.received} == {"GET"}
    assert not any("Authorization" in received.headers for received in exporter.received)


def test_an_exporter_of_somebody_else_does_not_make_an_account_safe(
    taken: Callable[..., SafetySnapshot], tell: Callable[..., None], exporter: Exporter
) -> None:
    tell(OPEN, ago=600)
    exporter.text = exposition("paper", utc_now())
    one = taken()
    assert [account.account for account in one.gating] == ["main", "main"]
    assert one.safety.live_orders is LiveOrders.UNKNOWN


@pytest.mark.parametrize("text", ["hello", "risk_equity 1\n", "{", "\x00\xff", 'a{b="c} 1\n'])
def test_what_answers_and_is_no_exporter_says_nothing(
    taken: Callable[..., SafetySnapshot], exporter: Exporter, text: str
) -> None:
    exporter.text = text
    one = taken()
    assert one.gating == ()
    states = {source.name: source.state.value for source in one.sources}
    assert states["exporter"] == "unreadable"


@pytest.mark.parametrize("host", ["10.1.2.3", "example.com", "127.0.0.1.example.com"])
def test_nobody_beyond_this_machine_is_asked(
    taken: Callable[..., SafetySnapshot], policy: Path, host: str
) -> None:
    policy.write_text(NOBODY.replace("127.0.0.1", host))
    states = {source.name: source.state.value for source in taken().sources}
    assert {states[part] for part in ("exporter", "receivers", "prometheus", "alertmanager")} == {
        "not asked"
    }
