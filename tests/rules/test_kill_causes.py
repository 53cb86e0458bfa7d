"""What trips the kill switch beside limits, where the policy says so."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import Policy
from risk_policy.catalogue import runbooks, system
from risk_policy.vocabulary import Action
from risk_rules.groups import rule_files
from risk_rules.rule import AlertRule

PolicyWith = Callable[..., Policy]
CAUSES = {
    "on_evaluation": [system.KILL_SWITCH_EVALUATION],
    "on_storm": [system.ALERT_STORM],
    "on_broken_chain": [system.CHAIN_BROKEN, system.CHAIN_TRUNCATED, system.CHAIN_REWRITTEN],
}


def actions(policy: Policy) -> dict[str, set[str]]:
    """What the rules of each alert that may trip ask for, its escalations included."""
    named = [alert.name for alerts in CAUSES.values() for alert in alerts]
    found: dict[str, set[str]] = {name: set() for name in named}
    for groups in rule_files(policy).values():
        for rule in (rule for group in groups for rule in group.rules):
            if isinstance(rule, AlertRule) and rule.name in found:
                found[rule.name].add(rule.labels["action"])
    return found


def test_none_of_them_trips_unless_the_policy_says_so(policy: Policy) -> None:
    assert set(map(frozenset, actions(policy).values())) == {frozenset({Action.REVIEW.value})}


@pytest.mark.parametrize("key", CAUSES)
def test_each_trips_by_a_switch_of_its_own(policy_with: PolicyWith, key: str) -> None:
    policy = policy_with((f"{key} = false", f"{key} = true"))
    tripping = {alert.name for alert in CAUSES[key]}
    for name, asked in actions(policy).items():
        expected = Action.KILL_SWITCH if name in tripping else Action.REVIEW
        assert asked == {expected.value}
        told = "Trips the kill switch in mode" in runbooks.render(policy, name)
        assert told is (name in tripping)
