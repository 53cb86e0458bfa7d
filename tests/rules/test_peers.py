"""Several receivers, named in the policy: both feeds go to each, and each is scraped."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import risk_alertmanager
import risk_rules
from risk_policy import Policy, load_policy

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


@pytest.mark.long
def test_the_rules_of_two_pass_the_tests_that_prove_them(
    of_two: Policy, promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    for name, text in risk_rules.generate(of_two).items():
        path = tmp_path / "generated" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    done = promtool(tmp_path / "generated", "test", "rules", "tests/system.test.yml")
    assert done.returncode == 0, done.stdout + done.stderr
