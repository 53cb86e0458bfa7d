"""Trips of the kill switch on their way to the store: who or what asked for them."""

from __future__ import annotations

from datetime import datetime
from typing import ClassVar, Final

import msgspec

from risk_policy.vocabulary import KillMode
from risk_receivers.auth import Key
from risk_receivers.intake.alert import Alert

#: The level behind what somebody asked for.
OPERATOR_LEVEL: Final = "operator"
_RUNTIME_LEVEL: Final = "runtime"


class OperatorKill(msgspec.Struct, frozen=True, tag="operator"):
    """Somebody asked for the kill switch.

    Attributes:
        token: whose token came with it, by name.
        address: from where it came.
    """

    mode: KillMode
    reason: str
    actor: str
    token: str = ""
    address: str = ""
    #: As text; one from before there were scopes was about everything.
    scope: str = "*"

    @property
    def by_runtime(self) -> bool:
        """Whether it was no person, but a trading runtime that stops itself."""
        return self.token == Key.RUNTIME.value

    @property
    def level(self) -> str:
        """The level behind it."""
        return _RUNTIME_LEVEL if self.by_runtime else OPERATOR_LEVEL


class AlertKill(msgspec.Struct, frozen=True, tag="alert"):
    """An alert asked for the kill switch."""

    alert: Alert


class UnknownKill(msgspec.Struct, frozen=True, tag="unknown"):
    """Something asked for the kill switch, and all that is left is that it did.

    Nobody knows in which mode. It trips in the loosest: new risk is refused and people are told,
    but no position is closed on a guess; they can tighten it.
    """

    mode: ClassVar[KillMode] = KillMode.PAUSE
    cause: ClassVar[str] = "unreadable spooled trip"

    evidence: str


class TimeoutKill(msgspec.Struct, frozen=True, tag="timeout"):
    """The kill that the trip names was graceful, and its time is over."""


class SilenceKill(msgspec.Struct, frozen=True, tag="silence"):
    """A part fell silent, and the policy wants that to halt trading."""

    cause: str


class SpooledTrip(msgspec.Struct, frozen=True):
    """One trip, on its way to the store.

    Attributes:
        id: recorded in the store with the trip, so that it is merged once.
        kill_id: the id the gate was closed with.
        known: how many records whoever keeps it aside knew of. What another service has recorded
            of it since comes after those, whatever their clocks say.
    """

    id: str
    kill_id: str
    received_at: datetime
    kill: OperatorKill | AlertKill | UnknownKill | TimeoutKill | SilenceKill
    known: int | None = None

    @property
    def gist(self) -> tuple[str, ...]:
        """What makes two trips the same while they wait."""
        if isinstance(self.kill, AlertKill):
            alert = self.kill.alert
            account = alert.labels.get("account", "")
            return (alert.alertname, alert.risk_id, alert.tier, account)
        return (self.id,)
