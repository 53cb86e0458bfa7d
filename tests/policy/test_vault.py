"""Secrets from Vault: what is there is read, and what is not says so without saying a secret."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from loopback_http import Reply, make_certificate
from vault_stand_in import TOKEN, VaultStandIn

from risk_policy import UnsetVariableError, parse_policy
from risk_policy.environment import Secret, lookup

HELD = {"riskwarden/prod": {"slack": "https://hooks.example/T0/hunter2", "port": 9}}
SLACK = "vault://secret/riskwarden/prod#slack"


@pytest.fixture
def vault() -> Iterator[VaultStandIn]:
    with VaultStandIn(HELD) as running:
        yield running


def environ(vault: VaultStandIn, **more: str) -> dict[str, str]:
    return {"VAULT_ADDR": vault.url, "VAULT_TOKEN": TOKEN, **more}


def test_a_variable_or_the_policy_itself_may_say_where_in_vault_a_secret_is(
    vault: VaultStandIn,
) -> None:
    set_so = environ(vault, SLACK_WEBHOOK_URL=SLACK)
    assert lookup("SLACK_WEBHOOK_URL", set_so) == HELD["riskwarden/prod"]["slack"]
    policy = parse_policy(
        f'[alerting.channels.slack]\nenabled = true\nwebhook_url = "{SLACK}"\n'.encode(),
        environ=environ(vault),
    )
    secret = policy.alerting.channels.slack.webhook_url
    assert secret.reveal(environ(vault)) == HELD["riskwarden/prod"]["slack"]
    assert str(secret) == SLACK, "nothing that shows the policy shows more"


def test_what_opens_vault_may_stand_in_a_file(vault: VaultStandIn, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(f"{TOKEN}\n")
    set_so = {"VAULT_ADDR": vault.url, "VAULT_TOKEN_FILE": str(file)}
    assert Secret(SLACK).reveal(set_so) == HELD["riskwarden/prod"]["slack"]


@pytest.mark.parametrize(
    ("reference", "change", "said"),
    [
        (SLACK, {"VAULT_ADDR": ""}, "set VAULT_ADDR"),
        (SLACK, {"VAULT_TOKEN": ""}, "set VAULT_TOKEN"),
        (SLACK, {"VAULT_TOKEN": "hvs.another"}, "may not read secret/data/riskwarden/prod"),
        (SLACK, {"VAULT_TOKEN": SLACK}, "what opens Vault cannot be kept in it"),
        (SLACK, {"VAULT_TOKEN": f"{TOKEN}\n{TOKEN}"}, "fits no HTTP header"),
        (SLACK, {"VAULT_TOKEN": "", "VAULT_TOKEN_FILE": "/etc/gone/token"}, "VAULT_TOKEN_FILE"),
        (SLACK, {"VAULT_CACERT": "/etc/gone/ca.pem"}, "VAULT_CACERT names /etc/gone/ca.pem, which"),
        (SLACK, {"VAULT_ADDR": "http://127.0.0.1:1"}, "does not answer"),
        (SLACK, {"VAULT_ADDR": "http://eve:hunter2@127.0.0.1:1"}, "http://127.0.0.1:1 does not"),
        (SLACK, {"VAULT_ADDR": "vault.example:8200"}, "VAULT_ADDR must read https://host:port"),
        ("vault://secret/riskwarden/prod#teams", {}, "under the key teams"),
        ("vault://secret/riskwarden/prod#port", {}, "no text under the key port"),
        ("vault://secret/elsewhere#slack", {}, "nothing under elsewhere"),
        ("vault://other/riskwarden/prod#slack", {}, "nothing under riskwarden/prod in other"),
    ],
)
def test_what_is_not_there_says_what_to_do_and_no_secret(
    vault: VaultStandIn, reference: str, change: dict[str, str], said: str
) -> None:
    with pytest.raises(UnsetVariableError) as refused:
        Secret(reference).reveal(environ(vault, **change))
    told = str(refused.value)
    assert said in told
    assert TOKEN not in told
    assert "hunter2" not in told


def test_a_secret_that_was_deleted_and_a_vault_that_is_sealed_are_told_apart(
    vault: VaultStandIn,
) -> None:
    vault.deleted.add("riskwarden/prod")
    with pytest.raises(UnsetVariableError, match="it was deleted"):
        Secret(SLACK).reveal(environ(vault))
    vault.is_sealed = True
    with pytest.raises(UnsetVariableError, match="sealed"):
        Secret(SLACK).reveal(environ(vault))


@pytest.mark.parametrize(
    "wrong", ["vault://", "vault://secret/hunter2", "vault://#hunter2", "vault://a b/c#hunter2"]
)
def test_what_is_no_reference_is_refused_and_not_repeated(wrong: str) -> None:
    with pytest.raises(UnsetVariableError, match="must read vault://mount/path#key") as refused:
        lookup("NAME", {"NAME": wrong})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (Reply(429, '{"errors": []}'), "asked too often"),
        (Reply(500, '{"errors": ["hunter2"]}'), "InternalServerError"),
        (Reply(200, "<html>hunter2</html>"), "does not answer as Vault does"),
        (Reply(200, '{"data": {"data": null}}'), "does not answer as Vault does"),
        (Reply(200, '{"data": {"slack": "hunter2"}}'), "does not answer as Vault does"),
    ],
    ids=["busy", "broken", "somebody else", "nothing", "version 1"],
)
def test_an_answer_that_is_none_is_not_repeated(
    vault: VaultStandIn, answer: Reply, said: str
) -> None:
    vault.instead = lambda _: answer
    with pytest.raises(UnsetVariableError, match=said) as refused:
        Secret(SLACK).reveal(environ(vault))
    assert "hunter2" not in str(refused.value)


def test_the_token_does_not_follow_to_another_address(vault: VaultStandIn) -> None:
    with VaultStandIn(HELD) as another:
        vault.instead = lambda sent: Reply(307, "", {"Location": f"{another.url}{sent.path}"})
        with pytest.raises(UnsetVariableError, match="sends on to another address"):
            Secret(SLACK).reveal(environ(vault))
        assert another.received == []


def test_only_a_vault_whose_certificate_is_trusted_is_shown_the_token(tmp_path: Path) -> None:
    certificate = make_certificate(tmp_path)
    with VaultStandIn(HELD, certificate=certificate) as vault:
        with pytest.raises(
            UnsetVariableError, match="VAULT_CACERT names the file of its authority"
        ):
            Secret(SLACK).reveal(environ(vault))
        assert vault.received == []
        trusted = environ(vault, VAULT_CACERT=str(tmp_path / "cert.pem"))
        assert Secret(SLACK).reveal(trusted) == HELD["riskwarden/prod"]["slack"]


def test_vault_is_not_asked_for_what_a_policy_only_names(vault: VaultStandIn) -> None:
    text = f"""
        [alerting.channels.slack]
        enabled = false
        webhook_url = "{SLACK}"
        [alerting.auth]
        operator_token = "{SLACK}"
        """
    parse_policy(text.encode(), environ=environ(vault))
    assert vault.received == []
