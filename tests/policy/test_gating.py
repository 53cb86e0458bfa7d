"""Gates in front of live orders: each one alone holds, and all that hold are named."""

from __future__ import annotations

from itertools import product

import pytest
from pydantic import ValidationError

from risk_policy.contracts.gating import (
    FLAGS,
    Gating,
    GatingVariableError,
    LiveOrders,
    ToldGating,
    TradingEnvironment,
    gating_of_environment,
)

OPEN = {
    "enable_live_trading": True,
    "live_mode_armed": True,
    "live_dry_run": False,
    "require_confirm_token": True,
    "confirm_token_present": True,
}


def test_by_default_nothing_is_live() -> None:
    assert Gating().refusals
    assert Gating().effective_mode == "paper"


def test_live_orders_need_every_gate() -> None:
    allowed = []
    for mode, one, two, dry, required, token in product(TradingEnvironment, *([(False, True)] * 5)):
        gating = Gating(
            mode=mode,
            enable_live_trading=one,
            live_mode_armed=two,
            live_dry_run=dry,
            require_confirm_token=required,
            confirm_token_present=token,
        )
        is_live = mode is TradingEnvironment.LIVE
        held = [not is_live, not one, not two, dry, required and not token]
        assert len(gating.refusals) == held.count(True)
        assert (gating.effective_mode == "live") is gating.allows_live_orders
        if gating.allows_live_orders:
            allowed.append((mode, one, two, dry, token or not required))
    assert set(allowed) == {(TradingEnvironment.LIVE, True, True, False, True)}


@pytest.mark.parametrize(
    "said", [{"enable_live_trading": "yes"}, {"live_dry_run": 0}, {"mode": "prod"}, {"armed": True}]
)
def test_a_gate_that_is_not_told_plainly_is_refused(said: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Gating.model_validate(said)


@pytest.mark.parametrize("switch", FLAGS)
@pytest.mark.parametrize("mode", TradingEnvironment)
def test_what_is_not_told_never_holds_anything(mode: TradingEnvironment, switch: str) -> None:
    told = ToldGating.of(Gating(**OPEN, mode=mode)).model_copy(update={switch: None})
    if mode is TradingEnvironment.LIVE:
        assert told.live_orders is LiveOrders.UNKNOWN
        assert told.effective_mode == "live_unknown"
        assert told.untold == (switch,)
    else:
        assert told.live_orders is LiveOrders.IMPOSSIBLE
        assert told.effective_mode == mode.value


def test_what_is_told_means_what_it_means_to_the_runtime() -> None:
    for mode, *switches in product(TradingEnvironment, *([(False, True)] * len(FLAGS))):
        gating = Gating.model_validate({"mode": mode, **dict(zip(FLAGS, switches, strict=True))})
        told = ToldGating.of(gating)
        assert told.refusals == gating.refusals
        assert told.effective_mode == gating.effective_mode
        assert (told.live_orders is LiveOrders.POSSIBLE) is gating.allows_live_orders


def test_a_live_runtime_that_tells_only_its_mode_is_not_taken_for_safe() -> None:
    assert ToldGating(mode=TradingEnvironment.LIVE).live_orders is LiveOrders.UNKNOWN


def test_the_environment_tells_the_gates_and_of_the_token_only_whether_it_is_there() -> None:
    environ = {
        "RISKWARDEN_TRADING_MODE": "Live",
        "RISKWARDEN_ENABLE_LIVE_TRADING": "1",
        "RISKWARDEN_LIVE_MODE_ARMED": "true",
        "RISKWARDEN_REQUIRE_CONFIRM_TOKEN": "true",
        "RISKWARDEN_CONFIRM_TOKEN": "very-secret-words",
    }
    told = gating_of_environment(environ)
    assert told is not None
    assert told.confirm_token_present is True
    assert told.untold == ("live_dry_run",)
    assert "very-secret-words" not in repr(told)
    assert gating_of_environment({}) is None
    without = gating_of_environment(environ | {"RISKWARDEN_CONFIRM_TOKEN": ""})
    assert without is not None
    assert without.live_orders is LiveOrders.IMPOSSIBLE


@pytest.mark.parametrize(
    "name", ["RISKWARDEN_TRADING_MODE", "RISKWARDEN_LIVE_DRY_RUN", "RISKWARDEN_LIVE_MODE_ARMED"]
)
def test_a_variable_that_cannot_be_understood_is_named_and_not_quoted(name: str) -> None:
    with pytest.raises(GatingVariableError, match=name) as caught:
        gating_of_environment({"RISKWARDEN_TRADING_MODE": "live", name: "very-secret-words"})
    assert "very-secret-words" not in str(caught.value)
