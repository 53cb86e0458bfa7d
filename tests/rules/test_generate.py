"""What is generated: complete, accepted by promtool, proven by it, and nothing else."""

from __future__ import annotations

import os
import subprocess
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
import yaml
from wordless_rules import in_two

import risk_rules
from risk_policy import Policy
from risk_policy.catalogue.limits import LIMITS
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.contracts.artefact import ArtefactError
from risk_policy.model.stack import Endpoints
from risk_policy.vocabulary import Severity
from risk_rules.groups import rule_files
from risk_rules.labelled import plain
from risk_rules.rule import AlertRule

PolicyWith = Callable[..., Policy]
Write = Callable[[Path, dict[str, str]], Path]
Promtool = Callable[..., subprocess.CompletedProcess[str]]

SLOW = (
    ("prometheus_seconds = 15", "prometheus_seconds = 120"),
    ("scrape_interval_seconds = 1", "scrape_interval_seconds = 15"),
    ("evaluation_interval_seconds = 1", "evaluation_interval_seconds = 20"),
    ("snapshot_stale_seconds = 10", "snapshot_stale_seconds = 90"),
    ("runtime_seconds = 30", "runtime_seconds = 180"),
    ("exporter_down_seconds = 10", "exporter_down_seconds = 45"),
    ("receivers_down_seconds = 10", "receivers_down_seconds = 30"),
)
#: What lasts longer takes more evaluations and says nothing new.
SHORT = (
    ("alertmanager_down_seconds = 30", "alertmanager_down_seconds = 7.5"),
    ("unevaluable_seconds = 30", "unevaluable_seconds = 7.5"),
    ("channel_down_seconds = 60 ", "channel_down_seconds = 15 "),
    ("event_seconds = 60", "event_seconds = 15"),
)
FAST = (
    ("scrape_interval_seconds = 1", "scrape_interval_seconds = 0.2"),
    ("evaluation_interval_seconds = 1", "evaluation_interval_seconds = 0.25"),
    ("snapshot_stale_seconds = 10", "snapshot_stale_seconds = 1.5"),
    ("runtime_seconds = 30", "runtime_seconds = 4.5"),
    ("exporter_down_seconds = 10", "exporter_down_seconds = 0"),
    ("policy_drift_seconds = 30", "policy_drift_seconds = 0"),
    ("receivers_down_seconds = 10", "receivers_down_seconds = 2.5"),
    *SHORT,
)
CONFIRMED = (
    ("warning_seconds = 0", "warning_seconds = 5"),
    ("critical_seconds = 0", "critical_seconds = 4"),
    ("emergency_seconds = 0", "emergency_seconds = 2.5"),
)
ODD = (
    ("max_drawdown_emergency_pct = 20", "max_drawdown_emergency_pct = 33.3333"),
    ("loss_warning_pct = 5 #", "loss_warning_pct = 0.29 #"),
    ("single_asset_breach_pct = 40", "single_asset_breach_pct = 999.9"),
)


#: One of each kind: an account's loss, a holding, what is worse when lower, counts that cool down.
KINDS = ("daily_loss", "position_loss", "trade_edge", "consecutive_losses")


def rules_of(policy: Policy) -> list[dict[str, Any]]:
    """Every rule, with its labels in one place."""
    return [plain(rule.document()) for groups in rule_files(policy).values()
            for group in groups for rule in group.rules]  # fmt: skip


def alerts_of(policy: Policy) -> dict[str, dict[str, Any]]:
    """Every alert as it is before it escalates."""
    return {
        rule["alert"]: rule
        for rule in rules_of(policy)
        if "alert" in rule and rule["labels"]["escalation"] == "none"
    }


