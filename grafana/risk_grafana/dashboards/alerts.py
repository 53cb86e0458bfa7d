"""What fires, how it escalates, and how long it takes until somebody answers."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import (
    NO_IS_GOOD,
    SOME_IS_NOTICE,
    age,
    figure,
    lines,
    older_than,
    state,
)
from risk_grafana.panel import Colour, Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import RANGE, RATE, clock, increase, quantile, rate, series, zero_with
from risk_grafana.units import Unit
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics.foreign import ALERTS as ALERTS_SERIES
from risk_policy.contracts.alert import WATCHDOG
from risk_policy.vocabulary import Severity

_MINUTE: Final = 60.0
_WORTH_A_LINE: Final = tuple(one.value for one in Severity if one.rank >= Severity.WARNING.rank)
_COLOURS: Final = (Colour.NOTICE, Colour.BAD, Colour.WORST)

#: What fires, one line each; also a part of the overview.
FIRING: Final = Panel(
    Shape.STATES,
    "What fires",
    f"Every alert that fires or fired in this range, warnings and worse, whoever was told of it "
    f"({WATCHDOG} aside). A click leads to its runbook.",
    tuple(
        Query(
            series(ALERTS_SERIES, alertstate="firing", severity=severity)
            .by("max", "alertname", "risk_id")
            .times(number),
            f"{severity} {{{{alertname}}}} {{{{risk_id}}}}",
        )
        for number, severity in enumerate(_WORTH_A_LINE, 1)
    ),
    12,
    12,
    words=dict(enumerate(zip(_WORTH_A_LINE, _COLOURS, strict=True), 1)),
    names_alerts=True,
    in_console=True,
)


def alerts(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    escalation = policy.alerting.escalation.time_based
    return Dashboard(
        "alerts",
        "Riskwarden / Alerts and escalation",
        "What fires and for how long, what nobody has answered yet, how it escalates, and how long "
        "people take. What was acknowledged is marked in every panel.",
        (
            Row(
                "Now",
                (
                    figure(
                        "Open incidents",
                        m.INCIDENTS_OPEN.help,
                        series(m.INCIDENTS_OPEN).by("sum"),
                        steps=SOME_IS_NOTICE,
                    ),
                    figure(
                        "Waiting for an answer",
                        "Breaches that nobody has acknowledged.",
                        series(m.UNACKED_SINCE).by("count") | zero_with(m.THRESHOLD),
                        steps=SOME_IS_NOTICE,
                    ),
                    figure(
                        "The longest wait",
                        "Since when the oldest of them has been waiting.",
                        clock().since(series(m.UNACKED_SINCE).by("min"))
                        | zero_with(m.THRESHOLD, Unit.SECONDS),
                    ),
                    figure(
                        "Time to acknowledge, median",
                        "From the beginning of an incident until somebody first took it on, in "
                        "this range.",
                        quantile(0.5, m.ACK_DELAY, window=RANGE),
                    ),
                    state("Storm", m.STORM.help, series(m.STORM).by("max"), NO_IS_GOOD),
                    figure(
                        "Silences too broad",
                        "Silences that mute more than an acknowledgement may.",
                        series(m.SILENCE_TOO_BROAD).by("sum") | zero_with(m.SILENCES_SEEN),
                        steps=SOME_IS_NOTICE,
                    ),
                ),
            ),
            Row(
                "What fires",
                (
                    FIRING,
                    Panel(
                        Shape.LINES,
                        "Open incidents by severity",
                        m.INCIDENTS_OPEN.help,
                        (
                            Query(
                                series(m.INCIDENTS_OPEN, severity=_WORTH_A_LINE).by(
                                    "sum", "severity"
                                ),
                                "{{severity}}",
                            ),
                        ),
                        12,
                        12,
                        least=0,
                        stacked=True,
                    ),
                ),
            ),
            Row(
                "Breaches",
                (
                    Panel(
                        Shape.TABLE,
                        "Breaches that are not over",
                        "Since when each has lasted, and for how long nobody has answered it; "
                        "empty where somebody has.",
                        (
                            Query(age(m.BREACH_SINCE, "risk_id", "tier"), "Lasts for"),
                            Query(
                                age(m.UNACKED_SINCE, "risk_id", "tier"),
                                "Unanswered for",
                                older_than(_MINUTE * escalation.warning_to_critical_minutes),
                            ),
                        ),
                        12,
                        10,
                        in_console=True,
                    ),
                    Panel(
                        Shape.TABLE,
                        "Acknowledgements",
                        "Which breaches somebody deals with, and for how much longer that holds; "
                        "negative once it is over.",
                        (
                            Query(
                                series(m.ACK_UNTIL).by("max", "risk_id", "tier") - clock(),
                                "Holds for",
                                ((None, Colour.UNKNOWN), (0, Colour.GOOD)),
                            ),
                        ),
                        12,
                        10,
                    ),
                    lines(
                        "Breaches that begin again and again",
                        m.BREACH_EPISODES.help,
                        (
                            series(m.BREACH_EPISODES).by("max", "risk_id", "window").worst(15),
                            "{{risk_id}} in {{window}}",
                        ),
                    ),
                    lines(
                        "Alerts taken in",
                        m.FEED_ALERTS.help,
                        (rate(m.FEED_ALERTS).by("sum", "feed", "outcome"), "{{feed}} {{outcome}}"),
                    ),
                ),
            ),
            Row(
                "Escalation and answers",
                (
                    lines(
                        "What incidents went through",
                        "Beginnings, escalations, acknowledgements and ends that were recorded "
                        "around each point.",
                        (
                            increase(
                                m.AUDIT_RECORDED,
                                window=RATE,
                                event_type=(
                                    "ALERT_CREATED",
                                    "ALERT_ESCALATED",
                                    "ALERT_ACKNOWLEDGED",
                                    "ALERT_RESOLVED",
                                    "ALERT_EXPIRED",
                                ),
                            ).by("sum", "event_type"),
                            "{{event_type}}",
                        ),
                        width=8,
                    ),
                    lines(
                        "Why incidents came to count as worse",
                        m.INCIDENT_ESCALATIONS.help,
                        (
                            increase(m.INCIDENT_ESCALATIONS, window=RATE).by("sum", "escalation"),
                            "{{escalation}}",
                        ),
                        width=8,
                    ),
                    lines(
                        "Time to acknowledge",
                        "Within which half and nineteen in twenty of the incidents were first "
                        "acknowledged, over the range before each point.",
                        (
                            quantile(0.5, m.ACK_DELAY, "severity", window=RANGE),
                            "{{severity}} median",
                        ),
                        (quantile(0.95, m.ACK_DELAY, "severity", window=RANGE), "{{severity}} 95%"),
                        width=8,
                    ),
                ),
            ),
        ),
    )
