"""Every check finds the broken rule made for it, and the generated rules are clean."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
import yaml

import risk_alertmanager
import risk_rules
from risk_policy import Policy, default_policy_path
from risk_rules.lint import (
    Finding,
    Level,
    Material,
    SilencesError,
    findings_of,
    lint,
    parse_silences,
)

POLICY_TEXT = default_policy_path().read_text(encoding="utf-8")
BASE = "http://127.0.0.1:9465/runbooks/"
LATCH = "risk:breach_since_seconds"


def alert(expr: str, name: str = "DRAWDOWN_WARNING", **changes: Any) -> dict[str, Any]:
    """An alert with everything it needs, but for what is changed; None takes it away."""
    whole: dict[str, Any] = {
        "alert": name,
        "expr": expr,
        "labels": {
            "limit": "drawdown",
            "tier": "warning",
            "severity": "warning",
            "escalation": "none",
            "action": "notify",
        },
        "annotations": {"summary": "s", "description": "d", "runbook_url": BASE + name},
    }
    for key, value in changes.items():
        part, _, entry = key.partition("__")
        if entry:
            whole[part] = {k: v for k, v in {**whole[part], entry: value}.items() if v is not None}
        else:
            whole[part] = value
    return whole


def record(name: str, expr: str, **labels: str) -> dict[str, Any]:
    return {"record": name, "expr": expr, "labels": labels}


def latch(begins: str, ends: str, limit: str = "drawdown", tier: str = "warning") -> dict[str, Any]:
    """A latch as the generator writes it, with comparisons of its own."""
    value, own = f'risk:limit_value{{limit="{limit}"}}', f'{LATCH}{{limit="{limit}",tier="{tier}"}}'
    expr = (
        f"({own} and on (risk_id) ({value} {ends}))\n"
        f"or on (risk_id) (clamp({value} {begins}, 0, 0) + time())"
    )
    return record(LATCH, expr, limit=limit, tier=tier)


VALUE = record(
    "risk:limit_value", "max by (risk_id, account) (risk_drawdown_ratio)", limit="drawdown"
)


@pytest.fixture
def found(policy: Policy) -> Callable[..., list[Finding]]:
    """Lints rules that stand in one file, in a group evaluated every second."""

    def run(*rules: dict[str, Any], under: Policy = policy, **material: Any) -> list[Finding]:
        text = yaml.safe_dump(
            {"groups": [{"name": "g", "interval": "1s", "rules": list(rules)}]}, sort_keys=False
        )
        return list(lint(under, POLICY_TEXT, Material({"a.yml": text}, {}, **material)))

    return run


RATIO = "max by (risk_id, account) (risk_drawdown_ratio)"

BROKEN = [
    ("names", [alert("max by (risk_id) (risk_drawdwn_ratio)")], "did you mean risk_drawdown_ratio"),
    ("names", [alert('risk_drawdown_ratio{acount="x"}')], "has no label acount; did you mean acc"),
    ("names", [alert("max by (risk_id, symbol) (risk_drawdown_ratio)")], "has no label symbol"),
    ("names", [alert("risk_drawdown_ratio unless on (tier, risk_id) risk_daily_pnl_ratio")],
     "by label tier, which is missing on one side"),
    ("names", [alert('label_replace(risk_drawdown_ratio, "x", "$1", "venue", "(.*)")')],
     "label_replace reads label venue"),
    ("names", [alert('label_join(risk_drawdown_ratio, "x", "/", "account", "venue")')],
     "label_join reads label venue"),
    ("names", [VALUE, alert('risk:limit_value{limit="drawdwon"}')], "no rule among these files"),
    ("names", [alert('{job="riskwarden-exporter"}')], "without naming a metric"),
    ("joins", [alert("risk_drawdown_ratio * on (account) risk_var_ratio")],
     "several series of its right side can match one"),
    ("joins", [alert("risk_position_return_ratio and on (account) risk_position_size_ratio")],
     "lets one object match another"),
    ("joins", [alert("risk_drawdown_ratio > risk_threshold")], "nothing ever matches"),
    ("joins", [latch("> 0.1", "> 0.09"), latch("> 0.15", "> 0.14", tier="critical"),
               alert(f'risk:unacked_since_seconds and on (risk_id) {LATCH}')], "matches any tier"),
    ("counters", [alert("max by (risk_id) (increase(risk_drawdown_ratio[61500ms]))")],
     "which is a gauge"),
    ("counters", [alert("max by (account) (deriv(risk_snapshots_total[61500ms]))")],
     "which is a counter"),
    ("counters", [alert("max by (account) (risk_snapshots_total) > 5")], "judges counter"),
    ("ranges", [alert("max by (risk_id) (changes(risk_drawdown_ratio[1m])) > 3")],
     "an exact multiple of the 1 s"),
    ("ranges", [alert("sum(increase(risk_snapshots_rejected_total[1m])) > 3")], "exact multiple"),
    ("ranges", [alert("max by (risk_id) (count_over_time(risk_drawdown_ratio[1h:10s])) > 3")],
     "multiple of the 10 s"),
    ("names", [record(LATCH, 'risk:trend_rate{limit="var"}', limit="cvar", tier="warning")],
     "belongs to limit cvar, but reads risk:trend_rate of limit var"),
    ("joins", [VALUE, latch("> 0.1", "> 0.09"), latch("> 0.15", "> 0.14", tier="critical"),
               alert(f'risk:limit_value{{limit="drawdown"}} and on (risk_id) {LATCH}')],
     "matches any tier: what holds"),
    ("thresholds", [latch("< 0.1", "< 0.09")], "dangerous on the other side"),
    ("identity", [alert("max by (risk_id) (risk_drawdown_ratio)")], "account is lost in its"),
    ("identity", [alert("risk_drawdown_ratio")], "carries instance, job: two exporters"),
    ("units", [alert(f"{RATIO} > 15")], "write 0.15 for 15 %"),
    ("units", [alert("max by (account, risk_id) (risk_inference_latency_p95_seconds) > 0.0005")],
     "less than a millisecond"),
    ("units", [alert(f"{LATCH} > 300")], "not how long ago"),
    ("thresholds", [alert(f"{RATIO} > 1")], "is never true"),
    ("thresholds", [alert("min by (component) (risk_disk_free_ratio) <= 1")], "is always true"),
    ("thresholds", [latch("> 0.12", "> 0.11")], "but the policy says 0.1"),
    ("thresholds", [latch("> 0.1", "> 0.11")], "further out"),
    ("thresholds", [latch("< 1.5", "< 1.4", "margin", "critical")], "further out"),
    ("thresholds", [latch("> 0.16", "> 0.1"), latch("> 0.15", "> 0.1", tier="critical")],
     "the milder one never comes first"),
    ("thresholds", [record("risk_threshold", "vector(1.4)", limit="margin", tier="warning"),
                    record("risk_threshold", "vector(1.5)", limit="margin", tier="critical")],
     "the milder one never comes first"),
    ("thresholds", [
        alert(f"{RATIO} and on (risk_id) (time() - risk:unacked_since_seconds >= {seconds})",
              labels__severity=severity, labels__escalation="time")
        for severity, seconds in (("critical", 900), ("emergency", 300))
    ], "no later than it counts as critical"),
    ("clocks", [alert(RATIO, **{"for": "5m"})], "waits with for"),
    ("clocks", [alert(RATIO, keep_firing_for="5m")], "waits with keep_firing_for"),
    ("clocks", [alert("ALERTS_FOR_STATE > 0")], "reads ALERTS_FOR_STATE"),
    ("clocks", [alert(f"{RATIO} > 0.1")], "waits for nothing"),
    ("clocks", [alert('up{job="mine"} == 0', "MINE")], "waits for nothing"),
    ("identity", [alert("max by (account) (risk_drawdown_ratio)")], "a tier but no risk_id"),
    ("identity", [alert(RATIO, labels__severity=None)], "has no severity"),
    ("identity", [alert(RATIO, labels__severity="page")], "'page' is a word nobody knows"),
    ("identity", [alert(RATIO), alert(f"{RATIO} > 0.2")], "takes them for one alert"),
    ("identity", [alert(RATIO), alert(RATIO, "DRAWDOWN_CRITICAL")], "covers both"),
    ("texts", [alert(RATIO, annotations__summary=None)], "has no summary"),
    ("texts", [alert(RATIO, annotations__description=None)], "has no description"),
    ("texts", [alert(RATIO, annotations__runbook_url=None)], "has no runbook"),
    ("texts", [alert(RATIO, annotations__runbook_url=BASE + "NOPE")], "does not exist"),
    ("texts", [alert(RATIO, labels__size="{{ $value }}")], "holds the value"),
    ("texts", [alert(RATIO, labels__desk="{{ $labels.account }}")], "is a template"),
    ("texts", [alert(RATIO, labels__policy_digest="ab")], "every edit of the policy"),
    ("syntax", [alert("sum(")], "is not PromQL"),
]  # fmt: skip


@pytest.mark.parametrize(("check", "rules", "message"), BROKEN, ids=[b[2] for b in BROKEN])
def test_a_broken_rule_is_found_by_its_check(
    found: Callable[..., list[Finding]], check: str, rules: list[dict[str, Any]], message: str
) -> None:
    findings = found(*rules)
    told = [f"{each.message} {each.remedy}" for each in findings if each.check == check]
    assert any(message in each for each in told), findings
    assert all(each.remedy and each.file == "a.yml" and each.line for each in findings)


@pytest.mark.parametrize(
    ("key", "file", "name"),
    [("critical_seconds = 0", "rules/drawdown.yml", "DRAWDOWN_CRITICAL"),
     ("policy_drift_seconds = 30", "rules/system.yml", "RISK_POLICY_DRIFT")],
)  # fmt: skip
def test_an_alert_that_waits_less_than_the_policy_wants_is_found(
    policy: Policy, policy_with: Callable[..., Policy], key: str, file: str, name: str
) -> None:
    longer = policy_with((key, f"{key.partition(' ')[0]} = 45"))

    def found(rules: Policy) -> list[Finding]:
        text = risk_rules.generate_rules(rules)[file]
        findings = lint(longer, POLICY_TEXT, Material({file: text}, {}))
        return [each for each in findings if each.check == "clocks"]

    assert found(longer) == []
    (finding,) = found(policy)
    assert finding.rule.startswith(name)
    assert "last 45 s" in finding.message
    assert finding.key.endswith(key.partition(" ")[0])
    assert finding.policy_line


def test_a_good_rule_is_left_alone(found: Callable[..., list[Finding]]) -> None:
    breach = f'{LATCH}{{limit="drawdown",tier="warning"}}'
    expr = f'risk:limit_value{{limit="drawdown"}} and on (risk_id) {breach}'
    assert found(VALUE, latch("> 0.1", "> 0.095"), alert(expr)) == []


def test_a_finding_names_rule_file_policy_key_line_and_remedy(
    found: Callable[..., list[Finding]],
) -> None:
    (finding,) = found(VALUE, latch("> 0.1", "> 0.2"))
    text = POLICY_TEXT.splitlines()[finding.policy_line - 1]
    assert finding.key == "alerting.latch.clear_margin_pct"
    assert text.startswith("clear_margin_pct")
    assert "risk:breach_since_seconds (drawdown, warning)" in finding.render("alerting.toml")
    assert f"alerting.toml:{finding.policy_line}" in finding.render("alerting.toml")


def test_a_threshold_finding_points_at_the_line_of_that_threshold(
    found: Callable[..., list[Finding]],
) -> None:
    finding = found(VALUE, latch("> 0.3", "> 0.2", tier="emergency"))[0]
    assert "max_drawdown_emergency_pct" in POLICY_TEXT.splitlines()[finding.policy_line - 1]


def test_the_episode_pattern_is_let_through_and_its_half_is_not(
    found: Callable[..., list[Finding]],
) -> None:
    since = f'{LATCH}{{limit="drawdown",tier="warning"}}[5m]'
    whole = f"changes({since}) + (min_over_time({since}) > bool (time() - 300)) > 0"
    latched = (VALUE, latch("> 0.1", "> 0.095"))
    assert found(*latched, record("risk:breach_episodes", whole, window="5m")) == []
    half = found(*latched, record("risk:breach_episodes", f"changes({since}) > 0", window="5m"))
    other = whole.replace("300", "240")
    assert [each.check for each in half] == ["ranges"]
    found_other = found(*latched, record("risk:breach_episodes", other, window="5m"))
    assert [each.check for each in found_other] == ["ranges"]


def test_the_generated_rules_and_configuration_are_clean(policy: Policy) -> None:
    material = Material(risk_rules.generate_rules(policy), risk_alertmanager.generate(policy))
    assert lint(policy, POLICY_TEXT, material) == ()


def test_the_generated_rules_are_clean_at_other_intervals(
    policy_with: Callable[..., Policy],
) -> None:
    slow = policy_with(
        ("scrape_interval_seconds = 1\n", "scrape_interval_seconds = 15\n"),
        ("evaluation_interval_seconds = 1\n", "evaluation_interval_seconds = 15\n"),
        ("snapshot_stale_seconds = 10", "snapshot_stale_seconds = 60"),
        ("runtime_seconds = 30", "runtime_seconds = 120"),
        ("exporter_down_seconds = 10", "exporter_down_seconds = 45"),
        ("receivers_down_seconds = 10", "receivers_down_seconds = 45"),
        ("prometheus_seconds = 15", "prometheus_seconds = 120"),
    )
    assert lint(slow, POLICY_TEXT, Material(risk_rules.generate_rules(slow), {})) == ()


def test_a_threshold_out_of_reach_is_found(policy: Policy) -> None:
    rules = risk_rules.generate_rules(policy)
    drawdown = rules["rules/drawdown.yml"]
    assert "> 0.2" in drawdown
    rules["rules/drawdown.yml"] = drawdown.replace("> 0.2", "> 1")
    findings = lint(policy, POLICY_TEXT, Material(rules, {}))
    never = [each for each in findings if "never true" in each.message]
    assert {(each.check, each.key) for each in never} == {
        ("thresholds", "alerting.thresholds.portfolio.max_drawdown_emergency_pct")
    }


INHIBITION = "inhibit_rules: [{source_matchers: [%s], target_matchers: [%s], equal: [%s]}]\n"
ROUTE = "route: {group_by: [alertname, risk_id, tier, severity]}\n"
RISK = "'risk_id=~\".+\"'"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (INHIBITION % ("severity=critical", "severity=warning", "alertname"), "same risk_id"),
        (INHIBITION % ("tier=critical", f"tier=warning, {RISK}", "risk_id"), "a source without"),
        (INHIBITION % (f"tier=critical, {RISK}", "tier=warning", "risk_id"), "a target without"),
        (
            INHIBITION % (f"severity=critical, {RISK}", f"severity=warning, {RISK}", "risk_id"),
            "looks at no tier",
        ),
        ("route: {group_by: [alertname]}", "groups by alertname"),
        ("receivers: [{name: x, webhook_configs: [{max_alerts: 5}]}]", "takes 5 alerts at most"),
    ],
)
def test_a_configuration_that_mutes_too_much_is_found(
    policy: Policy, text: str, message: str
) -> None:
    whole = text if "route" in text else ROUTE + text
    findings = lint(policy, POLICY_TEXT, Material({}, {"alertmanager.yml": whole}))
    assert [each.message for each in findings if message in each.message], findings
    assert {each.check for each in findings} <= {"inhibition", "routes"}


def silence(state: str = "active", **matchers: str) -> dict[str, Any]:
    """A silence as Alertmanager lists it; a value that starts with ~ is a pattern."""
    return {
        "id": "7",
        "createdBy": "ann",
        "comment": "",
        "status": {"state": state},
        "matchers": [
            {
                "name": name,
                "value": value.removeprefix("~"),
                "isRegex": value.startswith("~"),
                "isEqual": True,
            }
            for name, value in matchers.items()
        ],
    }


def silenced(policy: Policy, *silences: dict[str, Any]) -> tuple[Finding, ...]:
    parsed = parse_silences(json.dumps(silences))
    files = risk_rules.generate_rules(policy)
    some = {
        f"rules/{name}.yml": files[f"rules/{name}.yml"] for name in ("drawdown", "position_size")
    }
    return lint(policy, POLICY_TEXT, Material(some, {}, parsed))


def test_a_silence_over_everything_is_found_with_what_it_hides(policy: Policy) -> None:
    (finding,) = silenced(policy, silence(account="~.+"))
    assert finding.level is Level.ERROR
    assert "more than one risk_id" in finding.message
    assert "POSITION_SIZE_BREACH (block_trade)" in finding.message


@pytest.mark.parametrize(
    "matchers",
    [
        {"risk_id": "drawdown/main"},
        {"risk_id": "~drawdown/.*", "tier": "warning"},
        {"risk_id": "~drawdown/a|drawdown/b", "tier": "warning"},
        {"risk_id": "drawdown/main", "tier": "~.+"},
        {"severity": "warning"},
        {},
    ],
)
def test_a_silence_broader_than_one_risk_and_its_tiers_is_an_error(
    policy: Policy, matchers: dict[str, str]
) -> None:
    assert [each.level for each in silenced(policy, silence(**matchers))] == [Level.ERROR]


def test_an_acknowledgement_of_what_only_notifies_is_fine(policy: Policy) -> None:
    assert silenced(policy, silence(risk_id="drawdown/main", tier="warning")) == ()


def test_an_acknowledgement_of_what_acts_is_a_warning_that_names_it(policy: Policy) -> None:
    (finding,) = silenced(policy, silence(risk_id="drawdown/main", tier="~warning|critical"))
    assert finding.level is Level.WARNING
    assert "DRAWDOWN_CRITICAL (halt_new_trades)" in finding.message
    assert "DRAWDOWN_EMERGENCY" not in finding.message
    assert "POSITION" not in finding.message


def test_a_silence_that_is_over_is_left_alone(policy: Policy) -> None:
    assert silenced(policy, silence("expired", account="~.+")) == ()


@pytest.mark.parametrize("text", ["<html>", '{"error": 1}', "[1]"])
def test_what_is_no_list_of_silences_is_refused(text: str) -> None:
    with pytest.raises(SilencesError, match="silences"):
        parse_silences(text)


def test_a_tools_complaint_becomes_a_finding_with_its_place() -> None:
    output = "Checking copy/0-a.yml\n  FAILED:\ncopy/0-a.yml: 9:15: group g: parse error\n"
    (finding,) = findings_of("promtool", {"copy/0-a.yml": "a.yml"}, 1, output)
    assert (finding.file, finding.line, finding.message) == ("a.yml", 9, "group g: parse error")
    assert list(findings_of("promtool", {}, 0, "SUCCESS")) == []
    assert [each.level for each in findings_of("amtool", {}, 2, "")] == [Level.ERROR]
