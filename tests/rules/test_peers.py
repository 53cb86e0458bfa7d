"""Several receivers, named in the policy: both feeds go to each, and each is scraped."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import quick_yaml
import yaml

import risk_alertmanager
import risk_rules
from risk_policy import Policy, load_policy
from risk_rules.groups import SYSTEM
from risk_rules.proofs import unit_tests

PEER = "10.0.0.2:9465"


@pytest.fixture
def of_two(tmp_path: Path) -> Policy:
    path = tmp_path / "alerting.toml"
    path.write_text(f'[alerting.high_availability]\npeers = ["{PEER}"]\n')
    return load_policy(path)


def test_prometheus_sends_to_each_and_scrapes_each(of_two: Policy) -> None:
    config = yaml.safe_load(risk_rules.prometheus_config(of_two))
    both = [{"targets": [of_two.alerting.endpoints.receivers, PEER]}]
    feed = next(one for one in config["alerting"]["alertmanagers"] if "authorization" in one)
    (job,) = [one for one in config["scrape_configs"] if one["job_name"] == "riskwarden-receivers"]
    assert feed["static_configs"] == job["static_configs"] == both


def test_alertmanager_tells_each(of_two: Policy) -> None:
    config = yaml.safe_load(risk_alertmanager.alertmanager_config(of_two))
    told = next(one for one in config["receivers"] if one["name"] == "riskwarden")
    hosts = [hook["url"].split("/")[2] for hook in told["webhook_configs"]]
    assert hosts == [of_two.alerting.endpoints.receivers, PEER]


def test_the_rules_of_two_pass_the_tests_that_prove_them(
    of_two: Policy,
    policy: Policy,
    files: dict[str, str],
    promtool: Callable[..., subprocess.CompletedProcess[str]],
    tmp_path: Path,
) -> None:
    """Those that are not what the committed policy's rules are proven with, and those that are
    about the receivers."""
    name = "tests/system.test.yml"
    committed = quick_yaml.load(files[name].replace(policy.digest, of_two.digest))
    generated = {**risk_rules.generate_rules(of_two), **unit_tests(of_two, SYSTEM)}
    proof = quick_yaml.load(generated[name])
    new = [test for test in proof["tests"] if test not in committed["tests"]]
    assert new
    assert len(new) < len(proof["tests"])
    proof["tests"] = [
        test for test in proof["tests"] if test in new or "RECEIVERS_DOWN" in json.dumps(test)
    ]
    proof["rule_files"] = ["system.yml"]
    (tmp_path / "system.yml").write_text(generated["rules/system.yml"])
    (tmp_path / "test.yml").write_text(json.dumps(proof))
    done = promtool(tmp_path, "test", "rules", "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def test_nothing_else_differs_from_the_rules_of_one(
    of_two: Policy, policy: Policy, parsed: Callable[[str], dict[str, Any]]
) -> None:
    def rules(text: str) -> Any:
        return quick_yaml.load(text.replace(of_two.digest, policy.digest))

    changed = {
        rule["labels"]["limit"]
        for name, text in risk_rules.generate_rules(of_two).items()
        if name.startswith("rules/")
        for ours, theirs in zip(
            rules(text)["groups"], parsed("rules")[Path(name).stem]["groups"], strict=True
        )
        for rule, as_committed in zip(ours["rules"], theirs["rules"], strict=True)
        if rule != as_committed
    }
    assert changed == {"receivers_down"}
