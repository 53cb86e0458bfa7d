"""`riskwarden rules test` proves the rules of a policy, and says what failed and why."""

from __future__ import annotations

import subprocess
from pathlib import Path

import nursery
import pytest

from risk_policy import default_policy_path, load_policy
from risk_rules.proofs.families import Mutant
from riskwarden.commands import rules_test

GENERATED = Path(__file__).parents[2] / "rules/generated"
POLICY = default_policy_path()


def riskwarden(*arguments: str) -> subprocess.CompletedProcess[str]:
    return nursery.run("riskwarden", "rules", "test", "--policy", str(POLICY), *arguments)


def test_a_limit_is_proven_in_every_tier_and_every_way() -> None:
    done = riskwarden("--limit", "margin")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MARGIN_LOW" in done.stdout
    assert "MARGIN_CRITICAL" in done.stdout
    assert "2 of 2 test files pass" in done.stdout
    assert "(100%)" in done.stdout


@pytest.mark.long
def test_the_mutation_mode_notices_every_wrong_threshold() -> None:
    done = riskwarden("--limit", "recorded", "--mutate")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "wrong rules were noticed" in done.stdout


def test_an_unknown_limit_is_named_with_the_known_ones() -> None:
    done = riskwarden("--limit", "drawdawn")
    assert done.returncode == 2
    assert "'drawdawn'" in done.stderr
    assert "drawdown" in done.stderr


@pytest.fixture
def wrong(tmp_path: Path) -> rules_test.Outcome:
    """What promtool says of a threshold that is not the policy's."""
    for name in ("rules/drawdown.yml", "tests/drawdown.test.yml"):
        path = tmp_path / name
        path.parent.mkdir()
        path.write_bytes((GENERATED / name).read_bytes())
    path = tmp_path / "rules/drawdown.yml"
    rules = path.read_text(encoding="utf-8")
    assert "> 0.15," in rules
    path.write_text(rules.replace("> 0.15,", "> 0.16,"), encoding="utf-8")
    return rules_test.run_test(tmp_path, "tests/drawdown.test.yml")


def test_a_failure_names_limit_test_and_policy_key(wrong: rules_test.Outcome) -> None:
    assert not wrong.passed
    text = "\n".join(rules_test.explained(load_policy(POLICY), wrong))
    assert text.startswith("drawdown: at ")
    assert "drawdown/critical-levels" in text.partition("\n")[0]
    assert 'exp: {alertname="DRAWDOWN_CRITICAL"' in text
    assert "policy: alerting.thresholds.portfolio.max_drawdown_critical_pct = 15" in text


def test_a_rule_that_no_test_notices_survives(tmp_path: Path) -> None:
    group = {"name": "g", "rules": [{"record": "a", "expr": "vector(2)"}]}
    check = {"expr": "a", "eval_time": "0s", "exp_samples": [{"labels": "a", "value": 2}]}
    test = {
        "evaluation_interval": "1s",
        "tests": [{"interval": "1s", "promql_expr_test": [check]}],
    }
    right = Mutant("a", "nothing wrong", {"groups": [group]}, (test,))
    assert not rules_test.killed(tmp_path / "right", right)
    group = {"name": "g", "rules": [{"record": "a", "expr": "vector(3)"}]}
    assert rules_test.killed(tmp_path / "wrong", Mutant("a", "3", {"groups": [group]}, (test,)))
