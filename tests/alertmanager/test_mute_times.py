"""Who is not told meanwhile: what a window mutes, and what it never does."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
import quick_yaml

import risk_alertmanager
from risk_policy import InvalidPolicyError, Policy, parse_policy
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.quiet import is_muted
from risk_policy.vocabulary import Category, Layer, Severity

EVERYTHING = """
[alerting.business_hours]
enabled = true
severities = ["debug", "info", "warning", "critical"]
[alerting.mute_times.always]
severities = ["debug", "info", "warning", "critical"]
times = ["00:00-24:00"]
"""


def muted_by(config: dict[str, Any], labels: dict[str, str]) -> list[str]:
    """The windows that an alert is subject to."""
    route = config["route"]
    found: list[str] = []
    while route is not None:
        found = [*route.get("mute_time_intervals", []), *route.get("active_time_intervals", [])]
        matching = (
            child for child in route.get("routes", [])
            if all(_holds(matcher, labels) for matcher in child["matchers"])
        )  # fmt: skip
        route = next(matching, None)
    return found


def _holds(matcher: str, labels: dict[str, str]) -> bool:
    operator = next(one for one in ("!~", "=~", "=") if one in matcher)
    name, _, value = matcher.partition(operator)
    among = labels.get(name, "") in value.strip('"').split("|")
    return not among if operator == "!~" else among


def catalogue() -> Iterator[tuple[dict[str, str], bool]]:
    """Every alert at every severity, and whether it may be muted."""
    specs = [
        (spec.name, limit.category, limit.layer, spec.action) for limit in LIMITS
        for spec in limit.alerts
    ] + [
        (alert.name, alert.category, alert.layer, alert.action) for alert in SYSTEM_ALERTS
    ]  # fmt: skip
    for name, category, layer, action in specs:
        for severity in Severity:
            labels = {"alertname": name, "severity": severity.value, "category": category.value,
                      "layer": layer.value, "action": action.value}  # fmt: skip
            may = (
                severity is not Severity.EMERGENCY
                and category not in (Category.SYSTEM, Category.KILL_SWITCH, Category.SECURITY)
                and not action.trips_kill_switch
            )
            yield labels, may


def test_of_the_whole_catalogue_exactly_what_may_be_muted_is() -> None:
    policy = parse_policy(EVERYTHING.encode(), environ={})
    config = quick_yaml.load(risk_alertmanager.alertmanager_config(policy))
    seen = set()
    for labels, may in catalogue():
        expected = ["mute_always", "business_hours"] if may else []
        assert muted_by(config, labels) == expected, labels
        what = (Severity(labels["severity"]), Category(labels["category"]), labels["action"])
        assert is_muted(policy, *what, datetime.now(UTC)) == may
        seen.add(may)
        if labels["layer"] in (Layer.SYSTEM, Layer.KILL_SWITCH):
            assert not may
    assert seen == {True, False}
    for foreign in ({"alertname": "Bare"}, {"severity": "warning"}, {"severity": "odd"}):
        assert muted_by(config, foreign) == []


def test_a_window_mutes_the_severities_and_categories_it_names() -> None:
    text = """
    [alerting.mute_times.one]
    severities = ["WARNING"]
    categories = ["execution", "position"]
    weekdays = ["saturday"]
    [alerting.mute_times.two]
    severities = ["warning", "critical"]
    categories = ["execution"]
    weekdays = ["sunday"]
    [alerting.mute_times.off]
    enabled = false
    weekdays = ["sunday"]
    """
    config = quick_yaml.load(
        risk_alertmanager.alertmanager_config(parse_policy(text.encode(), environ={}))
    )
    cases = {
        ("warning", "execution"): ["mute_one", "mute_two"],
        ("warning", "position"): ["mute_one"],
        ("warning", "portfolio"): [],
        ("critical", "execution"): ["mute_two"],
        ("critical", "position"): [],
        ("info", "execution"): [],
    }
    for (severity, category), expected in cases.items():
        labels = {"severity": severity, "category": category, "action": "notify"}
        assert muted_by(config, labels) == expected
    assert {one["name"] for one in config["time_intervals"]} == {"mute_one", "mute_two"}


def test_without_windows_nothing_is_muted(policy: Policy) -> None:
    assert "time_interval" not in risk_alertmanager.alertmanager_config(policy)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("severities = ['EMERGENCY']\nweekdays = ['sunday']", "an emergency has to reach people"),
        ("categories = ['system']\nweekdays = ['sunday']", "the risk layer's own trouble"),
        ("categories = ['kill_switch']\nweekdays = ['sunday']", "whatever the kill switch does"),
        ("categories = ['security']\nweekdays = ['sunday']", "intruders"),
        ("", "would mute for ever"),
        ("times = ['9:00-10:00']", "HH:MM-HH:MM"),
        ("times = ['24:00-10:00']", "HH:MM-HH:MM"),
        ("times = ['09:00-24:30']", "HH:MM-HH:MM"),
        ("times = ['09:00-09:00']", "whole days"),
        ("weekdays = ['mon']", "must be one of monday"),
        ("months = ['june:']\nlocation = 'Mars/Olympus'", "no time zone"),
        ("weekdays = ['sunday']\nlocation = '../../etc/passwd'", "no time zone"),
        ("weekdays = ['sunday']\nlocation = 'localtime'", "no time zone"),
        ("weekdays = ['sunday']\nlocation = ''", "no time zone"),
        ("days_of_month = [0]", "must be a day"),
        ("days_of_month = [32]", "from 1 to 31"),
        ("days_of_month = [-31]", "from -28 to -1"),
        ("days_of_month = ['7:1']", "must be a day"),
        ("days_of_month = ['-3:5']", "must be a day"),
        ("days_of_month = [-1]\nlocation = 'Europe/Berlin'", "miscounts the last days of March"),
        ("days_of_month = [28]\ntimes = ['23:00-01:00']", "depends on the year"),
        ("start = 2026-12-05T22:00:00", "write both"),
        ("start = 2026-12-05\nend = 2026-12-06", "a date with a time"),
        ("start = 2026-12-05T22:00:30\nend = 2026-12-06T00:00:00", "whole minute"),
        ("start = 2026-12-05T22:00:00\nend = 2026-12-05T22:00:00", "ends before it begins"),
        ("start = 2026-12-05T22:00:00\nend = 2027-12-05T22:00:00", "longer than 31 days"),
        ("start = 2026-12-05T22:00:00\nend = 2026-12-06T22:00:00\nweekdays = ['sunday']", "once"),
        (
            "start = 2026-03-29T02:30:00\nend = 2026-03-29T06:00:00\nlocation = 'Europe/Berlin'",
            "clocks of Europe/Berlin are changed",
        ),
        ("weekdays = ['sunday']\ncomment = 'x'", "unknown key"),
    ],
)
def test_a_window_that_would_not_do_what_it_says_is_refused(content: str, reason: str) -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(f"[alerting.mute_times.window]\n{content}".encode(), environ={})
    assert any(reason in problem.message for problem in caught.value.problems)
    assert all(
        problem.key.startswith("alerting.mute_times.window") and problem.line
        for problem in caught.value.problems
    )


def test_business_hours_keep_to_the_same_rules() -> None:
    with pytest.raises(InvalidPolicyError, match="an emergency has to reach people"):
        parse_policy(b"[alerting.business_hours]\nseverities = ['emergency']", environ={})


def test_a_window_needs_a_name_that_alertmanager_and_people_can_read() -> None:
    with pytest.raises(InvalidPolicyError, match="nightly_restart"):
        parse_policy(b"[alerting.mute_times.'A b']\nweekdays = ['sunday']", environ={})
