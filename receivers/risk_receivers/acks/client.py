"""A thin client of Alertmanager's API, version 2.

Alertmanager may hang, die, or send what nobody has seen before. So every call has a deadline and
every answer a largest size, one silence that makes no sense never costs the others, and it is
told from one that is missing: what cannot be read is not gone.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Final
from urllib.parse import quote

import httpx
import msgspec

from risk_policy.contracts.alert import RISK_ID
from risk_receivers.acks.errors import AlertmanagerError
from risk_receivers.acks.silences import Matcher, Silence, SilenceState, one_line
from risk_receivers.trust import verify

# Bounds of somebody else's service: not policy, they change nothing about who is told what.
_CONNECT_SECONDS: Final = 1.0
_DEADLINE_SECONDS: Final = 3.0
#: A hundred thousand silences or alerts fit.
_LARGEST_ANSWER: Final = 64 * 2**20
#: The alerts of ours.
_ALERTS: Final = "/alerts?filter=" + quote(f'{RISK_ID}=~".+"')
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError, OverflowError)

_Time = Annotated[datetime, msgspec.Meta(tz=True)]


class _WireMatcher(msgspec.Struct):
    name: str
    value: str
    is_regex: bool = msgspec.field(name="isRegex")
    is_equal: bool = msgspec.field(name="isEqual", default=True)


class _WireStatus(msgspec.Struct):
    state: SilenceState


class _WireSilence(msgspec.Struct):
    id: str
    matchers: list[_WireMatcher]
    starts_at: str = msgspec.field(name="startsAt")
    ends_at: _Time = msgspec.field(name="endsAt")
    status: _WireStatus
    author: str = msgspec.field(name="createdBy", default="")
    comment: str = ""


class _WireId(msgspec.Struct):
    id: str


class _WireMade(msgspec.Struct):
    id: str = msgspec.field(name="silenceID")


class _WireAlertStatus(msgspec.Struct):
    silenced_by: list[str] = msgspec.field(name="silencedBy", default_factory=list)
    inhibited_by: list[str] = msgspec.field(name="inhibitedBy", default_factory=list)
    muted_by: list[str] = msgspec.field(name="mutedBy", default_factory=list)


class _WireAlert(msgspec.Struct):
    labels: dict[str, str]
    status: _WireAlertStatus


_decode_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_silence = msgspec.json.Decoder(_WireSilence).decode
_decode_id = msgspec.json.Decoder(_WireId).decode
_decode_made = msgspec.json.Decoder(_WireMade).decode
_decode_time = msgspec.json.Decoder(_Time).decode
_decode_alert = msgspec.json.Decoder(_WireAlert).decode


@dataclass(frozen=True, slots=True)
class Listing:
    """Every silence that Alertmanager knows.

    Attributes:
        unreadable: ids of those that make no sense here, as far as they have any.
        damaged: how many there are that make no sense.
    """

    silences: tuple[Silence, ...]
    unreadable: frozenset[str] = frozenset()
    damaged: int = 0


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An alert as Alertmanager has it, and whether it keeps it from people on purpose."""

    labels: Mapping[str, str]
    muted: bool