def test_promtool_finds_nothing_wrong_with_rules_and_configuration(
    files: dict[str, str], write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    write(tmp_path, files)
    names = sorted(name for name in files if name.startswith("rules/"))
    assert len(names) == len(LIMITS) + 3
    for arguments in (
        ("check", "rules", "--lint=all", "--lint-fatal", *names),
        ("check", "config", "--lint=all", "--lint-fatal", "prometheus.yml"),
    ):
        done = promtool(tmp_path, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize(
    "edits", [SLOW, FAST, CONFIRMED, ODD], ids=["slow", "fast", "confirmed", "odd"]
)
def test_the_tests_follow_the_policy_and_prove_its_rules(
    edits: tuple[tuple[str, str], ...],
    policy: Policy,
    files: dict[str, str],
    policy_with: PolicyWith,
    write: Write,
    promtool: Promtool,
    tmp_path: Path,
) -> None:
    edited = policy_with(*edits)
    changed = risk_rules.generate(edited)
    write(tmp_path, changed)
    # A cooldown of two hours in quarters of a second takes long and says nothing new.
    kinds = KINDS[:-1] if edits is FAST else KINDS
    wanted = [*kinds, "system", "guard", "recorded", f"{KINDS[1]}.escalation"]

    def is_new(test: str) -> bool:
        """Rules and tests that differ by the digest alone are proven with the committed policy."""
        return any(
            changed[name].replace(edited.digest, "") != files[name].replace(policy.digest, "")
            for name in (f"tests/{test}.test.yml", f"rules/{test.partition('.')[0]}.yml")
        )

    wanted = [name for name in wanted if is_new(name)]
    assert wanted
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for done in pool.map(
            lambda name: promtool(tmp_path, "test", "rules", *in_two(tmp_path, name)), wanted
        ):
            assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_prove_rules_in_which_nothing_escalates_by_time(
    policy_with: PolicyWith, write: Write, promtool: Promtool, tmp_path: Path
) -> None:
    table = "[alerting.escalation.time_based] # minutes without an acknowledgement\nenabled = "
    changed = risk_rules.generate(policy_with((f"{table}true", f"{table}false")))
    write(tmp_path, changed)
    wanted = ("tests/guard.test.yml", "tests/trade_edge.escalation.test.yml")
    done = promtool(tmp_path, "test", "rules", *wanted)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_tier_of_every_limit_has_exactly_one_alert_with_its_labels(policy: Policy) -> None:
    found = Counter(
        rule["alert"]
        for rule in rules_of(policy)
        if "alert" in rule and rule["labels"]["escalation"] == "none"
    )
    alerts = alerts_of(policy)
    for limit in LIMITS:
        for spec in limit.alerts:
            assert found[spec.name] == 1
            assert alerts[spec.name]["labels"] == {
                "limit": limit.name,
                "tier": spec.tier,
                "severity": spec.severity,
                "escalation": "none",
                "category": limit.category,
                "layer": limit.layer,
                "action": spec.action,
            }
    expected = {spec.name for limit in LIMITS for spec in limit.alerts}
    assert set(alerts) == expected | {alert.name for alert in SYSTEM_ALERTS}


def test_every_alert_carries_its_runbook_and_the_digest_as_annotations_only(
    policy: Policy,
) -> None:
    for alert in (rule for rule in rules_of(policy) if "alert" in rule):
        name, annotations = alert["alert"], alert["annotations"]
        measured = {"value", "threshold"} & annotations.keys()
        assert len(measured) in (0, 2), name
        words = {"summary", "description", "runbook_url", "policy_digest"}
        assert annotations.keys() - measured == words
        assert annotations["runbook_url"] == f"http://127.0.0.1:9465/runbooks/{name}"
        assert annotations["policy_digest"] == policy.digest
        assert policy.digest not in alert["labels"].values()


def test_no_label_is_a_template(policy: Policy) -> None:
    assert not [
        rule for rule in rules_of(policy) if any("{{" in text for text in rule["labels"].values())
    ]


def test_an_alert_has_a_tier_unless_it_is_milder_than_every_tier(policy: Policy) -> None:
    for alert in alerts_of(policy).values():
        mild = alert["labels"]["severity"] in ("debug", "info")
        assert ("tier" in alert["labels"]) is not mild, alert["alert"]


def test_no_rule_leaves_its_clock_to_prometheus(policy: Policy) -> None:
    assert not [rule for rule in rules_of(policy) if {"for", "keep_firing_for"} & set(rule)]


def test_an_escalation_differs_from_its_alert_in_severity_and_reason_alone(
    policy: Policy,
) -> None:
    alerts = alerts_of(policy)
    for rule in rules_of(policy):
        if "alert" not in rule or rule["labels"]["escalation"] == "none":
            continue
        own = {**alerts[rule["alert"]]["labels"]}
        raised = {name: text for name, text in rule["labels"].items() if text}
        own.pop("risk_id", "")
        changed = {name for name in own if own[name] != raised[name]}
        assert changed == {"severity", "escalation"}
        assert set(raised) == set(own)
        assert Severity(raised["severity"]).rank > Severity(own["severity"]).rank


def test_every_limit_has_a_file_and_groups_of_its_own(policy: Policy) -> None:
    files = rule_files(policy)
    assert list(files) == [*(limit.name for limit in LIMITS), "system", "guard", "recorded"]
    names = [group.name for groups in files.values() for group in groups]
    assert len(set(names)) == len(names)
    for limit in LIMITS:
        first, *_ = files[limit.name]
        assert first.name == f"riskwarden-{limit.name}"
        assert {rule.name for rule in first.rules} >= {spec.name for spec in limit.alerts}


def test_what_trips_is_evaluated_as_often_as_it_is_scraped(
    policy_with: Callable[..., Policy],
) -> None:
    files = rule_files(
        policy_with(("scrape_interval_seconds = 1\n", "scrape_interval_seconds = 0.2\n"))
    )
    often = {
        group.name for groups in files.values() for group in groups if group.interval_seconds < 1
    }
    assert often == {"riskwarden-drawdown"}


def test_the_worst_tier_is_evaluated_and_therefore_sent_first(policy: Policy) -> None:
    files = rule_files(policy)
    for limit in LIMITS:
        group, *_ = files[limit.name]
        tiers = [
            rule.labels["tier"]
            for rule in group.rules
            if isinstance(rule, AlertRule) and rule.labels["escalation"] == "none"
        ]
        assert tiers == [spec.tier.value for spec in reversed(limit.alerts)]


def test_generating_gives_the_bytes_that_are_committed(
    files: dict[str, str], policy: Policy
) -> None:
    assert risk_rules.generate(policy) == files


def test_every_file_says_that_it_is_generated_and_from_which_policy(
    policy: Policy, files: dict[str, str]
) -> None:
    for text in files.values():
        first, second, *_ = text.splitlines()
        assert first.startswith("# DO NOT EDIT")
        assert "riskwarden generate" in first
        assert second == f"# policy sha256: {policy.digest}"


def test_long_lines_are_not_wrapped(files: dict[str, str]) -> None:
    text = files["rules/drawdown.yml"]
    assert text.count("description:") == text.count("runbook_url:")
    for line in text.splitlines():
        if line.lstrip().startswith("description:"):
            assert line.rstrip("'").endswith(".")


def test_a_changed_threshold_changes_its_own_rules_and_no_other(policy_with: PolicyWith) -> None:
    def without_digest(rule: dict[str, Any]) -> dict[str, Any]:
        annotations = {k: v for k, v in rule.get("annotations", {}).items() if k != "policy_digest"}
        labels = {k: v for k, v in rule["labels"].items() if k != "digest"}
        return {**rule, "annotations": annotations, "labels": labels}

    before = rules_of(policy_with())
    after = rules_of(
        policy_with(("max_drawdown_critical_pct = 15", "max_drawdown_critical_pct = 17.5"))
    )
    changed = [
        (old, new)
        for old, new in zip(before, after, strict=True)
        if without_digest(old) != without_digest(new)
    ]
    assert {(new["labels"]["limit"], new["labels"]["tier"]) for _, new in changed} <= {
        ("drawdown", "critical"),
        # What heads for the threshold, from a milder tier.
        ("drawdown", "warning"),
    }
    own = [new for _, new in changed if new["labels"]["tier"] == "critical"]
    assert [rule["record"] for rule in own if "record" in rule] == [
        "risk:breach_since_seconds",
        "risk_threshold",
    ]
    assert [new["labels"]["escalation"] for _, new in changed if new not in own] == ["trend"]
    latch = next(rule for rule in own if rule.get("record") == "risk:breach_since_seconds")
    assert "> 0.175" in latch["expr"]
    assert "> 0.16625" in latch["expr"]


def test_a_confirmation_time_delays_the_alert_of_its_tier_and_no_latch(
    policy_with: PolicyWith,
) -> None:
    alerts = alerts_of(policy_with(*CONFIRMED))
    waits = {name: alerts[f"DRAWDOWN_{name}"]["expr"] for name in ("WARNING", "CRITICAL")}
    assert "time() - 4.5" in waits["WARNING"]
    assert "time() - 3.5" in waits["CRITICAL"]
    assert "time() - 2)" in alerts["DRAWDOWN_EMERGENCY"]["expr"]


def test_a_policy_that_was_not_read_from_a_file_generates_nothing() -> None:
    with pytest.raises(ArtefactError, match="load_policy"):
        risk_rules.generate(Policy())


def test_switched_off_alerting_is_an_error_and_not_an_empty_rule_file(
    policy_with: PolicyWith,
) -> None:
    with pytest.raises(risk_rules.NoRulesError, match=r"alerting\.enabled"):
        risk_rules.generate(
            policy_with(("[alerting]\nenabled = true", "[alerting]\nenabled = false"))
        )


def test_a_catalogue_without_limits_is_an_error(policy: Policy) -> None:
    with pytest.raises(risk_rules.NoRulesError):
        rule_files(policy, limits=())


def test_both_feeds_are_there_and_neither_can_hold_back_the_other_for_long(
    policy: Policy,
) -> None:
    config = yaml.safe_load(risk_rules.prometheus_config(policy))
    machine, people = config["alerting"]["alertmanagers"]
    assert machine["static_configs"] == [{"targets": ["127.0.0.1:9465"]}]
    assert machine["authorization"] == {
        "type": "Bearer",
        "credentials_file": "secrets/alert_feed_token",
    }
    assert people["static_configs"] == [{"targets": ["127.0.0.1:9493"]}]
    assert "authorization" not in people
    for feed in (machine, people):
        assert (feed["api_version"], feed["timeout"]) == ("v2", "1s")
        assert feed["follow_redirects"] is False


def test_every_alertmanager_of_a_cluster_is_told_and_scraped(policy_with: PolicyWith) -> None:
    cluster = ("more_alertmanagers = []", 'more_alertmanagers = ["b:9493"]')
    config = yaml.safe_load(risk_rules.prometheus_config(policy_with(cluster)))
    targets = [{"targets": ["127.0.0.1:9493", "b:9493"]}]
    machine, people = config["alerting"]["alertmanagers"]
    assert people["static_configs"] == config["scrape_configs"][3]["static_configs"] == targets
    assert machine["static_configs"] == [{"targets": ["127.0.0.1:9465"]}]


def test_tokens_may_lie_where_a_container_has_its_secrets(policy_with: PolicyWith) -> None:
    elsewhere = ('token_files_path = "secrets"', 'token_files_path = "/run/secrets"')
    text = risk_rules.prometheus_config(policy_with(elsewhere))
    machine, _ = yaml.safe_load(text)["alerting"]["alertmanagers"]
    assert machine["authorization"]["credentials_file"] == "/run/secrets/alert_feed_token"
    assert "# /run/secrets/alert_feed_token, has to hold" not in text
    assert "# /run/secrets/alert_feed_token has to hold" in text


def test_other_endpoints_change_the_targets_and_nothing_else(policy: Policy) -> None:
    names = ("exporter", "receivers", "prometheus", "alertmanager")
    wanted = {name: f"127.0.0.2:{port}" for port, name in enumerate(names, 7001)}
    moved = risk_rules.prometheus_config(policy, Endpoints(**wanted))
    for name, endpoint in wanted.items():
        assert endpoint in moved
        moved = moved.replace(endpoint, getattr(policy.alerting.endpoints, name))
    assert moved == risk_rules.prometheus_config(policy)


def test_nothing_generated_names_an_absolute_path(policy: Policy, files: dict[str, str]) -> None:
    config = yaml.safe_load(risk_rules.prometheus_config(policy))
    assert config["rule_files"] == ["rules/*.yml"]
    assert not [name for name in files if name.startswith(("/", ".."))]
