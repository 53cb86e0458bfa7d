"""What the rules record. Times are Unix time."""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.metrics.metric import Metric

# -- recorded by the rules -----------------------------------------------------------------
THRESHOLD: Final = Metric(
    "risk_threshold",
    "Threshold of a limit, in the unit of its metric.",
    ("limit", "tier"),
    component="rules",
)

_WATCHED: Final = ("limit", "account", "risk_id")
LIMIT_RAW: Final = Metric(
    "risk:limit_raw",
    "What a limit is judged by: every account, and what is near its mildest threshold; held if "
    "its account is not reported.",
    (*_WATCHED, "held"),
    component="rules",
)
LIMIT_VALUE: Final = Metric(
    "risk:limit_value",
    "The same, held while nobody knows better.",
    _WATCHED,
    component="rules",
)
ACCOUNT_KNOWN: Final = Metric(
    "risk:account_known_until_seconds",
    "Until when an account counts as known without another fresh report, Unix time.",
    ("account", "group"),
    component="rules",
)
BREACH_SINCE: Final = Metric(
    "risk:breach_since_seconds",
    "When a breach began that is not over, Unix time.",
    (*_WATCHED, "tier"),
    component="rules",
)
HELD_UNTIL: Final = Metric(
    "risk:held_until_seconds",
    "Until when a breach is held by its cooldown, Unix time.",
    (*_WATCHED, "tier"),
    component="rules",
)
UNACKED_SINCE: Final = Metric(
    "risk:unacked_since_seconds",
    "Since when a breach has been waiting for an acknowledgement, Unix time.",
    (*_WATCHED, "tier"),
    component="rules",
)
BREACH_EPISODES: Final = Metric(
    "risk:breach_episodes",
    "How often a breach began within a window.",
    (*_WATCHED, "tier", "window"),
    component="rules",
)
TREND_VALUE: Final = Metric(
    "risk:trend_value",
    "A limit's value with the sign that makes rising dangerous.",
    _WATCHED,
    component="rules",
)
TREND_RATE: Final = Metric(
    "risk:trend_rate",
    "How fast a value that keeps getting worse does so, per second.",
    _WATCHED,
    component="rules",
)
