"""What libraries do at every start, and no test needs, is left out or done when it is needed.

Tests talk to this machine alone. To read all authorities that the world trusts takes 20 ms for each
client of HTTP; instead, they trust one that nobody has the key of. What a test says that it trusts
it trusts, and so does whoever is told by SSL_CERT_FILE or SSL_CERT_DIR.

For each route of the API, werkzeug compiles two functions that make its address, which takes longer
than all else of the API's start, and is called by nobody: they are compiled when they are called.
"""

from __future__ import annotations

import os
import ssl
from pathlib import Path
from typing import Any, Final

import certifi
from werkzeug.routing import Rule

_NO_AUTHORITY: Final = str(Path(__file__).parent / "no_authority.pem")
_TOLD: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")
_load_default_certs: Final = ssl.SSLContext.load_default_certs
_compile_builder: Final = Rule._compile_builder


def use() -> None:
    """From now on, in this process."""
    certifi.where = lambda: _NO_AUTHORITY
    ssl.SSLContext.load_default_certs = _load_few  # type: ignore[method-assign, assignment]
    Rule._compile_builder = _compile_when_called  # type: ignore[method-assign, assignment]


def _load_few(context: ssl.SSLContext, purpose: ssl.Purpose = ssl.Purpose.SERVER_AUTH) -> None:
    if any(name in os.environ for name in _TOLD):
        _load_default_certs(context, purpose)
    else:
        context.load_verify_locations(_NO_AUTHORITY)


def _compile_when_called(rule: Rule, append_unknown: bool = True) -> Any:
    compiled: list[Any] = []

    def build(own: Rule, **values: Any) -> tuple[str, str]:
        if not compiled:
            compiled.append(_compile_builder(rule, append_unknown))
        made: tuple[str, str] = compiled[0].__get__(own, None)(**values)
        return made

    return build
