"""``prometheus.yml``: what is scraped, which rules run, and the two feeds.

Alerts go to Alertmanager, for people, and straight to the receivers, for the machine. Both
get the same short timeout: older Prometheus sends a batch to all of them and waits for the
slowest, so a hung Alertmanager could hold back the kill switch as well as the other way
round. What a timeout cuts off is sent again after the resend delay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from risk_policy.contracts.artefact import (
    ALERT_FEED_TOKEN,
    duration,
    token_file,
    where_tokens_are,
)
from risk_policy.contracts.document import render
from risk_policy.contracts.jobs import (
    ALERTMANAGER_JOB,
    EXPORTER_JOB,
    PROMETHEUS_JOB,
    RECEIVERS_JOB,
    own_scrape_seconds,
)
from risk_policy.model import Policy
from risk_policy.model.stack import Endpoints
from risk_rules.remote_write import remote_write

CONFIG_FILE: Final = "prometheus.yml"
#: Where the rule files are, beside the configuration.
RULES_FOLDER: Final = "rules"

_COMMENT: Final = """
{token_file}{has} to hold the token of the alert feed.
Run Prometheus with --rules.alert.resend-delay={resend_delay}.
"""


def prometheus_config(policy: Policy, endpoints: Endpoints | None = None) -> str:
    """The configuration, for the policy's endpoints or for others.

    Others are those of a stack of its own, in which nobody stands by. Raises ArtefactError or
    RemoteWriteError.
    """
    at = endpoints or policy.alerting.endpoints
    receivers = (at.receivers, *(() if endpoints else policy.alerting.high_availability.peers))
    timing = policy.alerting.prometheus
    own = duration(own_scrape_seconds(policy))
    content: dict[str, Any] = {
        "global": {
            "scrape_interval": duration(timing.scrape_interval_seconds),
            "scrape_timeout": duration(timing.scrape_interval_seconds),
            "evaluation_interval": duration(timing.evaluation_interval_seconds),
        },
        "rule_files": [f"{RULES_FOLDER}/*.yml"],
        "alerting": {"alertmanagers": _feeds(policy, at, receivers)},
        "scrape_configs": [
            _job(EXPORTER_JOB, at.exporter),
            _job(RECEIVERS_JOB, *receivers),
            _job(PROMETHEUS_JOB, at.prometheus, scrape_interval=own),
            _job(ALERTMANAGER_JOB, *_alertmanagers(policy, at), scrape_interval=own),
        ],
    }
    content |= remote_write(policy)
    comment = _COMMENT.strip().format(
        token_file=token_file(policy, ALERT_FEED_TOKEN),
        has=where_tokens_are(policy),
        resend_delay=duration(timing.resend_delay_seconds),
    )
    return render(policy, content, comment)


def _feeds(policy: Policy, at: Endpoints, receivers: Sequence[str]) -> list[dict[str, Any]]:
    common = {
        "scheme": "http",
        "path_prefix": "/",
        "api_version": "v2",
        "timeout": duration(policy.alerting.prometheus.feed_timeout_seconds),
        # A token must never follow a redirect to somebody else.
        "follow_redirects": False,
    }
    people = {**common, **_targets(*_alertmanagers(policy, at))}
    machine = {
        **common,
        "authorization": {
            "type": "Bearer",
            "credentials_file": token_file(policy, ALERT_FEED_TOKEN),
        },
        **_targets(*receivers),
    }
    return [machine, people]


def _alertmanagers(policy: Policy, at: Endpoints) -> tuple[str, ...]:
    return (at.alertmanager, *policy.alerting.prometheus.more_alertmanagers)


def _job(name: str, *endpoints: str, **settings: str) -> dict[str, Any]:
    return {"job_name": name, **settings, **_targets(*endpoints)}


def _targets(*endpoints: str) -> dict[str, Any]:
    return {"static_configs": [{"targets": list(endpoints)}]}
