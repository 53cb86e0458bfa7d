"""The audit chain: where it is kept, and for how long which event type is."""

from __future__ import annotations

from typing import Literal

from risk_policy.contracts.audit import EventType
from risk_policy.model.base import AlwaysOn, RetentionDays, Section, Switch


class AuditRetention(Section):
    """``[alerting.audit.retention]``, in days; -1 is forever."""

    default_days: RetentionDays = 90
    trade_blocked_days: RetentionDays = 365
    position_force_closed_days: RetentionDays = 365
    config_changed_days: RetentionDays = 365
    kill_switch_days: RetentionDays = -1

    def days_for(self, event_type: EventType) -> int | None:
        """Days to keep an event's payload, or None for ever."""
        match event_type:
            case EventType.TRADE_BLOCKED:
                days = self.trade_blocked_days
            case EventType.POSITION_FORCE_CLOSED | EventType.ORDERS_CANCELLED:
                days = self.position_force_closed_days
            # Who may do what is configuration, and outlives the orders that were given by it.
            case EventType.CONFIG_CHANGED | EventType.TOKEN_CREATED | EventType.TOKEN_REVOKED:
                days = self.config_changed_days
            case _ if event_type.startswith("KILL_SWITCH_"):
                days = self.kill_switch_days
            case _:
                days = self.default_days
        return None if days == -1 else days


class Integrity(Section):
    """``[alerting.audit.integrity]``."""

    checksum_algorithm: Literal["sha256"] = "sha256"
    chain_validation: AlwaysOn = True
    validate_on_read: Switch = True


class Export(Section):
    """``[alerting.audit.export]``."""

    formats: tuple[Literal["json", "csv"], ...] = ("json", "csv")
    compress: Switch = True
    encrypt: Switch = False


class Audit(Section):
    """``[alerting.audit]``; ``database_path`` is relative to the data folder."""

    enabled: AlwaysOn = True
    storage_backend: Literal["sqlite"] = "sqlite"
    database_path: str = "audit/audit.db"
    retention: AuditRetention = AuditRetention()
    integrity: Integrity = Integrity()
    export: Export = Export()
