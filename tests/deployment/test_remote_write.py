"""Samples for others' systems: off by default, accepted by Prometheus, and without a secret."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml
from deployed import COMPOSE, ROOT
from jsonschema_rs import validator_for

import risk_rules
from risk_policy import default_policy_path, load_policy
from risk_policy.catalogue.metrics import METRICS
from risk_rules.remote_write import RemoteWriteError

FOLDER: Final = ROOT / "deploy" / "remote-write"
SNIPPETS: Final = ("amazon-managed-prometheus.yml", "grafana-cloud.yml", "new-relic.yml")


def policy(folder: Path, file: str) -> Path:
    path = folder / "policy.toml"
    path.write_text(
        f'extends = "{default_policy_path()}"\n'
        f'[alerting.prometheus]\nremote_write_file = "{file}"\n'
    )
    return path


def test_nothing_is_sent_anywhere_unless_the_policy_says_so() -> None:
    for path in (ROOT / "policy").rglob("*.toml"):
        assert 'remote_write_file = ""' in path.read_text("utf-8") or (
            "remote_write_file" not in path.read_text("utf-8")
        )
    assert "remote_write" not in risk_rules.prometheus_config(
        load_policy(default_policy_path(), {})
    )


@pytest.mark.parametrize("name", SNIPPETS)
def test_a_snippet_becomes_part_of_what_prometheus_accepts(name: str, tmp_path: Path) -> None:
    text = (FOLDER / name).read_text("utf-8")
    key = tmp_path / "remote_write_key"
    key.write_text("k")
    (tmp_path / name).write_text(text.replace("/run/secrets/remote_write_key", str(key)))
    config = risk_rules.prometheus_config(load_policy(policy(tmp_path, name), {}))
    (target,) = yaml.safe_load(config)["remote_write"]
    assert target["url"].startswith("https://")
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "alert_feed_token").write_text("t")
    (tmp_path / "prometheus.yml").write_text(config)
    done = subprocess.run(
        ["promtool", "check", "config", str(tmp_path / "prometheus.yml")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("remote_write: []", "must hold a list under remote_write and nothing else"),
        ("scrape_configs: []\nremote_write: [{url: 'https://x'}]", "and nothing else"),
        ("remote_write: [{url: 'http://example.com/w'}]", "must be an https URL"),
        ("remote_write: [{name: x}]", "must be an https URL"),
        ("remote_write: [{url: 'https://u:secret@x.example/'}]", "user"),
        (
            "remote_write: [{url: 'https://x.example', basic_auth: {username: u, password: p}}]",
            "write password_file",
        ),
        (
            "remote_write: [{url: 'https://x.example', authorization: {credentials: c}}]",
            "write credentials_file",
        ),
        ("remote_write: {", "while parsing"),
    ],
)
def test_a_file_that_would_leak_or_means_nothing_is_refused(
    text: str, why: str, tmp_path: Path
) -> None:
    (tmp_path / "w.yml").write_text(text)
    with pytest.raises(RemoteWriteError, match=why) as caught:
        risk_rules.prometheus_config(load_policy(policy(tmp_path, "w.yml"), {}))
    assert "secret@" not in str(caught.value)


def test_in_containers_only_prometheus_gets_a_way_out_for_it() -> None:
    more = yaml.safe_load((FOLDER / "compose.yml").read_text("utf-8"))
    schema = json.loads((Path(__file__).parent / "compose-spec.json").read_text("utf-8"))
    assert validator_for(schema).is_valid(more)
    assert more["services"]["prometheus"] == {
        "secrets": ["remote_write_key"],
        "networks": ["egress"],
    }
    assert more["services"].keys() == {"prometheus", "configure"}
    assert "remote_write_key" not in COMPOSE["secrets"]


def test_what_other_agents_read_is_where_our_parts_are() -> None:
    datadog = yaml.safe_load((FOLDER / "datadog-openmetrics.yaml").read_text("utf-8"))
    amazon = yaml.safe_load((FOLDER / "cloudwatch-prometheus.yml").read_text("utf-8"))
    agent = json.loads((FOLDER / "cloudwatch-agent.json").read_text("utf-8"))
    endpoints = load_policy(default_policy_path(), {}).alerting.endpoints
    ours = {endpoints.exporter, endpoints.receivers}
    assert {one["openmetrics_endpoint"] for one in datadog["instances"]} == {
        f"http://{one}/metrics" for one in ours
    }
    targets = {job["static_configs"][0]["targets"][0] for job in amazon["scrape_configs"]}
    assert targets == ours
    named = agent["logs"]["metrics_collected"]["prometheus"]["prometheus_config_path"]
    assert Path(named).name == "cloudwatch-prometheus.yml"


def test_what_amazons_agent_tells_apart_is_what_tells_series_apart() -> None:
    agent = json.loads((FOLDER / "cloudwatch-agent.json").read_text("utf-8"))
    read = agent["logs"]["metrics_collected"]["prometheus"]
    taken = set()
    for one in read["emf_processor"]["metric_declaration"]:
        (dimensions,) = one["dimensions"]
        for selector in one["metric_selectors"]:
            found = [metric for metric in METRICS.values() if re.search(selector, metric.name)]
            assert found, selector
            for metric in found:
                # A dimension less, and the figures of several things would be one figure. There
                # is a risk_id for each account or position, so it tells nothing more.
                assert {*metric.labels} - {"risk_id"} == {*dimensions} - {"job"}, metric.name
                assert re.search(one["label_matcher"], f"riskwarden-{metric.component}")
                taken.add(metric.name)
    assert {"risk_equity", "risk_drawdown_ratio", "risk_gate_open"} <= taken
