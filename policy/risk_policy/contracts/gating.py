"""The gates of a runtime between a decision and a real order, and what they amount to. Pure.

A runtime reports them; nothing here can open one. Live orders need all of them: the mode, both
switches, no dry run, and the confirmation token where one is required. Of the token it is only ever
told whether it is there.
"""

from __future__ import annotations

from enum import StrEnum

from pydantic import BaseModel, ConfigDict, StrictBool


class TradingEnvironment(StrEnum):
    """Where orders go."""

    PAPER = "paper"
    TESTNET = "testnet"
    LIVE = "live"


class Gating(BaseModel):
    """What a runtime is set to.

    Attributes:
        mode: where it is meant to send orders.
        enable_live_trading: the first gate: somebody wants live orders at all.
        live_mode_armed: the second gate: somebody armed them, for this session.
        live_dry_run: orders are built and not sent, whatever else is set.
        require_confirm_token: whether live orders need the token.
        confirm_token_present: whether it is there; its value is nobody's business.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: TradingEnvironment = TradingEnvironment.PAPER
    enable_live_trading: StrictBool = False
    live_mode_armed: StrictBool = False
    live_dry_run: StrictBool = True
    require_confirm_token: StrictBool = True
    confirm_token_present: StrictBool = False

    @property
    def refusals(self) -> tuple[str, ...]:
        """Why no order reaches a live market; empty if all gates are open."""
        reasons: list[str] = []
        if self.mode is not TradingEnvironment.LIVE:
            reasons.append(f"mode is {self.mode}, not live")
        if not self.enable_live_trading:
            reasons.append("gate 1: enable_live_trading is false")
        if not self.live_mode_armed:
            reasons.append("gate 2: live_mode_armed is false")
        if self.live_dry_run:
            reasons.append("live_dry_run is true: orders are built and not sent")
        if self.require_confirm_token and not self.confirm_token_present:
            reasons.append("the confirmation token is required and not there")
        return tuple(reasons)

    @property
    def allows_live_orders(self) -> bool:
        """Whether an order of this runtime reaches a live market."""
        return not self.refusals

    @property
    def effective_mode(self) -> str:
        """What the runtime does in effect: paper, testnet, live_blocked, live_dry_run or live."""
        if self.mode is not TradingEnvironment.LIVE:
            return self.mode.value
        if self.allows_live_orders:
            return "live"
        return "live_dry_run" if self.live_dry_run else "live_blocked"
