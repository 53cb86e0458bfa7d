"""Resetting an account's high-water mark, as receivers record it and the exporter carries it out.

The mark is the equity that drawdowns are measured from. The receivers put on record from what to
what it is reset, and answer with a :class:`Reset`; whoever was answered brings that to the
exporter, which does it if the account still is what the record says, once. Both may be repeated.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.contracts.snapshot_parts import Identifier

#: At the exporter and at the receivers.
PATH: Final = "/api/v1/high-water-mark"
#: An amount of money as it goes on record: no exponent, no float.
DecimalText = Annotated[str, StringConstraints(pattern=r"^-?[0-9]{1,40}(\.[0-9]{1,40})?$")]


class MarkChange(BaseModel):
    """From what to what an account's mark is to be reset."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    account: Identifier
    currency: Identifier
    before: DecimalText
    after: DecimalText


class Reset(MarkChange):
    """A change that is on record.

    Attributes:
        id: of this reset and no other.
        audit_seq: the event that records it.
    """

    id: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9-]{1,64}$")]
    audit_seq: Annotated[int, Field(ge=0, strict=True)]


class Wanted(BaseModel):
    """What the exporter is asked: how an account stands, after a reset if there is one."""

    model_config = ConfigDict(frozen=True)

    account: Identifier
    reset: Reset | None = None


class Standing(BaseModel):
    """How an account stands at the exporter.

    Attributes:
        obstacle: why its mark cannot be reset now; empty if it can.
        reset_id: of the latest reset; empty if there was none.
    """

    model_config = ConfigDict(frozen=True)

    account: Identifier
    currency: Identifier
    high_water_mark: DecimalText
    equity: DecimalText
    obstacle: str
    reset_id: str = ""


def decimal_text(amount: float) -> str:
    """An amount, exactly as the exporter has it."""
    return format(Decimal(repr(amount)), "f")
