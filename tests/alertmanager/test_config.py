"""What is generated for Alertmanager, as amtool and a reader see it."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

import pytest
import yaml

import risk_alertmanager
from risk_alertmanager import matchers
from risk_policy import Policy
from risk_policy.contracts.artefact import ArtefactError
from risk_policy.model.stack import Endpoints
from risk_policy.vocabulary import Severity, Tier

PolicyWith = Callable[..., Policy]


@pytest.fixture
def config(policy: Policy, tmp_path: Path) -> Path:
    path = tmp_path / "alertmanager.yml"
    path.write_text(risk_alertmanager.generate(policy)["alertmanager.yml"], encoding="utf-8")
    return path


def amtool(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["amtool", *arguments], capture_output=True, text=True, timeout=30, check=False
    )


def test_amtool_accepts_it(config: Path) -> None:
    done = amtool("check-config", str(config))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    "labels",
    [
        *(f"alertname=A severity={severity} risk_id=x" for severity in Severity),
        "alertname=Watchdog severity=debug",
        "alertname=Foreign severity=page",
        "alertname=Bare",
    ],
)
def test_every_alert_is_routed_to_the_receivers(labels: str, config: Path) -> None:
    tested = amtool(
        "config", "routes", "test", f"--config.file={config}", "--verify.receivers=riskwarden",
        *labels.split(),
    )  # fmt: skip
    assert tested.returncode == 0, tested.stdout + tested.stderr
    assert tested.stdout.strip() == "riskwarden"


def test_each_severity_has_the_pace_of_the_policy(policy: Policy, config: Path) -> None:
    routes = yaml.safe_load(config.read_text(encoding="utf-8"))["route"]["routes"]
    paces = {
        route["matchers"][0]: (
            route["group_wait"], route["group_interval"], route["repeat_interval"]
        )
        for route in routes
    }  # fmt: skip
    assert paces == {
        'alertname="Watchdog"': ("5s", "1m", "30s"),
        'severity="emergency"': ("0s", "5s", "1m"),
        'severity="critical"': ("0s", "5s", "5m"),
        'severity="warning"': ("1s", "10s", "5m"),
        'severity="info"': ("5s", "30s", "1h"),
        'severity="debug"': ("5s", "30s", "1m"),
    }
    assert routes[0]["matchers"] == ['alertname="Watchdog"']
    assert set(paces) == {'alertname="Watchdog"'} | {f'severity="{name}"' for name in Severity}


def test_a_worsening_is_a_group_of_its_own(config: Path) -> None:
    route = yaml.safe_load(config.read_text(encoding="utf-8"))["route"]
    assert {"risk_id", "tier", "severity"} <= set(route["group_by"])
    assert not [child for child in route["routes"] if "group_by" in child]


def test_the_webhook_gets_everything_with_a_token_and_by_no_redirect(config: Path) -> None:
    content = yaml.safe_load(config.read_text(encoding="utf-8"))
    (receiver,) = content["receivers"]
    (webhook,) = receiver["webhook_configs"]
    assert webhook["url"] == "http://127.0.0.1:9465/api/v1/notifications"
    assert webhook["send_resolved"] is True
    assert webhook["max_alerts"] == 0
    assert webhook["http_config"] == {
        "follow_redirects": False,
        "authorization": {
            "type": "Bearer",
            "credentials_file": "secrets/notification_feed_token",
        },
    }


def test_other_endpoints_change_the_webhook_and_nothing_else(policy: Policy) -> None:
    moved = risk_alertmanager.alertmanager_config(policy, Endpoints(receivers="127.0.0.2:7001"))
    assert (
        moved.replace("127.0.0.2:7001", "127.0.0.1:9465")
        == risk_alertmanager.generate(policy)["alertmanager.yml"]
    )
    assert "127.0.0.2:7001" in moved


def test_generating_twice_gives_the_same_bytes_with_heading_and_digest(
    policy_with: PolicyWith,
) -> None:
    first, second = (risk_alertmanager.generate(policy_with()) for _ in range(2))
    assert first == second
    text = first["alertmanager.yml"]
    assert text.startswith("# DO NOT EDIT")
    assert policy_with().digest in text.splitlines()[1]


def test_a_policy_that_was_not_read_from_a_file_generates_nothing() -> None:
    with pytest.raises(ArtefactError, match="load_policy"):
        risk_alertmanager.generate(Policy())


def holds(matcher: str, labels: dict[str, str]) -> bool:
    """Whether a matcher, as written, matches labels."""
    name, operator, value = matcher.partition("=~") if "=~" in matcher else matcher.partition("=")
    text = value.strip('"')
    if operator == "=":
        return labels.get(name, "") == text
    return bool(labels.get(name)) if text == ".+" else labels.get(name, "") in text.split("|")


def inhibitions(rules: list[dict[str, Any]]) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Every pair of tier and severity of one risk_id of which the first silences the second."""
    combinations = [*product(Tier, Severity)]
    for source, target in product(combinations, combinations):
        labels = [
            {"risk_id": "x", "tier": tier.value, "severity": severity.value}
            for tier, severity in (source, target)
        ]
        for rule in rules:
            same = all(labels[0].get(name) == labels[1].get(name) for name in rule["equal"])
            if (
                same
                and all(holds(matcher, labels[0]) for matcher in rule["source_matchers"])
                and all(holds(matcher, labels[1]) for matcher in rule["target_matchers"])
            ):
                yield source, target


def test_inhibition_only_ever_goes_from_worse_to_milder(config: Path) -> None:
    rules = yaml.safe_load(config.read_text(encoding="utf-8"))["inhibit_rules"]
    pairs = set(inhibitions(rules))
    assert pairs
    for (source_tier, source_severity), (tier, severity) in pairs:
        assert source_severity.rank >= severity.rank
        assert (source_tier.rank, source_severity.rank) > (tier.rank, severity.rank)


def test_every_milder_alert_that_can_exist_is_inhibited_by_the_worse(config: Path) -> None:
    rules = yaml.safe_load(config.read_text(encoding="utf-8"))["inhibit_rules"]
    pairs = set(inhibitions(rules))
    # Severity only ever rises above what the tier says.
    exist = [(t, s) for t, s in product(Tier, Severity) if s.rank >= Severity(t.value).rank]
    for source, target in product(exist, exist):
        (source_tier, source_severity), (tier, severity) = source, target
        worse_tier = source_tier.rank > tier.rank and source_severity.rank >= severity.rank
        higher = source_tier is tier and source_severity.rank > severity.rank
        assert ((source, target) in pairs) is (worse_tier or higher)


def test_every_inhibition_needs_a_risk_id_on_both_sides(config: Path) -> None:
    for rule in yaml.safe_load(config.read_text(encoding="utf-8"))["inhibit_rules"]:
        assert "risk_id" in rule["equal"]
        for side in ("source_matchers", "target_matchers"):
            assert 'risk_id=~".+"' in rule[side]
            if "tier" in rule["equal"]:
                assert 'tier=~".+"' in rule[side]


def test_a_matcher_is_always_quoted_and_never_a_surprise() -> None:
    assert matchers.equals("a", 'b"c') == 'a="b\\"c"'
    assert matchers.one_of("a", ["b"]) == 'a="b"'
    assert matchers.one_of("a", ["b", "c"]) == 'a=~"b|c"'
    with pytest.raises(ValueError, match="no label name"):
        matchers.equals("a-b", "c")
    with pytest.raises(ValueError, match="regular expression"):
        matchers.one_of("a", ["b", "c.*"])
