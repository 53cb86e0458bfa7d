"""What behaves suspiciously: counted, on record, and where it adds up, not listened to for a while.

It takes notes and waits for nothing, so that no request and no kill ever waits for it. Whoever
brings a good token or session is counted and recorded, and never turned away.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Permission
from risk_policy.windows import Interval
from risk_receivers.auth import Identity, Key
from risk_receivers.refusals import Heard
from risk_receivers.security.exports import Exports
from risk_receivers.security.places import USER, Places
from risk_receivers.security.score import Act, Scores
from risk_receivers.security.signs import signs_in
from risk_receivers.sessions.lock_out import HAS_TO_WAIT
from risk_receivers.telemetry import Telemetry

#: Whatever takes one of these and changes something is dangerous.
_DANGEROUS: Final = frozenset(
    {
        Permission.TRIP,
        Permission.LOOSEN,
        Permission.CONFIRM,
        Permission.ARM,
        Permission.MANAGE_CHANNELS,
        Permission.MANAGE_TOKENS,
    }
)
_LOG_IN: Final = "/api/v1/session"
_log = logging.getLogger(__name__)


class Monitor:
    """Takes notes. Thread-safe."""

    def __init__(
        self,
        *,
        scores: Scores | None,
        places: Places,
        exports: Exports,
        business_hours: tuple[Interval, ...] | None,
        telemetry: Telemetry,
        record: Heard,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        """Without ``scores`` nobody is blocked; without ``business_hours`` it is always one of
        them. ``record`` puts on record what is seen here.
        """
        self.scores: Final = scores
        self._places = places
        self._exports = exports
        self._business_hours = business_hours
        self._telemetry = telemetry
        self._record = record
        self._clock = clock

    # -- what it is told -----------------------------------------------------------------------

    def refused(
        self, address: str, path: str, why: str, by: Identity | None, kind: EventType
    ) -> None:
        """Somebody was refused, who has been counted. A log-in that failed is a guess, unless they
        have to wait: then nobody looked at it. Who brings nothing, or is known and may not do
        something, is no intruder.
        """
        del by
        if kind is EventType.LOGIN_REFUSED:
            self._add(address, path, Act.RATE_LIMITED if why == HAS_TO_WAIT else Act.LOGIN_FAILED)

    def guessed(self, address: str, path: str) -> None:
        """Somebody brought a wrong token, who has been counted."""
        self._add(address, path, Act.AUTH_FAILED)

    def rate_limited(self, address: str, path: str, by: Identity | None) -> None:
        """Somebody asked more often than they may, who has been counted."""
        why = "more requests than the policy allows"
        self._record(address, path, why, by, EventType.RATE_LIMITED)
        if by is None:
            self._add(address, path, Act.RATE_LIMITED)

    def asked(self, address: str, path: bytes, query: bytes, agent: bytes) -> None:
        """Somebody asks something; ``path`` and ``query`` as they came."""
        if signs := signs_in(path, query, agent):
            shown = path.decode("latin-1")
            self._telemetry.count(m.SECURITY_EVENTS, "intrusion")
            self._record(address, shown, " and ".join(signs), None, EventType.INTRUSION_SUSPECTED)
            self._add(address, shown, Act.INTRUSION)

    def came(
        self, by: Identity, address: str, what: str, path: str, needs: tuple[Permission | Key, ...]
    ) -> None:
        """Somebody may have what they ask for."""
        who = f"{USER if by.session else 'token '}{by.name}"
        if self._places.is_new(who, address):
            self._telemetry.count(m.SECURITY_EVENTS, "new_address")
            self._record(address, path, "a new address", by, EventType.NEW_ADDRESS_SEEN)
        if by.is_person and not what.startswith("GET ") and not _DANGEROUS.isdisjoint(needs):
            self._at_work(by, address, path, what)

    def logged_in(self, by: Identity, address: str) -> None:
        """Somebody did."""
        self._at_work(by, address, _LOG_IN, "a log-in")

    def exported(self, by: Identity, address: str, path: str, records: int) -> None:
        """Somebody was given so many audit records."""
        if self._exports.is_bulk(by.name, records):
            self._telemetry.count(m.SECURITY_EVENTS, "bulk_export")
            why = "more of them than alerting.security.bulk_export_records within the window"
            self._record(address, path, why, by, EventType.BULK_EXPORT_SEEN)

    # -- what it says --------------------------------------------------------------------------

    def blocked_seconds(self, address: str) -> float:
        """For how long nobody listens to strangers from an address; 0 if somebody does."""
        return self.scores.blocked_seconds(address) if self.scores else 0.0

    def users_places(self) -> dict[str, list[str]]:
        """From where everybody comes who logs in, the latest last."""
        return self._places.of_users()

    def blocks(self) -> int:
        """How many addresses are blocked."""
        return self.scores.blocks() if self.scores else 0

    def _at_work(self, by: Identity, address: str, path: str, what: str) -> None:
        hours = self._business_hours
        if hours is None or any(one.covers(self._clock()) for one in hours):
            return
        self._telemetry.count(m.SECURITY_EVENTS, "after_hours")
        self._record(address, path, what, by, EventType.AFTER_HOURS_ACCESS)

    def _add(self, address: str, path: str, act: Act) -> None:
        if self.scores is not None and self.scores.add(address, act):
            why = f"too much of {act.value} and the like; it ends by itself"
            _log.warning("%s is blocked for a while: %s", address, why)
            self._record(address, path, why, None, EventType.ADDRESS_BLOCKED)
