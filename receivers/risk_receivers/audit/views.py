"""The API of the audit chain: look through it, look at one record, prove that it was signed."""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Annotated, Final, Literal

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from risk_policy.vocabulary import Category, Severity
from risk_receivers.asked import Moment
from risk_receivers.audit.chain import Head
from risk_receivers.audit.merkle import ProofError
from risk_receivers.audit.query import as_json
from risk_receivers.audit.selection import Selection, UnknownTypeError, types_named
from risk_receivers.auth import Identity
from risk_receivers.caller import address, caller, problem
from risk_receivers.reading import Reading
from risk_receivers.shapes.audit import Events, SignedRecord

_MOST_ROWS: Final = 1000
_MOST_SEQ: Final = 2**53 - 1
_TEXT = Annotated[str, StringConstraints(max_length=200)]
_SEQ = Annotated[int, Field(ge=0, le=_MOST_SEQ)]


class AuditQuery(BaseModel):
    """Which events: beyond a record and oldest first, or in front of one and latest first.

    ``type`` is that of an event, or the words that several begin with, such as kill_switch;
    ``alert`` an alert's id, a risk_id or an alert's name; ``text`` stands anywhere in the event.
    """

    model_config = ConfigDict(extra="forbid")

    order: Literal["asc", "desc"] = "asc"
    after_seq: _SEQ = 0
    before_seq: Annotated[int, Field(ge=1, le=_MOST_SEQ)] | None = None
    limit: Annotated[int, Field(ge=1, le=_MOST_ROWS)] = 100
    since: Moment | None = None
    until: Moment | None = None
    type: _TEXT | None = None
    severity: Severity | None = None
    category: Category | None = None
    account: _TEXT | None = None
    actor: _TEXT | None = None
    alert: Annotated[str, StringConstraints(max_length=500)] | None = None
    text: _TEXT = ""

    def selection(self) -> Selection:
        """As filters. Raises UnknownTypeError."""
        return Selection(
            since=self.since,
            until=self.until,
            types=types_named(self.type) if self.type else frozenset(),
            severities=_one(self.severity),
            categories=_one(self.category),
            accounts=_one(self.account),
            actors=_one(self.actor),
            alerts=_one(self.alert),
            text=self.text,
        )


def audit_views(
    reading: Reading, head: Callable[[], Head], exported: Callable[[Identity, str, str, int], None]
) -> Blueprint:
    """The views; ``head`` says where the chain ends, and ``exported`` is told who, from where, was
    given how many records.
    """
    api = Blueprint("audit", __name__, url_prefix="/api/v1")

    @api.get("/audit")
    def audit() -> Response:
        wanted = AuditQuery.model_validate(request.args.to_dict())
        try:
            selection = wanted.selection()
        except UnknownTypeError as error:
            return problem(400, f"type: {error}")
        end = head()
        backwards = wanted.order == "desc"
        if ignored := wanted.model_fields_set & {"after_seq" if backwards else "before_seq"}:
            [name] = ignored
            return problem(400, f"{name}: goes on from a page of the other order")
        start = (wanted.before_seq or end.size + 1) if backwards else wanted.after_seq
        found = reading.browse(selection, start, wanted.limit, backwards=backwards)
        events: Events = {
            "events": [as_json(event) for event in found.events],
            "searched_to": found.searched_to,
            "complete": found.complete,
            "head": {"size": end.size, "checksum": end.checksum},
        }
        exported(caller(), address(), request.path, len(found.events))
        return jsonify(events)

    @api.get("/audit/<int:seq>")
    def record(seq: int) -> Response:
        if not 1 <= seq <= head().size:
            return _unknown(seq, head().size)
        [event] = reading.audit(seq - 1, 1)
        exported(caller(), address(), "/api/v1/audit/<seq>", 1)
        return jsonify(event)

    @api.get("/audit/<int:seq>/proof")
    def proof(seq: int) -> Response:
        if not 1 <= seq <= head().size:
            return _unknown(seq, head().size)
        try:
            inclusion = reading.prove(seq)
        except ProofError as error:
            return problem(409, f"{error}; see what riskwarden audit verify says")
        told: SignedRecord = {
            "seq": seq,
            "header": inclusion.header.decode(),
            "head": str(inclusion.head),
            "inclusion": [base64.b64encode(one).decode() for one in inclusion.proof],
            "checkpoint": inclusion.note.decode(),
            "tlog_proof": inclusion.text,
        }
        return jsonify(told)

    return api


def _one(value: str | None) -> frozenset[str]:
    return frozenset() if value is None else frozenset({str(value)})


def _unknown(seq: int, size: int) -> Response:
    return problem(404, f"there is no record {seq}; the chain has {size}")
