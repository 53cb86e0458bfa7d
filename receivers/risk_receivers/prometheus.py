"""Asks Prometheus over its HTTP API.

Few wait for it at a time, and nobody waits long to be one of them: a thread that waits for one that
hangs answers nobody who asks how the account stands.
"""

from __future__ import annotations

import json
import threading
from typing import Any, Final

import httpx

from risk_receivers.errors import ReceiversError

#: Somebody waits for the answer.
_TIMEOUT_SECONDS: Final = 5.0
#: Questions that are under way at a time, and how long another one waits for its turn.
_MOST_AT_A_TIME: Final = 3
_TURN_SECONDS: Final = 0.5


class PrometheusError(ReceiversError):
    """Prometheus does not answer, or not what was asked."""


class PrometheusApi:
    """One Prometheus. May be shared between threads."""

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._client = httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False)
        self._room = threading.BoundedSemaphore(_MOST_AT_A_TIME)

    def close(self) -> None:
        """Let its connections go."""
        self._client.close()

    def instant(self, query: str, at: float | None = None) -> list[dict[str, Any]]:
        """The samples of a vector now, or at a Unix time. Raises PrometheusError."""
        return self._ask("query", {"query": query} | ({} if at is None else {"time": at}))

    def over(
        self, query: str, start: float, end: float, step_seconds: float
    ) -> list[dict[str, Any]]:
        """The series of a range, Unix times. Raises PrometheusError."""
        asked = {"query": query, "start": start, "end": end, "step": step_seconds}
        return self._ask("query_range", asked)

    def _ask(self, how: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        if not self._room.acquire(timeout=_TURN_SECONDS):
            raise PrometheusError(f"Prometheus at {self.url} does not answer: others wait for it")
        try:
            return self._answer(how, asked)
        finally:
            self._room.release()

    def _answer(self, how: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
        try:
            answer = self._client.post(f"{self.url}/api/v1/{how}", data=asked)
            said = answer.json()
            if said["status"] != "success":
                raise PrometheusError(f"Prometheus at {self.url} refuses: {said['error']}")
            found: list[dict[str, Any]] = said["data"]["result"]
        except (httpx.HTTPError, httpx.InvalidURL, KeyError, TypeError, ValueError) as error:
            why = str(error) or type(error).__name__
            raise PrometheusError(f"Prometheus at {self.url} does not answer: {why}") from error
        return found


def quoted(text: str) -> str:
    """A string of PromQL, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)
