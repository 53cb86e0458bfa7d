"""What of a trip must not be lost where there is little room: who asked, for what, about what.

Pure. However long the texts of a trip are, its essence is shorter than :data:`MOST_BYTES`. Only
what is too long by itself is cut, so that an account and a risk_id stay what they are.
"""

from __future__ import annotations

from typing import Final

import msgspec
from msgspec import structs

from risk_policy.contracts.alert import ESCALATION, IDENTITY_LABELS, LIMIT
from risk_receivers.intake.alert import Alert
from risk_receivers.kill.trip import (
    AlertKill,
    OperatorKill,
    SilenceKill,
    SpooledTrip,
    TimeoutKill,
    UnknownKill,
)

#: As JSON; the sum of what follows, and what stands around it.
MOST_BYTES: Final = 15_000
_NAME_BYTES: Final = 1_000
_ID_BYTES: Final = 2_500
_TEXT_BYTES: Final = 3_000
_LABEL_BYTES: Final = 500
_ACCOUNT: Final = IDENTITY_LABELS[0]
_KEPT: Final = (*IDENTITY_LABELS, LIMIT, ESCALATION)
#: The one annotation that is kept, from whichever it is taken.
_DESCRIPTION: Final = "description"


def essence(trip: SpooledTrip) -> SpooledTrip:
    """The trip without what makes one long."""
    match trip.kill:
        case AlertKill(alert):
            return structs.replace(trip, kill=AlertKill(_alert(alert)))
        case OperatorKill(_, reason, actor) as kill:
            cut = structs.replace(
                kill, reason=_cut(reason, _TEXT_BYTES), actor=_cut(actor, _NAME_BYTES)
            )
            return structs.replace(trip, kill=cut)
        case UnknownKill(evidence):
            return structs.replace(trip, kill=UnknownKill(_cut(evidence, _TEXT_BYTES)))
        case TimeoutKill() | SilenceKill():
            return trip


def _alert(alert: Alert) -> Alert:
    bounds = {_ACCOUNT: _ID_BYTES}
    return structs.replace(
        alert,
        alertname=_cut(alert.alertname, _NAME_BYTES),
        risk_id=_cut(alert.risk_id, _ID_BYTES),
        tier=_cut(alert.tier, _LABEL_BYTES),
        action=_cut(alert.action, _LABEL_BYTES),
        labels={
            name: _cut(alert.labels[name], bounds.get(name, _LABEL_BYTES))
            for name in _KEPT
            if name in alert.labels
        },
        annotations={_DESCRIPTION: _cut(alert.description, _TEXT_BYTES)},
    )


def _cut(text: str, most: int) -> str:
    """As much of a text's beginning as takes so many bytes of JSON."""
    text = text[:most]
    while (size := len(msgspec.json.encode(text))) > most:
        text = text[: len(text) * most // size]
    return text
