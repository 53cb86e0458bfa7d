"""Who comes in, who was refused, what looked suspicious, and how old secrets are."""

from __future__ import annotations

from risk_grafana.dashboards.parts import (
    NONE_IS_GOOD,
    SOME_IS_NOTICE,
    USAGE,
    figure,
    in_console,
    lines,
)
from risk_grafana.panel import Dashboard, Panel, Query, Row, Shape
from risk_grafana.promql import RATE, Expression, increase, series, zero_with
from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue import system


def _age() -> Expression:
    return series(m.SECRET_AGE).by("max", "secret")


def _may_become() -> Expression:
    return series(m.SECRET_ROTATE_AFTER).by("min", "secret")


def security(_: Policy) -> Dashboard:
    """The dashboard under a policy."""
    overdue = (_age() / _may_become()).above(1).by("count")
    unknown = _may_become().without(_age(), "secret").by("count")
    none = zero_with(m.SECRET_ROTATE_AFTER)
    return Dashboard(
        "security",
        "Riskwarden / Security",
        "Who logs in, who was refused, what looked like an attack and which addresses are not "
        "listened to, and how old every secret is against how old it may become.",
        (
            Row(
                "Now",
                (
                    figure("Logged in", m.SESSIONS.help, series(m.SESSIONS).by("sum")),
                    figure(
                        "Log-ins that failed",
                        "Wrong passwords and codes, and tries while somebody had to wait, in this "
                        "range.",
                        increase(m.LOGINS, outcome=("failed", "locked")).by("sum"),
                        steps=SOME_IS_NOTICE,
                    ),
                    figure(
                        "Suspicious events",
                        "Of every kind, in this range.",
                        increase(m.SECURITY_EVENTS).by("sum"),
                        steps=SOME_IS_NOTICE,
                    ),
                    in_console(
                        figure(
                            "Addresses blocked",
                            m.SECURITY_BLOCKED.help,
                            series(m.SECURITY_BLOCKED).by("sum"),
                            steps=NONE_IS_GOOD,
                        )
                    ),
                    figure(
                        "Secrets overdue",
                        "Secrets that are older than the policy lets them become.",
                        overdue | none,
                        steps=NONE_IS_GOOD,
                    ),
                    figure(
                        "Secrets of unknown age",
                        "Secrets in use of which nobody knows when they were changed; "
                        "NAME_ROTATED_AT says it.",
                        unknown | none,
                        steps=SOME_IS_NOTICE,
                    ),
                ),
            ),
            Row(
                "Who comes",
                (
                    lines(
                        "Log-ins",
                        m.LOGINS.help + " Those around each point.",
                        (increase(m.LOGINS, window=RATE).by("sum", "outcome"), "{{outcome}}"),
                        runbooks=(system.SECURITY_ALERTS["login_failed"].name,),
                    ),
                    lines(
                        "Suspicious events",
                        m.SECURITY_EVENTS.help + " Those around each point.",
                        (increase(m.SECURITY_EVENTS, window=RATE).by("sum", "kind"), "{{kind}}"),
                        runbooks=tuple(alert.name for alert in system.SECURITY_ALERTS.values()),
                    ),
                    lines(
                        "Sessions",
                        m.SESSIONS.help,
                        (series(m.SESSIONS).by("sum"), "logged in"),
                    ),
                    lines(
                        "Addresses that nobody listens to",
                        m.SECURITY_BLOCKED.help,
                        (series(m.SECURITY_BLOCKED).by("sum"), "blocked"),
                        runbooks=(system.ADDRESS_BLOCKED.name,),
                    ),
                ),
            ),
            Row(
                "Secrets",
                (
                    Panel(
                        Shape.TABLE,
                        "How old secrets are",
                        "By their names in the policy, against alerting.security.rotation. Where "
                        "there is no age, nobody knows it.",
                        (
                            Query(_age() / _may_become(), "Of what it may be", USAGE),
                            Query(_age(), "Age"),
                            Query(_may_become(), "May become"),
                        ),
                        24,
                        10,
                        runbooks=(system.KEY_OVERDUE.name,),
                    ),
                ),
            ),
        ),
        since="now-24h",
        refresh="30s",
    )
