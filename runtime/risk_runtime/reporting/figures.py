"""How reports write figures, and what they are called: the same act has the same id."""

from __future__ import annotations

import math
from decimal import Decimal
from uuid import NAMESPACE_URL, uuid5

from risk_policy.contracts.reports import MOST_DIGITS


def text(value: Decimal) -> str:
    """A decimal as reports carry it: no exponent, no trailing zeros, no minus before zero."""
    if value == 0:
        return "0"
    plain = f"{value:f}"
    return plain.rstrip("0").rstrip(".") if "." in plain else plain


def figure(value: float | None) -> str | None:
    """A figure of a decision as reports carry it, to six digits; None where there is none."""
    if value is None or not math.isfinite(value):
        return None
    written = text(Decimal(f"{value:.6g}"))
    return written if len(written) <= MOST_DIGITS else None


def report_id(kill_id: str, kind: str, what: str) -> str:
    """The same for the same act, so that a closing that is run again reports it once."""
    return str(uuid5(NAMESPACE_URL, f"riskwarden:{kill_id}:{kind}:{what}"))
