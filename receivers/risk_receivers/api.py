"""The API for operators, runtimes and probes: what only reads. Errors say what would be right.

What has to be recorded goes through the front's doors and never waits for a thread of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from flask import Blueprint, Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from risk_policy import Policy
from risk_policy.catalogue.runbooks import UnknownAlertError, render
from risk_policy.vocabulary import Category, Severity
from risk_receivers.access import Access
from risk_receivers.acks.views import AckParts, ack_views
from risk_receivers.audit.errors import AuditError, DamagedRecordError
from risk_receivers.caller import guard
from risk_receivers.channels.views import ChannelParts, channel_views
from risk_receivers.database.connection import DATABASE_ERRORS, is_unreadable
from risk_receivers.doors.gate import said
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.health import Health
from risk_receivers.incidents.lifecycle import State
from risk_receivers.invalid import problems_of
from risk_receivers.kill.board import KillBoard, tightest
from risk_receivers.kill.switch import KillSwitch
from risk_receivers.reading import ACKNOWLEDGED, ESCALATED, FILTERS, Reading, UnknownIncidentError
from risk_receivers.recorder import Recorder
from risk_receivers.restrictions.views import restriction_views, shown
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.views import signing_views
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.tokens.views import TokenParts, token_views

T = TypeVar("T")
Answer = Response | tuple[Response, int]
_MOST_ROWS: Final = 1000
_STATES: Final = ("open", ACKNOWLEDGED, ESCALATED, *(state.value for state in State))
_KNOWN: Final = {
    "severity": [severity.value for severity in Severity],
    "category": [category.value for category in Category],
}
_PROMETHEUS_TEXT: Final = "text/plain; version=0.0.4; charset=utf-8"
_TAMPERED: Final = (
    "it is not what was written, and no later try will mend it: keep a copy, then run riskwarden "
    "audit verify"
)
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Parts:
    """What the API speaks for."""

    policy: Policy
    access: Access
    recorder: Recorder
    gate: GatePublisher
    writer: Writer
    signing: Checkpointer
    reading: Reading
    health: Health
    telemetry: Telemetry
    deadline_seconds: float
    acks: AckParts
    channels: ChannelParts
    tokens: TokenParts


def create_app(parts: Parts) -> Flask:
    """The Flask application behind the front."""
    app = Flask("risk_receivers", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = round(parts.policy.alerting.intake.max_body_mib * 2**20)
    app.register_blueprint(_probes(parts))
    app.register_blueprint(_operator(parts))
    app.register_blueprint(ack_views(parts.acks))
    app.register_blueprint(channel_views(parts.channels))
    app.register_blueprint(restriction_views(parts.reading))
    app.register_blueprint(token_views(parts.tokens, parts.access))
    app.register_blueprint(signing_views(parts.signing))
    guard(app, parts.access)

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Answer:
        return _error(error.code or 500, error.description or error.name)

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> Answer:
        return _error(400, problems_of(error))

    @app.errorhandler(DamagedRecordError)
    def damaged(error: DamagedRecordError) -> Answer:
        _log.error("%s %s: %s", request.method, request.path, error)
        beyond = "" if error.seq is None else f"; what follows it: ?after_seq={error.seq}"
        return jsonify(error=f"{error}; {_TAMPERED}{beyond}", record=error.seq), 500

    def store_failed(error: Exception) -> Answer:
        _log.error("%s %s: %s", request.method, request.path, error)
        if is_unreadable(error):
            return _error(500, f"the database cannot be read: {error}; {_TAMPERED}")
        return _error(503, "the store cannot answer now; try again, see the service's log")

    for failure in (StoreError, AuditError, *DATABASE_ERRORS):
        app.register_error_handler(failure, store_failed)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Answer:  # nobody outside may see a stack trace
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
        parts.telemetry.unexpected()
        return _error(500, "a mistake in the service; see its log")

    return app


def _probes(parts: Parts) -> Blueprint:
    api = Blueprint("probes", __name__)

    @api.get("/healthz")
    def healthz() -> Answer:
        return jsonify(status="alive")

    @api.get("/readyz")
    def readyz() -> Answer:
        problems = parts.health.problems()
        if problems:
            return jsonify(status="not ready", reasons=problems), 503
        return jsonify(status="ready")

    @api.get("/metrics")
    def metrics() -> Answer:
        return Response(parts.telemetry.exposition(), content_type=_PROMETHEUS_TEXT)

    @api.get("/runbooks/<alertname>")
    def runbooks(alertname: str) -> Answer:
        try:
            text = render(parts.policy, alertname)
        except UnknownAlertError as error:
            return _error(404, str(error))
        return Response(text, content_type="text/markdown; charset=utf-8")

    return api


def _operator(parts: Parts) -> Blueprint:
    api = Blueprint("operator", __name__, url_prefix="/api/v1")

    @api.get("/status")
    def status() -> Answer:
        head, tree = parts.writer.head, parts.writer.tree_head
        problems = parts.health.problems()
        damage = parts.health.chain_damage()
        return jsonify(
            ready=not problems,
            problems=problems,
            kill_switch=_kill_switch(parts),
            gate=said(parts.gate, parts.health.lease_withheld()),
            restrictions=_if_readable(lambda: [*map(shown, parts.reading.restrictions())]),
            incidents_open=_if_readable(parts.reading.open_by_severity),
            incidents_expired=_if_readable(parts.reading.expired_by_severity),
            messages_pending=_if_readable(parts.reading.pending_messages),
            messages_dead=_if_readable(parts.reading.dead_messages),
            audit={
                "size": head.size,
                "checksum": head.checksum,
                "intact": damage is None,
                "damage": damage,
                "root": tree.root.hex(),
                "signed": parts.signing.signed,
                "signing_problem": parts.signing.problem or None,
            },
            policy_digest=parts.policy.digest,
        )

    @api.get("/incidents")
    def incidents() -> Answer:
        state = request.args.get("state") or None
        if state is not None and state not in _STATES:
            return _error(400, f"state must be one of {', '.join(_STATES)}")
        limit = _number("limit", default=100, least=1, most=_MOST_ROWS)
        if isinstance(limit, str):
            return _error(400, limit)
        filters = {name: value for name in FILTERS if (value := request.args.get(name)) is not None}
        for name, known in _KNOWN.items():
            if filters.get(name, known[0]) not in known:
                return _error(400, f"{name} must be one of {', '.join(known)}")
        try:
            found = parts.reading.incidents(
                state, limit + 1, filters, request.args.get("before") or None
            )
        except UnknownIncidentError as error:
            return _error(400, str(error))
        page = found[:limit]
        return jsonify(incidents=page, next=page[-1]["id"] if len(found) > limit else None)

    @api.get("/audit")
    def audit() -> Answer:
        after_seq = _number("after_seq", default=0, least=0, most=2**53 - 1)
        limit = _number("limit", default=100, least=1, most=_MOST_ROWS)
        if isinstance(after_seq, str):
            return _error(400, after_seq)
        if isinstance(limit, str):
            return _error(400, limit)
        head = parts.writer.head
        return jsonify(
            events=parts.reading.audit(after_seq, limit),
            head={"size": head.size, "checksum": head.checksum},
        )

    return api


def _kill_switch(parts: Parts) -> dict[str, Any]:
    """The switch over everything, and beside it every kill in force, the widest first."""
    recorded = _if_readable(parts.reading.kill_switch) or KillBoard()
    state = tightest(parts.recorder.known, recorded)  # a trip that waits for the store is one too
    return {
        **_kill(parts, state.everything, recorded),
        "kills": [_kill(parts, one, recorded) for one in state.in_force],
    }


def _kill(parts: Parts, state: KillSwitch, recorded: KillBoard) -> dict[str, Any]:
    closed_at = _if_readable(lambda: parts.reading.gate_closed_at(state.kill_id))
    if closed_at is None and (known := parts.gate.closed_at(state.kill_id)):
        closed_at = known.isoformat()
    on_record = recorded.of(state.scope)
    return {
        "scope": str(state.scope),
        "state": state.phase.value,
        "mode": state.mode.value if state.mode else None,
        "kill_id": state.kill_id or None,
        "cause": state.cause or None,
        "level": state.level or None,
        "since": state.since.isoformat() if state.since else None,
        "gate_closed_at": closed_at,
        "flat_confirmed_at": state.flat_at.isoformat() if state.flat_at else None,
        "flat_accounts": sorted(state.flat),
        "waiting_for_accounts": sorted(state.waiting),
        "triggers": len(state.seen),
        "on_record": (on_record.kill_id, on_record.mode) == (state.kill_id, state.mode),
    }


def _if_readable(ask: Callable[[], T]) -> T | None:
    """What the store says; None while it cannot be read, for the gate's state must be told then."""
    try:
        return ask()
    except (*DATABASE_ERRORS, AuditError) as error:
        _log.error("the store cannot be read: %s", error)
        return None


def _number(name: str, *, default: int, least: int, most: int) -> int | str:
    """A number of the query string, or what is wrong with it."""
    text = request.args.get(name)
    if text is None:
        return default
    if text.isascii() and text.isdigit() and len(text) <= 16 and least <= int(text) <= most:
        return int(text)
    return f"{name} must be a whole number from {least} to {most}"


def _error(code: int, message: str) -> tuple[Response, int]:
    return jsonify(error=message), code
