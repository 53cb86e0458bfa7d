"""What was promised, and what became of it: the policy's objectives as colours and lines."""

from __future__ import annotations

from typing import Final

from risk_grafana.dashboards.parts import at_least, delivered_share, figure, lines
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape, Steps
from risk_grafana.promql import Expression, counted, share_within, within_range
from risk_grafana.units import Unit
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics.foreign import UP
from risk_policy.contracts.jobs import JOBS
from risk_policy.quantities import duration
from risk_policy.vocabulary import Severity

_MINUTE: Final = 60.0
_URGENT: Final = tuple(one.value for one in Severity if one.rank >= Severity.CRITICAL.rank)


def sla(policy: Policy) -> Dashboard:
    """Levels over whichever range is shown, against ``[alerting.reports.objectives]``."""
    wanted = policy.alerting.reports.objectives
    within = at_least(wanted.within_pct / 100)
    gate, human = wanted.breach_to_gate_seconds, wanted.breach_to_human_seconds
    answer = wanted.acknowledge_minutes * _MINUTE
    uptime = within_range("avg", UP, job=tuple(JOBS)).shown_as(Unit.RATIO)
    to_gate = share_within(gate, m.STAGE_SECONDS, stage="breach_to_gate")
    to_human = share_within(human, m.STAGE_SECONDS, stage="breach_to_human")
    answered = share_within(answer, m.ACK_DELAY, severity=_URGENT)
    return Dashboard(
        "sla",
        "Riskwarden / Service levels",
        "What was promised, and what became of it over the range that is shown. Green is kept. "
        "The same from the audit chain, case by case: riskwarden report sla.",
        (
            Row(
                "Promises",
                (
                    figure(
                        f"Breach to gate within {duration(gate)}",
                        "From the evaluation that saw a breach until orders are held back, of the "
                        "cases in this range.",
                        to_gate,
                        6,
                        steps=within,
                    ),
                    figure(
                        f"Breach to human within {duration(human)}",
                        "Critical and worse, until a channel that reaches people has confirmed it, "
                        "of the messages in this range.",
                        to_human,
                        6,
                        steps=within,
                    ),
                    figure(
                        f"Acknowledged within {duration(answer)}",
                        "Critical and worse, of what was acknowledged in this range. What nobody "
                        "has acknowledged is not among the cases; see alerts and escalation.",
                        answered,
                        6,
                        steps=within,
                    ),
                    figure(
                        "Messages delivered",
                        "Of the messages that came to an end in this range; those did not arrive "
                        "that were given up and that no other channel took over.",
                        delivered_share(),
                        6,
                        steps=at_least(wanted.delivery_success_pct / 100),
                    ),
                ),
            ),
            Row(
                "Over time",
                (
                    _course("Breach to gate", to_gate, within),
                    _course("Breach to human", to_human, within),
                    _course("Acknowledged", answered, within),
                    _course(
                        "Messages delivered",
                        delivered_share(),
                        at_least(wanted.delivery_success_pct / 100),
                    ),
                ),
            ),
            Row(
                "Cases",
                (
                    figure(
                        "Breaches that closed the gate",
                        "How many cases the share above is of.",
                        counted(m.STAGE_SECONDS, stage="breach_to_gate"),
                        8,
                    ),
                    figure(
                        "Urgent messages that people got",
                        "How many cases the share above is of.",
                        counted(m.STAGE_SECONDS, stage="breach_to_human"),
                        8,
                    ),
                    figure(
                        "Acknowledgements of what is urgent",
                        "How many cases the share above is of.",
                        counted(m.ACK_DELAY, severity=_URGENT),
                        8,
                    ),
                ),
            ),
            Row(
                "Uptime",
                (
                    Panel(
                        Shape.BARS,
                        "Uptime of each part",
                        "Of the scrapes that there were in this range. While Prometheus itself is "
                        "down there are none.",
                        (Query(uptime.by("min", "job"), "{{job}}"),),
                        12,
                        steps=at_least(wanted.uptime_pct / 100),
                        least=0,
                        most=1,
                    ),
                    lines(
                        "Uptime over the range before each point",
                        "Of the scrapes that there were. Dashed: what is promised.",
                        (uptime.by("min", "job"), "{{job}}"),
                        least=None,
                        most=1,
                        steps=at_least(wanted.uptime_pct / 100),
                    ),
                ),
            ),
        ),
        since="now-24h",
        refresh="1m",
    )


def _course(title: str, share: Expression, steps: Steps) -> Panel:
    return lines(
        title,
        "Over the range before each point, of the cases that there were. Dashed: what is promised.",
        (share, "kept"),
        least=0,
        most=1,
        steps=steps,
    )
