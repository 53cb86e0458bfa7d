"""The API of acknowledgements: give one, take it back, list them."""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from typing import Annotated, Any, Final

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from risk_policy.contracts.operator import OperatorName, Reason
from risk_policy.model.escalation import Acknowledgement
from risk_receivers.acks import table
from risk_receivers.acks.errors import (
    AlertmanagerError,
    BusyError,
    NotAcknowledgedError,
    NothingToAcknowledgeError,
    TooLongError,
)
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.silences import TIERS
from risk_receivers.acks.state import Muting
from risk_receivers.audit.tables import open_read_only
from risk_receivers.caller import actor, problem
from risk_receivers.database.connection import Connection
from risk_receivers.database.place import Place
from risk_receivers.shapes.alerts import Acknowledged, Silence

_PART: Final = re.compile(r"([0-9]{1,9})(h|m|s)")
_SECONDS: Final = {"h": 3600, "m": 60, "s": 1}
_MOST_ROWS: Final = 1000


@dataclass(frozen=True, slots=True)
class AckParts:
    """What these views speak for."""

    keeper: AckKeeper
    database: Place
    terms: Acknowledgement


def _duration(text: object) -> object:
    """``2h``, ``90m``, ``1h30m``."""
    if text is None:
        return None
    parts = _PART.findall(text) if isinstance(text, str) else []
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError("must be a duration such as 2h, 90m or 1h30m")
    return timedelta(seconds=sum(int(number) * _SECONDS[unit] for number, unit in parts))


class SilencesQuery(BaseModel):
    """Those that are over, too, with ``all``."""

    model_config = ConfigDict(extra="forbid")

    all: bool = False


class AckRequest(BaseModel):
    """Take an alert on."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    comment: Reason
    lasting: Annotated[timedelta | None, BeforeValidator(_duration), Field(alias="for")] = None


class UnackRequest(BaseModel):
    """Give it back."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    comment: Reason


def ack_views(parts: AckParts) -> Blueprint:
    """The views."""
    api = Blueprint("acks", __name__, url_prefix="/api/v1")

    @api.post("/alerts/<incident:incident>/acknowledge")
    def give(incident: str) -> Response:
        body = AckRequest.model_validate_json(request.get_data(cache=False))
        try:
            given = parts.keeper.give(incident, body.lasting, actor(body.author), body.comment)
        except TooLongError as error:
            return problem(400, str(error))
        except NothingToAcknowledgeError as error:
            return problem(409, str(error))
        except (AlertmanagerError, BusyError) as error:
            return problem(
                503,
                f"{error}; it may not be acknowledged: look with riskwarden acks, or try again",
            )
        return jsonify(**_view(given), **_coverage(parts.terms, given))

    @api.delete("/alerts/<incident:incident>/acknowledge")
    def take_back(incident: str) -> Response:
        body = UnackRequest.model_validate_json(request.get_data(cache=False))
        with closing(open_read_only(parts.database)) as connection:
            breach = table.breach_of(connection, incident)
        if breach is None:
            return problem(404, f"there is no incident {incident}")
        try:
            ended = parts.keeper.take_back(*breach, actor(body.author), body.comment)
        except NotAcknowledgedError as error:
            return problem(409, str(error))
        except (AlertmanagerError, BusyError) as error:
            return problem(503, f"{error}; it is still acknowledged: try again")
        return jsonify(incident=incident, ended=[one.id for one in ended])

    @api.delete("/silences/<silence>")
    def end(silence: str) -> Response:
        body = UnackRequest.model_validate_json(request.get_data(cache=False))
        try:
            ended = parts.keeper.end(silence, actor(body.author), body.comment)
        except NotAcknowledgedError as error:
            return problem(404, str(error))
        except (AlertmanagerError, BusyError) as error:
            return problem(503, f"{error}; it may still be in force: look with riskwarden acks")
        return jsonify(ended=ended.id)

    @api.get("/silences")
    def silences() -> Response:
        wanted = SilencesQuery.model_validate(request.args.to_dict())
        with closing(open_read_only(parts.database)) as connection:
            if wanted.all:
                found = table.latest(connection, _MOST_ROWS)
            else:
                found = table.standing(connection)
        return jsonify(silences=[_view(one) for one in found])

    return api


def acknowledged_by(connection: Connection, risk_id: str, tier: str) -> Acknowledged | None:
    """The acknowledgement of a breach that holds longest, as incidents show it."""
    covering = table.covering(connection, risk_id, tier)
    if not covering:
        return None
    one = covering[-1]
    return {"until": one.ends_at.isoformat(), "author": one.author, "comment": one.comment}


def _view(one: Muting) -> Silence:
    return {
        "id": one.id,
        "standing": one.standing.value,
        "is_acknowledgement": bool(one.tiers),
        "incident": one.incident or None,
        "risk_id": one.risk_id or None,
        "tiers": list(one.tiers),
        "matchers": [str(matcher) for matcher in one.matchers],
        "author": one.author,
        "comment": one.comment,
        "starts_at": one.starts_at.isoformat(),
        "until": one.ends_at.isoformat(),
        "extended_until": one.extend_until.isoformat() if one.extend_until else None,
        "ended_at": one.ended_at.isoformat() if one.ended_at else None,
        "too_broad": list(one.excess),
    }


def _coverage(terms: Acknowledgement, given: Muting) -> dict[str, Any]:
    tiers = " and ".join(f"tier {tier}" for tier in given.tiers if tier) or "it has no tiers"
    worse = [tier for tier in TIERS if tier and given.tiers and tier not in given.tiers]
    not_covered = [
        f"{given.risk_id}, tier {tier}: people are told" for tier in worse if any(given.tiers)
    ]
    kept = (
        f"it is prolonged by {terms.default_minutes:g} minutes at a time while the incident is open"
    )
    return {
        "covers": [
            f"{given.risk_id}, {tiers}, however severe it comes to count",
            *([kept] if given.extend_until else []),
        ],
        "does_not_cover": [*not_covered, "the kill switch: nothing keeps it from tripping"],
    }
