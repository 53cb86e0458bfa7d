"""``${NAME}``: where it may stand, and that nothing ever shows what it holds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

from risk_policy import (
    InvalidPolicyError,
    Problem,
    UnreadableVariableError,
    UnsetVariableError,
    fields,
    parse_policy,
)
from risk_policy.environment import Secret, lookup
from risk_policy.model.policy import Alerting

Refused = Callable[..., tuple[Problem, ...]]
HELD = "hunter2 is what PW holds"


def leaves(model: type[BaseModel], path: str) -> Iterator[tuple[str, str]]:
    """Every key, and whether it is a secret, expandable or fixed."""
    for name, field in model.model_fields.items():
        annotation: Any = field.annotation
        if isinstance(annotation, type) and issubclass(annotation, BaseModel):
            yield from leaves(annotation, f"{path}.{name}")
        elif fields.is_secret(field):
            yield f"{path}.{name}", "secret"
        else:
            yield f"{path}.{name}", "expandable" if fields.is_expandable(field) else "fixed"


KINDS = dict(leaves(Alerting, "alerting"))


def assignment(key: str, value: str, *, enabled: bool = True) -> str:
    table, _, name = key.rpartition(".")
    switch = "enabled = true\n" if enabled and table.startswith("alerting.channels.") else ""
    return f"[{table}]\n{switch if name != 'enabled' else ''}{name} = {value}\n"


def test_only_addresses_of_channels_take_variables() -> None:
    assert {key for key, kind in KINDS.items() if kind == "expandable"} == {
        "alerting.channels.email.smtp_host",
        "alerting.channels.email.from_address",
        "alerting.channels.email.to_addresses",
        "alerting.channels.email.username",
        "alerting.channels.slack.channel",
        "alerting.channels.slack.mention_on_critical",
        "alerting.channels.slack.allowed_users",
        "alerting.channels.telegram.chat_id",
        "alerting.channels.telegram.allowed_chats",
        "alerting.channels.telegram.allowed_users",
        "alerting.channels.sms.account_sid",
        "alerting.channels.sms.from_number",
        "alerting.channels.sms.to_numbers",
    }


@pytest.mark.parametrize("key", [key for key, kind in KINDS.items() if kind == "fixed"])
def test_what_the_digest_has_to_cover_takes_no_variable(key: str, refused: Refused) -> None:
    told = [p for p in refused(assignment(key, '"${PW}"'), {"PW": HELD}) if p.key == key]
    (problem,) = told
    assert problem.value == "'${PW}'"
    assert "takes no ${NAME}" in problem.message


@pytest.mark.parametrize(
    "key", [*KINDS, "alerting.unknown", "alerting.gate", "alerting.channels.x.y"]
)
def test_no_problem_ever_shows_what_a_variable_holds(key: str) -> None:
    values = ('"${PW}"', '"x${PW}y"', '["${PW}"]', '[["${PW}"]]', '{ a = "${PW}" }', '"${PW}${"')
    variables = ("PW", "SMTP_HOST", "SLACK_WEBHOOK_URL", "TELEGRAM_BOT_TOKEN", "TELEGRAM_CHAT_ID")
    for held in (HELD, "\udcff" + HELD, HELD + "\n", "${PW}" + HELD):
        for value in values:
            try:
                parse_policy(
                    assignment(key, value).encode(), environ=dict.fromkeys(variables, held)
                )
            except InvalidPolicyError as error:
                assert "hunter2" not in str(error)
                assert "hunter2" not in repr(error.problems)


@pytest.mark.parametrize("key", [key for key, kind in KINDS.items() if kind == "secret"])
@pytest.mark.parametrize(
    "value", ["plain${E}", "${E}plain", "${A}${B}", "${}", "$E", "plain", "${E "]
)
def test_a_secret_is_exactly_one_variable_and_what_stands_there_is_not_repeated(
    key: str, value: str, refused: Refused
) -> None:
    text = assignment(key, f'"{value}"', enabled=False)
    (problem,) = [p for p in refused(text, {"E": "e", "A": "a", "B": "b"}) if p.key == key]
    assert problem.value == "(hidden)"
    assert "write ${NAME}" in problem.message
    assert "plain" not in problem.message


@pytest.mark.parametrize("value", ["${", "${}", "${1A}", "${A B}", "${A"])
def test_a_reference_that_is_none_is_refused(value: str, refused: Refused) -> None:
    key = "alerting.channels.telegram.chat_id"
    (problem,) = refused(assignment(key, f'"{value}"', enabled=False))
    assert (problem.key, problem.value) == (key, repr(value))
    assert "that is no variable" in problem.message


def test_a_default_that_a_variable_fills_badly_is_shown_as_the_variable(refused: Refused) -> None:
    text = "[alerting.channels.email]\nenabled = true\nto_addresses = ['a@b.c']"
    (problem,) = refused(text, {"SMTP_HOST": "smtp://" + HELD})
    assert problem.value == "'${SMTP_HOST}'"


def test_a_secret_under_a_misspelt_key_is_not_repeated(refused: Refused) -> None:
    (problem,) = refused('[alerting.channels.telegram]\nbot_tokn = "123456:very-secret"')
    assert problem.value == "(hidden)"
    assert "did you mean bot_token?" in problem.message


def test_the_first_user_need_not_be_named_by_the_environment() -> None:
    parse_policy(b"[alerting.dashboard]\nenabled = true", environ={})


def test_a_file_that_a_variable_names_but_cannot_be_read_counts_as_unset(refused: Refused) -> None:
    text = assignment("alerting.channels.telegram.chat_id", '"${CHAT}"')
    environ = {"TELEGRAM_BOT_TOKEN": "t", "CHAT_FILE": "no\0path"}
    (problem,) = refused(text, environ)
    assert "CHAT_FILE" in problem.message


def test_every_url_in_a_list_of_secrets_is_one(refused: Refused) -> None:
    on = "[alerting.channels.apprise]\nenabled = true\n"
    written = on + 'urls = ["${APPRISE_URL}"]'
    policy = parse_policy(written.encode(), environ={"APPRISE_URL": HELD})
    assert HELD not in policy.model_dump_json() + repr(policy)
    assert "${APPRISE_URL}" in policy.model_dump_json()
    for text, key in (
        (written, "urls.0"),
        (on, "urls"),
        (on + "urls = []", "urls"),
        (on + f'urls = ["json://{HELD}"]', "urls.0"),
        (on + 'urls = ["${OTHER}"]', "urls.0"),
    ):
        (problem,) = refused(text)
        assert problem.key.startswith(f"alerting.channels.apprise.{key}")
        assert HELD not in str(problem)


def test_a_file_counts_where_the_variable_is_not_set_without_the_white_space_around_it(
    tmp_path: Path,
) -> None:
    file = tmp_path / "pw"
    file.write_text(f"\n{HELD}\r\n")
    assert lookup("PW", {"PW_FILE": str(file)}) == HELD
    assert lookup("PW", {"PW": "", "PW_FILE": str(file)}) == HELD
    assert lookup("PW", {"PW": "another", "PW_FILE": str(file)}) == "another"
    file.write_text("rotated")
    assert Secret("${PW}").reveal({"PW_FILE": str(file)}) == "rotated"


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "which is not there"), (b" \n", "which is empty"), (b"\xff\xfe", "which is no text")],
    ids=["missing", "empty", "no text"],
)
def test_a_file_that_holds_no_secret_says_where_it_was_looked_for(
    tmp_path: Path, content: bytes | None, why: str
) -> None:
    file = tmp_path / "pw"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(UnreadableVariableError) as refused:
        lookup("PW", {"PW_FILE": str(file)})
    assert str(refused.value).startswith(f"PW: PW_FILE names {file}, {why}")


def test_a_folder_in_the_place_of_a_file_is_told_with_what_the_system_says(tmp_path: Path) -> None:
    with pytest.raises(UnreadableVariableError, match=r"cannot be read \(Is a directory\)"):
        lookup("PW", {"PW_FILE": str(tmp_path)})


@pytest.mark.parametrize("secret", ["hunter2", "/hunter2", "xoxb-1/hunter2", "/9j/hunter2", "h\0"])
def test_a_secret_that_stands_where_its_file_should_is_not_repeated(secret: str) -> None:
    with pytest.raises(UnreadableVariableError, match="what PW_FILE names") as refused:
        lookup("PW", {"PW_FILE": secret})
    assert secret not in str(refused.value)
    with pytest.raises(UnsetVariableError, match="set PW in the environment"):
        lookup("PW", {})
