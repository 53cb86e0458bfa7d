"""Who is told how fast: one route per severity, and one for the heartbeat.

All of them lead to the receivers' notification feed, which decides about channels. An alert
of an unknown severity takes the root's pace; none is ever dropped, only told later if the policy
names times for that.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from risk_alertmanager.matchers import equals
from risk_alertmanager.time_intervals import quiet_routes
from risk_policy.contracts import alert as labels
from risk_policy.contracts.artefact import duration
from risk_policy.model import Policy
from risk_policy.model.stack import Route
from risk_policy.vocabulary import Severity

RECEIVER: Final = "riskwarden"
#: A worsening is a group of its own: it waits for group_wait only, never for group_interval.
GROUP_BY: Final = (labels.ALERTNAME, labels.RISK_ID, labels.TIER, labels.SEVERITY)


def route_tree(policy: Policy, first: Iterable[dict[str, Any]] = ()) -> dict[str, Any]:
    """The whole tree; what comes first has to leave every alert to the rest, too."""
    routing = policy.alerting.routing
    return {
        "receiver": RECEIVER,
        "group_by": list(GROUP_BY),
        **_pace(routing.of(policy.alerting.default_severity)),
        "routes": [
            *first,
            {"matchers": [equals(labels.ALERTNAME, labels.WATCHDOG)], **_heartbeat(policy)},
            *(
                _of_severity(policy, severity)
                for severity in sorted(Severity, key=lambda severity: -severity.rank)
            ),
        ],
    }


def _of_severity(policy: Policy, severity: Severity) -> dict[str, Any]:
    quiet = list(quiet_routes(policy, severity))
    return {
        "matchers": [equals(labels.SEVERITY, severity.value)],
        **_pace(policy.alerting.routing.of(severity)),
        **({"routes": quiet} if quiet else {}),
    }


def _pace(route: Route) -> dict[str, str]:
    return {
        "group_wait": duration(route.group_wait_seconds),
        "group_interval": duration(route.group_interval_seconds),
        "repeat_interval": duration(route.repeat_interval_seconds),
    }


def _heartbeat(policy: Policy) -> dict[str, str]:
    """The Watchdog, at the repeat interval of debug alerts, evenly.

    Alertmanager looks at a group once per group_interval and repeats what was *sent* longer
    than repeat_interval ago. Sending takes time, so with equal intervals it misses every other
    beat; half of it as repeat_interval sends at each look.
    """
    pace = policy.alerting.routing.debug
    beat = pace.repeat_interval_seconds
    return {
        "group_wait": duration(pace.group_wait_seconds),
        "group_interval": duration(beat),
        "repeat_interval": duration(round(beat / 2, 3)),
    }
