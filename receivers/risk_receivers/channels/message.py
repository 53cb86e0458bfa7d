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
    RESOLVED = "resolved"
    KILL_SWITCH = "kill_switch"
    KILL_SWITCH_TIGHTENED = "kill_switch_tightened"
    TAMPERED = "tampered"  # what is on record was changed behind the service's back
    QUARANTINED = "quarantined"  # asks for an action that cannot be taken as it stands
    KILL_UNCONFIRMED = "kill_unconfirmed"  # only Alertmanager asks for it: nothing was tripped
    FEED_SILENT = "feed_silent"  # nobody could raise an alert, or nobody would be told of one
    FEED_HEARD = "feed_heard"  # that is over


class Message(msgspec.Struct, frozen=True):
    """What one message says.

    Attributes:
        subject: what it is about: an incident's id, or a kill's.
        about: with kind and subject the message's identity; an incident escalates and a kill is
            tightened more than once.
        audit_seq: the record of the audit chain that tells the same.
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

    @property
    def key(self) -> str:
        """What tells this message from others about the same subject."""
        return f"{self.kind.value}:{self.about}" if self.about else self.kind.value


class Owed(msgspec.Struct, frozen=True):
    """A message on its way through one channel.

    Attributes:
        id: unique and stable, so that a reader recognises a message that came twice.
        head: the audit chain's head as it is delivered: ``size:checksum``. Whoever keeps the
            message can later prove what the chain looked like.
    """

    id: int
    message: Message
    head: str
