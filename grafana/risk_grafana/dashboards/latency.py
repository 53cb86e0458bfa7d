"""How long it takes from a breach to the gate, stage by stage."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from risk_grafana.dashboards.parts import figure, lines, older_than, watched
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import RANGE, RATE, Expression, increase, quantile, rate, series
from risk_policy import Policy
from risk_policy.catalogue import limits, system
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics.foreign import (
    DELIVERED,
    RULE_DURATION,
    RULE_FAILURES,
    RULE_MISSED,
    SCRAPE_DURATION,
    UNDELIVERED,
)
from risk_policy.contracts.jobs import JOBS

_ACCOUNT: Final = "{{account}}"
_SHARES: Final = ((0.5, "half"), (0.95, "95%"), (0.99, "99%"))
_WHOLE: Final = "breach_to_gate"


def _stage(name: str) -> Iterator[tuple[Expression, str]]:
    for share, legend in _SHARES:
        yield quantile(share, m.STAGE_SECONDS, window=RANGE, stage=name), legend


def latency(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "latency",
        "Riskwarden / Pipeline latency",
        "How long it takes from a breach to the gate, stage by stage: a figure is measured, "
        "scraped, judged by a rule, handed over, recorded, and the gate closes. Then people are "
        "told.",
        (
            Row(
                "From a breach to the gate",
                (
                    figure(
                        "Breach to gate, 99%",
                        "From the evaluation that saw a breach until orders are held back.",
                        quantile(0.99, m.STAGE_SECONDS, window=RANGE, stage=_WHOLE),
                        6,
                        steps=older_than(policy.alerting.reports.objectives.breach_to_gate_seconds),
                    ),
                    figure(
                        "Latest closing of the gate",
                        m.GATE_PUBLISH_SECONDS.help,
                        series(m.GATE_PUBLISH_SECONDS).by("max"),
                        6,
                    ),
                    figure(
                        "Slowest evaluation",
                        RULE_DURATION.help + " The slowest group counts.",
                        series(RULE_DURATION).by("max"),
                        6,
                    ),
                    figure(
                        "Slowest scrape",
                        SCRAPE_DURATION.help + " The slowest part counts.",
                        series(SCRAPE_DURATION, job=tuple(JOBS)).by("max"),
                        6,
                    ),
                    Panel(
                        Shape.BARS,
                        "Stage by stage, 95%",
                        m.STAGE_SECONDS.help,
                        (
                            Query(
                                quantile(0.95, m.STAGE_SECONDS, "stage", window=RANGE), "{{stage}}"
                            ),
                        ),
                        8,
                        least=0,
                    ),
                    lines(
                        "Breach to gate",
                        "Over the range before each point: half, 95% and 99% took no longer.",
                        *_stage(_WHOLE),
                        width=8,
                    ),
                    lines(
                        "Breach to human",
                        "Critical and worse, until a channel that reaches people has confirmed it: "
                        "half, 95% and 99% took no longer, over the range before each point.",
                        *_stage("breach_to_human"),
                        width=8,
                    ),
                ),
            ),
            Row(
                "Measured and scraped",
                (
                    lines(
                        "Age of the figures",
                        m.SNAPSHOT_AGE.help,
                        (series(m.SNAPSHOT_AGE).by("max", "account"), _ACCOUNT),
                        width=8,
                        runbooks=(system.DATA_STALE.name, system.RUNTIME_SILENT.name),
                    ),
                    lines(
                        "Snapshots",
                        m.SNAPSHOTS.help,
                        (rate(m.SNAPSHOTS).by("sum", "account"), _ACCOUNT),
                        width=8,
                    ),
                    lines(
                        "Scrapes",
                        SCRAPE_DURATION.help,
                        (series(SCRAPE_DURATION, job=tuple(JOBS)).by("max", "job"), "{{job}}"),
                        width=8,
                        runbooks=(system.EXPORTER_DOWN.name,),
                    ),
                ),
            ),
            Row(
                "Judged",
                (
                    lines(
                        "Slowest groups of rules",
                        RULE_DURATION.help,
                        (series(RULE_DURATION).by("max", "rule_group").worst(10), "{{rule_group}}"),
                    ),
                    lines(
                        "Rules that failed or were missed",
                        "Failed evaluations of rules, and evaluations that did not take place "
                        "because the one before had not ended.",
                        (increase(RULE_FAILURES, window=RATE).by("sum"), "failed"),
                        (increase(RULE_MISSED, window=RATE).by("sum"), "missed"),
                        runbooks=(system.RULES_FAILING.name, system.RULES_LATE.name),
                    ),
                ),
            ),
            Row(
                "Handed over and recorded",
                (
                    lines(
                        "Evaluation to receipt",
                        "From the evaluation until the receivers have the request: half, 95% and "
                        "99% took no longer, over the range before each point.",
                        *_stage("evaluation_to_receipt"),
                        width=8,
                    ),
                    lines(
                        "Receipt to record",
                        "Until it is on record and the gate does what it asks for: half, 95% and "
                        "99% took no longer, over the range before each point.",
                        *_stage("receipt_to_record"),
                        width=8,
                    ),
                    lines(
                        "Requests to the feeds",
                        m.FEED_REQUESTS.help,
                        (rate(m.FEED_REQUESTS).by("sum", "feed", "code"), "{{feed}} {{code}}"),
                        width=8,
                    ),
                    lines(
                        "Alerts handed over",
                        "Alerts that Prometheus handed to Alertmanager and to the alert feed, and "
                        "those that it could not.",
                        (rate(DELIVERED).by("sum", "alertmanager"), "{{alertmanager}}"),
                        (rate(UNDELIVERED).by("sum", "alertmanager"), "{{alertmanager}} failed"),
                        width=24,
                        runbooks=(system.ALERTS_UNDELIVERED.name,),
                    ),
                ),
            ),
            Row(
                "Data, signals and orders of the trading runtime",
                (
                    watched(limits.WEBSOCKET_LAG, "{{account}} {{venue}}", 8),
                    watched(limits.ORDER_PLACEMENT, "{{account}} {{venue}}", 8),
                    watched(limits.ORDER_FILL, "{{account}} {{venue}}", 8),
                    watched(limits.INFERENCE_P95, _ACCOUNT),
                    watched(limits.INFERENCE_P99, _ACCOUNT),
                ),
            ),
        ),
        refresh="10s",
    )
