"""Alerts, what is on record about them, and silences."""

from __future__ import annotations

from typing_extensions import TypedDict

from risk_receivers.shapes.audit import Event
from risk_receivers.shapes.base import WHOLE, Texts, Time


@WHOLE
class Acknowledged(TypedDict):
    """Who has taken an alert on, and until when."""

    until: Time
    author: str
    comment: str


@WHOLE
class Alert(TypedDict):
    """An incident: one alert and what it is about, from its first firing to its end.

    ``state`` is CREATED, DISPATCHED, RESOLVED or EXPIRED as it is kept, ACKNOWLEDGED while an
    acknowledgement of an open one holds, ESCALATED while an open one counts as worse than its tier.
    ``category`` is null for an alert that says none, or one that there is not.
    """

    id: str
    risk_id: str
    tier: str
    episode: int
    state: str
    alertname: str
    severity: str
    category: str | None
    action: str
    starts_at: Time
    ends_at: Time | None
    last_seen_at: Time
    dispatched: bool
    created_at: Time
    labels: Texts
    annotations: Texts
    acknowledged: Acknowledged | None


@WHOLE
class Alerts(TypedDict):
    """A page of alerts, the latest first; ``next`` is what to ask ``before`` of, if more follow."""

    alerts: list[Alert]
    next: str | None


@WHOLE
class OpenAlerts(TypedDict):
    """The first of all that are open, and how many of each severity there are.

    First are those that nobody has acknowledged, of these the worst, of these the latest.
    ``waiting`` and ``acknowledged`` count all that are open, whether they are listed or not; what
    there is none of is left out.
    """

    alerts: list[Alert]
    waiting: dict[str, int]
    acknowledged: dict[str, int]


@WHOLE
class AlertStatistics(TypedDict):
    """Of the alerts that began in ``[since, until)``; names are the 20 most frequent.

    ``by_state`` is as the states are kept; in ``by_category``, "none" are those of no category, if
    there are any. Seconds are from an alert's beginning to its first
    acknowledgement, of those that were acknowledged; null if none was.
    """

    since: Time
    until: Time
    total: int
    by_severity: dict[str, int]
    by_category: dict[str, int]
    by_state: dict[str, int]
    by_alertname: dict[str, int]
    acknowledged: int
    median_seconds_to_acknowledge: float | None
    longest_seconds_to_acknowledge: float | None


@WHOLE
class Silence(TypedDict):
    """A silence of Alertmanager as it is mirrored on record, an acknowledgement or another."""

    id: str
    standing: str
    is_acknowledgement: bool
    incident: str | None
    risk_id: str | None
    tiers: list[str]
    matchers: list[str]
    author: str
    comment: str
    starts_at: Time
    until: Time
    extended_until: Time | None
    ended_at: Time | None
    too_broad: list[str]


@WHOLE
class Given(Silence):
    """An acknowledgement that was given, and what it keeps quiet."""

    covers: list[str]
    does_not_cover: list[str]


@WHOLE
class TakenBack(TypedDict):
    """The silences that ended."""

    incident: str
    ended: list[str]


@WHOLE
class SilenceEnded(TypedDict):
    """The id of the silence that is over."""

    ended: str


@WHOLE
class Silences(TypedDict):
    """Silences, acknowledgements among them."""

    silences: list[Silence]


@WHOLE
class Timeline(TypedDict):
    """What is on record about an alert, the oldest first.

    Not ``complete`` means that there are records beyond ``searched_to`` that nobody looked at:
    ask again with ``after_seq`` of that.
    """

    events: list[Event]
    searched_to: int
    complete: bool


@WHOLE
class AlertInFull(TypedDict):
    """An alert and its timeline."""

    alert: Alert
    timeline: Timeline
