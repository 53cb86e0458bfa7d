"""Reports: when they are written and for whom, and what they measure service by."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal

from pydantic import AfterValidator

from risk_policy.model.base import AtMost, Days, Minutes, Seconds, Section, SmallPercent, Switch
from risk_policy.model.mute_times import Zone
from risk_policy.model.names import OtherChannel

_TIME: Final = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


def _time(text: str) -> str:
    if not _TIME.fullmatch(text):
        raise ValueError('must be "HH:MM", e.g. "06:00"')
    return text


#: A time of the day.
TimeOfDay = Annotated[str, AfterValidator(_time)]
Weekday = Literal["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"]
ReportName = Literal["daily", "weekly", "sla", "compliance"]
ReportFormat = Literal["markdown", "html", "pdf"]
_ObjectiveSeconds = Annotated[
    Seconds, AtMost(86_400, "what takes a day is no service that anybody could promise")
]
_ObjectiveMinutes = Annotated[
    Minutes, AtMost(1440, "what takes a day is no service that anybody could promise")
]


class Objectives(Section):
    """``[alerting.reports.objectives]``: what is promised of each measure."""

    within_pct: SmallPercent = 95
    breach_to_human_seconds: _ObjectiveSeconds = 60
    breach_to_gate_seconds: _ObjectiveSeconds = 2
    acknowledge_minutes: _ObjectiveMinutes = 15
    delivery_success_pct: SmallPercent = 99.9
    uptime_pct: SmallPercent = 99.9


class Reports(Section):
    """``[alerting.reports]``; ``path`` is relative to the data folder.

    Attributes:
        enabled: whether the receivers write them by themselves.
        kinds: daily; weekly and SLA on ``weekly_on``; compliance on the first of the month.
        channels: who is told, whatever their ``min_severity``; none: whoever lets INFO through.
    """

    enabled: Switch = False
    kinds: tuple[ReportName, ...] = ("daily", "weekly", "sla", "compliance")
    location: Zone = "UTC"
    at: TimeOfDay = "06:00"
    weekly_on: Weekday = "monday"
    formats: tuple[ReportFormat, ...] = ("html",)
    path: str = "reports/"
    keep_days: Days = 400
    channels: tuple[OtherChannel, ...] = ()
    objectives: Objectives = Objectives()
