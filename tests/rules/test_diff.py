"""What a change of the policy does is said in words, and nothing that changed is left out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import Policy, default_policy_path, parse_policy
from risk_rules.diff import Change, Kind, PolicyDiff, diff

Diffed = Callable[..., PolicyDiff]


@pytest.fixture
def changed(policy: Policy, policy_with: Callable[..., Policy]) -> Diffed:
    """The committed policy against itself with some lines changed."""

    def run(*edits: tuple[str, str]) -> PolicyDiff:
        return diff(policy, policy_with(*edits))

    return run


def only(found: PolicyDiff, kind: Kind) -> Change:
    (change,) = [each for each in found.changes if each.kind is kind]
    return change


def test_a_policy_that_says_the_same_changes_nothing_for_anybody(policy: Policy) -> None:
    text = default_policy_path().read_text(encoding="utf-8") + "\n# a remark\n"
    other = parse_policy(text.encode(), environ={})
    assert other.digest != policy.digest
    found = diff(policy, other)
    assert found.is_empty
    assert (found.rules.changed, found.rules.added, found.rules.removed) == (0, 0, 0)
    assert found.rules.alike > 500


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 8"),
         "DRAWDOWN_WARNING: 10% → 8%: fires earlier"),
        (("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 12"),
         "DRAWDOWN_WARNING: 10% → 12%: fires later"),
        (("margin_critical_pct = 150", "margin_critical_pct = 180"),
         "MARGIN_CRITICAL: 150% → 180%: fires earlier"),
        (("daily_loss_breach_pct = 5", "daily_loss_breach_pct = 6"),
         "DAILY_LOSS_BREACH: -5% → -6%: fires later"),
        (("max_drawdown_emergency_pct = 20", "max_drawdown_emergency_pct = 18"),
         "DRAWDOWN_EMERGENCY: 20% → 18%: fires earlier and trips the kill switch"),
    ],
)  # fmt: skip
def test_a_moved_threshold_says_whether_it_fires_earlier(
    changed: Diffed, edit: tuple[str, str], text: str
) -> None:
    found = changed(edit)
    assert only(found, Kind.THRESHOLD).text == text
    assert only(found, Kind.CLEAR).subject == only(found, Kind.THRESHOLD).subject
    assert {each.kind for each in found.changes} == {Kind.THRESHOLD, Kind.CLEAR}
    assert found.rules.changed > 0
    assert found.rules.added == found.rules.removed == 0


@pytest.mark.parametrize(
    ("edit", "kind", "text"),
    [
        (("clear_margin_pct = 5", "clear_margin_pct = 10"), Kind.CLEAR,
         "5% of the threshold → 10%: the value has to come back further"),
        (("emergency_seconds = 0", "emergency_seconds = 3"), Kind.CONFIRMATION,
         "every alert of tier emergency: 0 s → 3 s: fires later"),
        (("cooldown_minutes = 120", "cooldown_minutes = 90"), Kind.COOLDOWN,
         "2 h → 1 h 30 min: ends earlier"),
        (("warning_to_critical_minutes = 5", "warning_to_critical_minutes = 3"), Kind.ESCALATION,
         "counts as critical: 5 min → 3 min: sooner"),
        (("emergency_kill_switch_minutes = 30", "emergency_kill_switch_minutes = 45"),
         Kind.ESCALATION, "kill-switch decision: 30 min → 45 min: later"),
        (("storm_alert_at_count = 10", "storm_alert_at_count = 20"), Kind.ESCALATION,
         "10 times → 20 times: escalates less readily"),
        (("project_minutes = 30", "project_minutes = 40"), Kind.ESCALATION,
         "escalates more readily"),
        (("[alerting.escalation]\nenabled = true", "[alerting.escalation]\nenabled = false"),
         Kind.ESCALATION, "every escalation: on → off: nothing escalates by it any more"),
        (("snapshot_stale_seconds = 10", "snapshot_stale_seconds = 20"), Kind.SYSTEM,
         ("RISK_DATA_STALE, RISK_RUNTIME_SILENT, RISK_NO_ACCOUNT and RISK_EXPORTER_STATE_UNSAVED: "
         "10 → 20: fires later")),
        (("disk_free_warning_pct = 10", "disk_free_warning_pct = 20"), Kind.SYSTEM,
         "RISK_DISK_LOW: 10 → 20: fires earlier"),
        (("exporter_down_seconds = 10", "exporter_down_seconds = 19"), Kind.SYSTEM,
         "RISK_EXPORTER_DOWN: 10 → 19: fires later"),
        (('min_severity = "INFO"', 'min_severity = "CRITICAL"'), Kind.CHANNEL,
         "file: info and worse → critical and worse: is no longer told of info, warning"),
        (("[alerting.channels.file]\nenabled = true", "[alerting.channels.file]\nenabled = false"),
         Kind.CHANNEL, "file: info and worse → off"),
        (("group_wait_seconds = 1\n", "group_wait_seconds = 4\n"), Kind.ROUTING,
         "warning alerts: 1 s → 4 s: the first message goes out later"),
        (("enabled = true # as soon as it has the token of the alert feed", "enabled = false"),
         Kind.KILL_SWITCH,
         "the fast lane: on → off: a trip waits for Prometheus to see the breach"),
        (("confirm_snapshots = 1", "confirm_snapshots = 3"), Kind.KILL_SWITCH,
         "the fast lane: 1 → 3: it trips on more snapshots in a row"),
        (('mode = "immediate"', 'mode = "pause"'), Kind.KILL_SWITCH,
         "an automatic trip: immediate → pause: looser"),
        (("var_max_pct = 5 #", "var_max_pct = 4 #"), Kind.THRESHOLD,
         "VAR_BREACH_WARNING and VAR_BREACH_CRITICAL fire earlier"),
        (("commit_batch = 500", "commit_batch = 400"), Kind.OTHER,
         "alerting.intake.commit_batch: 500 → 400"),
        (('bot_token = "${TELEGRAM_BOT_TOKEN}"', 'bot_token = "${OTHER}"'), Kind.OTHER,
         "alerting.channels.telegram.bot_token: ${TELEGRAM_BOT_TOKEN} → ${OTHER}"),
    ],
)  # fmt: skip
def test_a_change_is_told_in_words(
    changed: Diffed, edit: tuple[str, str], kind: Kind, text: str
) -> None:
    found = changed(edit)
    assert text in only(found, kind).text
    assert not found.is_empty


HOURS = "[alerting.business_hours] # outside of them people are not told of these severities\n"
NIGHTLY = """[alerting.mute_times.nightly]
times = ["22:00-06:00"]
severities = ["INFO", "WARNING"]
categories = ["drawdown"]
"""


def test_a_window_in_which_people_are_not_told_is_one_change_in_words(
    changed: Diffed, policy: Policy, policy_with: Callable[..., Policy]
) -> None:
    (quiet,) = changed((HOURS, NIGHTLY + HOURS)).changes
    assert quiet.kind is Kind.QUIET
    assert quiet.text == (
        "mute_times.nightly: off → 22:00-06:00, UTC: people are not told of info and warning "
        "alerts about drawdown then"
    )
    (louder,) = diff(policy_with((HOURS, NIGHTLY + HOURS)), policy).changes
    assert louder.text.endswith("22:00-06:00, UTC → off: people are told at any time again")
    (hours,) = changed((HOURS + "enabled = false", HOURS + "enabled = true")).changes
    assert hours.text == (
        "business_hours: off → 08:00-18:00, monday:friday, UTC: people are told of info alerts in "
        "these hours only"
    )


def test_a_window_that_is_off_is_listed_by_its_keys(changed: Diffed) -> None:
    found = changed((HOURS, NIGHTLY + "enabled = false\n" + HOURS))
    assert {each.kind for each in found.changes} == {Kind.OTHER}


def test_rules_that_come_and_go_are_counted(changed: Diffed) -> None:
    section = "[alerting.escalation.time_based] # minutes without an acknowledgement\nenabled = "
    off = changed((section + "true", section + "false"))
    assert off.rules.removed > 100
    assert off.rules.added == 0


def test_a_policy_that_watches_nothing_says_so(changed: Diffed) -> None:
    found = changed(("[alerting]\nenabled = true", "[alerting]\nenabled = false"))
    assert "nothing is watched any more" in only(found, Kind.OTHER).text
    assert found.rules.removed > 500


def test_every_setting_that_differs_is_told_once_at_least(
    policy: Policy, policy_with: Callable[..., Policy]
) -> None:
    edits = (
        ("max_drawdown_warning_pct = 10", "max_drawdown_warning_pct = 9"),
        ("repeat_interval_seconds = 3600", "repeat_interval_seconds = 1800"),
        ("var_window_days = 250", "var_window_days = 200"),
        ("storm_alert_at_count = 10", "storm_alert_at_count = 12"),
        ("retention_days = 15", "retention_days = 30"),
    )
    keys = {each.key.rpartition(".")[2] for each in diff(policy, policy_with(*edits)).changes}
    assert keys == {old.partition(" ")[0] for old, _ in edits}
