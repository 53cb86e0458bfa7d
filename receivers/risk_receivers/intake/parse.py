"""Read both feeds' bodies.

What cannot be read is kept and named, never raised: a sender that gets a 4xx does not send
again, so a refusal would lose the alert. One malformed alert never costs its neighbours, and
any number of them costs little: the first are kept one by one, the others count in the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from itertools import islice
from typing import Annotated, Final

import msgspec

from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Action, Category, Severity
from risk_receivers.intake.alert import TRIPPING, Alert, Batch, Feed, Malformed, key_of
from risk_receivers.intake.odd import Odd, unreadable
from risk_receivers.intake.salvage import (
    beginnings,
    elements,
    has_several_lists,
    webhook_elements,
)
from risk_receivers.intake.sender_clock import End, SenderClock

#: More than any sender has to say at once; each one costs time, whatever it holds.
MOST_PIECES: Final = 100_000
#: An alert has one brace for itself and one for each of its two maps.
_BRACES: Final = 3
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
    alerts: msgspec.Raw
    receiver: str = ""
    truncated: int = msgspec.field(default=0, name="truncatedAlerts")


class _UnreadableError(Exception):
    """One alert that makes no sense. Never leaves this module."""


# What msgspec raises on bytes from outside; RecursionError is its answer to deep nesting.
_DECODE_ERRORS: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)

_encode_labels = msgspec.json.Encoder(order="deterministic").encode
_decode_list = msgspec.json.Decoder(list[_WireAlert]).decode
_check_json = msgspec.json.Decoder(msgspec.Raw).decode
_decode_alert = msgspec.json.Decoder(_WireAlert).decode
_decode_webhook = msgspec.json.Decoder(_Webhook).decode


class Parser:
    """Reads bodies of both feeds."""

    def __init__(self, default_severity: Severity, lease_seconds: float) -> None:
        self._default_severity = default_severity
        self._prometheus = SenderClock(lease_seconds)

    def parse(self, feed: Feed, body: bytes, now: datetime, complaint: str = "") -> Batch:
        """Everything that a body holds. Never raises.

        Args:
            complaint: what is wrong with the body itself, e.g. that its end is missing.
        """
        read = self._alert_feed if feed is Feed.ALERTS else self._notification_feed
        odd = Odd(body)
        if complaint:
            odd.complain(complaint)
        found: list[_WireAlert] = []
        left_out = ""
        for number, item in enumerate(read(body, odd)):
            if number == MOST_PIECES:
                left_out = f"a body may hold {MOST_PIECES} alerts; this one holds more"
                odd.complain(left_out)
                break
            if isinstance(item, Malformed):
                odd.add(item)
            else:
                found.append(item)
        if feed is Feed.ALERTS:
            for alert in found:
                self._set_clock(alert, now)
        return self._sort(feed, found, odd, now, left_out)

    def _set_clock(self, item: _WireAlert, now: datetime) -> None:
        if item.labels.get(labels.ALERTNAME) != labels.WATCHDOG:
            return
        with suppress(_UnreadableError):  # it is kept as malformed later
            if ends_at := _utc(item.ends_at):
                self._prometheus.hear(ends_at, now)

    def _alert_feed(self, body: bytes, odd: Odd) -> Iterable[_WireAlert | Malformed]:
        if (found := _at_once(body)) is not None:
            return found
        is_array = body.lstrip().startswith(b"[")
        try:
            _check_json(body)
            if not is_array:
                odd.complain("the body is no list of alerts", unreadable=True)
        except _DECODE_ERRORS as error:
            odd.complain(f"the body is no list of alerts: {error}", unreadable=not is_array)
            if not is_array:
                return _each((), body, broken=True)
        return _each(elements(body), body) if is_array else ()

    def _notification_feed(self, body: bytes, odd: Odd) -> Iterable[_WireAlert | Malformed]:
        try:
            webhook = _decode_webhook(body)
        except _DECODE_ERRORS as error:
            odd.complain(f"the body is no Alertmanager webhook: {error}", unreadable=True)
            return _each(webhook_elements(body), body, broken=True)
        if webhook.version != _WEBHOOK_VERSION:
            odd.complain(f"webhook version {webhook.version!r} instead of {_WEBHOOK_VERSION!r}")
        if webhook.truncated > 0:
            odd.add(_left_out(webhook))
        if has_several_lists(body):
            odd.complain("the body holds more than one list of alerts")
            return _each(webhook_elements(body), body)
        alerts = bytes(webhook.alerts)
        if not alerts.startswith(b"["):
            why = "the body is no Alertmanager webhook: its alerts are no list"
            odd.complain(why, unreadable=True)
            return ()
        found = _at_once(alerts)
        return _each(elements(alerts), alerts) if found is None else found

    def _sort(
        self, feed: Feed, found: Iterable[_WireAlert], odd: Odd, now: datetime, left_out: str
    ) -> Batch:
        alerts: list[Alert] = []
        ignored = 0
        watchdog = False
        rules_digest = ""
        for item in found:
            try:
                alert = self._alert(feed, item, now)
            except _UnreadableError as error:
                odd.add(unreadable(str(error), msgspec.json.encode(item)))
                continue
            if complaint := _complaint(item.labels):
                # Without its times, which differ in every repeat.
                odd.add(Malformed(complaint, _encode_labels(item.labels), asks=True))
            if alert is None:
                ignored += not complaint
            elif alert.alertname == labels.WATCHDOG:
                watchdog = watchdog or alert.firing
                rules_digest = alert.annotations.get(labels.POLICY_DIGEST, "")
            else:
                alerts.append(alert)
        return Batch(
            feed=feed,
            alerts=tuple(alerts),
            malformed=odd.malformed(),
            more_malformed=odd.more,
            ignored=ignored,
            watchdog=watchdog,
            rules_digest=rules_digest,
            left_out=left_out,
        )

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
        if feed is Feed.NOTIFICATIONS:
            end = End(ends_at, fires=_says_firing(wire.status))
        elif alertname == labels.WATCHDOG:
            end = End(ends_at, fires=ends_at is None or ends_at > now)
        else:
            end = self._prometheus.read(ends_at, now)
        return Alert(
            feed=feed,
            firing=end.fires,
            alertname=alertname,
            risk_id=key_of(risk_id),
            tier=key_of(names.get(labels.TIER, "")),
            severity=_SEVERITIES.get(names.get(labels.SEVERITY, ""), self._default_severity),
            category=_CATEGORIES.get(names.get(labels.CATEGORY, "")),
            action=names.get(labels.ACTION, ""),
            starts_at=_utc(wire.starts_at) or now,
            ends_at=end.at,
            labels=names,
            annotations=wire.annotations,
            is_certain=end.is_certain,
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


def _left_out(webhook: _Webhook) -> Malformed:
    """Alertmanager cuts by the order of labels, so what is missing may be the worst.

    It says no more than how many. What they are the alert feed knows, from which people are told.
    """
    return Malformed(
        f"{webhook.truncated} of the alerts of a notification, which Alertmanager left out: "
        "max_alerts has to be 0 in its configuration, as it is in the generated one",
        f"truncatedAlerts for receiver {webhook.receiver}".encode(
            "utf-8", "replace"
        ),  # the same each time
        asks=True,
    )


def _at_once(text: bytes) -> list[_WireAlert] | None:
    """A list of alerts all of which can be read; None if each is to be looked at on its own."""
    if text.count(b"{") > _BRACES * MOST_PIECES:
        return None
    try:
        return _decode_list(text)
    except _DECODE_ERRORS:
        return None


def _each(
    pieces: Iterable[bytes], whole: bytes, *, broken: bool = False
) -> Iterator[_WireAlert | Malformed]:
    """Every piece; and if any is broken, the alerts that it has taken for a part of itself.

    An open text turns all that follows inside out: where the pieces are cut means nothing then.
    """
    read: set[bytes] = set()
    for piece in pieces:
        try:
            yield _decode_alert(piece)
        except _DECODE_ERRORS as error:
            broken = True
            yield unreadable(f"not an alert: {error}", piece)
        else:
            read.add(piece)
    if broken:
        for piece in islice(beginnings(whole), MOST_PIECES):
            if piece not in read:
                with suppress(*_DECODE_ERRORS):
                    yield _decode_alert(piece)


def _utc(at: datetime | None) -> datetime | None:
    """A time in UTC; None for Go's zero time, which stands for "not set"."""
    if at is None or at.year <= 1:
        return None
    try:
        return at.astimezone(UTC)
    except OverflowError as error:
        raise _UnreadableError(f"{at.isoformat()} is no usable time") from error


def _says_firing(status: str | None) -> bool:
    if status not in ("firing", "resolved"):
        raise _UnreadableError(f"status is {status!r} instead of 'firing' or 'resolved'")
    return status == "firing"
