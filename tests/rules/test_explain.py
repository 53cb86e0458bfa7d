"""An alert in words says what the rules do, for every alert there is."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from loopback_http import LoopbackServer, Received, Reply

from risk_policy import Policy, default_policy_path, parse_policy
from risk_policy.catalogue import runbooks
from risk_policy.catalogue.system import SYSTEM_ALERTS
from risk_policy.unanswered import Step
from risk_rules.explain import (
    Asked,
    Sample,
    UnknownAlertError,
    command,
    draw,
    explain,
    queries,
    readings,
    spoken,
)
from risk_rules.groups import GUARD, SYSTEM, rule_files
from risk_rules.keys import system_keys
from risk_rules.rule import AlertRule


def rules_of(policy: Policy, name: str) -> set[tuple[str, str]]:
    """Severity and reason of every rule of an alert."""
    return {
        (rule.labels["severity"], rule.labels["escalation"])
        for groups in rule_files(policy).values()
        for group in groups
        for rule in group.rules
        if isinstance(rule, AlertRule) and rule.name == name
    }


@pytest.mark.parametrize("name", runbooks.names())
def test_every_alert_is_explained_with_all_escalations_that_its_rules_have(
    policy: Policy, name: str
) -> None:
    explained = explain(policy, name)
    said = {(explained.severity, "none")}
    said |= {
        (step.severity, "time") for step in explained.timeline[1:] if step.alert == explained.name
    }
    said |= {(each.severity, each.kind) for each in explained.rising if each.severity}
    assert said == rules_of(policy, name)
    alerts = [title for title in explained.rules if title.startswith("alert ")]
    assert len(alerts) == len(said)
    assert all((explained.watched.what, explained.meaning, explained.advice, explained.system))


def test_a_limit_is_explained_with_threshold_clear_level_and_policy_key(policy: Policy) -> None:
    explained = explain(policy, "drawdown_warning")
    assert explained.name == "DRAWDOWN_WARNING"
    assert (explained.watched.threshold, explained.watched.clear) == ("10%", "9.5%")
    key = "alerting.thresholds.portfolio.max_drawdown_warning_pct"
    assert explained.watched.settings[key] == "10"
    assert "risk_drawdown_ratio" in explained.rules["record risk:limit_raw"]


def test_the_timeline_counts_from_the_breach_through_its_confirmation(
    policy_with: Callable[..., Policy],
) -> None:
    policy = policy_with(("warning_seconds = 0", "warning_seconds = 30"))
    steps = explain(policy, "DRAWDOWN_WARNING").timeline
    assert [(step.after_seconds, step.severity) for step in steps] == [
        (30, "warning"),
        (330, "critical"),
        (930, "emergency"),
        (1830, "emergency"),
    ]
    assert steps[-1].alert == "KILL_SWITCH_EVALUATION"


def test_what_does_not_escalate_has_one_step_and_without_a_tier_nothing_to_acknowledge(
    policy: Policy,
) -> None:
    explained = explain(policy, "STOP_LOSS_TRIGGERED")
    assert len(explained.timeline) == 1
    assert explained.acknowledgement.command == ""


def test_switched_off_escalation_is_not_told(policy_with: Callable[..., Policy]) -> None:
    policy = policy_with(
        ("[alerting.escalation]\nenabled = true", "[alerting.escalation]\nenabled = false")
    )
    explained = explain(policy, "DRAWDOWN_WARNING")
    assert (len(explained.timeline), explained.rising) == (1, ())


def test_who_is_told_follows_the_channels_and_their_least_severity(
    policy_with: Callable[..., Policy],
) -> None:
    policy = policy_with(
        ('[alerting.channels.file]\nenabled = true\nmin_severity = "INFO"',
         '[alerting.channels.file]\nenabled = true\nmin_severity = "CRITICAL"'),
    )  # fmt: skip
    warning, critical, emergency = explain(policy, "DRAWDOWN_WARNING").told
    assert (warning.channels, critical.channels) == (("console",), ("console", "file"))
    assert "file (from critical)" in warning.silent
    assert (warning.first_seconds, critical.first_seconds) == (1, 0)
    assert emergency.repeat_seconds == 60


def test_when_people_are_not_told_is_told(policy_with: Callable[..., Policy]) -> None:
    windows = (
        '[alerting.mute_times.nightly]\ntimes = ["22:00-06:00"]\nseverities = ["WARNING"]\n'
        'weekdays = ["saturday"]\ncategories = ["drawdown"]\n[alerting.mute_times.move]\n'
        'start = 2026-12-05T22:00:00\nend = 2026-12-06T02:00:00\nlocation = "Asia/Tokyo"\n'
    )
    hours = "[alerting.business_hours] # outside of them people are not told of these severities"
    policy = policy_with(
        (hours, windows + hours),
        ('enabled = false\nseverities = ["INFO"]', 'enabled = true\nseverities = ["WARNING"]'),
    )
    warning, critical, _ = explain(policy, "DRAWDOWN_WARNING").told
    assert warning.muted == (
        "in mute_times.move (2026-12-05 22:00 to 2026-12-06 02:00, Asia/Tokyo)",
        "in mute_times.nightly (22:00-06:00, saturday, UTC)",
        "outside of business hours (08:00-18:00, monday:friday, UTC)",
    )
    assert critical.muted == ()
    assert len(explain(policy, "POSITION_LOSS_WARNING").told[0].muted) == 2
    assert not any(told.muted for told in explain(policy, "RISK_DISK_LOW").told)


def test_who_takes_over_from_a_channel_is_told(policy_with: Callable[..., Policy]) -> None:
    path = 'path = "logs/alerts/" # relative to the data folder\n'
    lists = path + 'fallback = ["console"]\ndeadline_seconds = 90\n'
    warning, *_ = explain(policy_with((path, lists)), "DRAWDOWN_WARNING").told
    assert warning.instead == (
        "what file refuses, or does not confirm within 1 min 30 s, is taken over by console",
    )
    assert explain(policy_with(), "DRAWDOWN_WARNING").told[0].instead == ()


def test_messages_that_wait_for_a_digest_are_named(policy_with: Callable[..., Policy]) -> None:
    assert explain(policy_with(), "DAILY_LOSS_WARNING").waits == (
        "If it ends and begins again within 2 min of being told, no worse, it waits for a digest.",
        "Ends and repeats beyond 20 warning messages a minute wait for a digest.",
    )
    assert explain(policy_with(), "DRAWDOWN_EMERGENCY").waits == ()
    assert explain(policy_with(), "SECURITY_INTRUSION").waits == ()


@pytest.mark.parametrize(
    "name", ["RISK_RECEIVERS_DOWN", "RISK_NOT_RECORDING", "RISK_ALERT_UNHEARD"]
)
def test_what_dead_receivers_cannot_tell_is_told_by_alertmanager_or_by_nobody(
    policy_with: Callable[..., Policy], name: str
) -> None:
    def told(policy: Policy) -> tuple[str, ...]:
        explained = explain(policy, name)
        assert "once the receivers work again" in explained.system[0]
        assert (explained.acknowledgement.own, explained.waits) == ("", ())
        assert {(one.by, one.repeat_seconds) for one in explained.told} == {
            ("Alertmanager itself", 1800)
        }
        return explained.told[0].channels

    email, host = "[alerting.channels.email]\nenabled = ", ('"${SMTP_HOST}"', '"mail.example.com"')
    by_mail = (email + "false", email + "true")
    off = ("[alerting.second_way]\nenabled = true", "[alerting.second_way]\nenabled = false")
    assert told(policy_with()) == ()
    assert told(policy_with(by_mail, host)) == ("email",)
    assert told(policy_with(by_mail, host, off)) == ()
    # The configuration that is generated holds no secret, and Telegram's it takes from there alone.
    both = b"""[alerting.channels]
    email = {enabled = true, smtp_host = "mail.example.com", to_addresses = ["desk@example.com"]}
    telegram.enabled = true"""
    environ = {"TELEGRAM_BOT_TOKEN": "1:x", "TELEGRAM_CHAT_ID": "42"}
    assert told(parse_policy(both, environ=environ)) == ("email",)


def test_people_are_not_told_of_the_heartbeat(policy: Policy) -> None:
    explained = explain(policy, "Watchdog")
    assert (explained.told, explained.waits) == ((), ())


def test_the_command_of_the_receivers_acknowledges_too(policy: Policy) -> None:
    assert explain(policy, "DRAWDOWN_WARNING").acknowledgement.own.startswith("riskwarden ack ")
    assert explain(policy, "STOP_LOSS_TRIGGERED").acknowledgement.own == ""


def test_an_acknowledgement_covers_the_tiers_up_to_this_one_and_no_worse(policy: Policy) -> None:
    quiet = explain(policy, "DRAWDOWN_CRITICAL").acknowledgement
    assert "'risk_id=\"drawdown/ACCOUNT\"' 'tier=~\"warning|critical\"'" in quiet.command
    assert "tier emergency still notifies" in quiet.covers
    assert "severity=" not in quiet.command


class Silences(LoopbackServer):
    """Takes silences as Alertmanager does, for an amtool of any version."""

    def answer(self, received: Received) -> Reply:
        kind = {"Content-Type": "application/json"}
        if received.method == "POST":
            return Reply(200, '{"silenceID": "one"}', kind)
        return Reply(200, '{"versionInfo": {"version": "0"}}', kind)


@pytest.mark.skipif(shutil.which("amtool") is None, reason="amtool is not installed")
@pytest.mark.parametrize("risk_id", ["drawdown/main", "position_loss/a\"b/it's $HOME"])
def test_amtool_understands_the_command(policy: Policy, risk_id: str) -> None:
    line = command(policy, risk_id, ("warning", "critical"))
    with Silences() as silences:
        there = line.replace(policy.alerting.endpoints.alertmanager, f"127.0.0.1:{silences.port}")
        done = subprocess.run(
            ["sh", "-c", there], capture_output=True, text=True, check=False, timeout=20
        )
        assert done.returncode == 0, done.stderr
        (made,) = [one.json for one in silences.received if one.method == "POST"]
    assert {(one["name"], one["value"], one["isRegex"]) for one in made["matchers"]} == {
        ("risk_id", risk_id, False),
        ("tier", "warning|critical", True),
    }
    assert all(one.get("isEqual", True) for one in made["matchers"])
    assert len(made["matchers"]) == 2


def test_the_kill_switch_is_announced_with_its_mode(policy_with: Callable[..., Policy]) -> None:
    policy = policy_with(('mode = "immediate"', 'mode = "graceful"'))
    does = " ".join(explain(policy, "DRAWDOWN_EMERGENCY").system)
    assert "mode graceful" in does
    assert "30 min" in does
    assert "kill switch" not in " ".join(explain(policy, "DRAWDOWN_WARNING").system)


def test_the_fast_lane_is_told_of_where_it_trips_the_kill_switch_and_nowhere_else(
    policy: Policy, policy_with: Callable[..., Policy]
) -> None:
    def told(policy: Policy, name: str = "DRAWDOWN_EMERGENCY") -> str:
        return " ".join(explain(policy, name).system)

    assert "fast lane raises it as soon as a snapshot is beyond" in told(policy)
    assert "fast lane" not in told(policy, "DRAWDOWN_CRITICAL")
    patient = policy_with(("confirm_snapshots = 1", "confirm_snapshots = 3"))
    assert "as soon as 3 snapshots in a row are beyond" in told(patient)
    on = "enabled = true # as soon as it has the token of the alert feed"
    assert "fast lane" not in told(policy_with((on, "enabled = false")))


def test_a_breaker_says_how_long_it_holds(policy: Policy) -> None:
    assert any(
        "1 h after the end" in each for each in explain(policy, "INTRADAY_DRAWDOWN_CRITICAL").system
    )


def test_an_unknown_alert_is_answered_with_what_may_be_meant(policy: Policy) -> None:
    with pytest.raises(UnknownAlertError, match="did you mean DRAWDOWN_WARNING"):
        explain(policy, "DRAWDON_WARNING")
    with pytest.raises(UnknownAlertError, match="all are listed"):
        queries(policy, "zzz")


def sample(value: float, **labels: str) -> Sample:
    return Sample({"risk_id": "drawdown/main", **labels}, value, 1000.0)


def test_readings_say_value_breach_waiting_and_severities(policy: Policy) -> None:
    answers = {
        Asked.VALUE: [sample(0.123), sample(0.02, risk_id="drawdown/calm")],
        Asked.SINCE: [sample(400.0)],
        Asked.UNACKED: [sample(700.0)],
        Asked.FIRING: [sample(1, severity="warning"), sample(1, severity="critical")],
    }
    main, calm = readings("DRAWDOWN_WARNING", answers)
    assert (main.risk_id, main.value, main.breached_seconds) == ("drawdown/main", "12.3%", 600)
    assert (main.waiting_seconds, main.severities) == (300, ("critical", "warning"))
    assert (calm.value, calm.breached_seconds, calm.severities) == ("2%", None, ())


def test_what_an_alert_about_the_risk_layer_measures_is_read(policy: Policy) -> None:
    asked = queries(policy, "RISK_DISK_LOW")[Asked.VALUE]
    assert "risk_disk_free_ratio" in asked
    assert "< 0.1" in asked
    full = {"risk_id": "disk_low/receivers"}
    answers = {Asked.VALUE: [sample(0.07, **full)], Asked.FIRING: [sample(1, **full)]}
    (reading,) = readings("RISK_DISK_LOW", answers)
    assert (reading.risk_id, reading.value) == ("disk_low/receivers", "7%")

    answers = {
        Asked.VALUE: [Sample({}, 90, 1000.0)],
        Asked.FIRING: [Sample({"risk_id": "state_unsaved"}, 1, 1000.0)],
    }
    (reading,) = readings("RISK_EXPORTER_STATE_UNSAVED", answers)
    assert (reading.risk_id, reading.value) == ("state_unsaved", "1m 30s")


def test_a_figure_that_is_no_number_is_said_to_be_none() -> None:
    (reading,) = readings("VAR_BREACH_WARNING", {Asked.VALUE: [sample(float("nan"))]})
    assert reading.value == "not a number"


def test_prometheus_understands_every_query(
    policy: Policy, promtool: Callable[..., subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    rules = [
        {"record": f"q{index}", "expr": query}
        for index, name in enumerate(runbooks.names())
        for query in queries(policy, name).values()
    ]
    content = yaml.safe_dump({"groups": [{"name": "g", "rules": rules}]})
    (tmp_path / "q.yml").write_text(content, encoding="utf-8")
    done = promtool(tmp_path, "check", "rules", "--lint=none", "q.yml")
    assert done.returncode == 0, done.stderr


moments = st.lists(st.integers(0, 100_000), min_size=1, max_size=6, unique=True).map(sorted)


@given(moments, st.integers(10, 200))
def test_a_drawing_fits_its_width_or_stands_upright_and_names_every_step(
    times: list[int], width: int
) -> None:
    steps = tuple(Step(time, f"event {index}", "warning", "A") for index, time in enumerate(times))
    lines = draw(steps, width)
    upright = len([line for line in lines if "●" in line]) > 1 or len(steps) == 1
    assert upright or max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert text.count("●") == len(steps)
    assert all(step.event in text for step in steps)
    if not upright:
        axis = [index for index, sign in enumerate(lines[1]) if sign == "●"]
        assert all(lines[2][column:].startswith("event") for column in axis)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.5, "0.5 s"),
        (60, "1 min"),
        (5400, "1 h 30 min"),
        (90_061, "1 d 1 h 1 min 1 s"),
    ],
)
def test_times_are_said_without_parts_that_are_zero(seconds: float, said: str) -> None:
    assert spoken(seconds) == said


def perturbed(policy: Policy) -> Iterator[tuple[str, Policy]]:
    """The policy with one number up or down at a time, and the number's key."""

    def walk(section: Any, path: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], object]]:
        for name in type(section).model_fields:
            value = getattr(section, name)
            if hasattr(type(value), "model_fields"):
                yield from walk(value, (*path, name))
            elif isinstance(value, int | float) and not isinstance(value, bool):
                yield (*path, name), value * 2
                yield (*path, name), value / 5
            elif name == "required_limits":
                yield (*path, name), ("drawdown",)

    def put(section: Any, path: tuple[str, ...], value: object) -> Any:
        first, *rest = path
        inner = put(getattr(section, first), tuple(rest), value) if rest else value
        return section.model_copy(update={first: inner})

    for path, value in walk(policy.alerting, ()):
        if path[0] in ("dead_man", "escalation", "kill_switch", "latch", "security", "system"):
            yield "alerting." + ".".join(path), put(policy, ("alerting", *path), value)


def test_the_keys_that_decide_about_system_alerts_are_those_that_change_their_rules() -> None:
    text = default_policy_path().read_bytes()
    policy = parse_policy(text, environ={})
    alerts = {alert.limit: alert for alert in SYSTEM_ALERTS}

    def conditions(under: Policy) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for file in (SYSTEM, GUARD):
            for group in rule_files(under)[file]:
                for rule in group.rules:
                    if rule.labels.get("escalation") != "time":
                        found.setdefault(rule.labels["limit"], []).append(rule.expression)
        return found

    before = conditions(policy)
    changed: dict[str, set[str]] = {}
    for key, other in perturbed(policy):
        for limit, expressions in conditions(other).items():
            if expressions != before[limit]:
                changed.setdefault(limit, set()).add(key)
    said = {limit: set(system_keys(alert)) for limit, alert in alerts.items() if limit in before}
    assert {limit: keys for limit, keys in said.items() if keys} == changed
