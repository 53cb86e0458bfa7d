"""Events that reports tell as they stand, in the record's own words: in one visible table."""

from __future__ import annotations

from typing import Final

from risk_policy.contracts.audit import EventType as E

#: What is in force, and who changed it.
CONFIGURATION: Final = (
    E.CONFIG_CHANGED, E.KILL_SWITCH_ARMED, E.KILL_SWITCH_DISARMED, E.HIGH_WATER_MARK_RESET,
    E.LEGAL_HOLD_PLACED, E.LEGAL_HOLD_EXTENDED, E.LEGAL_HOLD_RELEASED, E.SIGNING_BEGAN,
    E.SIGNING_KEY_ROTATED, E.GO_LIVE_CHECKED,
)  # fmt: skip
#: Who may do what.
ACCESS: Final = (
    E.USER_CREATED, E.USER_CHANGED, E.USER_DISABLED, E.USER_ENABLED, E.USER_REMOVED,
    E.TOKEN_CREATED, E.TOKEN_REVOKED,
)  # fmt: skip
#: What people are not told of, although nobody has taken it on.
SILENCES: Final = (E.SILENCE_CREATED, E.SILENCE_CHANGED, E.SILENCE_ENDED, E.SILENCE_TOO_BROAD)
#: What somebody was not let do, and what was not as it should have been.
REFUSED: Final = (
    E.ACCESS_REFUSED, E.LOGIN_REFUSED, E.KILL_SWITCH_LOOSENING_REFUSED,
    E.RESTRICTION_RESUME_REFUSED, E.HIGH_WATER_MARK_RESET_REFUSED, E.REPORT_REFUSED,
    E.INTAKE_QUARANTINED, E.KILL_SWITCH_RESTORED, E.RESTRICTION_RESTORED,
    E.KILL_SWITCH_UNCONFIRMED,
)  # fmt: skip
#: What the security monitor saw, and whom it kept out.
SUSPICIOUS: Final = (
    E.INTRUSION_SUSPECTED, E.NEW_ADDRESS_SEEN, E.AFTER_HOURS_ACCESS, E.BULK_EXPORT_SEEN,
    E.RATE_LIMITED, E.ADDRESS_BLOCKED, E.BLOCK_LIFTED,
)  # fmt: skip
#: Where copies of the record went and came from.
TAKEN: Final = (E.AUDIT_EXPORTED, E.AUDIT_BACKED_UP, E.AUDIT_RESTORED)
#: What is gone, and why.
REMOVED: Final = (E.RETENTION_APPLIED, E.RECORDS_PRUNED)

#: All of them, as records name them.
NOTED: Final = frozenset(
    one.value
    for group in (CONFIGURATION, ACCESS, SILENCES, REFUSED, SUSPICIOUS, TAKEN, REMOVED)
    for one in group
)
