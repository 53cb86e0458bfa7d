"""What can be wrong with something that is to be recorded, or that was."""

from __future__ import annotations

from risk_receivers.errors import ReceiversError


class AuditError(ReceiversError):
    """Base of every error of the audit chain. All are permanent: trying again changes nothing."""


class UnrecordableError(AuditError):
    """A value cannot stand in a hashed record; the message names its path and what would do."""


class NotCanonicalError(AuditError):
    """Stored bytes are not RFC 8785 canonical JSON of the values the chain allows."""


class DamagedRecordError(AuditError):
    """A stored record is not what was written.

    Attributes:
        seq: the record, None if the damage is not one record's.
    """

    def __init__(self, seq: int | None, message: str) -> None:
        self.seq = seq
        super().__init__(message if seq is None else f"record {seq}: {message}")


class UnreadableDatabaseError(AuditError):
    """A file is no audit database, or one that a newer version wrote."""
