"""What a user may write into the policy, and what they are told when it is wrong."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_policy import (
    InvalidPolicyError,
    Policy,
    Problem,
    default_policy_path,
    load_policy,
    parse_policy,
)
from risk_policy.checks import LADDERS, Ladder
from risk_policy.values import Values
from risk_policy.vocabulary import Severity

DEFAULT = default_policy_path().read_text(encoding="utf-8")


def every_problem(text: str, environ: dict[str, str] | None = None) -> tuple[Problem, ...]:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text.encode(), "alerting.toml", environ or {})
    return caught.value.problems


def problems(text: str, environ: dict[str, str] | None = None) -> dict[str, Problem]:
    return {problem.key: problem for problem in every_problem(text, environ)}


def assignment(key: str, value: float) -> str:
    table, _, name = key.rpartition(".")
    return f"[{table}]\n{name} = {int(value) if float(value).is_integer() else value}\n"


def values_with(key: str, value: float) -> Values:
    """A file that sets one key."""
    tree: object = value
    for part in reversed(key.split(".")):
        tree = {part: tree}
    assert isinstance(tree, dict)
    return Values(tree)


def test_the_committed_policy_says_exactly_what_the_defaults_say() -> None:
    written = load_policy(default_policy_path(), {}).model_dump()
    default = Policy().model_dump()
    # Who is mailed and which channel is used are examples in the file, not defaults.
    for policy in (written, default):
        channels = policy["alerting"]["channels"]
        del channels["email"]["from_address"], channels["email"]["to_addresses"]
        del channels["slack"]["channel"], channels["apprise"]["urls"]
    assert written == default


def test_an_empty_file_is_the_default_policy() -> None:
    assert parse_policy(b"", environ={}).alerting == Policy().alerting


def test_the_digest_is_what_sha256sum_prints_for_the_file() -> None:
    assert parse_policy(DEFAULT.encode(), environ={}).digest == (
        hashlib.sha256(DEFAULT.encode()).hexdigest()
    )


def test_comments_may_be_german_and_severities_in_capitals() -> None:
    text = '# Schwellenwerte für Größe und Verlust\n[alerting]\ndefault_severity = "CRITICAL"\n'
    assert parse_policy(text.encode()).alerting.default_severity is Severity.CRITICAL


def test_every_problem_is_reported_at_once_with_its_line() -> None:
    found = problems(
        """[alerting]
colour = "red"
[alerting.thresholds.portfolio]
max_drawdown_warning_pct = 18
max_drawdown_emergency_pct = "20%"
daily_loss_warning_pct = 0.02
[alerting.thresholds.position]
loss_warning_pct = -5
loss_critical_pct = true
[alerting.audit]
storage_backend = "oracle"
"""
    )
    lines = {key.rpartition(".")[2]: problem.line for key, problem in found.items()}
    assert lines == {
        "colour": 2,
        "max_drawdown_warning_pct": 4,
        "max_drawdown_emergency_pct": 5,
        "daily_loss_warning_pct": 6,
        "loss_warning_pct": 8,
        "loss_critical_pct": 9,
        "storage_backend": 11,
    }


def test_a_problem_names_file_line_key_value_and_remedy() -> None:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(b"[alerting.thresholds.portfolio]\ndaily_loss_warning_pct = 0.02", "desk.toml")
    assert str(caught.value) == (
        "desk.toml:2: alerting.thresholds.portfolio.daily_loss_warning_pct = 0.02: "
        "looks like a ratio; the key is in percent: write 2"
    )


def test_a_misspelt_key_is_answered_with_the_right_one() -> None:
    found = problems("[alerting.thresholds.portfolio]\nmax_drawdown_warnin_pct = 9")
    (problem,) = found.values()
    assert "did you mean max_drawdown_warning_pct?" in problem.message


def test_a_misspelt_table_is_answered_with_the_right_one() -> None:
    (problem,) = problems("[alerting.treshold]\nx = 1").values()
    assert "did you mean thresholds?" in problem.message


@pytest.mark.parametrize("ladder", LADDERS, ids=lambda ladder: ladder.keys[0].rpartition(".")[2])
def test_what_is_out_of_order_is_told_of_the_key_that_somebody_wrote(ladder: Ladder) -> None:
    lower, upper = ladder.keys[:2]
    low, high = Policy().number(lower), Policy().number(upper)
    beyond = 1 if ladder.may_be_equal else 0
    (told,) = ladder.problems(values_with(lower, high + beyond))
    assert told.key == lower
    assert told.message.startswith("must be at most" if ladder.may_be_equal else "must be below")
    assert f"= {high:g}, or {ladder.because}" in told.message
    (told,) = ladder.problems(values_with(upper, low - beyond / 2))
    assert told.key == upper
    assert told.message.startswith("must be at least" if ladder.may_be_equal else "must be above")
    assert f"= {low:g}, or {ladder.because}" in told.message


def test_what_is_out_of_order_is_told_with_its_line_and_both_values() -> None:
    (problem,) = every_problem("[alerting.gate]\nlease_seconds = 0.25\n")
    assert problem.render("desk.toml") == (
        "desk.toml:2: alerting.gate.lease_seconds = 0.25: must be above renew_seconds = 0.5, "
        "or the gate closes before it is renewed"
    )


@pytest.mark.parametrize(
    "ladder",
    [ladder for ladder in LADDERS if ladder.may_be_equal],
    ids=lambda ladder: ladder.keys[0].rpartition(".")[2],
)
def test_what_may_be_equal_may_be_equal(ladder: Ladder) -> None:
    lower, upper = ladder.keys
    policy = Policy()
    edits = {"scrape_interval_seconds": 5.0}  # the mildest of several bounds on it
    value = edits.get(lower.rpartition(".")[2], policy.number(upper))
    assert parse_policy(assignment(lower, value).encode(), environ={}).number(lower) == value


def test_a_part_of_a_route_may_be_written_and_the_rest_keeps_its_defaults() -> None:
    text = b"[alerting.routing.emergency]\ngroup_interval_seconds = 7"
    route = parse_policy(text, environ={}).alerting.routing.emergency
    assert route == Policy().alerting.routing.emergency.model_copy(
        update={"group_interval_seconds": 7}
    )


def test_a_down_alert_at_the_first_failed_scrape_has_to_be_asked_for() -> None:
    text = "[alerting.prometheus]\nscrape_interval_seconds = 5\n[alerting.system]\n"
    parse_policy(f"{text}exporter_down_seconds = 0\nreceivers_down_seconds = 0".encode())
    found = problems(f"{text}exporter_down_seconds = 2")
    message = found["alerting.prometheus.scrape_interval_seconds"].message
    assert "alerting.system.exporter_down_seconds = 2" in message
    assert "0 says that this is wanted" in message


def test_variables_of_enabled_channels_must_be_set() -> None:
    text = "[alerting.channels.slack]\nenabled = true\n[alerting.channels.email]\nenabled = true\n"
    found = problems(text)
    assert "SLACK_WEBHOOK_URL" in found["alerting.channels.slack.webhook_url"].message
    assert "SMTP_HOST_FILE" in found["alerting.channels.email.smtp_host"].message


def test_variables_of_disabled_channels_need_not_be_set() -> None:
    assert parse_policy(DEFAULT.encode(), environ={}).alerting.channels.slack.enabled is False


def test_a_variable_may_come_from_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "webhook"
    secret.write_text("https://hooks.invalid/T/B/secret-value\n", encoding="utf-8")
    environ = {"SLACK_WEBHOOK_URL_FILE": str(secret)}
    policy = parse_policy(b"[alerting.channels.slack]\nenabled = true", environ=environ)
    slack = policy.alerting.channels.slack
    assert slack.webhook_url.reveal(environ) == "https://hooks.invalid/T/B/secret-value"


def test_plain_values_take_variables_too() -> None:
    text = """[alerting.channels.email]
