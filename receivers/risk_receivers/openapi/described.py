"""Every endpoint, described: the keys are those of the table of access."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, Field

from risk_policy.contracts import high_water_mark
from risk_receivers.acks.views import AckRequest, SilencesQuery, UnackRequest
from risk_receivers.audit.views import AuditQuery
from risk_receivers.channels.views import DismissRequest, ResendRequest, TrialRequest
from risk_receivers.doors.drills import DrillEvent
from risk_receivers.doors.gate import LONGEST_WAIT_SECONDS
from risk_receivers.doors.golive import GoLiveCheck
from risk_receivers.doors.high_water_mark import MarkRequest
from risk_receivers.doors.kill import GivenKill
from risk_receivers.doors.loosen import LooseningRequest, SwitchRequest
from risk_receivers.doors.session import LogInRequest
from risk_receivers.doors.trip import TripRequest
from risk_receivers.incidents.views import (
    AlertsQuery,
    CommentRequest,
    OpenAlertsQuery,
    StatisticsQuery,
    TimelineQuery,
)
from risk_receivers.measures.views import CurrentQuery, HistoryQuery
from risk_receivers.openapi.endpoint import Endpoint
from risk_receivers.security.views import LiftRequest
from risk_receivers.shapes import (
    alerts,
    audit,
    channels,
    common,
    measures,
    security,
    system,
    tokens,
    users,
)
from risk_receivers.signer.views import RotateRequest
from risk_receivers.tokens.views import CreateRequest, RevokeRequest
from risk_receivers.users.views import (
    AddUserRequest,
    AuthenticatorRequest,
    OwnPasswordRequest,
    PasswordRequest,
    RolesRequest,
    UserOrder,
)


class GateQuery(BaseModel):
    """How long the answer may wait for something new, given ``If-None-Match``."""

    model_config = ConfigDict(extra="ignore")

    wait: float = Field(0, ge=0, le=LONGEST_WAIT_SECONDS)


class StreamQuery(BaseModel):
    """``after`` is the cursor of the last frame that somebody has, as is the header Last-Event-ID,
    which counts if both are sent; from now on without one.
    """

    model_config = ConfigDict(extra="ignore")

    after: int | None = Field(None, ge=0, le=2**53 - 1)


_EVENTS: Final = "text/event-stream"
_TEXT: Final = "text/plain"
_MARKDOWN: Final = "text/markdown"
_HTML: Final = "text/html"
#: What Prometheus and Alertmanager send; what cannot be read of it is kept aside, and counted.
_SENT: Final[dict[str, Any]] = {}
#: Each is read by itself (docs/schema), so that one that is wrong takes no other with it.
_REPORTS: Final[dict[str, Any]] = {"type": "object"}
_ANY: Final = dict[str, Any]

ENDPOINTS: Final[Mapping[str, Endpoint]] = {
    "POST /api/v2/alerts": Endpoint(
        "The alert feed, as Prometheus sends it to an Alertmanager", common.FeedAnswer, body=_SENT
    ),
    "POST /api/v1/notifications": Endpoint(
        "The notification feed, as Alertmanager's webhook sends it",
        common.FeedAnswer,
        body=_SENT,
    ),
    "POST /api/v1/runtime/reports": Endpoint(
        "What a trading runtime has done", _ANY, body=_REPORTS, refusals=(409,)
    ),
    "GET /api/v1/gate": Endpoint(
        "What the trade gate says, at once or when it changes", system.Gate, GateQuery, also=(304,)
    ),
    "POST /api/v1/kill": Endpoint(
        "Trip the kill switch at once, or tighten it",
        system.Killed,
        body=GivenKill,
        refusals=(409,),
    ),
    "POST /api/v1/system/kill-switch": Endpoint(
        "Trip the kill switch in two steps: what it would do, then do it",
        system.TripPreview | system.Killed,
        body=TripRequest,
        refusals=(409,),
    ),
    "POST /api/v1/system/kill-switch/clear": Endpoint(
        "Clear a kill, in two steps",
        common.Confirmation | common.Done,
        body=LooseningRequest,
        refusals=(409,),
    ),
    "POST /api/v1/system/kill-switch/disarm": Endpoint(
        "Disarm the kill switch, in two steps",
        common.Confirmation | common.Done,
        body=LooseningRequest,
        refusals=(409,),
    ),
    "POST /api/v1/system/kill-switch/arm": Endpoint(
        "Arm the kill switch", common.Done, body=SwitchRequest, refusals=(409,)
    ),
    "GET /api/v1/restrictions": Endpoint("What alerts hold at the gate", system.Restrictions),
    "POST /api/v1/restrictions/{id}/resume": Endpoint(
        "Resume trading that a restriction holds back, in two steps",
        common.Confirmation | common.Done,
        body=LooseningRequest,
        refusals=(409,),
    ),
    f"POST {high_water_mark.PATH}": Endpoint(
        "Put a reset of an account's high-water mark on record, in two steps",
        _ANY,
        body=MarkRequest,
        refusals=(409,),
    ),
    "POST /api/v1/drills": Endpoint(
        "Put on record that a drill began, or how it ended", common.Recorded, body=DrillEvent
    ),
    "POST /api/v1/golive": Endpoint(
        "Put on record that the go-live checklist was run, and how it ended",
        common.Recorded,
        body=GoLiveCheck,
    ),
    "GET /api/v1/system/status": Endpoint("How all of it stands", system.Status),
    "GET /api/v1/alerts": Endpoint("Alerts, the latest first", alerts.Alerts, AlertsQuery),
    "GET /api/v1/alerts/open": Endpoint(
        "All that are open, counted, and the worst of them",
        alerts.OpenAlerts,
        OpenAlertsQuery,
    ),
    "GET /api/v1/alerts/stats": Endpoint(
        "How many alerts of what kind, and how soon they were acknowledged",
        alerts.AlertStatistics,
        StatisticsQuery,
    ),
    "GET /api/v1/alerts/<incident:incident>": Endpoint(
        "An alert and its timeline", alerts.AlertInFull, TimelineQuery, refusals=(404,)
    ),
    "POST /api/v1/alerts/<incident:incident>/comments": Endpoint(
        "Say something about an alert", common.Recorded, body=CommentRequest, refusals=(404,)
    ),
    "POST /api/v1/alerts/<incident:incident>/acknowledge": Endpoint(
        "Acknowledge an alert: a silence at Alertmanager",
        alerts.Given,
        body=AckRequest,
        refusals=(404, 409),
    ),
    "DELETE /api/v1/alerts/<incident:incident>/acknowledge": Endpoint(
        "Take an acknowledgement back", alerts.TakenBack, body=UnackRequest, refusals=(404, 409)
    ),
    "GET /api/v1/silences": Endpoint(
        "Silences and acknowledgements", alerts.Silences, SilencesQuery
    ),
    "GET /ws/alerts": Endpoint(
        "What becomes of alerts, as a WebSocket; as server-sent events for who asks for none",
        _EVENTS,
        StreamQuery,
        also=(101,),
    ),
    "GET /ws/metrics": Endpoint(
        "What limits stand at, again and again, as a WebSocket; as server-sent events for who asks "
        "for none",
        _EVENTS,
        also=(101,),
    ),
    "GET /api/v1/stream/alerts": Endpoint(
        "What becomes of alerts, as server-sent events", _EVENTS, StreamQuery
    ),
    "GET /api/v1/stream/metrics": Endpoint(
        "What limits stand at, again and again, as server-sent events", _EVENTS
    ),
    "GET /api/v1/metrics/current": Endpoint(
        "What every limit stands at, or stood at, and how far its thresholds are",
        measures.Current,
        CurrentQuery,
    ),
    "GET /api/v1/metrics/history": Endpoint(
        "What a limit stood at, from Prometheus", measures.Past, HistoryQuery
    ),
    "DELETE /api/v1/silences/<silence>": Endpoint(
        "End a silence", alerts.SilenceEnded, body=UnackRequest, refusals=(404,)
    ),
    "GET /api/v1/drills": Endpoint("The last drills", system.Drills),
    "GET /api/v1/reports": Endpoint("Reports that were written", system.Reports),
    "GET /api/v1/reports/<report>": Endpoint(
        "A report that was written",
        "text/markdown, text/html, application/pdf",
        refusals=(404,),
    ),
    "GET /api/v1/audit": Endpoint("Audit events", audit.Events, AuditQuery),
    "GET /api/v1/audit/<int:seq>": Endpoint("One audit event", audit.Event, refusals=(404,)),
    "GET /api/v1/audit/<int:seq>/proof": Endpoint(
        "Prove that an audit event was signed", audit.SignedRecord, refusals=(404, 409)
    ),
    "POST /api/v1/audit/signing-key": Endpoint(
        "Have a new key sign the audit chain", audit.Rotated, body=RotateRequest, refusals=(409,)
    ),
    "GET /api/v1/channels": Endpoint("How every channel fares", channels.Channels),
    "POST /api/v1/channels/test": Endpoint(
        "Send a test through channels", channels.Trials, body=TrialRequest, refusals=(404,)
    ),
    "GET /api/v1/dead-letters": Endpoint("Messages that were given up", channels.DeadLetters),
    "POST /api/v1/dead-letters/resend": Endpoint(
        "Send dead letters again", channels.Resent, body=ResendRequest, refusals=(409,)
    ),
    "POST /api/v1/dead-letters/dismiss": Endpoint(
        "Let a dead letter be", channels.Dismissed, body=DismissRequest, refusals=(409,)
    ),
    "GET /api/v1/tokens": Endpoint("All tokens there have been", tokens.Tokens),
    "POST /api/v1/tokens": Endpoint(
        "Make a token", tokens.NewToken, body=CreateRequest, refusals=(409,)
    ),
    "DELETE /api/v1/tokens/<name>": Endpoint(
        "Revoke a token", tokens.Token, body=RevokeRequest, refusals=(404,)
    ),
    "GET /api/v1/users": Endpoint("Everybody who may log in", users.Users),
    "POST /api/v1/users": Endpoint("Make a user", users.User, body=AddUserRequest, refusals=(409,)),
    "DELETE /api/v1/users/<name>": Endpoint(
        "Remove a user", users.User, body=UserOrder, refusals=(404,)
    ),
    "POST /api/v1/users/<name>/disable": Endpoint(
        "Shut a user out", users.User, body=UserOrder, refusals=(404,)
    ),
    "POST /api/v1/users/<name>/enable": Endpoint(
        "Let a user in again", users.User, body=UserOrder, refusals=(404,)
    ),
    "PUT /api/v1/users/<name>/password": Endpoint(
        "Give a user another password", users.User, body=PasswordRequest, refusals=(404,)
    ),
    "PUT /api/v1/session/password": Endpoint(
        "Give oneself another password",
        users.OwnPasswordChanged,
        body=OwnPasswordRequest,
        refusals=(409,),
    ),
    "PUT /api/v1/users/<name>/roles": Endpoint(
        "Give a user other roles", users.User, body=RolesRequest, refusals=(404,)
    ),
    "POST /api/v1/users/<name>/totp": Endpoint(
        "Give a user an authenticator, in two steps",
        users.NewAuthenticator | users.User,
        body=AuthenticatorRequest,
        refusals=(404, 409),
    ),
    "DELETE /api/v1/users/<name>/totp": Endpoint(
        "Take a user's authenticator away", users.User, body=UserOrder, refusals=(404,)
    ),
    "GET /api/v1/users/<name>/sessions": Endpoint("Where a user is logged in", users.Sessions),
    "DELETE /api/v1/users/<name>/sessions": Endpoint(
        "Log a user out everywhere", users.Ended, body=UserOrder, refusals=(404,)
    ),
    "GET /api/v1/security": Endpoint(
        "Addresses that stand out, and those that are blocked", security.Security
    ),
    "DELETE /api/v1/security/blocks/<blocked>": Endpoint(
        "End a block before its time", security.Lifted, body=LiftRequest, refusals=(404,)
    ),
    "GET /api/v1/session": Endpoint("Who asks, and what they may", users.Whoami, refusals=(401,)),
    "POST /api/v1/session": Endpoint(
        "Log in", users.Whoami, body=LogInRequest, refusals=(401, 403, 429)
    ),
    "DELETE /api/v1/session": Endpoint("Log out", users.Whoami, refusals=(403,)),
    "GET /healthz": Endpoint("Whether the service is there", common.Alive),
    "GET /readyz": Endpoint("Whether it is ready", common.Alive),
    "GET /metrics": Endpoint("Its metrics, for Prometheus", _TEXT),
    "GET /runbooks/<alertname>": Endpoint(
        "What to do about an alert", f"{_MARKDOWN}, {_HTML}", refusals=(404,)
    ),
    "GET /api/v1/openapi.json": Endpoint("This document", _ANY),
    "GET /": Endpoint("The operator console", _HTML, also=(304,)),
    "GET /login": Endpoint("Where people log in", _HTML, also=(304,)),
    "GET /console/<digest>/<name>": Endpoint(
        "A script, style or picture of the console", "*/*", refusals=(404,), also=(304,)
    ),
}
