"""What Prometheus and Alertmanager write about themselves and about alerts, as far as it is read.

Nobody here exports it. It stands in the catalogue all the same, so that no name of it is written
anywhere else.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.metrics.metric import Metric
from risk_policy.contracts import alert as labels

_TARGET: Final = ("job", "instance")
UP: Final = Metric(
    "up", "Whether the latest scrape of a target worked.", _TARGET, component="prometheus"
)
SCRAPE_DURATION: Final = Metric(
    "scrape_duration_seconds",
    "How long the latest scrape of a target took.",
    _TARGET,
    component="prometheus",
)
RULE_DURATION: Final = Metric(
    "prometheus_rule_group_last_duration_seconds",
    "How long the latest evaluation of a group of rules took.",
    ("rule_group",),
    component="prometheus",
)
RULE_FAILURES: Final = Metric(
    "prometheus_rule_evaluation_failures_total",
    "Failed rule evaluations.",
    ("rule_group",),
    kind="counter",
    component="prometheus",
)
RULE_MISSED: Final = Metric(
    "prometheus_rule_group_iterations_missed_total",
    "Missed evaluations.",
    ("rule_group",),
    kind="counter",
    component="prometheus",
)
PROMETHEUS_RELOADED: Final = Metric(
    "prometheus_config_last_reload_successful",
    "Whether the latest reload worked.",
    ("job",),
    component="prometheus",
)
ALERTMANAGER_RELOADED: Final = Metric(
    "alertmanager_config_last_reload_successful",
    "Whether the latest reload worked.",
    ("job",),
    component="prometheus",
)
UNDELIVERED: Final = Metric(
    "prometheus_notifications_errors_total",
    "Failed deliveries of alerts.",
    ("alertmanager",),
    kind="counter",
    component="prometheus",
)
DELIVERED: Final = Metric(
    "prometheus_notifications_sent_total",
    "Alerts handed to an Alertmanager, or to the alert feed.",
    ("alertmanager",),
    kind="counter",
    component="prometheus",
)
#: Written by Prometheus about alerts, recorded as what rules record is.
ALERTS: Final = Metric(
    "ALERTS",
    "Alerts that are pending or firing; always 1.",
    (
        labels.ALERTNAME,
        "alertstate",
        labels.SEVERITY,
        labels.CATEGORY,
        labels.LIMIT,
        labels.TIER,
        labels.RISK_ID,
        labels.ESCALATION,
        "account",
    ),
    component="rules",
)

#: By name.
FOREIGN: Final[dict[str, Metric]] = {
    metric.name: metric for metric in list(globals().values()) if isinstance(metric, Metric)
}
