"""The API of the signing key: have another one take over."""

from __future__ import annotations

from typing import Annotated

from flask import Blueprint, Response, jsonify, request
from pydantic import BaseModel, ConfigDict, Field, StrictBool, StringConstraints

from risk_policy.contracts.operator import LONGEST_REASON, OperatorName
from risk_receivers.caller import actor, address, caller, problem
from risk_receivers.kill.second_factor import WRONG_CODE
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.errors import SignerError
from risk_receivers.tokens.registry import Doing
from risk_receivers.users.fresh_code import FreshCode

_Reason = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=LONGEST_REASON)
]


class RotateRequest(BaseModel):
    """Have a new key sign the audit chain; ``totp`` is a code of one's own authenticator."""

    model_config = ConfigDict(extra="forbid")

    actor: OperatorName
    reason: _Reason
    lost: StrictBool = False
    totp: Annotated[str, Field(max_length=20)] = ""


def signing_views(signing: Checkpointer, fresh_code: FreshCode) -> Blueprint:
    """The views."""
    api = Blueprint("signing", __name__, url_prefix="/api/v1")

    @api.post("/audit/signing-key")
    def rotate() -> Response:
        body = RotateRequest.model_validate_json(request.get_data(cache=False))
        if not fresh_code.is_good(caller(), body.totp):
            return problem(403, WRONG_CODE, needs_totp=True)
        doing = Doing(actor(body.actor), caller().name, address(), body.reason)
        try:
            rotation = signing.rotate(doing, is_lost=body.lost)
        except SignerError as error:
            return problem(503 if error.temporary else 409, f"the signer: {error}")
        return jsonify(old=str(rotation.old), new=str(rotation.new), signed=signing.signed)

    return api
