"""Whom messages and buttons are for: what reaches nobody, or anybody, is refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from risk_policy import Problem, parse_policy

Refused = Callable[..., tuple[Problem, ...]]


def test_mail_to_nobody_is_refused(refused: Refused) -> None:
    text = "[alerting.channels.email]\nenabled = true\nsmtp_host = 'mail'\nto_addresses = []"
    (problem,) = refused(text)
    assert (problem.line, problem.value) == (4, "[]")
    assert "would reach nobody" in problem.message
    parse_policy(text.replace("true", "false").encode(), environ={})


MAIL = "[alerting.channels.email]\nenabled = true\nsmtp_host = 'mail'\nto_addresses = ['a@b.c']\n"
LOGIN = MAIL + "username = 'desk'\npassword = '${PW}'\n"


@pytest.mark.parametrize(
    ("text", "key", "words"),
    [
        (MAIL + "username = 'desk'", "username", "without a password"),
        (MAIL + "password = '${PW}'", "password", "without a username"),
        (LOGIN + "use_tls = false", "use_tls", "readable over the network"),
    ],
)
def test_half_a_login_or_a_readable_one_is_refused(
    text: str, key: str, words: str, refused: Refused
) -> None:
    (problem,) = refused(text, {"PW": "hunter2"})
    assert (problem.key, problem.line) == (f"alerting.channels.email.{key}", text.count("\n") + 1)
    assert words in problem.message
    assert "hunter2" not in str(problem)


def test_a_login_is_optional_and_its_password_a_secret() -> None:
    parse_policy(MAIL.encode(), environ={})
    email = parse_policy(LOGIN.encode(), environ={"PW": "hunter2"}).alerting.channels.email
    assert email.password is not None
    assert "hunter2" not in repr(email)
    assert email.password.reveal({"PW": "hunter2"}) == "hunter2"
    local = LOGIN.replace("'mail'", "'127.0.0.1'") + "use_tls = false"
    parse_policy(local.encode(), environ={"PW": "hunter2"})


@pytest.mark.parametrize("address", ["", "operator", "@example.com", "a@b\\nBcc: c@d", "a@b c"])
def test_what_is_no_mail_address_is_refused(address: str, refused: Refused) -> None:
    (problem,) = refused(f'[alerting.channels.email]\nto_addresses = ["{address}"]')
    assert problem.key == "alerting.channels.email.to_addresses.0"
    assert "operator@example.com" in problem.message


@pytest.mark.parametrize(
    "address",
    [
        "[desk] <a@b.c>",
        "a@b@c.d",
        "a@b.c, d@e.f",
        "Risk, desk <a@b.c>",
        "Desk: a@b.c;",
        "a@b.c <d@e.f>",
    ],
)
def test_what_would_reach_another_one_or_not_all_is_refused(address: str, refused: Refused) -> None:
    (problem,) = refused(f"[alerting.channels.email]\nto_addresses = ['{address}']")
    assert "each of several by itself" in problem.message


@pytest.mark.parametrize(
    "address",
    ["a@b.c", "Olga Meier <a@b.c>", '"Risk, desk" <a@b.c>', "Desk (night) <a@b.c>", "ä@ö.c"],
)
def test_an_address_may_have_a_name(address: str) -> None:
    text = f"[alerting.channels.email]\nto_addresses = ['{address}']"
    assert parse_policy(text.encode()).alerting.channels.email.to_addresses == (address,)


def test_text_messages_to_nobody_are_refused(refused: Refused) -> None:
    text = """[alerting.channels.sms]
