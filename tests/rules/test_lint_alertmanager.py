"""An Alertmanager configuration that is broken on purpose is found, with the alerts it is sent."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import yaml

import risk_alertmanager
from risk_policy import Policy, default_policy_path, parse_policy
from risk_rules.lint import Finding, Level, Material, amlint_findings, lint

POLICY_TEXT = default_policy_path().read_text(encoding="utf-8")
RISK = 'risk_id=~".+"'
Config = dict[str, Any]
Break = Callable[[Config], object]

MUTED = """
[alerting.mute_times.rollover]
severities = ["INFO", "WARNING"]
times = ["22:00-00:30"]
"""


@pytest.fixture(scope="module")
def rules(files: dict[str, str]) -> dict[str, str]:
    """The rule files whose alerts a configuration is held against."""
    return {name: text for name, text in files.items() if name.startswith("rules/")}


@pytest.fixture(scope="module")
def found(policy: Policy, rules: dict[str, str]) -> Mapping[str, list[Finding]]:
    """What lint says of the generated configuration, broken or changed in each of these ways."""
    configs = {}
    for name, change in {**{str(n): one[0] for n, one in enumerate(BROKEN)}, **FINE}.items():
        content = yaml.safe_load(risk_alertmanager.generate(policy)["alertmanager.yml"])
        change(content)
        configs[name] = yaml.safe_dump(content, sort_keys=False)
    findings: dict[str, list[Finding]] = {name: [] for name in configs}
    for each in lint(policy, POLICY_TEXT, Material({}, configs, others=rules)):
        findings[each.file].append(each)
    return findings


def parsed(*edits: tuple[str, str], more: str) -> Policy:
    """The committed policy, with some of its lines changed and others added."""
    text = POLICY_TEXT
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return parse_policy((text + more).encode(), environ={})


def inhibit(source: list[str], target: list[str], equal: list[str]) -> Break:
    """One more inhibition rule."""
    rule = {"source_matchers": source, "target_matchers": target, "equal": equal}
    return lambda config: config["inhibit_rules"].append(rule)


def route(*matchers: str, first: bool = False, **more: Any) -> Break:
    """One more route, after the others or before them."""

    def add(config: Config) -> None:
        routes = config["route"]["routes"]
        routes.insert(0 if first else len(routes), {"matchers": list(matchers), **more})

    return add


def muting(*matchers: str, defined: bool = True) -> Break:
    """A route that is muted at night, before all others."""

    def add(config: Config) -> None:
        if defined:
            config["time_intervals"] = [
                {"name": "night", "time_intervals": [{"times": [
                    {"start_time": "20:00", "end_time": "24:00"}]}]},
            ]  # fmt: skip
        route(*matchers, first=True, mute_time_intervals=["night"])(config)

    return add


BLACK_HOLE = [{"name": "nobody"}]

BROKEN: list[tuple[Break, str, Level, str]] = [
    # Inhibition.
    (inhibit(['severity="emergency"'], ['severity="warning"', 'category="system"'], ["account"]),
     "asks for the same account, which", Level.ERROR, ""),
    (inhibit([RISK, 'tier="critical"', 'category="portfolio"'],
             [RISK, 'tier="warning"', 'category="security"'], ["risk_id"]),
     "mutes nothing: no source and target can have the same risk_id", Level.WARNING, ""),
    (inhibit([RISK, 'tier="critcal"'], [RISK, 'tier="warning"'], ["risk_id"]),
     'has no source: no alert passes {risk_id=~".+", tier="critcal"}', Level.WARNING, ""),
    (inhibit([RISK, 'tier="warning"'], [RISK, 'tier="emergency"'], ["risk_id"]),
     "which is no milder", Level.ERROR, "alerting.thresholds."),
    (inhibit([RISK, 'tier="warning"', 'limit="drawdown"'],
             [RISK, 'tier="emergency"', 'limit="drawdown"'], ["risk_id"]),
     "lets DRAWDOWN_WARNING (warning) mute DRAWDOWN_EMERGENCY (", Level.ERROR,
     "alerting.thresholds.portfolio.max_drawdown_emergency_pct"),
    (inhibit([RISK, 'alertname="RISK_RECEIVERS_DOWN"'], [RISK, 'action="kill_switch"'], []),
     "which is another risk", Level.ERROR, ""),
    # Routes.
    (route('severity="critical"', 'tier="emergency"'),
     "a route before it takes all that would", Level.ERROR, "alerting.routing.critical"),
    (route('alertname="DRAWDWN_EMERGENCY"', first=True),
     "no alert has such labels", Level.ERROR, "alerting.routing"),
    (route('severity="page"'), "no alert has such labels", Level.ERROR, "alerting.routing"),
    (lambda c: c["route"]["routes"][2].update(routes=[{"matchers": ['severity="warning"']}]),
     'route {severity="warning"} can never match', Level.ERROR, "alerting.routing."),
    (lambda c: c["route"].update(group_by=["risk_id", "tier", "severity", "acount"]),
     "groups by acount, which no alert carries", Level.WARNING, "alerting.routing"),
    (route('category="drawdown"', first=True, group_by=["alertname"]),
     "what differs by risk_id, tier, severity waits", Level.ERROR, "alerting.routing"),
    # Receivers.
    (lambda c: c["receivers"].append({"name": "pager", "webhook_configs": [{"url": "http://x"}]}),
     "receiver pager is told nothing, as no route leads to it", Level.WARNING, "alerting.routing"),
    (lambda c: (c.update(receivers=c["receivers"] + BLACK_HOLE),
                route('limit="drawdown"', first=True, receiver="nobody")(c)),
     "receiver nobody tells nobody, and DRAWDOWN_", Level.ERROR, "alerting.routing"),
    # Mute times.
    (muting('category="drawdown"', defined=False),
     "names time interval night, which is not defined", Level.ERROR, ""),
    (lambda c: c.update(time_intervals=[{"name": "mute_rollover", "time_intervals": []}]),
     "mutes nothing, as no route names it", Level.WARNING, "alerting.mute_times.rollover"),
    (muting('category="drawdown"'), "people would not hear of it", Level.ERROR, ""),
    (muting('severity="warning"'), "people would not hear of it", Level.ERROR, ""),
    (muting('account="main"', 'action="kill_switch"'), "DRAWDOWN_EMERGENCY (", Level.ERROR, ""),
]  # fmt: skip


def _swallow_the_heartbeat(config: Config) -> None:
    config["receivers"] += BLACK_HOLE
    config["route"]["routes"][0]["receiver"] = "nobody"


FINE: dict[str, Break] = {
    "nothing changed": lambda _: None,
    "what is told apart by a later route may be summed up by one that continues": route(
        'alertname="DRAWDOWN_EMERGENCY"',
        first=True,
        receiver="riskwarden",
        group_by=["alertname"],
        **{"continue": True},
    ),
    "a mute time for what may be muted": muting(
        'severity="warning"', 'category="position"', 'action!~"kill_switch|close_all"'
    ),
    "a heartbeat may end where nobody is told": _swallow_the_heartbeat,
}


@pytest.mark.parametrize("number", range(len(BROKEN)), ids=[one[1] for one in BROKEN])
def test_a_broken_configuration_is_found_with_line_key_and_remedy(
    found: Mapping[str, list[Finding]], number: int
) -> None:
    _, message, level, key = BROKEN[number]
    findings = [each for each in found[str(number)] if message in each.message]
    assert findings, found[str(number)]
    for finding in findings:
        assert finding.level is level
        assert finding.remedy
        assert finding.line > 1
        assert finding.key.startswith(key)
        assert bool(finding.policy_line) == ("mute_times" not in finding.key and bool(finding.key))


@pytest.mark.parametrize("change", FINE)
def test_what_is_right_is_left_alone(found: Mapping[str, list[Finding]], change: str) -> None:
    assert found[change] == []


BUSINESS_HOURS = (
    'enabled = false\nseverities = ["INFO"]\ntimes',
    'enabled = true\nseverities = ["INFO"]\ntimes',
)
EMAIL = (
    ("[alerting.channels.email]\nenabled = false", "[alerting.channels.email]\nenabled = true"),
    ('smtp_host = "${SMTP_HOST}"', 'smtp_host = "mail.example.com"'),
)


def test_windows_and_a_second_way_are_clean_as_they_are_generated(rules: dict[str, str]) -> None:
    generated = risk_alertmanager.generate(parsed(BUSINESS_HOURS, *EMAIL, more=MUTED))
    text = generated["alertmanager.yml"]
    assert "mute_rollover" in text
    assert "business_hours" in text
    assert "second_way" in text
    assert lint(parsed(more=MUTED), POLICY_TEXT, Material({}, generated, others=rules)) == ()


def test_what_amlint_says_becomes_a_finding_with_its_place() -> None:
    said = [
        {"file": "copy.yml", "line": 9, "column": 7, "level": "error", "code": "bad-template",
         "message": "title does not parse", "where": "receivers[0]"},
        {"file": "copy.yml", "line": 1, "level": "info", "code": "deep-nesting", "message": "deep"},
    ]  # fmt: skip
    (finding,) = amlint_findings("am.yml", json.dumps(said))
    assert (finding.file, finding.line, finding.level) == ("am.yml", 9, Level.ERROR)
    assert finding.message == "receivers[0]: title does not parse"
    assert finding.remedy == "amlint explain bad-template"
    assert list(amlint_findings("am.yml", "")) == []
