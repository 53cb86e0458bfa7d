"""``GET /``, ``GET /login`` and the files behind them: open to all, for they hold no data.

What the pages show they ask the API for, which decides who may see it. The policy that browsers are
given allows no script, style or connection from anywhere but here, and none within a page.
"""

from __future__ import annotations

from typing import Final

from flask import Blueprint, Response, abort, request

from risk_receivers.console.assets import Asset, Assets

PREFIX: Final = "/console"
CONTENT_SECURITY_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self'",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
        # Text that could become markup is refused by the browser itself, wherever it came from.
        "require-trusted-types-for 'script'",
        "trusted-types 'none'",
    )
)
_HEADERS: Final = {
    "Content-Security-Policy": CONTENT_SECURITY_POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
_ASK_AGAIN: Final = "no-cache"
_FOR_EVER: Final = "public, max-age=31536000, immutable"


def console_views(*, live: bool) -> Blueprint:
    """The views. ``live`` is whether there is a stream for the console to listen to."""
    views = Blueprint("console", __name__)
    known = Assets.read(PREFIX, live=live)

    @views.get("/")
    def console() -> Response:
        return _sent(known.pages["index"], _ASK_AGAIN)

    @views.get("/login")
    def login() -> Response:
        return _sent(known.pages["login"], _ASK_AGAIN)

    @views.get(f"{PREFIX}/<digest>/<name>")
    def asset(digest: str, name: str) -> Response:
        found = known.files.get(name)
        if found is None or digest != known.digest:
            abort(404, "the console has no such file; load the page anew")
        return _sent(found, _FOR_EVER)

    return views


def _sent(asset: Asset, keeping: str) -> Response:
    response = Response(asset.content, content_type=asset.content_type)
    response.headers.update(_HEADERS)
    response.headers["Cache-Control"] = keeping
    response.set_etag(asset.tag)
    response.make_conditional(request.environ)  # nothing more is sent of what is known already
    del response.headers["Date"]  # the server tells it of every answer
    return response
