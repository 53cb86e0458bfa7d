"""Who calls a view of the API: decided before it is called, and known while it answers.

And how a view says that something cannot be done.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import cast

from flask import Flask, Response, g, jsonify, request

from risk_receivers.access import NEEDS, OPEN, Access, Refusal
from risk_receivers.auth import Identity
from risk_receivers.problem import CONTENT_TYPE, problem_of
from risk_receivers.sessions.credentials import Credentials

_NOT_SERVED = frozenset({"HEAD", "OPTIONS"})  # Flask's own, of what is asked with GET


def guard(app: Flask, access: Access, between: Callable[[], None] = lambda: None) -> None:
    """Let nobody into any view who may not. Raises LookupError for one that is in no table.

    ``between`` adds what is to be done once it is decided who asks, and before they are answered.
    """
    served = {
        f"{method} {rule.rule}"
        for rule in app.url_map.iter_rules()
        for method in (rule.methods or set()) - _NOT_SERVED
    }
    if unknown := served - NEEDS.keys() - OPEN:
        raise LookupError(f"say in risk_receivers.access who may have {', '.join(sorted(unknown))}")

    @app.before_request
    def decide() -> None:
        if request.url_rule is None:  # there is nothing to be had
            return
        method = "GET" if request.method == "HEAD" else request.method
        what = f"{method} {request.url_rule.rule}"
        if what in OPEN:
            return
        g.decision = access.decide(credentials(), address(), what, request.path)

    between()

    @app.before_request
    def turn_away() -> Response | None:
        decision: Identity | Refusal | None = g.get("decision")
        if not isinstance(decision, Refusal):
            return None
        response = problem(decision.code, decision.error)
        if decision.code == 401:
            response.headers["WWW-Authenticate"] = "Bearer"
        return response


def problem(code: int, detail: str, **more: object) -> Response:
    """What cannot be done, and why."""
    response = jsonify(problem_of(code, detail, more))
    response.status_code = code
    response.content_type = CONTENT_TYPE
    return response


def credentials() -> Credentials:
    """What the request brings to say who sends it."""
    return Credentials.of(
        (name.lower().encode("latin-1", "replace"), value.encode("latin-1", "replace"))
        for name, value in request.headers.items()
    )


def caller() -> Identity:
    """Who calls."""
    return cast("Identity", g.decision)


def actor(said: str) -> str:
    """Who goes on record for what is asked."""
    return caller().actor(said)


def address() -> str:
    """From where."""
    return request.remote_addr or ""
