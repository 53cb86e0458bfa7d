"""How the parts run together: Prometheus, routing, kill switch, gate, endpoints, tokens."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from risk_policy.environment import Secret
from risk_policy.model.base import (
    Count,
    Days,
    Endpoint,
    Minutes,
    PositiveSeconds,
    Seconds,
    Section,
)
from risk_policy.vocabulary import KillMode, Severity


class Prometheus(Section):
    """``[alerting.prometheus]``.

    Attributes:
        scrape_interval_seconds: how often the exporter is scraped.
        evaluation_interval_seconds: how often the rules are evaluated.
        resend_delay_seconds: how often a firing alert is repeated to the alert feed.
        feed_timeout_seconds: after which a hung receivers service is given up for this batch.
        retention_days: how long Prometheus keeps samples.
    """

    scrape_interval_seconds: PositiveSeconds = 1
    evaluation_interval_seconds: PositiveSeconds = 1
    resend_delay_seconds: PositiveSeconds = 3
    feed_timeout_seconds: PositiveSeconds = 1
    retention_days: Days = 15


class Confirmation(Section):
    """``[alerting.confirmation]``: how long a breach must last before an alert of a tier fires."""

    warning_seconds: Seconds = 0
    critical_seconds: Seconds = 0
    emergency_seconds: Seconds = 0


class Route(Section):
    """Pace of the messages of one severity."""

    group_wait_seconds: Seconds
    group_interval_seconds: PositiveSeconds
    repeat_interval_seconds: PositiveSeconds


class Routing(Section):
    """``[alerting.routing.*]``: pace per severity."""

    debug: Route = Route(
        group_wait_seconds=5, group_interval_seconds=30, repeat_interval_seconds=60
    )
    info: Route = Route(
        group_wait_seconds=5, group_interval_seconds=30, repeat_interval_seconds=3600
    )
    warning: Route = Route(
        group_wait_seconds=1, group_interval_seconds=10, repeat_interval_seconds=300
    )
    critical: Route = Route(
        group_wait_seconds=0, group_interval_seconds=5, repeat_interval_seconds=300
    )
    emergency: Route = Route(
        group_wait_seconds=0, group_interval_seconds=5, repeat_interval_seconds=60
    )

    def of(self, severity: Severity) -> Route:
        """The pace of a severity."""
        route: Route = getattr(self, severity.value)
        return route


class System(Section):
    """``[alerting.system]``: when the risk layer complains about itself."""

    exporter_down_seconds: Seconds = 5
    receivers_down_seconds: Seconds = 5
    snapshot_stale_seconds: PositiveSeconds = 10
    policy_drift_seconds: Seconds = 30


class KillSwitch(Section):
    """``[alerting.kill_switch]``: what an automatic trip does."""

    mode: KillMode = KillMode.IMMEDIATE
    graceful_timeout_minutes: Minutes = 30


class Gate(Section):
    """``[alerting.gate]``: how long new risk stays allowed without a sign of life."""

    lease_seconds: PositiveSeconds = 3
    renew_seconds: PositiveSeconds = 0.5


class Intake(Section):
    """``[alerting.intake]``: bounds of what the feeds take in."""

    max_body_mib: Annotated[float, Field(gt=0, le=1024)] = 16
    commit_batch: Count = 500
    queue_depth: Count = 10_000


class Endpoints(Section):
    """``[alerting.endpoints]``: where everything listens."""

    exporter: Endpoint = "127.0.0.1:9464"
    receivers: Endpoint = "127.0.0.1:9465"
    prometheus: Endpoint = "127.0.0.1:9490"
    alertmanager: Endpoint = "127.0.0.1:9493"


class Auth(Section):
    """``[alerting.auth]``: bearer tokens between the parts."""

    alert_feed_token: Secret = Secret("${RISKWARDEN_ALERT_FEED_TOKEN}")
    notification_feed_token: Secret = Secret("${RISKWARDEN_NOTIFICATION_FEED_TOKEN}")
    snapshot_token: Secret = Secret("${RISKWARDEN_SNAPSHOT_TOKEN}")
    runtime_token: Secret = Secret("${RISKWARDEN_RUNTIME_TOKEN}")
    operator_token: Secret = Secret("${RISKWARDEN_OPERATOR_TOKEN}")


class Runbooks(Section):
    """``[alerting.runbooks]``: ``base_url`` plus the alert's name is its runbook."""

    base_url: Annotated[str, Field(pattern=r"^https?://[^\s]+/$")] = (
        "http://127.0.0.1:9465/runbooks/"
    )
