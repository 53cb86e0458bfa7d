"""Keeps secrets out of what is said: every spelling of them, in every line of the log.

A log also lies in more hands than the record does, so of whoever is written to it says no more than
is needed to tell one from another.

Whoever handles a secret keeps it out of errors. What a library puts into its log, into an
exception or into a traceback nobody here has written, and services repeat what they were sent,
encoded in ways of their own; so what is said passes through here once more on its way out.
"""

from __future__ import annotations

import json
import logging
import re
import sys
import threading
from base64 import b64encode
from collections.abc import Iterable, Iterator
from html import escape
from typing import Any, Final
from urllib.parse import quote, quote_plus, unquote, urlsplit

from risk_policy.contracts.operator import GIVEN_TOKEN

#: Shorter parts of a secret are words such as "services", and would blot out everything.
_SHORTEST: Final = 6
_BLOT: Final = "***"
#: What survives however often a token is quoted, and is no word of any language.
_RANDOM: Final = re.compile(r"(?=[a-z]*[0-9])[a-z0-9]{10,}", re.IGNORECASE)
_GIVEN: Final = re.compile(GIVEN_TOKEN)
_log = logging.getLogger(__name__)


class Discretion:
    """Replaces secrets in texts."""

    def __init__(self, secrets: Iterable[str]) -> None:
        spellings = {
            spelling
            for secret in secrets
            for part in _parts(secret)
            for spelling in _spellings(part)
            if len(spelling) >= _SHORTEST
        }
        self._longest_first = sorted(spellings, key=len, reverse=True)
        self._lowered = [spelling.lower() for spelling in self._longest_first]

    def applied(self, text: str) -> str:
        """The text without a secret."""
        # A search for hundreds of spellings at once would hold up every thread of the process.
        lowered = text.lower()
        pairs = zip(self._longest_first, self._lowered, strict=True)
        found = [re.escape(spelling) for spelling, small in pairs if small in lowered]
        text = re.sub("|".join(found), _BLOT, text, flags=re.IGNORECASE) if found else text
        # Nobody here knows them; a log that quotes one says no more than whose it is.
        return _GIVEN.sub(lambda token: f"{token[0][:15]}_{_BLOT}", text)


class DiscreetFormatter(logging.Formatter):
    """Formats as ever, traceback included, and leaves the secrets out."""

    def __init__(self, form: str) -> None:
        super().__init__(form)
        self._discretion = Discretion(())
        self._addresses: list[str] = []

    def keep(self, secrets: Iterable[str], addresses: Iterable[str] = ()) -> Discretion:
        """From now on these stay secret; of mail addresses a letter and the domain show."""
        self._discretion = Discretion(secrets)
        whole = (one for one in addresses if all(one.partition("@")))  # else nothing tells it apart
        self._addresses = sorted(set(whole), key=len, reverse=True)
        return self._discretion

    def format(self, record: logging.LogRecord) -> str:
        """One record as it is printed."""
        text = self._discretion.applied(super().format(record))
        for address in self._addresses:
            if address.lower() in text.lower():
                shown = _shortened(address).replace("\\", r"\\")
                text = re.sub(re.escape(address), shown, text, flags=re.IGNORECASE)
        return text


def _shortened(address: str) -> str:
    bare = address.rpartition("<")[2].rstrip(">")
    local, _, domain = bare.rpartition("@")
    return f"{local[:1]}{_BLOT}@{domain}"


def log_what_nobody_caught() -> None:
    """Let an exception that ends a thread or the program go through the log, too."""

    def in_thread(arguments: threading.ExceptHookArgs) -> None:
        error = arguments.exc_value
        if error is not None:
            name = arguments.thread.name if arguments.thread else "a thread"
            _log.critical("%s ended", name, exc_info=error)

    def in_program(kind: type[BaseException], error: BaseException, _: Any) -> None:
        if isinstance(error, KeyboardInterrupt):
            return
        _log.critical("the program ended: %s", kind.__name__, exc_info=error)

    def unraisable(arguments: sys.UnraisableHookArgs) -> None:
        _log.error("%s", arguments.err_msg or "an error was lost", exc_info=arguments.exc_value)

    threading.excepthook = in_thread
    sys.excepthook = in_program
    sys.unraisablehook = unraisable


def _parts(secret: str) -> Iterator[str]:
    """A secret, and what of it is one by itself: a URL's path, its parameters, its password."""
    yield secret
    yield from _RANDOM.findall(secret)
    if "://" not in secret:
        return
    try:
        url = urlsplit(secret)
    except ValueError:  # no URL after all; whoever needs one says so
        return
    userinfo, at, _ = url.netloc.rpartition("@")
    if at:
        yield from (userinfo, unquote(userinfo), userinfo.partition(":")[2])
    if not url.scheme.startswith("http") and not at:
        yield url.netloc  # as in discord://id/token, where it is no host
    yield from (f"{url.path}?{url.query}", url.path, url.path.strip("/"), url.query)
    yield from url.path.split("/")
    yield from (pair.partition("=")[2] for pair in url.query.split("&"))


def _spellings(part: str) -> Iterator[str]:
    """How a text may be repeated by somebody else."""
    if not part:
        return
    for text in dict.fromkeys((part, unquote(part))):
        yield from (text, quote(text), quote(text, safe=""), quote_plus(text))
        yield from (escape(text), escape(text, quote=False), repr(text)[1:-1])
        for ascii_only in (True, False):
            as_json = json.dumps(text, ensure_ascii=ascii_only)[1:-1]
            yield from (as_json, as_json.replace("/", "\\/"))
        yield text.encode().hex()
        yield from _inside_base64(text.encode())


def _inside_base64(secret: bytes) -> Iterator[str]:
    """What stays the same of it in base64, whatever stands before and after."""
    yield b64encode(secret).decode()
    for offset, begin in ((0, 0), (1, 2), (2, 3)):
        whole = (offset + len(secret)) * 8 // 6
        inner = b64encode(bytes(offset) + secret).decode()[begin:whole]
        yield from (inner, inner.replace("+", "-").replace("/", "_"))
