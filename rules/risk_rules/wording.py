"""What an alert says to people, and how Prometheus prints the numbers in it.

The same functions word the rules, with templates as subject and value, and the generated
tests, with what the templates must have become. So promtool proves every sentence.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import AlertSpec, Limit, Side
from risk_policy.catalogue.system import DATA_STALE, SystemAlert
from risk_policy.contracts.alert import POLICY_DIGEST
from risk_policy.model import Policy
from risk_rules.errors import RulesError
from risk_rules.promql import label

PERCENT_VALUE: Final = "{{ $value | humanizePercentage }}"
DURATION_VALUE: Final = "{{ $value | humanizeDuration }}"

_SIDE_WORDS: Final = {Side.ABOVE: "above", Side.BELOW: "below"}


def subject(identity: tuple[str, ...], values: dict[str, str] | None = None) -> str:
    """What an alert is about, e.g. ``AAPL (account main)``; templates unless values are given."""
    shown = values or {name: f"{{{{ $labels.{label(name)} }}}}" for name in identity}
    *outer, innermost = identity
    around = ", ".join(f"{name} {shown[name]}" for name in outer)
    return f"{shown[innermost]} ({around})" if around else shown[innermost]


def limit_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, about: str, value: str
) -> dict[str, str]:
    """Annotations of one tier of a limit."""
    bound = limit.bound(policy.number(spec.threshold))
    measured = limit.metric.help[:1].lower() + limit.metric.help[1:].rstrip(".")
    description = (
        f"{limit.title} of {about} is {value}, {_SIDE_WORDS[limit.side]} the {spec.tier} "
        f"threshold of {percent(bound)}. Measured: {_plain(measured)}. {_plain(spec.meaning)}"
    )
    return _annotations(policy, spec.name, spec.summary, about, description)


def system_annotations(policy: Policy, alert: SystemAlert) -> dict[str, str]:
    """Annotations of an alert about the risk layer itself."""
    return _annotations(policy, alert.name, alert.summary, "", _plain(alert.meaning))


def stale_annotations(policy: Policy, about: str, age: str) -> dict[str, str]:
    """Annotations of DATA_STALE for an account whose snapshots have stopped."""
    stale = seconds(policy.alerting.system.snapshot_stale_seconds)
    description = (
        f"The latest snapshot of account {about} is {age} old, more than {stale}. "
        f"{_plain(DATA_STALE.meaning)}"
    )
    return _annotations(policy, DATA_STALE.name, DATA_STALE.summary, about, description)


def no_snapshot_annotations(policy: Policy) -> dict[str, str]:
    """Annotations of DATA_STALE if the exporter knows no account at all."""
    stale = seconds(policy.alerting.system.snapshot_stale_seconds)
    description = (
        f"The exporter answers, but has had no snapshot of any account for {stale}: "
        "no limit can be watched."
    )
    summary = "No account has sent a snapshot"
    return _annotations(policy, DATA_STALE.name, summary, "", description)


def percent(ratio: float) -> str:
    """A ratio as Prometheus's humanizePercentage prints it."""
    return f"{ratio * 100:.4g}%"


def seconds(value: float) -> str:
    """A time of a millisecond or more as Prometheus's humanizeDuration prints it."""
    whole = int(value)
    if 0 < value < 1:
        return f"{value * 1000:.4g}ms"
    if value < 60:
        return f"{value:.4g}s"
    days, hours, minutes, rest = (
        whole // 86400, whole // 3600 % 24, whole // 60 % 60, whole % 60
    )  # fmt: skip
    if days:
        return f"{days}d {hours}h {minutes}m {rest}s"
    return f"{hours}h {minutes}m {rest}s" if hours else f"{minutes}m {rest}s"


def _annotations(
    policy: Policy, name: str, summary: str, about: str, description: str
) -> dict[str, str]:
    return {
        "summary": _plain(summary).replace("{subject}", about),
        "description": description,
        "runbook_url": policy.alerting.runbooks.base_url + name,
        POLICY_DIGEST: policy.digest,
    }


def _plain(text: str) -> str:
    """Text of the catalogue, which must not be taken for a template."""
    if "{{" in text:
        raise RulesError(f"{text!r} holds a template; the catalogue takes plain text only")
    return text
