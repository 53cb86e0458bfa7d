"""A message to people: written with the incident, delivered by the channels."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec

from risk_policy.vocabulary import Severity


class Kind(StrEnum):
    """Why people are told. One message per subject, kind, ``about`` and channel."""

    FIRING = "firing"
    ESCALATED = "escalated"
    EXPIRED = "expired"  # no longer repeated, and nobody said that it is over
    CONTINUED = "continued"  # it had expired, and is repeated again
    RESOLVED = "resolved"
    ACK_LOST = "ack_lost"  # nobody has taken it on any more, and it is not over
    SILENCE_TOO_BROAD = "silence_too_broad"
    KILL_SWITCH = "kill_switch"
    KILL_SWITCH_TIGHTENED = "kill_switch_tightened"
    KILL_SWITCH_CHANGED = "kill_switch_changed"  # cleared, disarmed or armed
    RESTRICTION = "restriction"  # one outlives its incident, or somebody has resumed
    TAMPERED = "tampered"  # what is on record was changed behind the service's back
    QUARANTINED = "quarantined"  # asks for an action that cannot be taken as it stands
    KILL_UNCONFIRMED = "kill_unconfirmed"  # only Alertmanager asks for it: nothing was tripped
    FEED_SILENT = "feed_silent"  # nobody could raise an alert, or nobody would be told of one
    FEED_HEARD = "feed_heard"  # that is over
    TEST = "test"  # somebody wants to know whether a channel works; nothing has happened
    STORM = "storm"  # so much begins that it is told in digests
    DIGEST = "digest"  # what was held back, all at once
    REPORT = "report"  # one was written

    @property
    def goes_on(self) -> bool:
        """Whether it is about an incident that goes on and can be acknowledged."""
        return self in (Kind.FIRING, Kind.ESCALATED, Kind.CONTINUED, Kind.ACK_LOST)


class Message(msgspec.Struct, frozen=True):
    """What one message says.

    Attributes:
        subject: what it is about: an incident's id, or a kill's.
        about: with kind and subject the message's identity; an incident escalates and a kill is
            tightened more than once.
        audit_seq: the record of the audit chain that tells the same.
        id: unguessable, made as it is written down; the same through every channel. A number
            would begin again with a new store, and a reader would take news for a repeat.
        summary: one sentence on what happened, as the rule words it.
        starts_at: when the breach began, however often it has escalated since.
        value: what was measured, and ``threshold`` what it is held against, both as people read
            them.
        action: what the alert asks for, as written.
        escalation: why it counts as worse than its tier, as written.
        attachment: a file that belongs to it, relative to the data folder.
    """

    subject: str
    kind: Kind
    severity: Severity
    title: str
    text: str
    at: datetime
    audit_seq: int
    risk_id: str = ""
    starts_at: datetime | None = None
    runbook_url: str = ""
    about: str = ""
    id: str = ""
    summary: str = ""
    value: str = ""
    threshold: str = ""
    tier: str = ""
    category: str = ""
    action: str = ""
    escalation: str = ""
    attachment: str = ""

    @property
    def key(self) -> str:
        """What tells this message from others about the same subject."""
        return f"{self.kind.value}:{self.about}" if self.about else self.kind.value


class Owed(msgspec.Struct, frozen=True):
    """A message on its way through one channel.

    Attributes:
        id: unique and stable, so that a reader recognises a message that came twice.
        head: the audit chain's head as it is delivered: ``size:root``. Whoever keeps the message
            can later prove what all of it looked like: ``riskwarden audit verify --head``.
        attempt: the how manieth try this is; from the second on it may have arrived before.
    """

    id: str
    message: Message
    head: str
    attempt: int = 1

    @property
    def again(self) -> str:
        """What tells readers that it may have arrived before; empty if it cannot have."""
        return f"try {self.attempt}: it may have come before" if self.attempt > 1 else ""
