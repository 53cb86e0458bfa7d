"""Read both feeds' bodies.

What cannot be read is kept and named, never raised: a sender that gets a 4xx does not send
again, so a refusal would lose the alert. One malformed alert never costs its neighbours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Annotated, Final

import msgspec

from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Action, Category, Severity
from risk_receivers.intake.alert import TRIPPING, Alert, Batch, Feed, Malformed
from risk_receivers.intake.salvage import elements, webhook_elements

_Time = Annotated[datetime, msgspec.Meta(tz=True)]
_WEBHOOK_VERSION: Final = "4"
_SEVERITIES: Final = {severity.value: severity for severity in Severity}
_ACTIONS: Final = [action.value for action in Action]
#: Stands for what an alert that trips does not say.
_UNNAMED: Final = "unnamed"
_CATEGORIES: Final = {category.value: category for category in Category}


class _WireAlert(msgspec.Struct):
    """What both feeds say about one alert; Prometheus leaves ``status`` out."""

    labels: dict[str, str]
    annotations: dict[str, str] = {}
    starts_at: _Time | None = msgspec.field(default=None, name="startsAt")
    ends_at: _Time | None = msgspec.field(default=None, name="endsAt")
    status: str | None = None


class _Webhook(msgspec.Struct):
    version: str
    alerts: list[msgspec.Raw]


class _UnreadableError(Exception):
    """One alert that makes no sense. Never leaves this module."""


# What msgspec raises on bytes from outside; RecursionError is its answer to deep nesting.
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_encode_labels = msgspec.json.Encoder(order="deterministic").encode
_decode_list = msgspec.json.Decoder(list[_WireAlert]).decode
_decode_raw_list = msgspec.json.Decoder(list[msgspec.Raw]).decode
_decode_alert = msgspec.json.Decoder(_WireAlert).decode
_decode_webhook = msgspec.json.Decoder(_Webhook).decode


class Parser:
    """Reads bodies of both feeds."""

    def __init__(self, default_severity: Severity) -> None:
        self._default_severity = default_severity

    def parse(self, feed: Feed, body: bytes, now: datetime) -> Batch:
        """Everything that a body holds. Never raises."""
        read = self._alert_feed if feed is Feed.ALERTS else self._notification_feed
        return self._sort(feed, read(body), now)

    def _alert_feed(self, body: bytes) -> Iterator[_WireAlert | Malformed]:
        try:
            yield from _decode_list(body)
            return
        except _DECODE_ERRORS:
            pass  # look at each alert on its own
        try:
            pieces: Iterable[bytes] = [bytes(raw) for raw in _decode_raw_list(body)]
        except _DECODE_ERRORS as error:
            pieces = elements(body) if body.lstrip().startswith(b"[") else ()
            yield Malformed(f"the body is no list of alerts: {error}", body)
        yield from _each(pieces)

    def _notification_feed(self, body: bytes) -> Iterator[_WireAlert | Malformed]:
        pieces: Iterable[bytes] = ()
        try:
            webhook = _decode_webhook(body)
            pieces = [bytes(raw) for raw in webhook.alerts]
            if webhook.version != _WEBHOOK_VERSION:
                yield Malformed(
                    f"webhook version {webhook.version!r} instead of {_WEBHOOK_VERSION!r}", body
                )
        except _DECODE_ERRORS as error:
            pieces = webhook_elements(body)
            yield Malformed(f"the body is no Alertmanager webhook: {error}", body)
        yield from _each(pieces)

    def _sort(self, feed: Feed, found: Iterable[_WireAlert | Malformed], now: datetime) -> Batch:
        alerts: list[Alert] = []
        malformed: list[Malformed] = []
        ignored = 0
        watchdog = False
        for item in found:
            if isinstance(item, Malformed):
                malformed.append(item)
                continue
            try:
                alert = self._alert(feed, item, now)
            except _UnreadableError as error:
                malformed.append(Malformed(str(error), msgspec.json.encode(item)))
                continue
            if complaint := _complaint(item.labels):
                # Without its times, which differ in every repeat.
                malformed.append(Malformed(complaint, _encode_labels(item.labels), asks=True))
            if alert is None:
                ignored += not complaint
            elif alert.alertname == labels.WATCHDOG:
                watchdog = watchdog or alert.firing
            else:
                alerts.append(alert)
        return Batch(feed, tuple(alerts), tuple(malformed), ignored, watchdog)

    def _alert(self, feed: Feed, wire: _WireAlert, now: datetime) -> Alert | None:
        """An alert of ours, or None if it is somebody else's."""
        names = wire.labels
        alertname = names.get(labels.ALERTNAME, "")
        risk_id = names.get(labels.RISK_ID, "")
        if names.get(labels.ACTION) in TRIPPING:  # that is heard, whatever else is missing
            alertname = alertname or _UNNAMED
            risk_id = risk_id or f"{_UNNAMED}/{alertname}"
        if not alertname:
            return None
        if not risk_id and alertname != labels.WATCHDOG:
            return None
        ends_at = _utc(wire.ends_at)
        return Alert(
            feed=feed,
            firing=_is_firing(feed, wire.status, ends_at, now),
            alertname=alertname,
            risk_id=risk_id,
            tier=names.get(labels.TIER, ""),
            severity=_SEVERITIES.get(names.get(labels.SEVERITY, ""), self._default_severity),
            category=_CATEGORIES.get(names.get(labels.CATEGORY, "")),
            action=names.get(labels.ACTION, ""),
            starts_at=_utc(wire.starts_at) or now,
            ends_at=ends_at,
            labels=names,
            annotations=wire.annotations,
        )


def _complaint(names: dict[str, str]) -> str:
    """What is wrong with the action that an alert asks for; empty if nothing."""
    if not (action := names.get(labels.ACTION)):
        return ""
    if action not in _ACTIONS:
        return f"the action {action!r} is unknown; it must be one of {', '.join(_ACTIONS)}"
    if not (names.get(labels.RISK_ID) and names.get(labels.ALERTNAME)):
        return f"asks for {action} and does not say about what: alertname or risk_id is missing"
    return ""


def _each(pieces: Iterable[bytes]) -> Iterator[_WireAlert | Malformed]:
    for piece in pieces:
        try:
            yield _decode_alert(piece)
        except _DECODE_ERRORS as error:
            yield Malformed(f"not an alert: {error}", piece)


def _utc(at: datetime | None) -> datetime | None:
    """A time in UTC; None for Go's zero time, which stands for "not set"."""
    if at is None or at.year <= 1:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise _UnreadableError(f"{at.isoformat()} is no usable time") from error


def _is_firing(feed: Feed, status: str | None, ends_at: datetime | None, now: datetime) -> bool:
    if feed is Feed.NOTIFICATIONS:
        if status not in ("firing", "resolved"):
            raise _UnreadableError(f"status is {status!r} instead of 'firing' or 'resolved'")
        return status == "firing"
    # Prometheus writes no status: an alert is resolved once its end lies in the past.
    return ends_at is None or ends_at > now
