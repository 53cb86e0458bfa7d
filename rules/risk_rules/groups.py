"""Which rules there are, and which are evaluated together.

What trips the kill switch stands alone and first, then accounts, then everything that grows
with the number of positions: groups run side by side, so no kill rule waits for a position.
"""

from __future__ import annotations

from risk_policy.catalogue.limits import LIMITS, AlertSpec, Limit
from risk_policy.model import Policy
from risk_rules.errors import NoRulesError
from risk_rules.limits import limit_rule
from risk_rules.recorded import recorded_rules
from risk_rules.rule import AlertRule, RecordingRule, RuleGroup
from risk_rules.system import system_rules
from risk_rules.timing import is_account_level

KILL, ACCOUNT, POSITION, SYSTEM, RECORDED = (
    f"riskwarden-{name}" for name in ("kill", "account", "position", "system", "recorded")
)


def rule_groups(policy: Policy, limits: tuple[Limit, ...] = LIMITS) -> tuple[RuleGroup, ...]:
    """Every rule, in its group.

    Raises:
        NoRulesError: nothing would be watched.
    """
    if not policy.alerting.enabled:
        raise NoRulesError(
            "alerting.enabled is false, so nothing would be watched; set it to true, or take "
            "the rule file out of Prometheus's configuration"
        )
    alerts: dict[str, list[AlertRule]] = {KILL: [], ACCOUNT: [], POSITION: []}
    for limit in limits:
        for spec in limit.alerts:
            alerts[_group_of(limit, spec)].append(limit_rule(policy, limit, spec))
    if not any(alerts.values()):
        raise NoRulesError("the catalogue holds no limit, so nothing would be watched")
    ordered: dict[str, tuple[AlertRule | RecordingRule, ...]] = {
        **{name: tuple(rules) for name, rules in alerts.items()},
        SYSTEM: system_rules(policy),
        RECORDED: tuple(recorded_rules(policy)),
    }
    interval = policy.alerting.prometheus.evaluation_interval_seconds
    return tuple(RuleGroup(name, interval, rules) for name, rules in ordered.items() if rules)


def _group_of(limit: Limit, spec: AlertSpec) -> str:
    if spec.action.trips_kill_switch:
        return KILL
    return ACCOUNT if is_account_level(limit) else POSITION
