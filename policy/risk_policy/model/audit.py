"""The audit chain: where it is kept, and for how long which event type is."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from risk_policy.contracts.audit import EventType
from risk_policy.model.base import AlwaysOn, AtMost, PositiveSeconds, RetentionDays, Section, Switch


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
            # Without them no signature of the chain could be checked any more.
            case EventType.SIGNING_BEGAN | EventType.SIGNING_KEY_ROTATED:
                return None
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


class Signing(Section):
    """``[alerting.audit.signing]``: who signs how far the chain goes.

    Attributes:
        signer: within the receivers, or riskwarden-signer, a process and user of its own.
        log_name: what the chain is called in its checkpoints. It is part of the key that is made
            at the first start, and says nothing later.
        key_path: relative to the data folder; with what was signed last beside it.
        checkpoint_seconds: no longer than this until what is recorded is signed; events of the
            kill switch are signed at once.
    """

    signer: Literal["in_process"] = "in_process"
    log_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = (
        "riskwarden/audit"
    )
    key_path: str = "audit/signing.key"
    checkpoint_seconds: Annotated[
        PositiveSeconds, AtMost(30, "the verifier takes more than twice that for a failed signer")
    ] = 1


class Audit(Section):
    """``[alerting.audit]``; ``database_path`` is relative to the data folder."""

    enabled: AlwaysOn = True
    storage_backend: Literal["sqlite"] = "sqlite"
    database_path: str = "audit/audit.db"
    retention: AuditRetention = AuditRetention()
    integrity: Integrity = Integrity()
    signing: Signing = Signing()
    export: Export = Export()
