"""What the silence of a part leads to is the policy's to say, and never less than safe."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import yaml

from risk_policy import InvalidPolicyError, parse_policy
from risk_policy.catalogue.runbooks import render
from risk_rules.groups import rule_files
from risk_rules.labelled import plain

NAME = "RISK_RUNTIME_SILENT"
ACCOUNT = re.compile(r'risk_snapshot_age_seconds\{account="(\w+)"')


@pytest.mark.parametrize(
    ("action", "asks_for", "says"),
    [
        ("alert", "notify", "tell people"),
        ("reduce_only", "pause_new_entries", "Holds the gate for what the alert is about"),
        ("halt", "kill_switch", "Trips the kill switch in mode immediate"),
    ],
)
def test_rules_and_runbook_of_a_silent_runtime_ask_for_what_the_policy_says(
    action: str, asks_for: str, says: str
) -> None:
    text = f'[alerting.dead_man]\nruntime_action = "{action}"\n'
    policy = parse_policy(text.encode(), environ={})
    found = {
        plain(rule.document())["labels"]["action"]
        for groups in rule_files(policy).values()
        for group in groups
        for rule in group.rules
        if getattr(rule, "name", "") == NAME
    }
    assert found == {asks_for}
    assert says in render(policy, NAME)


def test_the_proofs_tell_who_fell_silent_from_who_only_looks_like_it(files: dict[str, str]) -> None:
    told: set[str] = set()
    silent: set[str] = set()
    for name in ("tests/system.test.yml", "tests/system.escalation.test.yml"):
        for test in yaml.safe_load(files[name])["tests"]:
            due = [one for one in test.get("alert_rule_test", ()) if one["alertname"] == NAME]
            silent |= {alert["exp_labels"]["account"] for one in due for alert in one["exp_alerts"]}
            if due:
                series = (one["series"] for one in test["input_series"])
                told |= {found[1] for one in series if (found := ACCOUNT.match(one))}
    assert silent == {"stops", "dies", "recent", "main", "first", "later"}
    assert told - silent == {"restarted", "beside", "early", "yesterday"}


def test_a_silent_prometheus_cannot_leave_the_gate_open() -> None:
    text = b'[alerting.dead_man]\nprometheus_action = "alert"\n'
    with pytest.raises(InvalidPolicyError) as refused:
        parse_policy(text, environ={})
    (problem,) = refused.value.problems
    assert problem.key == "alerting.dead_man.prometheus_action"
    assert "would leave the gate open" in problem.message
    assert '"reduce_only"' in problem.message


def test_the_machine_acts_only_after_people_were_told(refusals: Callable[[str], list[str]]) -> None:
    text = "[alerting.dead_man]\nruntime_seconds = 10\n"
    assert refusals(text) == ["alerting.dead_man.runtime_seconds"]


@pytest.fixture
def refusals() -> Callable[[str], list[str]]:
    """The keys that a policy is refused for."""

    def refuse(text: str) -> list[str]:
        with pytest.raises(InvalidPolicyError) as refused:
            parse_policy(text.encode(), environ={})
        return [problem.key for problem in refused.value.problems]

    return refuse
