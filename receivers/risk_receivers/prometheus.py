"""Asks Prometheus over its HTTP API. What it answers has the form that is promised, or is none."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

import httpx
import msgspec

from risk_receivers.errors import ReceiversError
from risk_receivers.trust import verify

T = TypeVar("T")
#: Somebody waits for the answer.
_TIMEOUT_SECONDS: Final = 5.0


class PrometheusError(ReceiversError):
    """Prometheus does not answer, or not what was asked."""


@dataclass(frozen=True, slots=True)
class Sample:
    """What is so of one thing."""

    labels: dict[str, str]
    value: float


@dataclass(frozen=True, slots=True)
class Series:
    """What was so of one thing, by Unix time."""

    labels: dict[str, str]
    values: list[tuple[float, float]]


class _Sample(msgspec.Struct):
    metric: dict[str, str]
    value: tuple[float, str]


class _Series(msgspec.Struct):
    metric: dict[str, str]
    values: list[tuple[float, str]]


class _Data(msgspec.Struct, Generic[T]):
    result: list[T]


class _Said(msgspec.Struct, Generic[T]):
    status: str
    data: _Data[T] | None = None
    error: str = ""


_decode_vector = msgspec.json.Decoder(_Said[_Sample])
_decode_matrix = msgspec.json.Decoder(_Said[_Series])
_ERRORS: Final = (
    *(httpx.HTTPError, httpx.InvalidURL, msgspec.MsgspecError),
    *(UnicodeError, ValueError, RecursionError),
)


class PrometheusApi:
    """One Prometheus. May be shared between threads."""

    def __init__(self, url: str) -> None:
        self.url: Final = url.rstrip("/")
        self._client = httpx.Client(
            timeout=_TIMEOUT_SECONDS, trust_env=False, verify=verify(self.url)
        )

    def close(self) -> None:
        """Let its connections go."""
        self._client.close()

    def instant(self, query: str, at: float | None = None) -> list[Sample]:
        """The samples of a vector now, or at a Unix time. Raises PrometheusError."""
        asked = {"query": query} | ({} if at is None else {"time": str(at)})
        try:
            found = self._ask("query", asked, _decode_vector)
            return [Sample(one.metric, float(one.value[1])) for one in found]
        except _ERRORS as error:
            raise self._none(error) from error

    def over(self, query: str, start: float, end: float, step_seconds: float) -> list[Series]:
        """The series of a range, Unix times. Raises PrometheusError."""
        asked = {"query": query, "start": str(start), "end": str(end), "step": str(step_seconds)}
        try:
            found = self._ask("query_range", asked, _decode_matrix)
            return [
                Series(one.metric, [(at, float(value)) for at, value in one.values])
                for one in found
            ]
        except _ERRORS as error:
            raise self._none(error) from error

    def _ask(
        self, how: str, asked: dict[str, str], decoder: msgspec.json.Decoder[_Said[T]]
    ) -> list[T]:
        answer = self._client.post(f"{self.url}/api/v1/{how}", data=asked)
        said = decoder.decode(answer.content)
        if said.status != "success" or said.data is None:
            why = said.error or f"it answers {answer.status_code} and does not say why"
            raise PrometheusError(f"Prometheus at {self.url} refuses: {why}")
        return said.data.result

    def _none(self, error: Exception) -> PrometheusError:
        why = str(error) or type(error).__name__
        return PrometheusError(f"Prometheus at {self.url} does not answer: {why}")


def quoted(text: str) -> str:
    """A string of PromQL, whatever is in it."""
    return json.dumps(text, ensure_ascii=False)
