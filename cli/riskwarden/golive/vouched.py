"""What no program can see: somebody vouches for it by name, or it is not known. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from riskwarden.golive.finding import Finding, not_known, passed

#: The lines, each with what has to be so.
VOUCHED: Final[Mapping[str, str]] = {
    "shadow-trading": "12 months of shadow trading without a critical fault of the alerting",
    "acceptance": "everything that was to be built was accepted",
    "training": "whoever operates it was trained",
    "runbooks-approved": "runbooks were reviewed and approved",
    "incident-plan": "there is a plan for incidents, and everybody knows where",
    "rollback-plan": "how to go back is written down and was tried",
    "exchange-keys": "keys at the exchange cannot withdraw, and work from this address alone",
    "on-call-rota": "a rota names who is on call at every hour of the next days",
}


def vouched(name: str, by: str, words: str | None) -> Finding:
    """What somebody says, in their name; without it nobody knows."""
    if words is None:
        return not_known(
            "no program can see this",
            f"if it is so, say where it is written: --vouch {name}='…'",
        )
    return passed(f"{by} vouches for it: {words}")
