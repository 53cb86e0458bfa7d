"""Runbooks say what the policy in force says, and promise nothing the system does not do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import Policy, PolicyError
from risk_policy.catalogue import runbooks
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts.restriction import HELD_BY_ACTION
from risk_policy.vocabulary import Action
from risk_rules.groups import rule_files
from risk_rules.rule import AlertRule

PolicyWith = Callable[..., Policy]


def test_every_generated_alert_has_the_runbook_its_link_promises(policy: Policy) -> None:
    links = {
        rule.annotations["runbook_url"]
        for groups in rule_files(policy).values()
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertRule)
    }
    base = policy.alerting.runbooks.base_url
    assert links == {base + name for name in runbooks.names()}
    for name in runbooks.names():
        assert runbooks.render(policy, name).startswith(f"# {name}\n")


@pytest.mark.parametrize("name", runbooks.names())
def test_a_runbook_answers_every_question_and_leaves_no_placeholder(
    name: str, policy: Policy
) -> None:
    text = runbooks.render(policy, name)
    for heading in ("watches", "means", "system does"):
        assert f"\n## What it {heading}\n" in text or f"\n## What the {heading}\n" in text
    assert "\n## What to do\n" in text
    assert "{" not in text
    assert ".." not in text
    assert policy.digest in text
    for fact in ("limit", "severity", "category", "layer", "action"):
        assert f"\n| {fact} | " in text


def test_the_threshold_is_the_one_of_the_policy(policy_with: PolicyWith) -> None:
    before = runbooks.render(policy_with(), "DAILY_LOSS_BREACH")
    changed = policy_with(("daily_loss_breach_pct = 5", "daily_loss_breach_pct = 6.25"))
    after = runbooks.render(changed, "DAILY_LOSS_BREACH")
    assert "below **-5%**" in before
    assert "below **-6.25%**" in after
    assert "-5%" not in after


def test_a_confirmation_time_is_named(policy_with: PolicyWith) -> None:
    assert "at the first evaluation" in runbooks.render(policy_with(), "VAR_BREACH_WARNING")
    confirmed = policy_with(("warning_seconds = 0", "warning_seconds = 20"))
    assert "after 20 s without a break" in runbooks.render(confirmed, "VAR_BREACH_WARNING")


@pytest.mark.parametrize(
    ("mode", "consequence"),
    [
        ("pause", "managed on"),
        ("graceful", "the rest after 30 min"),
        ("immediate", "positions closed at once"),
    ],
)
def test_the_kill_runbook_says_what_its_mode_does(
    mode: str, consequence: str, policy_with: PolicyWith
) -> None:
    edits = () if mode == "immediate" else (('mode = "immediate"', f'mode = "{mode}"'),)
    text = runbooks.render(policy_with(*edits), "DRAWDOWN_EMERGENCY")
    assert f"kill switch in mode `{mode}`" in text
    assert consequence in text


def test_only_what_trips_the_kill_switch_is_said_to_be_carried_out(policy: Policy) -> None:
    for limit in LIMITS:
        for spec in limit.alerts:
            text = runbooks.render(policy, spec.name)
            assert ("Trips the kill switch in mode" in text) is spec.action.trips_kill_switch
            holds = spec.action in HELD_BY_ACTION
            assert ("Holds the gate for what the alert is about" in text) is holds
            assert ("up to people" in text) is not (spec.action.trips_kill_switch or holds)
    assert not [alert for alert in SYSTEM_ALERTS if alert.action is Action.KILL_SWITCH]


def test_an_unknown_alert_is_named_together_with_the_known_ones(policy: Policy) -> None:
    with pytest.raises(KeyError) as caught:
        runbooks.render(policy, "DRAWDOWN_EMERGENZY")
    assert isinstance(caught.value, PolicyError)
    assert str(caught.value).startswith("there is no alert 'DRAWDOWN_EMERGENZY'; known are: ")
    assert "DRAWDOWN_EMERGENCY" in str(caught.value)
