"""HTTP for the channels: one connection a request, one deadline for all of it, no secret outside.

What goes wrong below HTTP is temporary: a name that does not resolve, a refused connection, a
bad certificate, silence. A request whose answer did not come in time may have arrived all the
same; trying it again can tell people twice, and not trying could leave them untold.

URLs hold tokens, and httpx puts URLs into its log and its errors. So requests run in a thread
from which no exception escapes; what is said about a failure is put in words here, without any
of the secrets, even those that the other side repeats.
"""

from __future__ import annotations

import logging
import math
import queue
import ssl
import threading
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec

from risk_policy import UnsetVariableError
from risk_policy.environment import Secret
from risk_policy.model.addresses import is_loopback, require_safe_url
from risk_receivers.channels.errors import (
    DeliveryError,
    RefusedDeliveryError,
    TemporaryDeliveryError,
)
from risk_receivers.discretion import Discretion
from risk_receivers.errors import StartError

#: No API answers with more; a server that never stops must not fill the memory.
_MOST_BYTES: Final = 65_536
#: As much of an answer as fits a line of a log.
_MOST_WORDS: Final = 200
#: Longer than anything a service means; a nonsensical date would stop the channel for ever.
_LONGEST_RETRY_SECONDS: Final = 86_400.0
_GIVEN_UP: Final = "is not asked any more"
_TEMPORARY: Final = frozenset({408, 425, 429})
_DENIALS: Final = range(400, 500)
_SERVER_ERRORS: Final = range(500, 600)
_FINE: Final = range(200, 300)

for _name in ("httpx", "httpcore"):  # they log URLs and headers below this level
    logging.getLogger(_name).setLevel(logging.WARNING)


class Answer(msgspec.Struct, frozen=True):
    """What a server answered; the body is cut where it is longer than any API's."""

    status: int
    body: bytes
    retry_after_seconds: float | None

    @property
    def is_fine(self) -> bool:
        """Whether the server says that it has done what it was asked."""
        return self.status in _FINE

    @property
    def is_denied(self) -> bool:
        """Whether the server says that it has not done what it was asked.

        All else but a confirmation leaves that open: what answers may stand between it and us.
        """
        return self.status in _DENIALS

    @property
    def is_temporary(self) -> bool:
        """Whether the same request may be answered otherwise later."""
        return self.status in _TEMPORARY or self.status in _SERVER_ERRORS

    @property
    def text(self) -> str:
        """The body as text."""
        return self.body.decode("utf-8", "replace")


class _Request(msgspec.Struct, frozen=True):
    """What is sent; plain values, so that even building a request from them fails in the thread."""

    method: str
    url: str
    headers: dict[str, str] = {}
    content: bytes = b""
    auth: tuple[str, str] | None = None
    only_reach: bool = False
    most_bytes: int = _MOST_BYTES


class _ReachedError(Exception):
    """The connection stands, and nothing was sent over it."""


class _AbandonedError(Exception):
    """Nobody waits for this request any more, so it must not be sent."""


