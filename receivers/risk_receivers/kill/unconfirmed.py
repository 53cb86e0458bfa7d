"""Since when everything is to be closed and nobody has confirmed that it is. Pure.

It fails towards unconfirmed: a kill that the gate holds and the record does not know, because it
could not be recorded, cannot have been confirmed on record either.
"""

from __future__ import annotations

from datetime import datetime

from risk_policy.contracts.gate import Restriction
from risk_policy.vocabulary import KillMode
from risk_receivers.kill.switch import KillSwitch, Phase


def unconfirmed_since(recorded: KillSwitch, held: Restriction | None) -> datetime | None:
    """Since when closing is owed; None while none is, or once every account has confirmed it.

    Args:
        recorded: the state on record, as it was read last.
        held: what the gate holds.
    """
    if held is not None and held.kill_id != recorded.kill_id:
        if held.kill_id in recorded.cleared:  # about to be taken back
            return None
        return held.since if held.mode is KillMode.IMMEDIATE else None
    modes = (recorded.mode, held.mode if held is not None else None)
    if KillMode.IMMEDIATE not in modes or recorded.phase is Phase.FLAT_CONFIRMED:
        return None
    return recorded.mode_since
