"""Routes, receivers and mute times of Alertmanager through which people hear too little.

Whom a route would tell is tried with every alert that the rules can raise, and with any other
that says no more than a severity, a category and an action.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_policy.contracts import alert as labels
from risk_policy.vocabulary import Severity
from risk_rules.lint.alerts import Alert, foreign_alerts, shown
from risk_rules.lint.config import Config, Route
from risk_rules.lint.finding import Finding, Level
from risk_rules.lint.inhibition import Report

#: A notification about one of these must never wait for, or hide in, one about another.
_APART: Final = (labels.RISK_ID, labels.TIER, labels.SEVERITY)
_ALL: Final = "..."
_ROUTING: Final = "alerting.routing"
_MUTE_TIMES: Final = "alerting.mute_times"
_BUSINESS_HOURS: Final = "business_hours"
_SHOWN: Final = 3

#: Where alerts may end, and whether all alerts of that rule do.
_Endings = list[tuple[Alert, list[tuple[Route, bool]]]]


def check(config: Config, alerts: tuple[Alert, ...], report: Report) -> Iterator[Finding]:
    """Everything about one configuration."""
    endings: _Endings = [(alert, list(config.root.reached_by(alert))) for alert in alerts]
    yield from _grouping(config, endings, alerts, report)
    yield from _windows(config, endings, report)
    yield from _receivers(config, endings, report)
    if alerts:
        yield from _unreached(config, alerts, report)


def _grouping(
    config: Config, endings: _Endings, alerts: tuple[Alert, ...], report: Report
) -> Iterator[Finding]:
    carried = {name for each in alerts for name in (*each.known, *(each.carried or ()))}
    unclear = not alerts or any(each.carried is None for each in alerts)
    for route in config.root.walk():
        missing = _missing(route)
        if not route.groups_itself:
            continue
        if missing and not _told_elsewhere(route, endings):
            yield report(
                f"a route groups by {', '.join(route.group_by) or 'nothing'}: what differs by "
                f"{', '.join(missing)} waits for group_interval inside the same message",
                f"group by {', '.join(_APART)}",
                route.line,
                Level.ERROR,
                _key(route),
            )
        for name in route.group_by:
            if name not in carried and name != _ALL and not unclear:
                yield report(
                    f"a route groups by {name}, which no alert carries",
                    "group by labels of the alerts, or leave it out",
                    route.line,
                    Level.WARNING,
                    _key(route),
                )


def _told_elsewhere(route: Route, endings: _Endings) -> bool:
    """Whether all that ends here is told apart by another route as well."""
    here = [found for _, found in endings if any(one is route for one, _ in found)]
    return bool(here) and all(
        any(one is not route and sure and not _missing(one) for one, sure in found)
        for found in here
    )


def _missing(route: Route) -> list[str]:
    return [name for name in _APART if name not in route.group_by and _ALL not in route.group_by]


def _windows(config: Config, endings: _Endings, report: Report) -> Iterator[Finding]:
    used: set[str] = set()
    for route in config.root.walk():
        used.update(route.windows)
        for name in route.windows:
            if name not in config.windows:
                yield report(
                    f"route {route.text} names time interval {name}, which is not defined: "
                    "Alertmanager refuses the configuration",
                    f"define {name} under time_intervals, or take it from the route",
                    route.line,
                    Level.ERROR,
                    _window_key(name),
                )
        muted = [
            alert for alert, found in endings
            if alert.is_never_muted and any(one is route for one, _ in found)
        ]  # fmt: skip
        if route.windows and muted:
            # What trips the kill switch comes first.
            muted.sort(key=lambda alert: (not alert.trips, not alert.acts))
            yield report(
                f"route {route.text} is muted at times ({', '.join(route.windows)}), and "
                f"{shown(muted, _SHOWN)} may end there: people would not hear of it",
                "let only categories that can be muted come to a route that is, and none of "
                "severity emergency or that trips the kill switch",
                route.line,
                Level.ERROR,
                _window_key(route.windows[0]),
            )
    for name, line in config.windows.items():
        if name not in used:
            yield report(
                f"time interval {name} mutes nothing, as no route names it",
                "name it as mute_time_intervals or active_time_intervals of a route, or remove it",
                line,
                Level.WARNING,
                _window_key(name),
            )


def _receivers(config: Config, endings: _Endings, report: Report) -> Iterator[Finding]:
    named = {route.receiver for route in config.root.walk()}
    for receiver in config.receivers:
        if receiver.most_alerts:
            yield report(
                f"receiver {receiver.name} takes {receiver.most_alerts} alerts at most, "
                "cut by label order: the emergency may be among what is cut",
                "set max_alerts to 0",
                receiver.line,
            )
        if receiver.name not in named:
            yield report(
                f"receiver {receiver.name} is told nothing, as no route leads to it",
                "lead a route to it, or remove it",
                receiver.line,
                Level.WARNING,
                _ROUTING,
            )
    dead = {receiver.name: receiver.line for receiver in config.receivers
            if not receiver.integrations}  # fmt: skip
    for name, line in dead.items():
        lost = [
            alert for alert, found in endings
            if (alert.acts or alert.is_never_muted)
            and alert.severity not in (Severity.DEBUG, Severity.INFO)
            and found and all(route.receiver in dead for route, _ in found)
            and any(route.receiver == name for route, _ in found)
        ]  # fmt: skip
        if lost:
            lost.sort(key=lambda alert: (not alert.trips, not alert.acts))
            yield report(
                f"receiver {name} tells nobody, and {shown(lost, _SHOWN)} may end there and "
                "nowhere else",
                "give it a channel, or lead a route to one that has",
                line,
                Level.ERROR,
                _ROUTING,
            )


def _unreached(config: Config, alerts: tuple[Alert, ...], report: Report) -> Iterator[Finding]:
    everything = (*alerts, *foreign_alerts())
    visited = {id(route) for each in everything for route in config.root.visited_by(each)}
    yield from _below(config.root, visited, everything, report)


def _below(
    route: Route, visited: set[int], alerts: tuple[Alert, ...], report: Report
) -> Iterator[Finding]:
    for child in route.children:
        if id(child) in visited:
            yield from _below(child, visited, alerts, report)
            continue
        would = [each for each in alerts if each.may_pass(child.matchers)]
        yield report(
            f"route {child.text} can never match: "
            + ("a route before it takes all that would" if would else "no alert has such labels"),
            "put it before that route, or let that one continue" if would
            else "mend its matchers, or remove it",
            child.line,
            Level.ERROR,
            _key(child),
        )  # fmt: skip


def _key(route: Route) -> str:
    for each in route.matchers:
        if each.name == labels.SEVERITY and each.value in set(Severity):
            return f"{_ROUTING}.{each.value}"
    return _ROUTING


def _window_key(name: str) -> str:
    if name == _BUSINESS_HOURS:
        return f"alerting.{_BUSINESS_HOURS}"
    return f"{_MUTE_TIMES}.{name.removeprefix('mute_')}"
