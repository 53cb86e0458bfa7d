"""Which rules there are, and which are evaluated together.

Every limit has a group of its own, with all that follows from it in the order in which it is
needed, so that a value and its alert belong to the same instant; groups run side by side, so
no account's kill rule waits for ten thousand positions. What counts over minutes stands in
slower groups beside it. A limit that trips the kill switch is evaluated as often as it is scraped,
if all the rest need not be.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Final

from risk_policy import unanswered
from risk_policy.catalogue.limits import LIMITS, Limit
from risk_policy.model import Policy
from risk_policy.vocabulary import Action
from risk_rules import escalation, frequency
from risk_rules.errors import NoRulesError
from risk_rules.guard import guard_conditions
from risk_rules.limits import limit_rules
from risk_rules.recorded import recorded_rules
from risk_rules.rule import AlertRule, RecordingRule, RuleGroup
from risk_rules.system import system_conditions
from risk_rules.timing import slow_interval_seconds, trend_interval_seconds
from risk_rules.trend import trend_rules

_PREFIX: Final = "riskwarden-"
_TRIPPING: Final = frozenset(action.value for action in Action if action.trips_kill_switch)
#: Files that belong to no limit.
SYSTEM, GUARD, RECORDED = "system", "guard", "recorded"

Rules = Iterable[RecordingRule | AlertRule]


def rule_files(
    policy: Policy, limits: tuple[Limit, ...] = LIMITS
) -> dict[str, tuple[RuleGroup, ...]]:
    """Every rule in its group, every group in its file: one of each limit, three more.

    Raises:
        NoRulesError: nothing would be watched.
    """
    if not policy.alerting.enabled:
        raise NoRulesError(
            "alerting.enabled is false, so nothing would be watched; set it to true, or take "
            "the rule files out of Prometheus's configuration"
        )
    if not limits:
        raise NoRulesError("the catalogue holds no limit, so nothing would be watched")
    interval = policy.alerting.prometheus.evaluation_interval_seconds
    slow = slow_interval_seconds(policy)
    return {
        **{limit.name: _of_limit(policy, limit) for limit in limits},
        SYSTEM: _groups((SYSTEM, interval, _system(policy))),
        GUARD: _groups((GUARD, interval, _guard(policy)), (f"{GUARD}-slow", slow, _storm(policy))),
        RECORDED: _groups((RECORDED, slow, recorded_rules(policy))),
    }


def _of_limit(policy: Policy, limit: Limit) -> tuple[RuleGroup, ...]:
    timing = policy.alerting.prometheus
    interval = timing.evaluation_interval_seconds
    watching = (*limit_rules(policy, limit), *escalation.time_rules(policy, limit))
    if trips(watching):
        interval = min(interval, timing.scrape_interval_seconds)
    counting = frequency.frequency_rules(policy, limit)
    return _groups(
        (limit.name, interval, watching),
        (f"{limit.name}-frequency", slow_interval_seconds(policy), counting),
        (f"{limit.name}-trend", trend_interval_seconds(policy), trend_rules(policy, limit)),
    )


def trips(rules: Rules) -> bool:
    """Whether one of these trips the kill switch by itself."""
    return any(
        isinstance(rule, AlertRule) and rule.labels.get("action") in _TRIPPING for rule in rules
    )


def _groups(*groups: tuple[str, float, Rules]) -> tuple[RuleGroup, ...]:
    built = (RuleGroup(_PREFIX + name, seconds, tuple(rules)) for name, seconds, rules in groups)
    return tuple(group for group in built if group.rules)


def _system(policy: Policy) -> Iterator[RecordingRule | AlertRule]:
    for condition in system_conditions(policy):
        yield from condition.rules(policy)
    yield from escalation.system_time_rules(policy)


def _guard(policy: Policy) -> Iterator[RecordingRule | AlertRule]:
    for condition in guard_conditions(policy):
        yield from condition.rules(policy)
    if unanswered.enabled(policy):
        yield from escalation.kill_switch_evaluation(policy).rules(policy)


def _storm(policy: Policy) -> Iterator[RecordingRule | AlertRule]:
    if frequency.enabled(policy):
        yield from frequency.storm(policy).rules(policy)
