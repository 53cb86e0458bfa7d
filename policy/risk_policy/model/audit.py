"""The audit chain: where it is kept, and for how long which event type is."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field
from pydantic_core import PydanticCustomError

from risk_policy.contracts.audit import PERMANENT, EventType
from risk_policy.environment import Secret
from risk_policy.model.base import (
    AlwaysOn,
    AtMost,
    PositiveSeconds,
    RetentionDays,
    Section,
    Switch,
    WholeNumber,
)

#: A month at most: beyond it, "deleted when due" would mean little.
PruneHours = Annotated[WholeNumber, Field(ge=1, le=744)]


#: Leap days included: of 5, 6 and 7 years in a row at most two have one.
_PRESETS: Final = {"5y": 5 * 365 + 2, "6y": 6 * 365 + 2, "7y": 7 * 365 + 2}


def _known(value: object) -> object:
    if value not in ("", *_PRESETS):
        raise PydanticCustomError(
            "preset",
            'must be one of {presets}, or "" for none; other lengths are set in days, type by type',
            {"presets": ", ".join(f'"{name}"' for name in _PRESETS)},
        )
    return value


class AuditRetention(Section):
    """``[alerting.audit.retention]``, in days; -1 is forever.

    What is recorded keeps the time it was recorded with: a policy that is changed later shortens
    nothing that is on record, and prolongs nothing.

    Attributes:
        preset: a least length for all types, for those who have to keep longer; what is to stay
            still longer stays so. "5y": orders and transactions under MiFID II (MiFIR Article 25,
            RTS 6 Article 28) and CFTC 1.31. "6y": SEC 17a-4(a), FINRA 4511. "7y": records under
            MiFID II Article 16(7) once the authority has asked for longer, and SOX audit records.
    """

    preset: Annotated[Literal["", "5y", "6y", "7y"], BeforeValidator(_known)] = ""
    default_days: RetentionDays = 90
    trade_blocked_days: RetentionDays = 365
    position_force_closed_days: RetentionDays = 365
    config_changed_days: RetentionDays = 365
    kill_switch_days: RetentionDays = -1
    prune_every_hours: PruneHours = 24

    def days_for(self, event_type: EventType) -> int | None:
        """Days to keep an event's payload, or None for ever."""
        return self._by_type[event_type]

    @cached_property
    def _by_type(self) -> Mapping[EventType, int | None]:
        """Worked out once: every event that is recorded asks."""
        return {kind: self._worked_out(kind) for kind in EventType}

    def _worked_out(self, event_type: EventType) -> int | None:
        if event_type in PERMANENT:
            return None
        days = self._days_of(event_type)
        return None if days == -1 else max(days, _PRESETS.get(self.preset, 0))

    def _days_of(self, event_type: EventType) -> int:
        match event_type:
            case EventType.TRADE_BLOCKED:
                return self.trade_blocked_days
            case EventType.POSITION_FORCE_CLOSED | EventType.ORDERS_CANCELLED:
                return self.position_force_closed_days
            # Who may do what is configuration, and outlives the orders that were given by it.
            case EventType.CONFIG_CHANGED | EventType.TOKEN_CREATED | EventType.TOKEN_REVOKED:
                return self.config_changed_days
            case _ if event_type.startswith("USER_"):
                return self.config_changed_days
            # And so does who was given the records, and what was put in their place.
            case EventType.AUDIT_EXPORTED | EventType.AUDIT_BACKED_UP | EventType.AUDIT_RESTORED:
                return self.config_changed_days
            # And what was seen before real money was let in.
            case EventType.GO_LIVE_CHECKED:
                return self.config_changed_days
            case _ if event_type.startswith("KILL_SWITCH_"):
                return self.kill_switch_days
            case _:
                return self.default_days


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
        key_path: relative to the data folder, for in_process; what was signed last is beside it.
        socket_path: where riskwarden-signer listens.
        checkpoint_seconds: no longer than this until what is recorded is signed; events of the
            kill switch are signed at once.
    """

    signer: Literal["in_process", "socket"] = "in_process"
    log_name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")] = (
        "riskwarden/audit"
    )
    key_path: str = "audit/signing.key"
    socket_path: str = "/run/riskwarden/signer.sock"
    checkpoint_seconds: Annotated[
        PositiveSeconds, AtMost(30, "the verifier takes more than twice that for a failed signer")
    ] = 1


class PostgreSQL(Section):
    """``[alerting.audit.postgresql]``; ``dsn`` is a connection string or URI of libpq."""

    dsn: Secret = Secret("${RISKWARDEN_POSTGRESQL_DSN}")


class Audit(Section):
    """``[alerting.audit]``; ``database_path`` is relative to the data folder."""

    enabled: AlwaysOn = True
    storage_backend: Literal["sqlite", "jsonl", "postgresql"] = "sqlite"
    database_path: str = "audit/audit.db"
    postgresql: PostgreSQL = PostgreSQL()
    retention: AuditRetention = AuditRetention()
    integrity: Integrity = Integrity()
    signing: Signing = Signing()
    export: Export = Export()