class AlertmanagerClient:
    """Talks to one Alertmanager. Every method raises AlertmanagerError."""

    def __init__(self, endpoint: str, deadline_seconds: float = _DEADLINE_SECONDS) -> None:
        self._url = f"http://{endpoint}/api/v2"
        self._deadline_seconds = deadline_seconds
        self._http = httpx.Client(
            timeout=httpx.Timeout(
                deadline_seconds, connect=min(_CONNECT_SECONDS, deadline_seconds)
            ),
            trust_env=False,
            follow_redirects=False,
            verify=verify(self._url),
        )

    def close(self) -> None:
        """Let go of connections."""
        self._http.close()

    def silences(self) -> Listing:
        """All silences, the expired ones included for as long as Alertmanager keeps them."""
        found: list[Silence] = []
        unreadable: set[str] = set()
        damaged = 0
        for raw in self._list("/silences"):
            try:
                found.append(_silence(bytes(raw)))
            except _DECODE_ERRORS:
                damaged += 1
                try:
                    unreadable.add(_decode_id(raw).id)
                except _DECODE_ERRORS:
                    continue
        return Listing(tuple(found), frozenset(unreadable), damaged)

    def silence(self, silence_id: str) -> Silence | None:
        """One silence; None if Alertmanager says that there is no such thing."""
        path = f"/silence/{quote(silence_id, safe='')}"
        status, body = self._ask("GET", path)
        if status == httpx.codes.NOT_FOUND:
            return None
        _demand(status, body, path)
        try:
            return _silence(body)
        except _DECODE_ERRORS as error:
            raise AlertmanagerError(f"silence {silence_id} cannot be read: {error}") from error

    def put(
        self,
        matchers: tuple[Matcher, ...],
        *,
        starts_at: str,
        ends_at: datetime,
        author: str,
        comment: str,
        silence_id: str = "",
    ) -> str:
        """Make a silence, or change one; the id it has now, which may be another than before."""
        content = {
            "matchers": [
                {
                    "name": matcher.name,
                    "value": matcher.value,
                    "isRegex": matcher.is_regex,
                    "isEqual": matcher.is_equal,
                }
                for matcher in matchers
            ],
            "startsAt": starts_at,
            "endsAt": wire_time(ends_at),
            "createdBy": author,
            "comment": comment,
            **({"id": silence_id} if silence_id else {}),
        }
        status, body = self._ask("POST", "/silences", msgspec.json.encode(content))
        _demand(status, body, "/silences")
        try:
            return _decode_made(body).id
        except _DECODE_ERRORS as error:
            raise AlertmanagerError(f"the id of a new silence cannot be read: {error}") from error

    def expire(self, silence_id: str) -> None:
        """End a silence. One that is over, or gone, is as it should be."""
        path = f"/silence/{quote(silence_id, safe='')}"
        status, body = self._ask("DELETE", path)
        if status == httpx.codes.OK:
            return
        # It answers 500 for one that has expired already; look before it counts as a failure.
        now = self.silence(silence_id)
        if now is not None and now.state is not SilenceState.EXPIRED:
            _demand(status, body, path)

    def alerts(self) -> tuple[HeldBack, ...]:
        """The alerts of ours that it knows."""
        found: list[HeldBack] = []
        for raw in self._list(_ALERTS):
            try:
                alert = _decode_alert(raw)
            except _DECODE_ERRORS:
                continue  # as if it did not know it: then people are told, rather than not
            status = alert.status
            muted = bool(status.silenced_by or status.inhibited_by or status.muted_by)
            found.append(HeldBack(alert.labels, muted))
        return tuple(found)

    def _list(self, path: str) -> list[msgspec.Raw]:
        status, body = self._ask("GET", path)
        _demand(status, body, path)
        try:
            return _decode_list(body)
        except _DECODE_ERRORS as error:
            raise AlertmanagerError(f"{path}: the answer is no list: {error}") from error

    def _ask(self, method: str, path: str, content: bytes | None = None) -> tuple[int, bytes]:
        until = time.monotonic() + self._deadline_seconds
        body = bytearray()
        headers = {"Content-Type": "application/json"} if content is not None else {}
        try:
            with self._http.stream(
                method, self._url + path, content=content, headers=headers
            ) as answer:
                for piece in answer.iter_bytes():
                    body += piece
                    if len(body) > _LARGEST_ANSWER:
                        raise AlertmanagerError(f"{path}: the answer is larger than any should be")
                    if time.monotonic() > until:
                        raise AlertmanagerError(f"{path}: no answer in time")
                return answer.status_code, bytes(body)
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise AlertmanagerError(
                f"Alertmanager does not answer: {str(error) or type(error).__name__}"
            ) from error


def wire_time(at: datetime) -> str:
    """A time as the API takes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds")


def _silence(body: bytes) -> Silence:
    wire = _decode_silence(body)
    if not wire.id or not wire.matchers:
        raise msgspec.ValidationError("a silence without id or matchers")
    return Silence(
        id=wire.id,
        matchers=tuple(
            Matcher(one.name, one.value, is_regex=one.is_regex, is_equal=one.is_equal)
            for one in wire.matchers
        ),
        starts_at=_decode_time(msgspec.json.encode(wire.starts_at)).astimezone(UTC),
        ends_at=wire.ends_at.astimezone(UTC),
        state=wire.status.state,
        author=one_line(wire.author),
        comment=one_line(wire.comment),
        starts_at_text=wire.starts_at,
    )


def _demand(status: int, body: bytes, path: str) -> None:
    if status != httpx.codes.OK:
        said = body[:200].decode("utf-8", "replace").strip()
        raise AlertmanagerError(
            f"{path}: Alertmanager answers {status}: {said}",
            refused=400 <= status < 500,
        )
