"""Who has taken on which alert, and whether anybody still has: acknowledgements as they are told.

An acknowledgement that was withdrawn, ran out or was voided is none any more. That there was one
stays told, and how long it was waited for; an open alert that nobody has any more waits anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime

from risk_receivers.audit.payload import Payload
from risk_receivers.periodic.facts import Fact
from risk_receivers.periodic.told import Ack, Alert


class Answers:
    """What people have answered, put beside the alerts that it was about."""

    def __init__(self, alerts: Mapping[str, Alert], since: datetime) -> None:
        self._alerts = alerts
        self._since = since
        self.acks: list[Ack] = []

    def acknowledged(self, fact: Fact, payload: Payload) -> None:
        """Somebody took alerts on."""
        by = payload.actor_id or fact.text("author")
        taken_on = list(self._covered(fact, payload))
        # Whoever acknowledges a breach answers the alert that had waited longest for it.
        waited = [alert for alert in taken_on if alert.acked_at is None]
        oldest = min(waited, key=lambda alert: alert.at, default=None)
        for alert in waited:
            alert.acked_at, alert.acked_by = fact.at, by
        for alert in taken_on:
            alert.acks_in_force.add(fact.text("silence"))
        if fact.at >= self._since:
            seconds = (fact.at - oldest.at).total_seconds() if oldest else None
            worst = oldest.worst if oldest else None
            about, comment = fact.text("risk_id"), fact.text("comment")
            self.acks.append(Ack(fact.at, by, comment, about, seconds, worst))

    def changed(self, fact: Fact, payload: Payload) -> None:
        """It goes on under another name."""
        before = fact.table("before").get("silence", "")
        for alert in self._covered(fact, payload):
            if before in alert.acks_in_force:
                alert.acks_in_force -= {before}
                alert.acks_in_force.add(fact.text("silence"))

    def ended(self, fact: Fact, payload: Payload) -> None:
        """It is over."""
        for alert in self._covered(fact, payload):
            alert.acks_in_force.discard(fact.text("silence"))

    def _covered(self, fact: Fact, payload: Payload) -> Iterator[Alert]:
        about = fact.text("risk_id")
        tiers = fact.details.get("tiers")
        covered = tuple(tiers) if isinstance(tiers, (list, tuple)) else ()
        for alert in self._alerts.values():
            is_its = alert.risk_id == about and alert.tier in covered and alert.ended_at is None
            if is_its or alert.id == payload.alert_id:
                yield alert
