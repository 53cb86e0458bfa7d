"""Since when everything is to be closed and nobody has confirmed that it is. Pure.

It fails towards unconfirmed: a kill that the gate holds and the record does not know, because it
could not be recorded, cannot have been confirmed on record either.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from risk_policy.contracts.restriction import Kill
from risk_policy.vocabulary import KillMode
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import KillSwitch, Phase


def unconfirmed_since(recorded: KillBoard, held: Sequence[Kill]) -> datetime | None:
    """Since when closing is owed; None while none is, or once every account has confirmed it.

    Args:
        recorded: the state on record, as it was read last.
        held: what the gate holds.
    """
    owed = [
        _of_record(one, [kill for kill in held if kill.id == one.kill_id])
        for one in recorded.in_force
    ]
    # One that was cleared is about to be taken back.
    known = recorded.cleared.union(one.kill_id for one in recorded.in_force)
    owed += [
        kill.since for kill in held if kill.id not in known and kill.mode is KillMode.IMMEDIATE
    ]
    return min((since for since in owed if since is not None), default=None)


def _of_record(recorded: KillSwitch, held: Sequence[Kill]) -> datetime | None:
    modes = (recorded.mode, *(kill.mode for kill in held))
    if KillMode.IMMEDIATE not in modes or recorded.phase is Phase.FLAT_CONFIRMED:
        return None
    return recorded.mode_since
