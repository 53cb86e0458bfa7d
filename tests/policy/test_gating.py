"""Gates in front of live orders: each one alone holds, and all that hold are named."""

from __future__ import annotations

from itertools import product

import pytest
from pydantic import ValidationError

from risk_policy.contracts.gating import Gating, TradingEnvironment


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
