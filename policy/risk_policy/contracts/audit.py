"""The audit chain's vocabulary: event types, hashed header fields and hash domains.

A header is RFC 8785 canonical JSON of exactly :data:`HEADER_FIELDS`::

    payload_hash = SHA-256(0x02 || salt[16] || JCS(payload))
    checksum     = SHA-256(0x00 || JCS(header))

The second is the leaf hash of RFC 9162, so chain and Merkle tree share one hash.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Final

SCHEMA: Final = 1
HEADER_FIELDS: Final = (
    "event_type",
    "expires_at",
    "origin",
    "payload_hash",
    "previous_checksum",
    "recorded_at",
    "schema",
    "seq",
)
PAYLOAD_FIELDS: Final = (
    "action_reason",
    "action_taken",
    "actor_id",
    "actor_type",
    "alert_id",
    "category",
    "details",
    "id",
    "message",
    "position_id",
    "severity",
    "trade_id",
)
LEAF_DOMAIN: Final = b"\x00"
PAYLOAD_DOMAIN: Final = b"\x02"
SALT_BYTES: Final = 16
#: The ``previous_checksum`` of the first event.
GENESIS: Final = "0" * 64


class EventType(StrEnum):
    """What an audit event records."""

    ALERT_CREATED = "ALERT_CREATED"
    ALERT_DISPATCHED = "ALERT_DISPATCHED"
    ALERT_ESCALATED = "ALERT_ESCALATED"
    ALERT_DEESCALATED = "ALERT_DEESCALATED"
    ALERT_ACKNOWLEDGED = "ALERT_ACKNOWLEDGED"
    ALERT_ACK_CHANGED = "ALERT_ACK_CHANGED"
    ALERT_ACK_ENDED = "ALERT_ACK_ENDED"
    ALERT_RESOLVED = "ALERT_RESOLVED"
    ALERT_EXPIRED = "ALERT_EXPIRED"
    ALERT_CONTINUED = "ALERT_CONTINUED"
    SILENCE_CREATED = "SILENCE_CREATED"
    SILENCE_CHANGED = "SILENCE_CHANGED"
    SILENCE_ENDED = "SILENCE_ENDED"
    SILENCE_TOO_BROAD = "SILENCE_TOO_BROAD"
    THRESHOLD_BREACHED = "THRESHOLD_BREACHED"
    NOTIFICATION_SENT = "NOTIFICATION_SENT"
    NOTIFICATION_FAILED = "NOTIFICATION_FAILED"
    NOTIFICATION_FAILED_OVER = "NOTIFICATION_FAILED_OVER"
    NOTIFICATION_RESENT = "NOTIFICATION_RESENT"
    NOTIFICATION_DISMISSED = "NOTIFICATION_DISMISSED"
    CHANNEL_TESTED = "CHANNEL_TESTED"
    TRADE_BLOCKED = "TRADE_BLOCKED"
    ORDERS_CANCELLED = "ORDERS_CANCELLED"
    POSITION_FORCE_CLOSED = "POSITION_FORCE_CLOSED"
    KILL_SWITCH_ACTIVATED = "KILL_SWITCH_ACTIVATED"
    KILL_SWITCH_TIGHTENED = "KILL_SWITCH_TIGHTENED"
    KILL_SWITCH_TRIGGER_RECORDED = "KILL_SWITCH_TRIGGER_RECORDED"
    KILL_SWITCH_RESTORED = "KILL_SWITCH_RESTORED"
    KILL_SWITCH_UNCONFIRMED = "KILL_SWITCH_UNCONFIRMED"
    KILL_SWITCH_FLAT_CONFIRMED = "KILL_SWITCH_FLAT_CONFIRMED"
    KILL_SWITCH_DEACTIVATED = "KILL_SWITCH_DEACTIVATED"
    CONFIG_CHANGED = "CONFIG_CHANGED"
    RECORDS_PRUNED = "RECORDS_PRUNED"
    INTAKE_QUARANTINED = "INTAKE_QUARANTINED"
    REPORT_REFUSED = "REPORT_REFUSED"
    ACCESS_REFUSED = "ACCESS_REFUSED"
    FEED_SILENT = "FEED_SILENT"
    FEED_HEARD = "FEED_HEARD"
    STORM_BEGAN = "STORM_BEGAN"
    STORM_ENDED = "STORM_ENDED"
    DIGEST_WRITTEN = "DIGEST_WRITTEN"
    SERVICE_STARTED = "SERVICE_STARTED"


class ActorType(StrEnum):
    """Who acted."""

    SYSTEM = "SYSTEM"
    USER = "USER"
    KILL_SWITCH = "KILL_SWITCH"
    RUNTIME = "RUNTIME"