enabled = true
account_sid = 'AC'
from_number = '+15005550006'
to_numbers = []
"""
    (problem,) = refused(text, {"TWILIO_AUTH_TOKEN": "t"})
    assert (problem.line, problem.value) == (5, "[]")
    assert "would reach nobody" in problem.message
    parse_policy(text.replace("true", "false").encode(), environ={})


@pytest.mark.parametrize("number", ["", "15005550006", "+0500", "+1 500 555", "+1500555a006"])
def test_what_is_no_phone_number_is_refused(number: str, refused: Refused) -> None:
    (problem,) = refused(f'[alerting.channels.sms]\nto_numbers = ["{number}"]')
    assert problem.key == "alerting.channels.sms.to_numbers.0"
    assert "+15005550006" in problem.message


@pytest.mark.parametrize("sender", ["+15005550006", "12345", "Riskwarden"])
def test_a_sender_of_text_messages_is_a_number_or_a_name(sender: str, refused: Refused) -> None:
    parse_policy(f"[alerting.channels.sms]\nfrom_number = '{sender}'".encode(), environ={})
    (problem,) = refused(f"[alerting.channels.sms]\nfrom_number = '{sender}!'")
    assert problem.key == "alerting.channels.sms.from_number"


@pytest.mark.parametrize("who", ["@channel", "@here", "@everyone", "U012AB3CD", "S012AB3CD"])
def test_whom_a_slack_webhook_can_mention(who: str) -> None:
    parse_policy(f"[alerting.channels.slack]\nmention_on_critical = ['{who}']".encode(), environ={})


@pytest.mark.parametrize("who", ["", "@alice", "alice", "<!channel>", "@channel @here"])
def test_a_mention_that_would_reach_nobody_is_refused(who: str, refused: Refused) -> None:
    (problem,) = refused(f'[alerting.channels.slack]\nmention_on_critical = ["{who}"]')
    assert "reaches nobody by name" in problem.message


@pytest.mark.parametrize(
    ("key", "who"),
    [
        ("slack.allowed_users", '"@olga"'),
        ("slack.allowed_users", '"S012AB3CD"'),
        ("telegram.allowed_users", '"@olga"'),
        ("telegram.allowed_users", "-100123"),
        ("telegram.allowed_users", "0"),
        ("telegram.allowed_users", "true"),
        ("telegram.allowed_chats", '"@alerts"'),
        ("telegram.allowed_chats", "1.5"),
    ],
)
def test_whoever_may_press_buttons_is_named_by_an_id_that_is_nobody_elses(
    key: str, who: str, refused: Refused
) -> None:
    table, _, name = key.rpartition(".")
    (problem,) = refused(f"[alerting.channels.{table}]\n{name} = [{who}]")
    assert problem.key == f"alerting.channels.{key}.0"


def test_ids_are_numbers_texts_or_variables() -> None:
    policy = parse_policy(
        b"[alerting.channels.telegram]\nenabled = true\n"
        b'allowed_chats = [-100123, "${CHAT}"]\nallowed_users = [42, "43"]',
        environ={"CHAT": "-7", "TELEGRAM_CHAT_ID": "-7", "TELEGRAM_BOT_TOKEN": "1:t"},
    )
    telegram = policy.alerting.channels.telegram
    assert telegram.allowed_chats == ("-100123", "-7")
    assert telegram.allowed_users == ("42", "43")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("telegram.allowed_chats", "[7]"),
        ("telegram.allowed_users", "[7]"),
        ("slack.allowed_users", "['U012AB3CD']"),
        ("slack.signing_secret", "'${S}'"),
    ],
)
def test_buttons_that_nobody_could_press_are_refused(
    key: str, value: str, refused: Refused
) -> None:
    channel, _, name = key.rpartition(".")
    text = f"[alerting.channels.{channel}]\nenabled = true\n{name} = {value}"
    held = {"TELEGRAM_BOT_TOKEN": "1:t", "TELEGRAM_CHAT_ID": "7", "S": "s"}
    (problem,) = refused(text, {**held, "SLACK_WEBHOOK_URL": "https://hooks.slack.com/x"})
    assert problem.key == f"alerting.channels.{key}"
    assert "there are no buttons unless" in problem.message


def test_a_kill_command_that_nobody_could_say_is_refused(refused: Refused) -> None:
    text = "[alerting.channels.telegram]\nenabled = true\nkill_command = true"
    problems = refused(text, {"TELEGRAM_BOT_TOKEN": "1:t", "TELEGRAM_CHAT_ID": "7"})
    assert {one.key for one in problems} == {"alerting.channels.telegram.kill_command"}
    assert ["allowed_users" in one.message for one in problems] == [True, False]