class Http:
    """Requests to one service."""

    def __init__(
        self,
        service: str,
        timeout_seconds: float,
        secrets: Iterable[str],
        *,
        most_bytes: int = _MOST_BYTES,
    ) -> None:
        """``service`` is its name in messages; ``secrets`` and their parts appear in none."""
        self._service = service
        self._timeout_seconds = timeout_seconds
        self._discretion = Discretion(secrets)
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._waiting: set[queue.SimpleQueue[Answer | str | None]] = set()
        self._given_up = False
        # The system's certificates, so that an authority of one's own is added in one place.
        self._tls = ssl.create_default_context()

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes = b"",
        auth: tuple[str, str] | None = None,
        timeout_seconds: float | None = None,
    ) -> Answer:
        """One request; redirects are not followed. Raises TemporaryDeliveryError."""
        sent = {"User-Agent": "riskwarden", "Accept-Encoding": "identity", **(headers or {})}
        request = _Request(method, url, sent, content, auth, most_bytes=self._most_bytes)
        found = self._within(timeout_seconds or self._timeout_seconds, request)
        assert found is not None
        return found

    def reach(self, url: str) -> None:
        """Connect, with TLS, and send nothing. Raises TemporaryDeliveryError."""
        self._within(self._timeout_seconds, _Request("GET", url, only_reach=True))

    def give_up(self) -> None:
        """Let nobody wait any longer, neither for a request that goes on nor for another."""
        with self._lock:
            self._given_up = True
            for found in self._waiting:
                found.put(_GIVEN_UP)

    def failure(
        self, answer: Answer, *, whole_channel: bool, words: str | None = None
    ) -> DeliveryError:
        """What to raise for an answer; ``whole_channel`` is for answers that are for good."""
        message = answered(answer, answer.text if words is None else words)
        if answer.is_temporary:
            return self.temporary(message, answer.retry_after_seconds)
        return self.refused(message, whole_channel=whole_channel)

    def temporary(
        self, message: str, retry_after_seconds: float | None = None
    ) -> TemporaryDeliveryError:
        """An error about this service that says nothing secret."""
        return TemporaryDeliveryError(self._said(message), retry_after_seconds)

    def refused(self, message: str, *, whole_channel: bool) -> RefusedDeliveryError:
        """An error about this service that says nothing secret."""
        return RefusedDeliveryError(self._said(message), whole_channel=whole_channel)

    def _within(self, timeout_seconds: float, request: _Request) -> Answer | None:
        """Run a request in a thread of its own, which ends by itself once nobody waits for it.

        httpx limits each step of a request, but neither the look-up of a name nor the whole: a
        server that sends a byte now and then is never late.
        """
        found: queue.SimpleQueue[Answer | str | None] = queue.SimpleQueue()
        abandoned = threading.Event()
        client = self._client(urlsplit(request.url).hostname or "", timeout_seconds)

        def run() -> None:
            try:
                found.put(_exchange(client, request, abandoned))
            except Exception as error:  # noqa: BLE001 - whatever it is, it may hold the URL
                found.put(self._reason(error, timeout_seconds))

        with self._lock:
            if self._given_up:
                client.close()
                raise self.temporary(_GIVEN_UP)
            self._waiting.add(found)
        name = f"{threading.current_thread().name}-request"
        try:
            threading.Thread(target=run, name=name, daemon=True).start()
            answer = found.get(timeout=timeout_seconds)
        except queue.Empty:
            answer = _silence(timeout_seconds)
        except RuntimeError:  # the system has no thread left
            answer = "cannot be asked: no thread could be started"
        with self._lock:
            self._waiting.discard(found)
        if isinstance(answer, str):
            abandoned.set()
            client.close()
            raise self.temporary(answer)
        return answer

    def _client(self, host: str, timeout_seconds: float) -> httpx.Client:
        return httpx.Client(
            timeout=timeout_seconds,
            verify=self._tls,
            follow_redirects=False,
            trust_env=not is_loopback(host),  # no proxy is asked for what is on this machine
        )

    def _reason(self, error: Exception, timeout_seconds: float) -> str:
        if isinstance(error, httpx.TimeoutException):
            return _silence(timeout_seconds)
        if isinstance(error, httpx.TransportError):
            return f"cannot be reached: {error}"
        return f"cannot be asked: {type(error).__name__}"

    def _said(self, message: str) -> str:
        message = self._discretion.applied(message)
        line = "".join(c if c.isprintable() else " " for c in " ".join(message.split()))
        if len(line) > _MOST_WORDS:
            line = line[:_MOST_WORDS] + "..."
        return f"{self._service} {line}"


def _silence(timeout_seconds: float) -> str:
    return f"did not answer within {timeout_seconds:g} s"


def answered(answer: Answer, words: str) -> str:
    """What a server answered, in words."""
    return f"answered {answer.status}: {words}" if words.strip() else f"answered {answer.status}"


def _exchange(client: httpx.Client, request: _Request, abandoned: threading.Event) -> Answer | None:
    def before_sending(event: str, info: Mapping[str, Any]) -> None:
        if event == "http11.send_request_headers.started":
            if info["request"].method == b"CONNECT":  # to a proxy: the service comes after it
                return
            if abandoned.is_set():
                raise _AbandonedError
            if request.only_reach:
                raise _ReachedError

    with client:
        built = client.build_request(
            request.method,
            request.url,
            headers=request.headers,
            content=request.content,
            extensions={"trace": before_sending},
        )
        try:
            response = client.send(built, auth=request.auth, stream=True)
        except _ReachedError:
            return None
        try:
            body = b""
            for chunk in response.iter_raw():
                body += chunk
                if len(body) >= request.most_bytes or abandoned.is_set():
                    break
        finally:
            response.close()
    return Answer(
        response.status_code,
        body[: request.most_bytes],
        retry_after(response.headers.get("Retry-After", "")),
    )


def retry_after(value: str | float | None, now: datetime | None = None) -> float | None:
    """The seconds that ``Retry-After`` asks for, a number or a date; None if it is neither."""
    text = str(value or "").strip()
    try:
        seconds = float(text)
    except ValueError:
        try:
            until = parsedate_to_datetime(text)
        except ValueError:
            return None
        if until.tzinfo is None:  # "-0000", which is UTC as well
            until = until.replace(tzinfo=UTC)
        seconds = (until - (now or datetime.now(UTC))).total_seconds()
    if math.isnan(seconds):
        return None
    return min(max(seconds, 0.0), _LONGEST_RETRY_SECONDS)


def revealed_url(secret: Secret, key: str) -> str:
    """The URL that a secret holds, fit to carry it. Raises StartError, which does not show it."""
    url = revealed(secret, key)
    try:
        require_safe_url(url)
    except ValueError as error:
        raise StartError(f"{key}: what {secret} holds {error}") from None
    return url


def revealed(secret: Secret, key: str) -> str:
    """What a secret holds. Raises StartError."""
    try:
        return secret.reveal()
    except UnsetVariableError as error:
        raise StartError(f"{key}: {error}") from None
