"""The gates between a decision and a live order: what each of them, missing, holds back."""

from __future__ import annotations

from risk_policy import Policy
from risk_policy.contracts.gating import Gating, TradingEnvironment
from riskwarden.drill.record import Notes
from riskwarden.drill.scenarios import limits

_OPEN = Gating(
    mode=TradingEnvironment.LIVE,
    enable_live_trading=True,
    live_mode_armed=True,
    live_dry_run=False,
    require_confirm_token=True,
    confirm_token_present=True,
)


def default(_: Policy, notes: Notes) -> None:
    """Nothing is set: nothing is live."""
    _held(notes, Gating(), "paper", "mode is paper", "gate 1", "gate 2", "dry_run", "token")


def second_gate_missing(_: Policy, notes: Notes) -> None:
    """Gate 1 alone."""
    gating = _OPEN.model_copy(update={"live_mode_armed": False})
    _held(notes, gating, "live_blocked", "gate 2")


def dry_run(_: Policy, notes: Notes) -> None:
    """Everything armed, and still nothing is sent."""
    _held(notes, _OPEN.model_copy(update={"live_dry_run": True}), "live_dry_run", "dry_run")


def no_token(_: Policy, notes: Notes) -> None:
    """The confirmation is missing."""
    gating = _OPEN.model_copy(update={"confirm_token_present": False})
    _held(notes, gating, "live_blocked", "token")


def limits_hit(policy: Policy, notes: Notes) -> None:
    """All gates are open, and a limit holds all the same."""
    notes.given(f"gates: {_told(_OPEN)}")
    evidence = f"effective mode {_OPEN.effective_mode}, nothing refuses"
    notes.expect("all gates are open", met=_OPEN.allows_live_orders, evidence=evidence)
    limits.oversized(policy, notes)


def testnet(_: Policy, notes: Notes) -> None:
    """Orders of a testnet never reach a live market, whatever else is set."""
    gating = _OPEN.model_copy(update={"mode": TradingEnvironment.TESTNET})
    _held(notes, gating, "testnet", "mode is testnet")


def paper(_: Policy, notes: Notes) -> None:
    """Neither do those of a paper account."""
    gating = _OPEN.model_copy(update={"mode": TradingEnvironment.PAPER})
    _held(notes, gating, "paper", "mode is paper")


def _held(notes: Notes, gating: Gating, effective: str, *reasons: str) -> None:
    notes.given(f"gates: {_told(gating)}")
    notes.did("ask whether a live order would be sent")
    told = "; ".join(gating.refusals)
    notes.saw(f"effective mode {gating.effective_mode}: {told}")
    notes.expect("no live order is sent", met=not gating.allows_live_orders, evidence=told)
    named = all(any(reason in one for one in gating.refusals) for reason in reasons)
    exact = named and len(gating.refusals) == len(reasons)
    notes.expect("every gate that holds is named, and no other", met=exact, evidence=told)
    notes.expect(
        f"the effective mode is {effective}",
        met=gating.effective_mode == effective,
        evidence=gating.effective_mode,
    )


def _told(gating: Gating) -> str:
    return ", ".join(f"{name}={value}" for name, value in gating.model_dump(mode="json").items())
