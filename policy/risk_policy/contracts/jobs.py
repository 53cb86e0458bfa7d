"""The scrape jobs of the generated ``prometheus.yml``: what they are called, and how often.

A job names a part for good; the part's address may change.
"""

from __future__ import annotations

from typing import Final

from risk_policy.model import Policy

EXPORTER_JOB: Final = "riskwarden-exporter"
RECEIVERS_JOB: Final = "riskwarden-receivers"
PROMETHEUS_JOB: Final = "prometheus"
ALERTMANAGER_JOB: Final = "alertmanager"

#: What people call each of them.
JOBS: Final = {
    EXPORTER_JOB: "exporter",
    RECEIVERS_JOB: "receivers",
    ALERTMANAGER_JOB: "Alertmanager",
    PROMETHEUS_JOB: "Prometheus",
}


def own_scrape_seconds(policy: Policy) -> float:
    """How often Prometheus and Alertmanager themselves are scraped: a tenth as often.

    Never rarer than once a minute, unless everything is: a sample is forgotten after five.
    """
    interval = policy.alerting.prometheus.scrape_interval_seconds
    return max(interval, min(10 * interval, 60.0))
