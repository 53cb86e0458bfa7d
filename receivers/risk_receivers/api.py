"""The API for operators, runtimes and probes: what only reads. Errors say what would be right.

What has to be recorded goes through the front's doors and never waits for a thread of these.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeVar

from flask import Blueprint, Flask, Response, jsonify, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException, MethodNotAllowed

from risk_policy import Policy
from risk_policy.catalogue.runbooks import UnknownAlertError, render
from risk_receivers import runbook_page
from risk_receivers.access import Access
from risk_receivers.acks.views import AckParts, ack_views
from risk_receivers.audit.errors import AuditError, DamagedRecordError
from risk_receivers.audit.views import audit_views
from risk_receivers.caller import guard, problem
from risk_receivers.channels.views import ChannelParts, channel_views
from risk_receivers.console.views import console_views
from risk_receivers.database.connection import DATABASE_ERRORS, is_unreadable
from risk_receivers.doors.gate import said
from risk_receivers.drills import drill_views
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.health import Health
from risk_receivers.incidents.views import AlertParts, IncidentConverter, alert_views
from risk_receivers.invalid import problems_of
from risk_receivers.kill.board import KillBoard, tightest
from risk_receivers.kill.switch import KillSwitch
from risk_receivers.measures.views import Measures, measure_views
from risk_receivers.openapi.views import document_views
from risk_receivers.periodic.shelf import report_views
from risk_receivers.rate_limits import limit_rates
from risk_receivers.reading import Reading
from risk_receivers.recorder import Recorder
from risk_receivers.restrictions.views import restriction_views, shown
from risk_receivers.security.key_ages import KeyAges
from risk_receivers.security.monitor import Monitor
from risk_receivers.security.views import SecurityParts, security_views
from risk_receivers.shapes.system import Kill, Status
from risk_receivers.shapes.system import KillSwitch as KillSwitchShown
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.views import signing_views
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.tokens.views import TokenParts, token_views
from risk_receivers.users.views import UserParts, user_views

T = TypeVar("T")
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
    measures: Measures
    reports: Path
    users: UserParts
    monitor: Monitor
    key_ages: KeyAges


def create_app(parts: Parts) -> Flask:
    """The Flask application behind the front."""
    app = Flask("risk_receivers", static_folder=None)
    app.config["PROVIDE_AUTOMATIC_OPTIONS"] = False
    app.config["MAX_CONTENT_LENGTH"] = round(parts.policy.alerting.intake.max_body_mib * 2**20)
    # Where a redirect leads is not what somebody says that this host is called.
    app.url_map.merge_slashes = False
    app.url_map.converters["incident"] = IncidentConverter
    app.register_blueprint(_probes(parts))
    app.register_blueprint(_operator(parts))
    app.register_blueprint(alert_views(AlertParts(parts.reading, parts.writer)))
    app.register_blueprint(ack_views(parts.acks))
    app.register_blueprint(
        audit_views(parts.reading, lambda: parts.writer.head, parts.monitor.exported)
    )
    app.register_blueprint(
        security_views(SecurityParts(parts.monitor, parts.key_ages, parts.writer))
    )
    app.register_blueprint(channel_views(parts.channels))
    app.register_blueprint(measure_views(parts.measures))
    app.register_blueprint(drill_views(parts.reading))
    app.register_blueprint(report_views(parts.reports))
    app.register_blueprint(restriction_views(parts.reading))
    app.register_blueprint(token_views(parts.tokens, parts.access))
    app.register_blueprint(user_views(parts.users, parts.access))
    app.register_blueprint(signing_views(parts.signing, parts.users.fresh_code))
    app.register_blueprint(document_views())
    dashboard = parts.policy.alerting.dashboard
    if dashboard.enabled:
        app.register_blueprint(console_views(live=dashboard.websocket.enabled))
    per_minute = dashboard.api.rate_limit_per_minute
    limited = parts.monitor.rate_limited
    guard(app, parts.access, lambda: limit_rates(app, per_minute, parts.telemetry, limited))

    @app.errorhandler(HTTPException)
    def http_error(error: HTTPException) -> Response:
        answer = problem(error.code or 500, error.description or error.name)
        if isinstance(error, MethodNotAllowed) and error.valid_methods:
            answer.headers["Allow"] = ", ".join(sorted(error.valid_methods))
        return answer

    @app.errorhandler(ValidationError)
    def invalid(error: ValidationError) -> Response:
        return problem(400, problems_of(error))

    @app.errorhandler(DamagedRecordError)
    def damaged(error: DamagedRecordError) -> Response:
        _log.error("%s %s: %s", request.method, request.path, error)
        beyond = "" if error.seq is None else f"; what follows it: ?after_seq={error.seq}"
        return problem(500, f"{error}; {_TAMPERED}{beyond}", record=error.seq)

    def store_failed(error: Exception) -> Response:
        _log.error("%s %s: %s", request.method, request.path, error)
        if is_unreadable(error):
            return problem(500, f"the database cannot be read: {error}; {_TAMPERED}")
        return problem(503, "the store cannot answer now; try again, see the service's log")

    for failure in (StoreError, AuditError, *DATABASE_ERRORS):
        app.register_error_handler(failure, store_failed)

    @app.errorhandler(Exception)
    def unexpected(error: Exception) -> Response:  # nobody outside may see a stack trace
        _log.error("%s %s failed", request.method, request.path, exc_info=error)
        parts.telemetry.unexpected()
        return problem(500, "a mistake in the service; see its log")

    return app


def _probes(parts: Parts) -> Blueprint:
    api = Blueprint("probes", __name__)

    @api.get("/healthz")
    def healthz() -> Response:
        return jsonify(status="alive")

    @api.get("/readyz")
    def readyz() -> Response:
        problems = parts.health.problems()
        if problems:
            return problem(503, "not ready: " + "; ".join(problems), reasons=problems)
        return jsonify(status="ready")

    @api.get("/metrics")
    def metrics() -> Response:
        return Response(parts.telemetry.exposition(), content_type=_PROMETHEUS_TEXT)

    @api.get("/runbooks/<alertname>")
    def runbooks(alertname: str) -> Response:
        try:
            text = render(parts.policy, alertname)
        except UnknownAlertError as error:
            return problem(404, str(error))
        asked = request.accept_mimetypes
        if asked["text/html"] > asked["text/markdown"]:
            answer = Response(runbook_page.page(alertname, text), mimetype="text/html")
            answer.headers["Content-Security-Policy"] = runbook_page.POLICY
        else:
            answer = Response(text, content_type="text/markdown; charset=utf-8")
        answer.headers["Vary"] = "Accept"
        return answer

    return api


def _operator(parts: Parts) -> Blueprint:
    api = Blueprint("operator", __name__, url_prefix="/api/v1")

    @api.get("/system/status")
    def status() -> Response:
        head, tree = parts.writer.head, parts.writer.tree_head
        problems = parts.health.problems()
        damage = parts.health.chain_damage()
        whole: Status = {
            "ready": not problems,
            "problems": problems,
            "kill_switch": _kill_switch(parts),
            "gate": said(parts.gate, parts.health.lease_withheld()),
            "restrictions": _if_readable(lambda: [*map(shown, parts.reading.restrictions())]),
            "incidents_open": _if_readable(parts.reading.open_by_severity),
            "incidents_expired": _if_readable(parts.reading.expired_by_severity),
            "messages_pending": _if_readable(parts.reading.pending_messages),
            "messages_dead": _if_readable(parts.reading.dead_messages),
            "audit": {
                "size": head.size,
                "checksum": head.checksum,
                "intact": damage is None,
                "damage": damage,
                "root": tree.root.hex(),
                "signed": parts.signing.signed,
                "signing_problem": parts.signing.problem or None,
            },
            "policy_digest": parts.policy.digest,
        }
        return jsonify(whole)

    return api


def _kill_switch(parts: Parts) -> KillSwitchShown:
    """The switch over everything, and beside it every kill in force, the widest first."""
    recorded = _if_readable(parts.reading.kill_switch) or KillBoard()
    state = tightest(parts.recorder.known, recorded)  # a trip that waits for the store is one too
    return {
        **_kill(parts, state.everything, recorded),
        "kills": [_kill(parts, one, recorded) for one in state.in_force],
    }


def _kill(parts: Parts, state: KillSwitch, recorded: KillBoard) -> Kill:
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
