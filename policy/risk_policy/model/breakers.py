"""Circuit breakers, and how breaches are latched."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from risk_policy.model.base import (
    AtMost,
    BasisPoints,
    Count,
    LossPercent,
    Milliseconds,
    Minutes,
    Multiple,
    Number,
    PositiveSeconds,
    Section,
    Switch,
)

_Cooldown = Annotated[Minutes, AtMost(1440, "a breaker that stays open for days is a decision")]
_Share = Annotated[Number, Field(gt=0, lt=100)]
CooldownFrom = Literal["end", "trip"]


class DrawdownBreaker(Section):
    """``[alerting.circuit_breakers.drawdown]``: fall from today's highest equity.

    Attributes:
        cooldown_minutes: how long the breaker stays open at least.
        cooldown_from: whether that counts from the ``trip`` or from the ``end`` of the breach.
        require_manual_resume: whether a person has to resume trading then.
    """

    warning_pct: LossPercent = 2
    critical_pct: LossPercent = 3
    emergency_pct: LossPercent = 5
    cooldown_minutes: _Cooldown = 60
    cooldown_from: CooldownFrom = "end"
    require_manual_resume: Switch = True


class LossStreakBreaker(Section):
    """``[alerting.circuit_breakers.consecutive_losses]``: losing trades in a row.

    Attributes:
        reduce_at: so many losses reduce the size of new trades.
        reduced_size_pct: to this share of the full one.
        reduce_further_at: so many reduce it further.
        further_reduced_size_pct: to this share.
        halt_at: so many end trading.
        cooldown_minutes: how long each holds at least.
        cooldown_from: whether that counts from the ``trip`` or from the ``end`` of the breach.
    """

    reduce_at: Count = 3
    reduced_size_pct: _Share = 50
    reduce_further_at: Count = 4
    further_reduced_size_pct: _Share = 25
    halt_at: Count = 5
    cooldown_minutes: _Cooldown = 120
    cooldown_from: CooldownFrom = "end"


class VolatilityBreaker(Section):
    """``[alerting.circuit_breakers.volatility]``.

    Attributes:
        max_spread_bps: widest spread, basis points of the mid price.
        max_atr_multiple: largest average true range, multiple of its baseline.
        max_price_move_pct: largest range of the price within ``price_move_minutes``.
    """

    max_spread_bps: BasisPoints = 50
    max_atr_multiple: Multiple = 2.5
    max_price_move_pct: LossPercent = 10
    price_move_minutes: Annotated[
        Minutes, AtMost(1440, "within days, ten percent is nothing extreme")
    ] = 5


class LatencyBreaker(Section):
    """``[alerting.circuit_breakers.latency]``."""

    websocket_lag_seconds: Annotated[
        PositiveSeconds, AtMost(300, "prices that old are history")
    ] = 5
    inference_p95_milliseconds: Milliseconds = 500
    inference_p99_milliseconds: Milliseconds = 1000
    order_placement_milliseconds: Milliseconds = 2000
    order_fill_milliseconds: Milliseconds = 5000


class CircuitBreakers(Section):
    """``[alerting.circuit_breakers.*]``."""

    drawdown: DrawdownBreaker = DrawdownBreaker()
    consecutive_losses: LossStreakBreaker = LossStreakBreaker()
    volatility: VolatilityBreaker = VolatilityBreaker()
    latency: LatencyBreaker = LatencyBreaker()


class Latch(Section):
    """``[alerting.latch]``: when a breach is over.

    Attributes:
        clear_margin_pct: a value has to come back by this share of its threshold, so that one
            that hovers at the threshold is one breach and not many.
        hold_missing_minutes: how long a breach is held while nobody reports its account.
    """

    clear_margin_pct: Annotated[Number, Field(ge=0, le=50)] = 5
    hold_missing_minutes: Annotated[
        Minutes, AtMost(60, "an account that is gone for good would be shown for as long")
    ] = 10
