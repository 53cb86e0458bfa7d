"""A policy file on top of another one: what counts, what it is called, and where mistakes are."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import nursery
import pytest

from risk_policy import InvalidPolicyError, default_policy_path, load_policy, read_values
from risk_policy.loader import written_places
from risk_receivers.templating.renderer import templates_folder

BASE = """\
[alerting.thresholds.portfolio]
daily_loss_warning_pct = 2
daily_loss_breach_pct = 5
[alerting.dashboard.api]
allowed_networks = ["10.0.0.0/8", "192.168.0.0/16"]
[alerting.channels]
templates_path = "words"
"""
ABOVE = """\
extends = "../base.toml"
[alerting.thresholds.portfolio]
daily_loss_warning_pct = 1
[alerting.dashboard.api]
allowed_networks = ["127.0.0.0/8"]
"""
PROFILES = Path(__file__).parents[2] / "policy" / "profiles"
#: What the profiles' channels ask for.
CHANNELS = {
    "SMTP_HOST": "mail.example.com",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T0/B0/x",
    "TELEGRAM_BOT_TOKEN": "1:abc",
    "TELEGRAM_CHAT_ID": "-1001",
}


@pytest.fixture
def above(tmp_path: Path) -> Path:
    (tmp_path / "base.toml").write_text(BASE)
    (tmp_path / "profiles").mkdir()
    path = tmp_path / "profiles" / "above.toml"
    path.write_text(ABOVE)
    return path


def refused(path: Path) -> str:
    with pytest.raises(InvalidPolicyError) as caught:
        load_policy(path, {})
    return str(caught.value)


def test_the_upper_file_counts_key_by_key_and_its_lists_replace_those_below(above: Path) -> None:
    alerting = load_policy(above, {}).alerting
    assert alerting.thresholds.portfolio.daily_loss_warning_pct == 1
    assert alerting.thresholds.portfolio.daily_loss_breach_pct == 5
    assert alerting.dashboard.api.allowed_networks == ("127.0.0.0/8",)
    key = "alerting.thresholds.portfolio.daily_loss_breach_pct"
    assert read_values(above).get(key) == 5


def test_the_digest_is_that_of_all_bytes_the_lowest_file_first(above: Path) -> None:
    assert load_policy(above, {}).digest == hashlib.sha256((BASE + ABOVE).encode()).hexdigest()
    (above.parent.parent / "base.toml").write_text(BASE + "\n")
    assert (
        load_policy(above, {}).digest == hashlib.sha256((BASE + "\n" + ABOVE).encode()).hexdigest()
    )


def test_each_key_says_which_file_and_line_it_is_from(above: Path) -> None:
    base = str(above.parent.parent / "base.toml")
    places = written_places(above)
    prefix = "alerting.thresholds.portfolio."
    own, below = places[prefix + "daily_loss_warning_pct"], places[prefix + "daily_loss_breach_pct"]
    assert (own.file, own.line) == (str(above), 3)
    assert (below.file, below.line) == (base, 3)
    assert "extends" not in places


def test_a_path_belongs_to_the_file_that_names_it(above: Path) -> None:
    assert templates_folder(load_policy(above, {})) == above.parent.parent / "words"
    above.write_text(ABOVE + '[alerting.channels]\ntemplates_path = "own"\n')
    assert templates_folder(load_policy(above, {})) == above.parent / "own"


def test_a_problem_names_the_file_and_line_where_the_value_stands(above: Path) -> None:
    base = above.parent.parent / "base.toml"
    base.write_text(BASE.replace("= 5", "= 500"))
    assert refused(above).startswith(
        f"{base}:3: alerting.thresholds.portfolio.daily_loss_breach_pct"
    )
    base.write_text(BASE)
    above.write_text(ABOVE.replace("= 1", "= 7"))
    assert f"{above}:3: alerting.thresholds.portfolio.daily_loss_warning_pct" in refused(above)
    base.write_text("[alerting")
    assert refused(above).startswith(f"{base}:1: is not valid TOML")


def test_what_is_extended_has_to_be_there_and_end_somewhere(above: Path) -> None:
    missing = above.parent.parent / "nothing.toml"
    above.write_text('extends = "../nothing.toml"\n')
    said = refused(above)
    assert said.startswith(f"{above}:1: extends = '../nothing.toml': {missing} cannot be read")
    above.write_text('extends = "above.toml"\n')
    assert "at most 5 files stand on each other" in refused(above)
    above.write_text("extends = 3\n")
    assert "must be the path of a policy file" in refused(above)


def test_policy_show_tells_where_each_value_is_from(above: Path) -> None:
    shown = nursery.run("riskwarden", "policy", "show", str(above)).stdout
    rows = [[cell.strip() for cell in line.split("│")] for line in shown.splitlines()]
    origin = {row[1]: row[3] for row in rows if len(row) > 3}
    assert origin["alerting.dashboard.api.allowed_networks"] == "above.toml:5"
    assert origin["alerting.channels.templates_path"] == "base.toml:7"
    assert origin["alerting.gate.lease_seconds"] == "default"


@pytest.mark.parametrize("name", ["development", "shadow", "testnet", "production"])
def test_a_profile_is_valid_and_changes_no_limit(name: str) -> None:
    plain = load_policy(default_policy_path(), {}).alerting
    profile = load_policy(PROFILES / f"{name}.toml", CHANNELS).alerting
    for table in ("thresholds", "circuit_breakers", "limits", "measures", "pre_trade"):
        assert getattr(profile, table) == getattr(plain, table), json.dumps(table)


def test_every_profile_is_tried() -> None:
    found = {path.stem for path in PROFILES.glob("*.toml")}
    assert found == {"development", "shadow", "testnet", "production"}


def test_development_tells_nobody_elsewhere_and_needs_no_secret() -> None:
    channels = load_policy(PROFILES / "development.toml", {}).alerting.channels
    assert {one for one in channels.names() if getattr(channels, one).enabled} == {
        "console",
        "file",
    }


def test_production_needs_two_people_a_code_and_a_channel_that_takes_over() -> None:
    policy = load_policy(PROFILES / "production.toml", CHANNELS).alerting
    assert policy.kill_switch.needs_second_person
    assert policy.kill_switch.needs_totp
    assert policy.audit.signing.signer == "socket"
    for name in ("slack", "telegram"):
        assert "email" in getattr(policy.channels, name).fallback
