"""The API of alerts: page through them, look at one, say something about it, count them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field
from werkzeug.routing import BaseConverter

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.operator import OperatorName, Reason
from risk_policy.vocabulary import Category, Severity
from risk_receivers.asked import Moment
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.query import as_json
from risk_receivers.caller import actor, problem
from risk_receivers.incidents.lifecycle import State
from risk_receivers.reading import ACKNOWLEDGED, ESCALATED, FILTERS, Reading, UnknownIncidentError
from risk_receivers.schema import from_text
from risk_receivers.shapes.alerts import AlertInFull
from risk_receivers.store.writer import Writer

MOST_ROWS: Final = 1000
#: What an alert's id looks like: ``risk_id:tier:episode``. The first two are whatever labels are.
INCIDENT: Final = r"[\s\S]{1,500}:[1-9][0-9]{0,17}"
_OPEN: Final = "open"
_STATES: Final = (_OPEN, ACKNOWLEDGED, ESCALATED, *(state.value for state in State))
#: What is counted unless somebody says from when.
_USUAL: Final = timedelta(days=1)
#: How long somebody waits for the store.
_PATIENCE_SECONDS: Final = 10.0


class IncidentConverter(BaseConverter):
    """The id of an alert in a path: a risk_id may hold slashes, as they are or escaped."""

    regex = INCIDENT
    part_isolating = False


class AlertsQuery(BaseModel):
    """Which alerts, the latest first; ``before`` is the last one of the page in front."""

    model_config = ConfigDict(extra="forbid")

    state: Literal[_STATES] | None = None  # type: ignore[valid-type]
    severity: Severity | None = None
    category: Category | None = None
    alertname: str | None = None
    risk_id: str | None = None
    tier: str | None = None
    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 100
    before: str | None = None


class OpenAlertsQuery(BaseModel):
    """How many of those that are open, the worst first."""

    model_config = ConfigDict(extra="forbid")

    limit: Annotated[int, Field(ge=1, le=MOST_ROWS)] = 100


class TimelineQuery(BaseModel):
    """From which record on a timeline is looked for; 0: from the alert's beginning."""

    model_config = ConfigDict(extra="forbid")

    after_seq: Annotated[int, Field(ge=0, le=2**53 - 1)] = 0


class StatisticsQuery(BaseModel):
    """Which time is counted: ``[since, until)``; the last day unless said otherwise."""

    model_config = ConfigDict(extra="forbid")

    since: Moment | None = None
    until: Moment | None = None


class CommentRequest(BaseModel):
    """Say something about an alert; it goes on record."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    comment: Reason


@dataclass(frozen=True, slots=True)
class AlertParts:
    """What these views speak for."""

    reading: Reading
    writer: Writer


def alert_views(parts: AlertParts) -> Blueprint:
    """The views."""
    api = Blueprint("alerts", __name__, url_prefix="/api/v1")

    @api.get("/alerts")
    def alerts() -> Response:
        wanted = AlertsQuery.model_validate(request.args.to_dict())
        filters = {
            name: str(value) for name in FILTERS if (value := getattr(wanted, name)) is not None
        }
        try:
            found = parts.reading.incidents(
                wanted.state, wanted.limit + 1, filters, wanted.before or None
            )
        except UnknownIncidentError as error:
            return problem(400, str(error))
        page = found[: wanted.limit]
        return jsonify(alerts=page, next=page[-1]["id"] if len(found) > wanted.limit else None)

    @api.get("/alerts/open")
    def worst_first() -> Response:
        wanted = OpenAlertsQuery.model_validate(request.args.to_dict())
        return jsonify(parts.reading.open_worst_first(wanted.limit))

    @api.get("/alerts/stats")
    def stats() -> Response:
        wanted = StatisticsQuery.model_validate(request.args.to_dict())
        until = wanted.until or utc_now()
        since = wanted.since or _a_day_before(until)
        if since >= until:
            return problem(400, "since: must be before until")
        return jsonify(parts.reading.statistics(since, until))

    @api.get("/alerts/<incident:incident>")
    def alert(incident: str) -> Response:
        wanted = TimelineQuery.model_validate(request.args.to_dict())
        found = parts.reading.incident(incident)
        if found is None:
            return _unknown(incident)
        story = parts.reading.story(incident, from_text(found["created_at"]), wanted.after_seq)
        whole: AlertInFull = {
            "alert": found,
            "timeline": {
                "events": [as_json(event) for event in story.events],
                "searched_to": story.searched_to,
                "complete": story.complete,
            },
        }
        return jsonify(whole)

    @api.post("/alerts/<incident:incident>/comments")
    def comment(incident: str) -> Response:
        body = CommentRequest.model_validate_json(request.get_data(cache=False))
        found = parts.reading.incident(incident)
        if found is None:
            return _unknown(incident)
        who = actor(body.author)
        event = AuditEvent(
            EventType.ALERT_COMMENTED,
            f"{who} on {incident}: {body.comment}",
            severity=Severity(found["severity"]),
            category=Category(found["category"]) if found["category"] else None,
            alert_id=incident,
            details={"comment": body.comment, "labels": dict(found["labels"])},
            actor_type=ActorType.USER,
            actor_id=who,
        )
        seq = parts.writer.run(lambda transaction: transaction.append(event), _PATIENCE_SECONDS)
        return jsonify(audit_seq=seq)

    return api


def _a_day_before(moment: datetime) -> datetime:
    try:
        return moment - _USUAL
    except OverflowError:  # the first day there is
        return datetime.min.replace(tzinfo=moment.tzinfo)  # which is UTC


def _unknown(incident: str) -> Response:
    return problem(404, f"there is no alert {incident}; GET /api/v1/alerts has their ids")
