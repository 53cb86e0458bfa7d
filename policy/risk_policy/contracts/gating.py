"""The gates of a runtime between a decision and a real order, and what they amount to. Pure.

A runtime reports them; nothing here can open one. Live orders need all of them: the mode, both
switches, no dry run, and the confirmation token where one is required. Of the token it is only ever
told whether it is there.

What a runtime is set to (:class:`Gating`) and what it tells of that (:class:`ToldGating`) are two
things: what was not told is unknown, and what is unknown holds nothing back.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Final

from pydantic import BaseModel, ConfigDict, StrictBool

from risk_policy.environment import lookup
from risk_policy.errors import UnsetVariableError


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


class LiveOrders(StrEnum):
    """Whether an order of a runtime can reach a live market."""

    IMPOSSIBLE = "impossible"  # a gate is known to hold
    POSSIBLE = "possible"  # every gate is known to be open
    UNKNOWN = "unknown"  # none is known to hold, and not all are known


class ToldGating(BaseModel):
    """What a runtime tells of its gates.

    A gate that the runtime does not have holds nothing back: tell it as open, that is the two
    switches as true, the dry run and the token's requirement as false. What is left out is unknown,
    and never counts as holding.

    Attributes:
        mode: where it is meant to send orders: paper, testnet or live.
        enable_live_trading: the first gate: somebody wants live orders at all.
        live_mode_armed: the second gate: somebody armed them, for this session.
        live_dry_run: orders are built and not sent, whatever else is set.
        require_confirm_token: whether live orders need the confirmation token.
        confirm_token_present: whether it is there; never tell its value.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    mode: TradingEnvironment
    enable_live_trading: StrictBool | None = None
    live_mode_armed: StrictBool | None = None
    live_dry_run: StrictBool | None = None
    require_confirm_token: StrictBool | None = None
    confirm_token_present: StrictBool | None = None

    @classmethod
    def of(cls, gating: Gating) -> ToldGating:
        """All of it, told."""
        return cls.model_validate(gating.model_dump())

    @property
    def flags(self) -> dict[str, bool]:
        """Every switch that was told, by its name."""
        told = ((name, getattr(self, name)) for name in FLAGS)
        return {name: value for name, value in told if value is not None}

    @property
    def untold(self) -> tuple[str, ...]:
        """The switches that were not told and matter; where no token is required, its presence
        does not."""
        not_needed = {"confirm_token_present"} if self.require_confirm_token is False else set()
        return tuple(n for n in FLAGS if getattr(self, n) is None and n not in not_needed)

    @property
    def refusals(self) -> tuple[str, ...]:
        """Which gates are known to hold; empty if none is."""
        return self._if_untold_is_open.refusals

    @property
    def live_orders(self) -> LiveOrders:
        """Whether an order reaches a live market, as far as was told."""
        if self.refusals:
            return LiveOrders.IMPOSSIBLE
        return LiveOrders.UNKNOWN if self.untold else LiveOrders.POSSIBLE

    @property
    def effective_mode(self) -> str:
        """As of :class:`Gating`; ``live_unknown`` where what was not told decides it."""
        if self.live_orders is LiveOrders.UNKNOWN:
            return "live_unknown"
        return self._if_untold_is_open.effective_mode

    @property
    def _if_untold_is_open(self) -> Gating:
        return _OPEN.model_copy(update={"mode": self.mode, **self._decided})

    @property
    def _decided(self) -> dict[str, bool]:
        """A token that is required, or whose requirement nobody told, holds only if it is known
        to be required and known to be missing."""
        told = self.flags
        if self.require_confirm_token is not True or self.confirm_token_present is not False:
            told.pop("confirm_token_present", None)
        return told


#: The switches beside the mode.
FLAGS: Final = tuple(name for name in ToldGating.model_fields if name != "mode")
_OPEN: Final = Gating(
    mode=TradingEnvironment.LIVE,
    enable_live_trading=True,
    live_mode_armed=True,
    live_dry_run=False,
    require_confirm_token=False,
    confirm_token_present=True,
)
_MODE: Final = "RISKWARDEN_TRADING_MODE"
_TOKEN: Final = "RISKWARDEN_CONFIRM_TOKEN"  # noqa: S105 - the variable's name
_SWITCHES: Final = {
    "enable_live_trading": "RISKWARDEN_ENABLE_LIVE_TRADING",
    "live_mode_armed": "RISKWARDEN_LIVE_MODE_ARMED",
    "live_dry_run": "RISKWARDEN_LIVE_DRY_RUN",
    "require_confirm_token": "RISKWARDEN_REQUIRE_CONFIRM_TOKEN",
}
_WORDS: Final = {"true": True, "1": True, "false": False, "0": False}


class GatingVariableError(ValueError):
    """A variable that says how a runtime is gated holds no such thing."""


def gating_of_environment(environ: Mapping[str, str]) -> ToldGating | None:
    """The gates as environment variables have them; None unless one names the mode.

    Of the confirmation token it is looked at whether it is there, in the variable or in the file
    that ``…_FILE`` names. Raises GatingVariableError, which quotes no value.
    """
    named = environ.get(_MODE, "").strip().lower()
    if not named:
        return None
    if named not in {one.value for one in TradingEnvironment}:
        raise GatingVariableError(f"{_MODE} must be one of {', '.join(TradingEnvironment)}")
    told: dict[str, bool] = {}
    for switch, variable in _SWITCHES.items():
        if text := environ.get(variable, "").strip().lower():
            if text not in _WORDS:
                raise GatingVariableError(f"{variable} must be true or false")
            told[switch] = _WORDS[text]
    try:
        told["confirm_token_present"] = bool(lookup(_TOKEN, environ))
    except UnsetVariableError:
        told["confirm_token_present"] = False
    return ToldGating.model_validate({"mode": TradingEnvironment(named), **told})
