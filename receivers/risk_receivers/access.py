"""Who may call what: one table of everything that is served, and the decision about a request.

Nothing is served that is not in the table. The decision waits for nothing: tokens, sessions and
table are in memory, and who was refused is put on record by somebody else.
"""

from __future__ import annotations

import hmac
import logging
import threading
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

from risk_policy.contracts import high_water_mark
from risk_policy.model.permissions import Permissions
from risk_policy.vocabulary import Permission, Role
from risk_receivers.auth import Identity, Key, Stranger, Tokens
from risk_receivers.sessions.book import Sessions
from risk_receivers.sessions.credentials import Cookie, Credentials
from risk_receivers.sessions.session import Session
from risk_receivers.telemetry import AUTH_FAILED, Telemetry
from risk_receivers.users.book import UserBook
from risk_receivers.users.user import User

#: What it takes: a permission of somebody's, or the token of one machine.
Need = Permission | Key

#: What is served, and what it takes: one of these.
NEEDS: Final[Mapping[str, tuple[Need, ...]]] = {
    "POST /api/v2/alerts": (Key.ALERT_FEED,),
    "POST /api/v1/notifications": (Key.NOTIFICATION_FEED,),
    "POST /api/v1/runtime/reports": (Key.RUNTIME,),
    "GET /api/v1/gate": (Permission.READ, Key.RUNTIME),
    "POST /api/v1/kill": (Permission.TRIP, Key.RUNTIME),
    "POST /api/v1/system/kill-switch": (Permission.TRIP,),
    "POST /api/v1/system/kill-switch/clear": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/system/kill-switch/disarm": (Permission.LOOSEN, Permission.CONFIRM),
    "GET /api/v1/restrictions": (Permission.READ,),
    "POST /api/v1/restrictions/{id}/resume": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/system/kill-switch/arm": (Permission.ARM,),
    f"POST {high_water_mark.PATH}": (Permission.LOOSEN, Permission.CONFIRM),
    "POST /api/v1/drills": (Permission.DRILL,),
    "POST /api/v1/golive": (Permission.DRILL,),
    "GET /api/v1/system/status": (Permission.READ,),
    "GET /api/v1/alerts": (Permission.READ,),
    "GET /ws/alerts": (Permission.READ,),
    "GET /ws/metrics": (Permission.READ,),
    "GET /api/v1/stream/alerts": (Permission.READ,),
    "GET /api/v1/stream/metrics": (Permission.READ,),
    "GET /api/v1/metrics/current": (Permission.READ,),
    "GET /api/v1/metrics/history": (Permission.READ,),
    "GET /api/v1/silences": (Permission.READ,),
    "GET /api/v1/alerts/open": (Permission.READ,),
    "GET /api/v1/alerts/stats": (Permission.READ,),
    "GET /api/v1/alerts/<incident:incident>": (Permission.READ,),
    "POST /api/v1/alerts/<incident:incident>/comments": (Permission.ACKNOWLEDGE,),
    "POST /api/v1/alerts/<incident:incident>/acknowledge": (Permission.ACKNOWLEDGE,),
    "DELETE /api/v1/alerts/<incident:incident>/acknowledge": (Permission.ACKNOWLEDGE,),
    "DELETE /api/v1/silences/<silence>": (Permission.ACKNOWLEDGE,),
    "GET /api/v1/drills": (Permission.READ,),
    "GET /api/v1/reports": (Permission.AUDIT_READ,),
    "GET /api/v1/reports/<report>": (Permission.AUDIT_READ,),
    "GET /api/v1/audit": (Permission.AUDIT_READ,),
    "GET /api/v1/audit/<int:seq>": (Permission.AUDIT_READ,),
    "GET /api/v1/audit/<int:seq>/proof": (Permission.AUDIT_READ,),
    "POST /api/v1/audit/signing-key": (Permission.MANAGE_TOKENS,),
    "GET /api/v1/channels": (Permission.READ,),
    "POST /api/v1/channels/test": (Permission.MANAGE_CHANNELS,),
    "GET /api/v1/dead-letters": (Permission.READ,),
    "POST /api/v1/dead-letters/resend": (Permission.MANAGE_CHANNELS,),
    "POST /api/v1/dead-letters/dismiss": (Permission.MANAGE_CHANNELS,),
    "GET /api/v1/tokens": (Permission.MANAGE_TOKENS, Permission.AUDIT_READ),
    "POST /api/v1/tokens": (Permission.MANAGE_TOKENS,),
    "DELETE /api/v1/tokens/<name>": (Permission.MANAGE_TOKENS,),
    "GET /api/v1/users": (Permission.MANAGE_TOKENS, Permission.AUDIT_READ),
    "POST /api/v1/users": (Permission.MANAGE_TOKENS,),
    "DELETE /api/v1/users/<name>": (Permission.MANAGE_TOKENS,),
    "POST /api/v1/users/<name>/disable": (Permission.MANAGE_TOKENS,),
    "POST /api/v1/users/<name>/enable": (Permission.MANAGE_TOKENS,),
    "PUT /api/v1/users/<name>/password": (Permission.MANAGE_TOKENS,),
    "PUT /api/v1/users/<name>/roles": (Permission.MANAGE_TOKENS,),
    "POST /api/v1/users/<name>/totp": (Permission.MANAGE_TOKENS,),
    "DELETE /api/v1/users/<name>/totp": (Permission.MANAGE_TOKENS,),
    "GET /api/v1/users/<name>/sessions": (Permission.MANAGE_TOKENS, Permission.AUDIT_READ),
    "DELETE /api/v1/users/<name>/sessions": (Permission.MANAGE_TOKENS,),
    "PUT /api/v1/session/password": (Permission.READ,),
    "GET /api/v1/security": (Permission.MANAGE_TOKENS, Permission.AUDIT_READ),
    "DELETE /api/v1/security/blocks/<blocked>": (Permission.MANAGE_TOKENS,),
}
#: What anybody may ask: probes, Prometheus's scrapes, what to do about an alert, and the pages of
#: the console, which hold no data.
OPEN: Final = frozenset(
    {
        *("GET /healthz", "GET /readyz", "GET /metrics", "GET /runbooks/<alertname>"),
        *("GET /api/v1/openapi.json", "GET /", "GET /login", "GET /console/<digest>/<name>"),
        # Who somebody is, logging in and out: whoever asks that is nobody yet.
        *("GET /api/v1/session", "POST /api/v1/session", "DELETE /api/v1/session"),
    }
)
#: What changes nothing, so that a page of another site may as well ask it.
_SAFE: Final = ("GET ", "HEAD ")
_NO_SESSION: Final = "the session is over, or never was; log in again"
_NOT_OUR_PAGE: Final = "comes from a page of another site"
_NO_CSRF_TOKEN: Final = "lacks the session's own token; send it as X-CSRF-Token"  # noqa: S105
#: Addresses whose refusals are counted apart; beyond that all counts begin anew.
_ADDRESSES: Final = 1000
_log = logging.getLogger(__name__)


