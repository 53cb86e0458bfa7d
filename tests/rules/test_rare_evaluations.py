"""Rules that are evaluated less often than the exporter is scraped, as on a busy machine."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

import risk_rules
from risk_policy import Policy
from risk_rules.groups import rule_files
from risk_rules.rule import AlertRule


@pytest.fixture(scope="module")
def rare(policy_with: Callable[..., Policy]) -> Policy:
    every = ("evaluation_interval_seconds = 1", "evaluation_interval_seconds = 5")
    tiers = ("warning", "critical", "emergency")
    return policy_with(every, *((f"{one}_seconds = 0", f"{one}_seconds = 2") for one in tiers))


def test_what_trips_waits_for_as_long_as_the_policy_says(rare: Policy) -> None:
    """It is evaluated with every scrape, so it comes no half evaluation of the others too soon."""
    first, *_ = rule_files(rare)["drawdown"]
    waits = {
        rule.name: float(found[1])
        for rule in first.rules
        if isinstance(rule, AlertRule) and rule.labels["escalation"] == "none"
        for found in [re.search(r"<= time\(\) - ([-\d.]+)", rule.expression)]
        if found
    }
    assert first.interval_seconds == 1
    assert waits["DRAWDOWN_EMERGENCY"] == 1.5


def test_a_chain_that_was_rewritten_between_two_evaluations_is_noticed(
    rare: Policy,
    write: Callable[[Path, dict[str, str]], Path],
    promtool: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    groups = yaml.safe_load(risk_rules.generate(rare)["rules/system.yml"])["groups"]
    for group in groups:
        group["rules"] = [
            rule for rule in group["rules"] if rule["labels"].get("limit") == "audit_rewritten"
        ]
    fires = 'ALERTS{alertname="RISK_AUDIT_CHAIN_REWRITTEN",escalation="none"}'

    def told(size: str, head: str, *, at: int, count: int) -> dict[str, Any]:
        found = [{"labels": "{}", "value": count}] if count else []
        return {
            "interval": "1s",
            "input_series": [
                {"series": "risk_audit_chain_size", "values": size},
                {"series": 'risk_audit_chain_head_word{word="0"}', "values": head},
            ],
            "promql_expr_test": [
                {"expr": f"count({fires})", "eval_time": f"{at}s", "exp_samples": found}
            ],
        }

    # Evaluated at 10, 15 and 20 s; rewritten at 11 s, and at 13 s it goes on.
    tests = [
        told("10x60", "1x10 2x50", at=15, count=1),
        told("10x12 11x47", "1x10 2x1 3x47", at=15, count=1),
        told("10x12 11x47", "1x12 3x47", at=60, count=0),
    ]
    content = {"rule_files": ["system.yml"], "evaluation_interval": "5s", "tests": tests}
    files = {"system.yml": yaml.safe_dump({"groups": groups}), "own.yml": yaml.safe_dump(content)}
    write(tmp_path, files)
    done = promtool(tmp_path, "test", "rules", "own.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_prove_the_rules(
    rare: Policy,
    write: Callable[[Path, dict[str, str]], Path],
    promtool: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    write(tmp_path, risk_rules.generate(rare))
    done = promtool(tmp_path, "test", "rules", "tests/drawdown.test.yml", "tests/system.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
