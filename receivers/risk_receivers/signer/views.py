"""The API of the signing key: have another one take over."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, StringConstraints

from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_receivers.caller import actor, address, caller
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.errors import SignerError
from risk_receivers.tokens.registry import Doing

Answer = Response | tuple[Response, int]
_Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON)
]


class _RotateRequest(BaseModel):
    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: _Reason


def signing_views(signing: Checkpointer) -> Blueprint:
    """The views."""
    api = Blueprint("signing", __name__, url_prefix="/api/v1")

    @api.post("/audit/signing-key")
    def rotate() -> Answer:
        body = _RotateRequest.model_validate_json(request.get_data(cache=False))
        doing = Doing(actor(body.actor), caller().name, address(), body.reason)
        try:
            rotation = signing.rotate(doing)
        except SignerError as error:
            return jsonify(error=f"the signer: {error}"), 503
        return jsonify(old=str(rotation.old), new=str(rotation.new), signed=signing.signed)

    return api
