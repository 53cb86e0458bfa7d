"""Who calls a view of the API: decided before it is called, and known while it answers."""

from __future__ import annotations

from typing import cast

from flask import Flask, Response, g, jsonify, request

from risk_receivers.access import NEEDS, OPEN, Access, Refusal
from risk_receivers.auth import Identity

Answer = Response | tuple[Response, int]
_NOT_SERVED = frozenset({"HEAD", "OPTIONS"})  # Flask's own, of what is asked with GET


def guard(app: Flask, access: Access) -> None:
    """Let nobody into any view who may not. Raises LookupError for one that is in no table."""
    served = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - _NOT_SERVED
    }
    if unknown := served - NEEDS.keys() - OPEN:
        raise LookupError(f"say in risk_receivers.access who may have {', '.join(sorted(unknown))}")

    @app.before_request
    def decide() -> Answer | None:
        if request.url_rule is None:  # there is nothing to be had
            return None
        method = "GET" if request.method == "HEAD" else request.method
        what = f"{method} {request.url_rule.rule}"
        if what in OPEN:
            return None
        header = request.headers.get("Authorization", "").encode("latin-1", "replace")
        decision = access.decide(header, address(), what, request.path)
        if not isinstance(decision, Refusal):
            g.caller = decision
            return None
        response = jsonify(error=decision.error)
        if decision.code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response, decision.code


def caller() -> Identity:
    """Who calls."""
    return cast("Identity", g.caller)


def actor(said: str) -> str:
    """Who goes on record for what is asked."""
    return caller().actor(said)


def address() -> str:
    """From where."""
    return request.remote_addr or ""
