"""The API of the channels: how they fare, trying them out, and what they gave up."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Final
from uuid import uuid4

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field

from risk_policy.clock import utc_now
from risk_policy.contracts.audit import ActorType, EventType
from risk_policy.contracts.operator import OperatorName, Reason
from risk_policy.model.channels import Channels
from risk_policy.vocabulary import Category
from risk_receivers.audit.canonical import JsonValue
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.tables import open_read_only
from risk_receivers.caller import actor, problem
from risk_receivers.channels.dead_letters import (
    ResendError,
    dead_letters,
    dismiss,
    resend,
    resend_all,
)
from risk_receivers.channels.errors import DeliveryError
from risk_receivers.channels.message import Owed
from risk_receivers.channels.overview import overview
from risk_receivers.channels.trial import trial
from risk_receivers.courier import Courier
from risk_receivers.database.place import Place
from risk_receivers.store.writer import Transaction, Writer

_MOST_ROWS: Final = 1000
#: Whoever tries channels out waits this long for all of them together: longer than one request may
#: take that is going on, and one more. It keeps one of the service's threads busy.
_TRIAL_SECONDS: Final = 50.0
#: How long somebody waits for the store.
_PATIENCE_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class ChannelParts:
    """What these views speak for."""

    channels: Channels
    couriers: Mapping[str, Courier]
    database: Place
    writer: Writer
    wake: Callable[[], None]


#: Of a message, as the store counts them.
_Number = Annotated[int, Field(ge=1, le=2**63 - 1)]


class TrialRequest(BaseModel):
    """Send a test through some channels, or through all."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    channels: list[str] = []


class ResendRequest(BaseModel):
    """Send one dead letter again, or all of them."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    message: _Number | None = None


class DismissRequest(BaseModel):
    """Let a dead letter be."""

    model_config = ConfigDict(extra="forbid")

    author: OperatorName
    comment: Reason
    message: _Number


def channel_views(parts: ChannelParts) -> Blueprint:
    """The views."""
    api = Blueprint("channels", __name__, url_prefix="/api/v1")
    one_at_a_time = threading.Lock()

    @api.get("/channels")
    def channels() -> Response:
        standings = {name: courier.standing for name, courier in parts.couriers.items()}
        with closing(open_read_only(parts.database)) as connection:
            return jsonify(channels=overview(parts.channels, standings, connection, utc_now()))

    @api.post("/channels/test")
    def test() -> Response:
        body = TrialRequest.model_validate_json(request.get_data(cache=False))
        names = list(dict.fromkeys(body.channels)) or list(parts.couriers)
        if unknown := [name for name in names if name not in parts.couriers]:
            enabled = ", ".join(parts.couriers) or "none"
            return problem(404, f"{', '.join(unknown)}: not enabled; enabled are: {enabled}")
        if not one_at_a_time.acquire(blocking=False):
            return problem(503, "somebody tries the channels out already; wait until that is over")
        try:
            return jsonify(results=_try_out(parts, names, actor(body.author)))
        finally:
            one_at_a_time.release()

    @api.get("/dead-letters")
    def listing() -> Response:
        with closing(open_read_only(parts.database)) as connection:
            found = dead_letters(connection, _MOST_ROWS)
        return jsonify(dead_letters=[asdict(one) for one in found])

    @api.post("/dead-letters/resend")
    def send_again() -> Response:
        body = ResendRequest.model_validate_json(request.get_data(cache=False))
        who = actor(body.author)  # the writer's thread does not know who calls

        def work(transaction: Transaction) -> list[int]:
            if body.message is None:
                sent = resend_all(transaction, parts.couriers, actor=who)
            else:
                sent = [resend(transaction, body.message, parts.couriers, actor=who)]
            return [one.number for one in sent]

        try:
            sent = parts.writer.run(work, _PATIENCE_SECONDS)
        except ResendError as error:
            return problem(409, str(error))
        parts.wake()
        return jsonify(resent=sent)

    @api.post("/dead-letters/dismiss")
    def let_be() -> Response:
        body = DismissRequest.model_validate_json(request.get_data(cache=False))
        who = actor(body.author)

        def work(transaction: Transaction) -> None:
            dismiss(transaction, body.message, actor=who, comment=body.comment)

        try:
            parts.writer.run(work, _PATIENCE_SECONDS)
        except ResendError as error:
            return problem(409, str(error))
        return jsonify(dismissed=body.message)

    return api


def _try_out(parts: ChannelParts, names: Sequence[str], author: str) -> list[dict[str, Any]]:
    """Send a test through each of them at once, and wait for what comes of it."""
    begun = _record(parts, author, f"{author} tries out {', '.join(names)}", {"channels": [*names]})
    head = str(parts.writer.tree_head)
    at = utc_now()
    running = {
        name: parts.couriers[name].try_out(Owed(uuid4().hex, trial(name, author, at, begun), head))
        for name in names
    }
    until = time.monotonic() + _TRIAL_SECONDS
    errors = {name: _outcome(future, until) for name, future in running.items()}
    said = "; ".join(f"{name}: {error or 'confirmed'}" for name, error in errors.items())
    results: dict[str, JsonValue] = {name: error or "confirmed" for name, error in errors.items()}
    _record(parts, author, f"tried out: {said}", {"results": results})
    return [
        {"channel": name, "confirmed": not error, "error": error or None}
        for name, error in errors.items()
    ]


def _outcome(future: Future[None], until: float) -> str:
    """What went wrong; empty if nothing did."""
    try:
        future.result(max(0.0, until - time.monotonic()))
    except TimeoutError as error:
        if future.done():  # the channel's own
            return str(error) or "timed out"
        if future.cancel():
            return f"busy for {_TRIAL_SECONDS:g} s with something else; nothing was sent"
        return f"no confirmation within {_TRIAL_SECONDS:g} s; it may still arrive"
    except (OSError, DeliveryError) as error:
        return str(error)
    except Exception as error:  # noqa: BLE001 - whatever it is, it may hold anything
        return f"failed with {type(error).__name__}; see the service's log"
    return ""


def _record(parts: ChannelParts, author: str, said: str, details: Mapping[str, JsonValue]) -> int:
    event = AuditEvent(
        EventType.CHANNEL_TESTED,
        said,
        category=Category.SYSTEM,
        details=details,
        actor_type=ActorType.USER,
        actor_id=author,
    )
    return parts.writer.run(lambda transaction: transaction.append(event), _PATIENCE_SECONDS)
