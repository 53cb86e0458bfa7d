"""What is wrong with the reports that the policy asks for."""

from __future__ import annotations

from collections.abc import Iterator

from risk_policy.errors import Problem
from risk_policy.model.names import CHANNELS
from risk_policy.values import Values

_REPORTS = "alerting.reports."


def report_problems(values: Values) -> Iterator[Problem]:
    """Reports that nobody would get, although somebody is named."""
    if values.get(_REPORTS + "enabled") is not True:
        return
    for name in ("kinds", "formats"):
        if not values.get(_REPORTS + name):
            yield Problem(
                _REPORTS + name,
                "[]",
                f"asks for reports and names none; name some, or set {_REPORTS}enabled = false",
            )
    listed = values.get(_REPORTS + "channels")
    # What is no name at all has a problem of its own.
    names = listed if isinstance(listed, list | tuple) else ()
    for channel in dict.fromkeys(name for name in names if isinstance(name, str)):
        if channel in CHANNELS and not values.get(f"alerting.channels.{channel}.enabled"):
            yield Problem(
                _REPORTS + "channels",
                repr(channel),
                f"is not enabled and would tell nobody; set alerting.channels.{channel}.enabled = "
                "true, or take it off the list",
            )
