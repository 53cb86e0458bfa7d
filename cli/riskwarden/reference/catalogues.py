"""Every alert and every metric there is."""

from __future__ import annotations

from typing import Final

from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit
from risk_policy.catalogue.metrics import METRICS, Metric
from risk_policy.catalogue.metrics.foreign import FOREIGN
from risk_policy.catalogue.runbooks import ACTION_WORDS
from risk_policy.catalogue.system import SYSTEM_ALERTS, SystemAlert
from risk_policy.contracts import limit_alert
from risk_policy.quantities import shown
from risk_policy.vocabulary import Layer
from riskwarden.reference.pages import page, table

_PARTS: Final = {
    "exporter": "Of the exporter",
    "receivers": "Of the receivers",
    "rules": "Recorded by the rules",
    "prometheus": "Of Prometheus and Alertmanager, as far as it is read",
}


def alerts(policy: Policy) -> str:
    """The page of alerts, by layer."""
    blocks = [
        "# Every alert",
        (
            "Each name leads to its runbook, which says what the system does, too. "
            "`riskwarden rules explain NAME` says how it stands now."
        ),
    ]
    head = (
        "alert",
        "severity",
        "fires",
        "clears",
        "about",
        "what the system does beyond recording",
    )
    for layer in Layer:
        rows = [
            _of_limit(policy, limit, spec)
            for limit in LIMITS
            for spec in limit.alerts
            if limit.layer is layer
        ]
        rows += [_of_system(policy, alert) for alert in SYSTEM_ALERTS if alert.layer is layer]
        if rows:
            blocks += [f"## {layer.value.replace('_', ' ').capitalize()}", table(head, rows)]
    return page(policy, blocks)


def metrics(policy: Policy) -> str:
    """The page of metrics, by who publishes them."""
    blocks = [
        "# Every metric",
        (
            "Base units: ratios and not percent, seconds, Unix time. Amounts of money are in the "
            "account's own currency. `risk_id` names a limit and what it is about in one."
        ),
    ]
    every = [*METRICS.values(), *FOREIGN.values()]
    shared = ("policy_info", "unexpected_errors", "disk_free")
    for component, title in _PARTS.items():
        rows = [_of_metric(each) for each in every if each.component == component]
        blocks += [f"## {title}", table(("metric", "type", "labels", "what it is"), rows)]
    listed = ", ".join(f"`{each.name}`" for each in every if _is_shared(each, shared))
    blocks.append(f"{listed} are published by every component, each with its own `component`.")
    return page(policy, blocks)


def _is_shared(metric: Metric, names: tuple[str, ...]) -> bool:
    return any(metric.name.startswith(f"risk_{name}") for name in names)


def _of_limit(policy: Policy, limit: Limit, spec: AlertSpec) -> tuple[str, ...]:
    kind = limit.unit.kind
    return (
        _link(spec.name),
        spec.severity.value,
        (
            f"`{limit.metric.name}` {limit.operator} "
            f"{shown(kind, limit_alert.bound(policy, limit, spec))}"
        ),
        shown(kind, limit_alert.clear_level(policy, limit, spec)),
        ", ".join(limit.identity),
        ACTION_WORDS[spec.action],
    )


def _of_system(policy: Policy, alert: SystemAlert) -> tuple[str, ...]:
    wait = f", for {policy.number(alert.duration):g} s" if alert.duration else ""
    return (
        _link(alert.name),
        alert.severity.value,
        alert.summary.replace("{subject}", "…") + wait,
        "",
        ", ".join(alert.identity),
        ACTION_WORDS[alert.action_under(policy)],
    )


def _of_metric(metric: Metric) -> tuple[str, ...]:
    return (f"`{metric.name}`", metric.kind, ", ".join(metric.labels), metric.help)


def _link(name: str) -> str:
    return f"[{name}](../runbooks/{name}.md)"
