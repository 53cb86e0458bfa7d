"""The API of the security monitor: who stands out, and ending a block before its time."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, StringConstraints

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.caller import actor, address, caller, problem
from risk_receivers.on_record import on_record
from risk_receivers.schema import optional_text
from risk_receivers.security.key_ages import KeyAge, KeyAges
from risk_receivers.security.monitor import Monitor
from risk_receivers.shapes import security as shapes
from risk_receivers.shapes.security import Lifted, Security
from risk_receivers.store.writer import Transaction, Writer


@dataclass(frozen=True, slots=True)
class SecurityParts:
    """What these views speak for."""

    monitor: Monitor
    key_ages: KeyAges
    writer: Writer


class LiftRequest(BaseModel):
    """End a block."""

    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=LONGEST_REASON)] = ""


def security_views(parts: SecurityParts) -> Blueprint:
    """The views."""
    api = Blueprint("security", __name__, url_prefix="/api/v1")
    scores = parts.monitor.scores

    @api.get("/security")
    def shown() -> Response:
        whole: Security = {
            "block_at": scores.block_at if scores else None,
            "addresses": [
                {
                    "address": one.address,
                    "score": round(one.points, 1),
                    "blocked": one.blocked_seconds > 0,
                    "blocked_seconds": math.ceil(one.blocked_seconds),
                }
                for one in (scores.all() if scores else [])
            ],
            "secrets": [_key_age(one, utc_now()) for one in parts.key_ages.all()],
        }
        return jsonify(whole)

    @api.delete("/security/blocks/<blocked>")
    def lift(blocked: str) -> Response:
        body = LiftRequest.model_validate_json(request.get_data(cache=False))
        if scores is None or not scores.blocked_seconds(blocked):
            return problem(404, f"{blocked} is not blocked; GET /api/v1/security shows what is")
        by = actor(body.actor)
        event = AuditEvent(
            EventType.BLOCK_LIFTED,
            f"{by} ended the block of {blocked}",
            severity=Severity.WARNING,
            category=Category.SECURITY,
            details={"blocked": blocked, "token": caller().name, "address": address()},
            action_taken="lifted",
            action_reason=body.reason,
            actor_type=ActorType.USER,
            actor_id=by,
        )

        def work(transaction: Transaction) -> None:
            transaction.append(event)

        def follow(recorded: None) -> None:
            del recorded
            scores.lift(blocked)

        on_record(parts.writer, work, follow)
        done: Lifted = {"address": blocked, "lifted": True}
        return jsonify(done)

    return api


def _key_age(one: KeyAge, now: datetime) -> shapes.KeyAge:
    age = one.age_seconds(now)
    return {
        "secret": one.name,
        "changed_at": optional_text(one.changed_at),
        "age_seconds": None if age is None else int(age),
        "rotate_after_seconds": int(one.rotate_after_seconds),
        "overdue": None if age is None else age > one.rotate_after_seconds,
    }
