"""How old every secret is, against how old it may become: told, and never the secret itself."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.clock import utc_now
from risk_policy.secret_age import SecretClass, used_secrets
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.tokens.book import Book
from risk_receivers.workers import Worker

_DAY: Final = 86_400.0
#: Somebody who rotates a key sees soon that it counts; nothing depends on it.
_LOOK_SECONDS: Final = 600.0
_CLOCKS_DIFFER: Final = timedelta(days=1)
_SIGNING_KEY: Final = "alerting.audit.signing.key_path"


@dataclass(frozen=True, slots=True)
class KeyAge:
    """How old a secret is.

    Attributes:
        changed_at: None if nobody knows.
    """

    name: str
    changed_at: datetime | None
    rotate_after_seconds: float

    def age_seconds(self, now: datetime) -> float | None:
        """None if nobody knows."""
        if self.changed_at is None or self.changed_at - now > _CLOCKS_DIFFER:
            return None  # a date that is still to come is a slip, and would be fine for years
        return max(0.0, (now - self.changed_at).total_seconds())


class KeyAges(Worker):
    """Looks now and then: Vault may be asked, for which nobody waits."""

    def __init__(
        self,
        policy: Policy,
        data: Path,
        book: Book,
        telemetry: Telemetry,
        environ: Mapping[str, str] | None = None,
    ) -> None:
        """``book`` holds the tokens that were given."""
        super().__init__("security-key-ages", telemetry)
        self._policy = policy
        self._key_file = data / policy.alerting.audit.signing.key_path
        self._book = book
        self._environ = os.environ if environ is None else environ
        self._lock = threading.Lock()
        self._known: list[KeyAge] = []
        telemetry.add_source(self.gauges)

    def round(self) -> float | None:
        """Look at those that are kept elsewhere."""
        # A Vault that does not answer makes no secret younger, and ends no alert about its age.
        with self._lock:
            before = {one.name: one.changed_at for one in self._known}
        found = [
            KeyAge(one.name, one.changed_at or before.get(one.name), self._days(one.of) * _DAY)
            for one in used_secrets(self._policy, self._environ)
        ]
        try:
            at = datetime.fromtimestamp(self._key_file.stat().st_mtime, UTC)
            found.append(KeyAge(_SIGNING_KEY, at, self._days(SecretClass.API_KEYS) * _DAY))
        except OSError:  # a signer in another process keeps it where nobody else can look
            pass
        with self._lock:
            self._known = found
        return _LOOK_SECONDS

    def stop(self) -> None:
        """End, but wait for no Vault that does not answer: nothing is left half done."""
        self._stopping.set()
        self._woken.set()

    def all(self) -> list[KeyAge]:
        """Every secret that is in use, those of which nothing is known first."""
        days, now = self._days(SecretClass.API_KEYS), utc_now()
        given = [
            KeyAge(f"token {one.name}", one.created_at, days * _DAY)
            for one in self._book.all()
            if not one.fault(now)
        ]
        with self._lock:
            found = [*self._known, *given]
        return sorted(found, key=lambda one: (one.changed_at is not None, one.name))

    def gauges(self) -> Mapping[Metric, Samples]:
        """For Prometheus; an age that nobody knows is not there, and listed by the API."""
        now, ages = utc_now(), self.all()
        return {
            m.SECRET_AGE: [
                ((one.name,), age) for one in ages if (age := one.age_seconds(now)) is not None
            ],
            m.SECRET_ROTATE_AFTER: [((one.name,), one.rotate_after_seconds) for one in ages],
        }

    def _days(self, of: SecretClass) -> int:
        days: int = getattr(self._policy.alerting.security.rotation, of.value)
        return days
