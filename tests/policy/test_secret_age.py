"""How old secrets are: as their file or version in Vault, and else only if somebody says so."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from vault_stand_in import TOKEN as VAULT_TOKEN
from vault_stand_in import VaultStandIn

from risk_policy import parse_policy
from risk_policy.environment import Secret
from risk_policy.secret_age import SecretClass, changed_at, used_secrets

AT = datetime(2026, 3, 2, 15, 0, tzinfo=UTC)
TOKEN = Secret("${DESK_TOKEN}")


def test_a_secret_in_a_file_is_as_old_as_the_file(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("hidden")
    os.utime(file, (AT.timestamp(), AT.timestamp()))
    environ = {"DESK_TOKEN_FILE": str(file)}
    assert changed_at(TOKEN, environ) == AT
    later = {**environ, "DESK_TOKEN_ROTATED_AT": "2026-04-01"}
    assert changed_at(TOKEN, later) == datetime(2026, 4, 1, tzinfo=UTC)


def test_a_secret_in_vault_is_as_old_as_its_version(tmp_path: Path) -> None:
    place = "vault://secret/riskwarden/prod#slack"
    file = tmp_path / "where"
    file.write_text(place)
    with VaultStandIn({"riskwarden/prod": {"slack": "hidden"}}) as vault:
        environ = {"VAULT_ADDR": vault.url, "VAULT_TOKEN": VAULT_TOKEN}
        assert changed_at(Secret(place), environ) == AT
        assert changed_at(TOKEN, {**environ, "DESK_TOKEN": place}) == AT
        assert changed_at(TOKEN, {**environ, "DESK_TOKEN_FILE": str(file)}) == AT


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DESK_TOKEN": "hidden"}, None),
        ({"DESK_TOKEN": "hidden", "DESK_TOKEN_ROTATED_AT": "2026-03-02T15:00:00Z"}, AT),
        ({"DESK_TOKEN": "hidden", "DESK_TOKEN_ROTATED_AT": "in spring"}, None),
        ({"DESK_TOKEN_FILE": "/nowhere/at/all"}, None),
        ({"DESK_TOKEN": "vault://secret/desk#token"}, None),
        ({}, None),
    ],
)
def test_what_nobody_says_is_unknown(environ: dict[str, str], expected: datetime | None) -> None:
    assert changed_at(TOKEN, environ) == expected


def test_every_secret_of_what_is_switched_on_and_set_is_found() -> None:
    names = (
        *("RISKWARDEN_RUNTIME_TOKEN", "TELEGRAM_BOT_TOKEN", "SLACK_WEBHOOK_URL"),
        *("RISKWARDEN_POSTGRESQL_DSN", "DASHBOARD_PASSWORD"),
    )
    environ = dict.fromkeys(names, "123:x")
    text = """
        [alerting.channels.telegram]
        enabled = true
        chat_id = "1"
        [alerting.channels.slack]
        enabled = false
        [alerting.audit]
        storage_backend = "{}"
        """

    def found(backend: str) -> dict[str, SecretClass]:
        policy = parse_policy(text.format(backend).encode(), environ=environ)
        return {one.name: one.of for one in used_secrets(policy, environ)}

    expected = {
        "alerting.auth.runtime_token": SecretClass.API_KEYS,
        "alerting.channels.telegram.bot_token": SecretClass.TELEGRAM,
    }
    assert found("sqlite") == expected, "what is not set, or not switched on, is not in use"
    assert found("postgresql") == {
        **expected,
        "alerting.audit.postgresql.dsn": SecretClass.DATABASE,
    }