enabled = true
smtp_host = "${MAILHOST}"
to_addresses = ["desk@${DOMAIN}"]
"""
    environ = {"MAILHOST": "mail.internal", "DOMAIN": "example.com"}
    email = parse_policy(text.encode(), environ=environ).alerting.channels.email
    assert (email.smtp_host, email.to_addresses) == ("mail.internal", ("desk@example.com",))


def test_a_secret_in_the_file_is_refused_and_not_repeated() -> None:
    text = '[alerting.channels.telegram]\nbot_token = "123456:very-secret"'
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text.encode())
    assert "must not stand in the policy" in str(caught.value)
    assert "very-secret" not in str(caught.value)


def test_nothing_that_shows_a_policy_shows_a_secret() -> None:
    environ = {"SLACK_WEBHOOK_URL": "https://hooks.invalid/very-secret"}
    policy = parse_policy(b"[alerting.channels.slack]\nenabled = true", environ=environ)
    for shown in (repr(policy), str(policy.model_dump()), policy.model_dump_json()):
        assert "very-secret" not in shown
        assert "${SLACK_WEBHOOK_URL}" in shown


def test_broken_toml_is_named_with_its_line() -> None:
    (problem,) = problems("[alerting]\nenabled = yes\n").values()
    assert problem.line == 2
    assert "not valid TOML" in problem.message


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidPolicyError, match=r"nowhere\.toml: cannot be read"):
        load_policy(tmp_path / "nowhere.toml")


def test_a_foreign_table_is_refused() -> None:
    assert "everything stands under [alerting]" in problems("[risk]\nx = 1")["risk"].message


def test_a_console_for_strangers_is_refused() -> None:
    text = (
        '[alerting.dashboard]\nenabled = true\nhost = "0.0.0.0"\n'
        "[alerting.dashboard.auth]\nenabled = false\n"
    )
    assert "reachable from other machines" in problems(text)["alerting.dashboard.host"].message


@given(st.floats(allow_nan=True, allow_infinity=True))
def test_a_drawdown_threshold_is_either_usable_or_explained(value: float) -> None:
    key = "alerting.thresholds.portfolio.max_drawdown_warning_pct"
    text = f"[alerting.thresholds.portfolio]\nmax_drawdown_warning_pct = {value!r}\n"
    try:
        policy = parse_policy(text.encode(), environ={})
    except InvalidPolicyError as error:
        assert {problem.key for problem in error.problems} == {key}
    else:
        assert policy.number(key) == value
        assert 0.25 <= value < 15


@given(st.text(max_size=60))
def test_no_text_makes_the_loader_fail_in_another_way(text: str) -> None:
    data = text.encode("utf-8", "surrogatepass")
    try:
        parse_policy(data, environ={})
    except InvalidPolicyError as error:
        assert error.problems
