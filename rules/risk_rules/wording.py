"""What an alert says to people, and how Prometheus prints the numbers in it.

The same functions word the rules, with templates as subject and value, and the generated
tests, with what the templates must have become. So promtool proves every sentence.
"""

from __future__ import annotations

from typing import Final

from risk_policy.catalogue.limits import AlertSpec, Kind, Limit
from risk_policy.catalogue.system import SystemAlert
from risk_policy.contracts import limit_alert
from risk_policy.contracts.limit_alert import against, common, shown_bound, stands_at
from risk_policy.model import Policy
from risk_policy.quantities import duration
from risk_rules.errors import RulesError
from risk_rules.promql import label

DURATION_VALUE: Final = "{{ $value | humanizeDuration }}"
_TEMPLATES: Final = {
    Kind.RATIO: "{{ $value | humanizePercentage }}",
    Kind.TIME: DURATION_VALUE,
    Kind.NUMBER: '{{ $value | printf "%.4g" }}',
}
COUNT_VALUE: Final = _TEMPLATES[Kind.NUMBER]


def value_of(limit: Limit) -> str:
    """The template that prints a limit's value."""
    return _TEMPLATES[limit.unit.kind]


def subject(identity: tuple[str, ...], values: dict[str, str] | None = None) -> str:
    """What an alert is about, e.g. ``AAPL (account main)``; templates unless values are given."""
    templates = {name: f"{{{{ $labels.{label(name)} }}}}" for name in identity}
    return limit_alert.subject(identity, values or templates)


def limit_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, about: str, value: str
) -> dict[str, str]:
    """Annotations of one tier of a limit."""
    for text in (limit.metric.help, spec.summary, spec.meaning):
        _plain(text)
    return limit_alert.tier_annotations(policy, limit, spec, about, value)


def time_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, about: str, value: str, minutes: float
) -> dict[str, str]:
    """Annotations of a tier that nobody has acknowledged for so long."""
    description = (
        f"Nobody has acknowledged it for {duration(minutes * 60)}. "
        f"{stands_at(policy, limit, spec, about, value)} {_plain(spec.meaning)}"
    )
    return {
        **_annotations(policy, spec.name, f"Unanswered: {spec.summary}", about, description),
        **against(policy, limit, spec, value),
    }


def system_time_annotations(policy: Policy, alert: SystemAlert, minutes: float) -> dict[str, str]:
    """Annotations of a system alert that nobody has acknowledged for so long."""
    about = subject(alert.identity)
    description = (
        f"Nobody has acknowledged it for {duration(minutes * 60)}. {_plain(alert.meaning)}"
    )
    return _annotations(policy, alert.name, f"Unanswered: {alert.summary}", about, description)


def frequency_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, about: str, count: str, window: str
) -> dict[str, str]:
    """Annotations of a breach that keeps beginning."""
    description = (
        f"It began {count} times within {window}: {limit.title} of {about} keeps "
        f"crossing the {spec.tier} threshold of {shown_bound(policy, limit, spec)}. "
        f"{_plain(spec.meaning)}"
    )
    return _annotations(policy, spec.name, f"Again and again: {spec.summary}", about, description)


def trend_annotations(
    policy: Policy, limit: Limit, spec: AlertSpec, ahead: AlertSpec, about: str, value: str
) -> dict[str, str]:
    """Annotations of a breach that heads for a worse threshold; the value is the time left."""
    description = (
        f"{limit.title} of {about} keeps getting worse. At this rate it reaches the {ahead.tier} "
        f"threshold of {shown_bound(policy, limit, ahead)} in {value}. {_plain(ahead.meaning)} "
        f"Before that: {_plain(spec.advice)}"
    )
    return _annotations(policy, spec.name, f"Getting worse: {spec.summary}", about, description)


def system_annotations(
    policy: Policy, alert: SystemAlert, about: str | None = None, value: str | None = None
) -> dict[str, str]:
    """Annotations of an alert with a condition of its own."""
    named = subject(alert.identity) if about is None else about
    measured = ""
    if alert.measured:
        number = _TEMPLATES[alert.kind] if value is None else value
        measured = f"{_plain(alert.measured)} ".replace("{subject}", named)
        measured = measured.replace("{value}", number)
    description = f"{measured}{_plain(alert.meaning)}"
    return _annotations(policy, alert.name, alert.summary, named, description)


def _annotations(
    policy: Policy, name: str, summary: str, about: str, description: str
) -> dict[str, str]:
    return common(policy, name, _plain(summary), about, description)


def _plain(text: str) -> str:
    """Text of the catalogue, which must not be taken for a template."""
    if "{{" in text:
        raise RulesError(f"{text!r} holds a template; the catalogue takes plain text only")
    return text