class Refused(Protocol):
    """Is told from where somebody came in vain, to what, why, and with whose token."""

    def __call__(self, address: str, path: str, why: str, by: Identity | None = None) -> None:
        """Note it. Waits for nothing."""


class Watch(Protocol):
    """Looks for what is suspicious about who comes. Waits for nothing."""

    def came(
        self, by: Identity, address: str, what: str, path: str, needs: tuple[Need, ...]
    ) -> None:
        """Somebody was let in, from where, to what, and what that took."""

    def guessed(self, address: str, path: str) -> None:
        """A token came that is and was nobody's. Whoever brings none guesses at nothing."""


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
        self,
        tokens: Tokens,
        permissions: Permissions,
        telemetry: Telemetry,
        refused: Refused,
        sessions: Sessions | None = None,
        cookie: Cookie = Cookie(),  # noqa: B008 - it is frozen
        origins: Collection[str] = (),
        watch: Watch | None = None,
    ) -> None:
        """``origins`` are other sites' whose pages may act for who is logged in; without
        ``sessions`` nobody is.
        """
        self.tokens: Final = tokens
        self.permissions: Final = permissions
        self.sessions: Final = sessions or Sessions(UserBook(), idle_seconds=0, most_seconds=0)
        self.cookie: Final = cookie
        self.origins: Final = frozenset(origins)
        self._table = permissions.table()
        self._telemetry = telemetry
        self._refused = refused
        self._watch = watch
        self._lock = threading.Lock()
        self._refusals: dict[str, int] = {}

    def knows(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether they carry anybody's token or session. Nothing is noted: much needs none."""
        found, _ = self._identify(Credentials.of(headers), is_use=False)
        return isinstance(found, Identity)

    def who(
        self, credentials: Credentials, address: str, path: str
    ) -> tuple[Identity | None, Session | None] | Refusal:
        """Who sends a request, and by which session if by any. Nobody may be nobody, but whoever
        brings a token that is none guesses, or has an old one.
        """
        found, session = self._identify(credentials, is_use=True)
        if isinstance(found, Identity):
            return found, session
        if not credentials.has_token:
            return None, None
        self._note(address, path, found.why, found.identity)
        return Refusal(401, found.why)

    def decide(
        self, credentials: Credentials, address: str, what: str, path: str, *, is_use: bool = True
    ) -> Identity | Refusal:
        """Whether somebody may have ``what``, a key of NEEDS, at a path. A session that is not
        used is over one day: ``is_use`` says whether this keeps it.
        """
        needs = NEEDS[what]
        found, session = self._identify(credentials, is_use=is_use)
        if isinstance(found, Stranger):
            # A cookie that is too old is what every page brings that was left open.
            if found.why != _NO_SESSION:
                self._note(address, path, found.why, found.identity)
            if self._watch and credentials.has_token and found.identity is None:
                self._watch.guessed(address, path)
            return Refusal(401, f"{found.why}; {self._wanted(needs)}")
        if session is not None and not what.startswith(_SAFE):
            if not credentials.comes_from(self.origins):
                self._note(address, path, _NOT_OUR_PAGE, found)
                return Refusal(403, f"the request {_NOT_OUR_PAGE}")
            if not self.has_csrf_token(credentials, session):
                self._note(address, path, _NO_CSRF_TOKEN, found)
                return Refusal(403, f"the request {_NO_CSRF_TOKEN}")
        if self.has(found, *needs):
            if self._watch is not None:
                self._watch.came(found, address, what, path, needs)
            return found
        return self.refuse(found, address, path, *needs)

    def has_csrf_token(self, credentials: Credentials, session: Session) -> bool:
        """Whether a request brings what only a page knows that this session was shown to."""
        return hmac.compare_digest(credentials.csrf, session.csrf_token.encode())

    @staticmethod
    def identity_of(session: Session, user: User) -> Identity:
        """Who is logged in."""
        return Identity(user.name, user.roles, session=session.id)

    def _identify(
        self, credentials: Credentials, *, is_use: bool
    ) -> tuple[Identity | Stranger, Session | None]:
        """A token says who somebody is, whatever cookies come with it."""
        if credentials.has_token:
            return self.tokens.identify(credentials.authorization), None
        token = self.cookie.token_in(credentials.cookie)
        if not token:
            return Stranger(), None
        found = self.sessions.find(token, is_use=is_use)
        if found is None:
            return Stranger(_NO_SESSION), None
        return self.identity_of(*found), found[0]

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
        who = identity.name if identity.session else f"the token {identity.name}"
        return Refusal(403, f"{who} {is_what} and {why}; {self._wanted(needs)}")

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
