"""Whether live execution is possible, and why. Pure.

Invariant: it is called impossible only if a gate is known to hold it back for every account that is
known, now. Everything else is possible or unknown, and unknown is never counted as safe.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.gating import LiveOrders, TradingEnvironment
from risk_policy.contracts.safety_snapshot import (
    Bearing,
    ChainEnd,
    Digests,
    DrillRun,
    GateStatus,
    HeldRestriction,
    KillState,
    Reason,
    Safety,
)
from risk_policy.contracts.safety_snapshot_parts import AccountGates, RiskLimits
from risk_receivers.kill.switch import Phase
from riskwarden.safety_snapshot.held import UNKNOWN

_QUIET: Final = (Phase.ARMED.value, Phase.DISARMED.value, UNKNOWN)
_SAYS: Final = {
    LiveOrders.IMPOSSIBLE: "No order of a known runtime can reach a live market.",
    LiveOrders.POSSIBLE: "Orders can reach a live market.",
    LiveOrders.UNKNOWN: (
        "Whether orders can reach a live market is not known: do not count on it that they cannot."
    ),
}
_GATE_SAYS: Final = {
    "refused": "The trade gate refuses orders that add risk; those that reduce it pass.",
    "allowed": "The trade gate lets orders pass, but for what is held.",
}


@dataclass(frozen=True, slots=True)
class Evidence:
    """What a verdict rests on."""

    stack_environment: str | None
    accounts: tuple[AccountGates, ...]
    gate: GateStatus
    kills: tuple[KillState, ...] | None
    restrictions: tuple[HeldRestriction, ...] | None
    limits: RiskLimits
    digests: Digests
    chain: ChainEnd
    drills: tuple[DrillRun, ...]


def verdict(seen: Evidence) -> Safety:
    """What all of it amounts to."""
    live = live_orders(seen)
    return Safety(
        live_orders=live,
        is_live_execution_ruled_out=live is LiveOrders.IMPOSSIBLE,
        adds_risk=seen.gate.adds_risk,
        statement=f"{_SAYS[live]} {_GATE_SAYS[seen.gate.adds_risk]}",
        reasons=(
            *_of_runtimes(seen),
            *_of_gate(seen),
            *_of_limits(seen.limits, seen.digests),
            *_of_chain(seen.chain),
            *_of_drills(seen.drills),
        ),
    )


def live_orders(seen: Evidence) -> LiveOrders:
    """Whether any order can reach a live market."""
    each = {one.live_orders for one in seen.accounts}
    if LiveOrders.POSSIBLE in each:
        return LiveOrders.POSSIBLE
    if not each or LiveOrders.UNKNOWN in each or _contradicted(seen):
        return LiveOrders.UNKNOWN
    return LiveOrders.IMPOSSIBLE


def _contradicted(seen: Evidence) -> bool:
    """Whether the stack was started as live, and no runtime of it says that it is."""
    modes = {one.told.mode for one in seen.accounts if one.told}
    is_live = seen.stack_environment == TradingEnvironment.LIVE
    return is_live and TradingEnvironment.LIVE not in modes


def _of_runtimes(seen: Evidence) -> Iterator[Reason]:
    if not seen.accounts:
        yield Reason(
            bearing=Bearing.UNKNOWN, about="runtimes", text="no runtime tells of its gates"
        )
    if _contradicted(seen):
        text = "the stack was started as live, and no runtime says that it is"
        yield Reason(bearing=Bearing.UNKNOWN, about="runtimes", text=text)
    for one in seen.accounts:
        yield from _of_account(one)


def _of_account(one: AccountGates) -> Iterator[Reason]:
    about = f"account {one.account}"
    if one.told is None:
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text="it tells nothing of its gates")
        return
    if not one.is_current:
        said = f"effective mode {one.effective_mode}"
        text = f"what it told is too old to count (it said: {said})"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
        return
    for refusal in one.refusals:
        yield Reason(bearing=Bearing.HOLDS, about=about, text=refusal)
    if one.live_orders is LiveOrders.POSSIBLE:
        text = "every gate is open: its orders reach a live market"
        yield Reason(bearing=Bearing.OPEN, about=about, text=text)
    elif one.live_orders is LiveOrders.UNKNOWN:
        text = f"it is live and does not tell {', '.join(one.untold)}"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)


def _of_gate(seen: Evidence) -> Iterator[Reason]:
    about = "trade gate"
    if seen.gate.adds_risk == "allowed":
        yield Reason(bearing=Bearing.OPEN, about=about, text="orders that add risk pass")
    else:
        text = f"it is {seen.gate.state}: orders that add risk are refused"
        yield Reason(bearing=Bearing.HOLDS, about=about, text=text)
    if seen.gate.kill_order:
        text = "the order KILL stands beside the gate"
        yield Reason(bearing=Bearing.HOLDS, about=about, text=text)
    yield from _of_kills(seen.kills)
    if seen.restrictions:
        count = len(seen.restrictions)
        text = f"{count} restriction{'s' if count != 1 else ''} of alerts hold orders that add risk"
        yield Reason(bearing=Bearing.HOLDS, about="restrictions", text=text)
    elif seen.restrictions is None:
        text = "neither database nor gate says what alerts hold"
        yield Reason(bearing=Bearing.UNKNOWN, about="restrictions", text=text)


def _of_kills(kills: tuple[KillState, ...] | None) -> Iterator[Reason]:
    about = "kill switch"
    if kills is None:
        text = "neither database nor gate says whether it is tripped"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
    for one in kills or ():
        where = "everything" if one.scope == "*" else one.scope
        if one.state not in _QUIET:
            text = f"tripped over {where}, mode {one.mode}: {one.cause} ({one.level})"
            yield Reason(bearing=Bearing.HOLDS, about=about, text=text)
        elif one.state == Phase.DISARMED and one.scope == "*":
            text = "it is disarmed: nothing trips it but people"
            yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
        elif one.state == UNKNOWN:
            text = "whether it is armed or disarmed is not known: the database could not be read"
            yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
        if one.on_record and one.at_gate is False:
            text = f"the kill over {where} is on record, and not at the gate"
            yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
        elif one.at_gate and one.on_record is False:
            text = f"the kill over {where} is at the gate, and not on record"
            yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)


def _of_limits(limits: RiskLimits, digests: Digests) -> Iterator[Reason]:
    about = "limits"
    if not limits.are_known:
        text = "the policy could not be read, so no limit is known"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
    if limits.enabled is False:
        text = "alerting is switched off: alerting.enabled is false"
        yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
    if limits.in_force is None:
        text = "no part says which policy it has"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
    elif not limits.in_force:
        others = ", ".join(
            part for part, said in limits.digests_elsewhere.items() if said != limits.digest
        )
        text = f"{others}: on another policy than the one shown here"
        yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
    if digests.rules is None:
        text = "there are no rules that would watch them"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)


def _of_chain(chain: ChainEnd) -> Iterator[Reason]:
    about = "audit chain"
    if chain.head is None:
        text = "it could not be read"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
    if chain.is_whole is False:
        text = "it does not reach the head that is noted beside it: riskwarden audit verify"
        yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
    if chain.found_intact is False:
        text = "the receivers have found it changed: riskwarden audit verify"
        yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)


def _of_drills(drills: tuple[DrillRun, ...]) -> Iterator[Reason]:
    about = "drills"
    if never := [one.scenario for one in drills if one.result is None]:
        text = f"never rehearsed, as far as is known: {', '.join(never)}"
        yield Reason(bearing=Bearing.UNKNOWN, about=about, text=text)
    if failed := [one.scenario for one in drills if one.result == "FAIL"]:
        text = f"failed the last time: {', '.join(failed)}"
        yield Reason(bearing=Bearing.TROUBLE, about=about, text=text)
