"""What tripping the kill switch would do, and to which positions: told before anybody does it."""

from __future__ import annotations

import math
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.measures.current import REPORTED
from risk_receivers.prometheus import PrometheusApi, quoted
from risk_receivers.shapes.system import Holding

_REFUSED: Final = "orders that add risk are refused at once"
_ACCOUNT: Final = "account"
_STAYS: Final = "it stays so until an authorised person clears it, in two steps"


def steps(mode: KillMode, graceful_minutes: float) -> list[str]:
    """What happens, one after the other."""
    match mode:
        case KillMode.PAUSE:
            acts = ["positions and orders that reduce risk are left alone"]
        case KillMode.GRACEFUL:
            acts = [
                "positions are closed at their targets",
                f"what is open after {graceful_minutes:g} minutes is closed then",
            ]
        case KillMode.IMMEDIATE:
            acts = [
                "working orders are cancelled",
                "every position is closed now, by reduce-only orders of the exact quantity",
                "once the account is confirmed flat, trading halts",
            ]
    return [_REFUSED, *acts, _STAYS]


def holdings(
    prometheus: PrometheusApi, scope: Scope, now: float, stale_seconds: float
) -> tuple[list[Holding] | None, str]:
    """The positions that a kill would cover, the largest first; and what is not known of them.

    None, where nobody says what is held. What an account said so long before ``now``, as Unix
    time, may not be so any more. Raises PrometheusError.
    """
    ages = {one.labels.get(_ACCOUNT, ""): now - one.value for one in prometheus.instant(REPORTED)}
    account = scope.labels.get(_ACCOUNT)
    if not (ages if account is None else account in ages):
        return None, f"nobody reports what {account or 'any account'} holds"
    known = {name: value for name, value in scope.labels.items() if name in _TOLD}
    matchers = ", ".join(f"{name}={quoted(value)}" for name, value in known.items())
    currencies = {
        one.labels.get(_ACCOUNT, ""): one.labels.get("currency", "")
        for one in prometheus.instant(m.ACCOUNT_INFO.name)
    }
    found = [
        _holding(one.labels, one.value, currencies)
        for one in prometheus.instant(f"{m.POSITION_NOTIONAL.name}{{{matchers}}} != 0")
    ]
    found.sort(key=lambda one: -abs(one["notional"] or math.inf))
    unknown = [
        f"what {name} holds was last reported {age:.0f} s ago, and may have changed"
        for name, age in sorted(ages.items())
        if account in (None, name) and not age <= stale_seconds
    ]
    if others := " or ".join(sorted(scope.labels.keys() - known.keys())):
        unknown.append(f"positions are not told apart by {others}: it covers some of these")
    return found, "; ".join(unknown)


#: The labels of a scope that positions are told apart by.
_TOLD: Final = frozenset(m.POSITION_NOTIONAL.labels)


def _holding(labels: dict[str, str], notional: float, currencies: dict[str, str]) -> Holding:
    account = labels.get(_ACCOUNT, "")
    return {
        "account": account,
        "symbol": labels.get("symbol", ""),
        "sector": labels.get("sector", ""),
        "notional": notional if math.isfinite(notional) else None,
        "currency": currencies.get(account, ""),
    }
