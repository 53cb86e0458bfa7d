"""Who may call what: one table of everything that is served, and the decision about a request.

Nothing is served that is not in the table. The decision waits for nothing: tokens and table are in
memory, and who was refused is put on record by somebody else.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from risk_policy.contracts import high_water_mark
from risk_policy.model.permissions import Permissions
from risk_policy.vocabulary import Permission, Role
from risk_receivers.auth import Identity, Key, Stranger, Tokens
from risk_receivers.telemetry import AUTH_FAILED, Telemetry

#: What it takes: a permission of somebody's, or the token of one machine.
Need = Permission | Key

#: What is served, and what it takes: one of these.
NEEDS: Final[Mapping[str, tuple[Need, ...]]] = {
    "POST /api/v2/alerts": (Key.ALERT_FEED,),
    "POST /api/v1/notifications": (Key.NOTIFICATION_FEED,),
    "POST /api/v1/runtime/reports": (Key.RUNTIME,),
    "GET /api/v1/gate": (Permission.READ, Key.RUNTIME),
    "POST /api/v1/kill": (Permission.TRIP, Key.RUNTIME),
    "POST /api/v1/kill/clear": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/kill/disarm": (Permission.LOOSEN, Permission.CONFIRM),
    "GET /api/v1/restrictions": (Permission.READ,),
    "POST /api/v1/restrictions/{id}/resume": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/kill/arm": (Permission.ARM,),
    f"POST {high_water_mark.PATH}": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/drills": (Permission.DRILL,),
    "GET /api/v1/status": (Permission.READ,),
    "GET /api/v1/incidents": (Permission.READ,),
    "GET /api/v1/acks": (Permission.READ,),
    "POST /api/v1/incidents/<path:incident>/ack": (Permission.ACKNOWLEDGE,),
    "DELETE /api/v1/incidents/<path:incident>/ack": (Permission.ACKNOWLEDGE,),
    "GET /api/v1/audit": (Permission.AUDIT_READ,),
    "POST /api/v1/audit/signing-key": (Permission.MANAGE_TOKENS,),
    "GET /api/v1/channels": (Permission.READ,),
    "POST /api/v1/channels/test": (Permission.MANAGE_CHANNELS,),
    "GET /api/v1/dead-letters": (Permission.READ,),
    "POST /api/v1/dead-letters/resend": (Permission.MANAGE_CHANNELS,),
    "POST /api/v1/dead-letters/dismiss": (Permission.MANAGE_CHANNELS,),
    "GET /api/v1/tokens": (Permission.MANAGE_TOKENS, Permission.AUDIT_READ),
    "POST /api/v1/tokens": (Permission.MANAGE_TOKENS,),
    "DELETE /api/v1/tokens/<name>": (Permission.MANAGE_TOKENS,),
}
#: What anybody may ask: probes, Prometheus's scrapes, and what to do about an alert.
OPEN: Final = frozenset(
    {"GET /healthz", "GET /readyz", "GET /metrics", "GET /runbooks/<alertname>"}
)
#: Addresses whose refusals are counted apart; beyond that all counts begin anew.
_ADDRESSES: Final = 1000
_log = logging.getLogger(__name__)


class Refused(Protocol):
    """Is told from where somebody came in vain, to what, why, and with whose token."""

    def __call__(self, address: str, path: str, why: str, by: Identity | None = None) -> None:
        """Note it. Waits for nothing."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """No.

    Attributes:
        code: 401 for who is nobody, 403 for who is somebody and may not.
    """

    code: int
    error: str


class Access:
    """Decides."""

    def __init__(
        self, tokens: Tokens, permissions: Permissions, telemetry: Telemetry, refused: Refused
    ) -> None:
        self.tokens: Final = tokens
        self.permissions: Final = permissions
        self._table = permissions.table()
        self._telemetry = telemetry
        self._refused = refused
        self._lock = threading.Lock()
        self._refusals: dict[str, int] = {}

    def knows(self, authorization: bytes) -> bool:
        """Whether it carries anybody's token. Nothing is noted: much needs none."""
        return self.tokens.knows(authorization)

    def decide(
        self, authorization: bytes, address: str, what: str, path: str
    ) -> Identity | Refusal:
        """Whether somebody may have ``what``, a key of NEEDS, at a path."""
        needs = NEEDS[what]
        found = self.tokens.identify(authorization)
        if isinstance(found, Stranger):
            self._note(address, path, found.why, found.identity)
            return Refusal(401, f"{found.why}; {self._wanted(needs)}")
        if self.has(found, *needs):
            return found
        return self.refuse(found, address, path, *needs)

    def has(self, identity: Identity, *needs: Need) -> bool:
        """Whether it has one of these."""
        roles = set(identity.roles)
        return any(
            need is identity.key
            if isinstance(need, Key)
            else bool(roles.intersection(self._table[need]))
            for need in needs
        )

    def refuse(self, identity: Identity, address: str, path: str, *needs: Need) -> Refusal:
        """Tell somebody known that they may not, and note it."""
        is_what = f"is of {' and '.join(identity.roles)}" if identity.roles else "is a machine's"
        names = " or ".join(f"permission {need}" for need in needs if isinstance(need, Permission))
        why = f"lacks {names or ' or '.join(f'alerting.auth.{need}' for need in needs)}"
        self._note(address, path, why, identity)
        return Refusal(403, f"the token {identity.name} {is_what} and {why}; {self._wanted(needs)}")

    def _wanted(self, needs: tuple[Need, ...]) -> str:
        """What to send instead."""
        roles = [
            role.value
            for role in dict.fromkeys(
                role for need in needs if isinstance(need, Permission) for role in self._table[need]
            )
        ]
        keys = [f"alerting.auth.{need.value}" for need in needs if isinstance(need, Key)]
        if Role.ADMIN.value in roles:
            keys.append(f"alerting.auth.{Key.OPERATOR.value}")
        said = [f"that {' or '.join(keys)} names"] if keys else []
        said += [f"of role {' or '.join(roles)}"] if roles else []
        return f"send the bearer token {', or one '.join(said)}"

    def _note(self, address: str, path: str, why: str, by: Identity | None) -> None:
        self._telemetry.count(*AUTH_FAILED)
        self._refused(address, path, why, by)
        with self._lock:
            if len(self._refusals) >= _ADDRESSES:
                self._refusals.clear()
            count = self._refusals[address] = self._refusals.get(address, 0) + 1
        if count & (count - 1) == 0:  # 1, 2, 4, 8, ...: whoever hammers does not fill the disk
            who = f"{by.name} " if by else ""
            _log.warning("%s%s, from %s (refusals so far: %d)", who, why, address, count)
