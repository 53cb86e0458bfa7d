"""Whether the record is whole: growing, signed, intact, kept as long as it has to be."""

from __future__ import annotations

from risk_grafana.dashboards.parts import (
    INTACT,
    NO_IS_GOOD,
    YES_IS_GOOD,
    age,
    figure,
    in_console,
    lines,
    older_than,
    state,
)
from risk_grafana.panel import Colour, Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import Expression, increase, rate, series
from risk_grafana.units import Unit
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system


def _there_were() -> Expression:
    """How many events of each type the range has, of the types of which it has any."""
    return increase(m.AUDIT_RECORDED).by("sum", "event_type").above(0)


def audit(policy: Policy) -> Dashboard:
    """The dashboard under a policy."""
    return Dashboard(
        "audit",
        "Riskwarden / Audit chain",
        "Whether everything is on record, signed and as it was written, and whether there is room "
        "for more. Prometheus remembers the head, so a chain that was cut or rewritten is noticed.",
        (
            Row(
                "Now",
                (
                    in_console(
                        state(
                            "Chain", m.AUDIT_INTACT.help, series(m.AUDIT_INTACT).by("min"), INTACT
                        )
                    ),
                    state(
                        "Recording",
                        m.WRITER_HEALTHY.help,
                        series(m.WRITER_HEALTHY).by("min"),
                        YES_IS_GOOD,
                    ),
                    figure("Events", m.AUDIT_EVENTS.help, series(m.AUDIT_EVENTS).by("max")),
                    figure(
                        "Not signed yet",
                        "Events that no signed checkpoint covers.",
                        (series(m.AUDIT_EVENTS) - series(m.AUDIT_SIGNED)).by("max"),
                    ),
                    figure(
                        "Waiting to be signed",
                        m.AUDIT_UNSIGNED.help,
                        series(m.AUDIT_UNSIGNED).by("max"),
                        steps=older_than(policy.alerting.system.audit_unsigned_seconds),
                    ),
                    state(
                        "Deletion stopped",
                        m.AUDIT_RETENTION_STOPPED.help,
                        series(m.AUDIT_RETENTION_STOPPED).by("max"),
                        NO_IS_GOOD,
                    ),
                ),
            ),
            Row(
                "The chain",
                (
                    Panel(
                        Shape.STATES,
                        "As it was written",
                        m.AUDIT_INTACT.help,
                        (Query(series(m.AUDIT_INTACT).by("min", "instance"), "{{instance}}"),),
                        24,
                        5,
                        words=INTACT,
                        runbooks=(
                            system.CHAIN_BROKEN.name,
                            system.CHAIN_TRUNCATED.name,
                            system.CHAIN_REWRITTEN.name,
                        ),
                    ),
                    lines(
                        "Length",
                        "Events in the chain, and how many of them a signed checkpoint covers. "
                        "Neither ever shrinks.",
                        (series(m.AUDIT_EVENTS).by("max", "instance"), "{{instance}} events"),
                        (series(m.AUDIT_SIGNED).by("max", "instance"), "{{instance}} signed"),
                        least=None,
                    ),
                    lines(
                        "Waiting to be signed",
                        m.AUDIT_UNSIGNED.help,
                        (series(m.AUDIT_UNSIGNED).by("max", "instance"), "{{instance}}"),
                        runbooks=(system.CHAIN_UNSIGNED.name,),
                    ),
                    lines(
                        "Events",
                        m.AUDIT_RECORDED.help + " Those that there were in this range.",
                        (
                            rate(m.AUDIT_RECORDED)
                            .by("sum", "event_type")
                            .where(_there_were(), "event_type"),
                            "{{event_type}}",
                        ),
                    ),
                    Panel(
                        Shape.TABLE,
                        "Events in this range",
                        m.AUDIT_RECORDED.help,
                        (Query(_there_were(), "Events"),),
                        6,
                    ),
                    Panel(
                        Shape.TABLE,
                        "The head, in words",
                        m.AUDIT_HEAD.help + " In hexadecimal digits, without zeros in front; "
                        "word 0 is the end of the root that riskwarden audit says.",
                        (
                            Query(
                                series(m.AUDIT_HEAD)
                                .by("max", "instance", "word")
                                .shown_as(Unit.DIGITS),
                                "Word",
                            ),
                        ),
                        6,
                    ),
                ),
            ),
            Row(
                "The store",
                (
                    lines(
                        "Rows",
                        m.STORE_ROWS.help,
                        (series(m.STORE_ROWS).by("max", "table"), "{{table}}"),
                        width=8,
                    ),
                    lines(
                        "Since rows and payloads were last deleted",
                        "What is over for longer than the policy keeps it, and payloads that are "
                        "due.",
                        (age(m.STORE_PRUNED), "rows"),
                        (age(m.AUDIT_RETAINED), "payloads"),
                        width=8,
                    ),
                    lines(
                        "Free share of the disk",
                        m.DISK_FREE.help,
                        (series(m.DISK_FREE).by("min", "component"), "{{component}}"),
                        width=8,
                        most=1,
                        steps=(
                            (None, Colour.WORST),
                            (policy.alerting.system.disk_free_critical_pct / 100, Colour.NOTICE),
                            (policy.alerting.system.disk_free_warning_pct / 100, Colour.GOOD),
                        ),
                        runbooks=(system.DISK_LOW.name, system.DISK_FULL.name),
                    ),
                ),
            ),
            Row(
                "What nobody had planned for",
                (
                    lines(
                        "Unexpected errors",
                        m.UNEXPECTED_ERRORS.help,
                        (increase(m.UNEXPECTED_ERRORS).by("sum", "component"), "{{component}}"),
                        width=24,
                        runbooks=(system.UNEXPECTED_ERRORS.name,),
                    ),
                ),
            ),
        ),
        since="now-6h",
        refresh="30s",
    )
