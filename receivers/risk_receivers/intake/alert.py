"""An alert as both feeds deliver it, and what else a request may hold."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import StrEnum
from typing import Final

from msgspec import Struct

from risk_policy.contracts.alert import ESCALATION
from risk_policy.vocabulary import Action, Category, Escalation, Severity

#: The actions that trip the kill switch, as written.
TRIPPING = frozenset(action.value for action in Action if action.trips_kill_switch)
#: What is longer is cut, for PostgreSQL refuses it in an index: 2,704 bytes hold the three texts of
#: a key, a character has four at most, and nothing that came with such an alert could be recorded.
_MOST_KEY_CHARACTERS: Final = 200
_KEY_BEGINNING: Final = 160


def key_of(name: str) -> str:
    """A name as the store finds things by it; one that is cut is still one of a kind."""
    if len(name) <= _MOST_KEY_CHARACTERS:
        return name
    return f"{name[:_KEY_BEGINNING]}…{hashlib.sha256(name.encode()).hexdigest()[:32]}"


class Feed(StrEnum):
    """Where an alert came from."""

    ALERTS = "alerts"  # Prometheus itself: what is true, whatever people have silenced
    NOTIFICATIONS = "notifications"  # Alertmanager: what people are to be told, by whomever


class Alert(Struct, frozen=True):
    """One alert of ours.

    Attributes:
        tier: the threshold that was crossed; empty for alerts without one.
        action: what it asks for, as written; an unknown action asks for nothing.
        ends_at: for a firing alert, until when it counts as firing without a repeat.
        is_certain: False for an end that may turn out to be none, once the clocks are compared.
    """

    feed: Feed
    firing: bool
    alertname: str
    risk_id: str
    tier: str
    severity: Severity
    category: Category | None
    action: str
    starts_at: datetime
    ends_at: datetime | None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    is_certain: bool = True

    @property
    def escalation(self) -> str:
        """Why it counts as worse than its tier, as written, if that is not over-long."""
        return key_of(self.labels.get(ESCALATION, "")) or Escalation.NONE.value

    @property
    def trips(self) -> bool:
        """Whether it asks for the kill switch, firing or as the news that it fired."""
        return self.action in TRIPPING

    @property
    def may_trip(self) -> bool:
        """Whether that is to be done, too. What anybody can add to Alertmanager trips nothing."""
        return self.trips and self.feed is Feed.ALERTS

    @property
    def description(self) -> str:
        """What it says about the value, or at least its name and subject."""
        annotations = self.annotations
        text = annotations.get("description") or annotations.get("summary")
        return text or f"{self.alertname} {self.risk_id}"


class Malformed(Struct, frozen=True):
    """Bytes that could not be read as an alert, and why.

    Attributes:
        asks: whether it asks for an action that nobody can tell or relate to anything, or may do
            so. People have to know of that at once.
        varies: whether the same, sent again, is other bytes: its times are among them.
    """

    reason: str
    raw: bytes
    asks: bool = False
    varies: bool = False


class Batch(Struct, frozen=True):
    """Everything one request held.

    Attributes:
        malformed: the first pieces that could not be read, and the body if it was odd itself.
        more_malformed: how many pieces stand for themselves in the body alone.
        ignored: how many alerts were not ours.
        watchdog: whether the Watchdog was among them, firing.
        rules_digest: of which policy the rules are that it came from; empty if it did not say.
        left_out: why the rest of the body was not looked at; empty if all of it was.
    """

    feed: Feed
    alerts: tuple[Alert, ...] = ()
    malformed: tuple[Malformed, ...] = ()
    more_malformed: int = 0
    ignored: int = 0
    watchdog: bool = False
    rules_digest: str = ""
    left_out: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to put on record."""
        return not self.alerts and not self.malformed

    @property
    def tripping(self) -> tuple[Alert, ...]:
        """The alerts for which the kill switch must act even if nothing can be recorded.

        The resolved ones too: they did fire, and only the store can say whether that was seen.
        """
        return tuple(alert for alert in self.alerts if alert.may_trip)
