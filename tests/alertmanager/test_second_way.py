"""The receivers are dead: Alertmanager tells people itself, of that and of what nobody hears."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from email import message_from_bytes
from email import policy as mail_policy
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiosmtpd.controller import Controller
from free_ports import free_port

import risk_alertmanager
from risk_policy import Policy, default_policy_path, parse_policy

Until = Callable[..., None]

SLACK_PATH = "/services/T00/B00/secret-of-slack"
BOT_TOKEN = "12345:secret-of-telegram"
DOWN = {
    "alertname": "RISK_RECEIVERS_DOWN",
    "risk_id": "receivers_down/riskwarden-receivers",
    "tier": "critical",
    "severity": "critical",
    "category": "system",
    "action": "notify",
}
UNHEARD = {
    **DOWN,
    "alertname": "RISK_ALERT_UNHEARD",
    "risk_id": "alert_unheard/emergency/DRAWDOWN_EMERGENCY",
}
EMERGENCY = {
    "alertname": "DRAWDOWN_EMERGENCY",
    "risk_id": "drawdown/main",
    "tier": "emergency",
    "severity": "emergency",
    "category": "drawdown",
    "action": "kill_switch",
}
SAYS = {"summary": "The receivers service cannot be scraped", "description": "<b>& nobody_ knows*"}


def environ(web: int) -> dict[str, str]:
    return {
        "SMTP_HOST": "127.0.0.1",
        "SLACK_WEBHOOK_URL": f"http://127.0.0.1:{web}{SLACK_PATH}",
        "TELEGRAM_BOT_TOKEN": BOT_TOKEN,
        "TELEGRAM_CHAT_ID": "-1001234",
    }


def policy_for(web: int = 9, mail: int = 25, *edits: tuple[str, str]) -> Policy:
    """The committed policy with every channel that Alertmanager could use."""
    text = default_policy_path().read_text(encoding="utf-8")
    for channel in ("email", "slack", "telegram"):
        head = f"[alerting.channels.{channel}]\nenabled = "
        assert f"{head}false" in text
        text = text.replace(f"{head}false", f"{head}true")
    for old, new in (
        ("smtp_port = 587", f"smtp_port = {mail}"),
        ("use_tls = true", "use_tls = false"),
        ('api_url = "https://api.telegram.org"', f'api_url = "http://127.0.0.1:{web}"'),
        ("group_wait_seconds = 0\ngroup_interval_seconds = 5\nrepeat_interval_seconds = 300",
         "group_wait_seconds = 0.2\ngroup_interval_seconds = 1\nrepeat_interval_seconds = 300"),
        ("group_interval_seconds = 60 # what", "group_interval_seconds = 1 # what"),
        *edits,
    ):  # fmt: skip
        assert old in text, old
        text = text.replace(old, new, 1)
    return parse_policy(text.encode(), environ=environ(web))


def config_of(policy: Policy, **how: Any) -> dict[str, Any]:
    config: dict[str, Any] = yaml.safe_load(risk_alertmanager.alertmanager_config(policy, **how))
    return config


# -- what is generated ---------------------------------------------------------------------------


def test_amtool_accepts_it_with_and_without_secrets(tmp_path: Path) -> None:
    for number, reveal in enumerate((None, lambda secret: secret.reveal(environ(9)))):
        path = tmp_path / f"{number}.yml"
        path.write_text(risk_alertmanager.alertmanager_config(policy_for(), reveal=reveal))
        done = subprocess.run(
            ["amtool", "check-config", path],
            capture_output=True, text=True, timeout=30, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr


def test_no_secret_stands_in_what_is_committed() -> None:
    policy = policy_for()
    text = risk_alertmanager.generate(policy)["alertmanager.yml"]
    assert "secret-of" not in text
    assert "telegram_configs" not in text
    assert "Telegram is no second way here" in text
    assert "# secrets/slack_webhook_url, from the folder that Alertmanager is started in" in text


def test_a_mail_server_that_wants_a_login_gets_one_from_a_file_or_in_private() -> None:
    login = ('username = ""', 'username = "desk"\npassword = "${SMTP_PASSWORD}"')
    tls = ("use_tls = false", "use_tls = true")
    text = default_policy_path().read_text(encoding="utf-8")
    head = "[alerting.channels.email]\nenabled = "
    text = text.replace(f"{head}false", f"{head}true").replace(*login).replace(*tls)
    policy = parse_policy(text.encode(), environ={"SMTP_HOST": "mail", "SMTP_PASSWORD": "secret"})
    committed = risk_alertmanager.generate(policy)["alertmanager.yml"]
    assert "# secrets/smtp_password, from the folder that Alertmanager is started in" in committed
    (email,) = yaml.safe_load(committed)["receivers"][1]["email_configs"]
    assert (email["auth_username"], email["auth_password_file"]) == (
        "desk", "secrets/smtp_password",
    )  # fmt: skip
    private = config_of(policy, reveal=lambda secret: secret.reveal({"SMTP_PASSWORD": "secret"}))
    assert private["receivers"][1]["email_configs"][0]["auth_password"] == "secret"


@pytest.mark.parametrize(
    ("labels", "receivers"),
    [
        ("alertname=RISK_RECEIVERS_DOWN severity=critical", "second_way,riskwarden"),
        ("alertname=RISK_RECEIVERS_DOWN severity=emergency", "second_way,riskwarden"),
        ("alertname=RISK_NOT_RECORDING severity=critical", "second_way,riskwarden"),
        ("alertname=RISK_ALERT_UNHEARD severity=critical", "second_way,riskwarden"),
        # Nobody is paged twice.
        ("alertname=DRAWDOWN_EMERGENCY severity=emergency category=drawdown", "riskwarden"),
        ("alertname=KILL_SWITCH_TRIGGERED severity=emergency", "riskwarden"),
        ("alertname=Watchdog severity=debug", "riskwarden"),
    ],
)
def test_only_what_the_receivers_cannot_tell_goes_the_second_way_and_nothing_is_taken_from_them(
    labels: str, receivers: str, tmp_path: Path
) -> None:
    path = tmp_path / "alertmanager.yml"
    path.write_text(risk_alertmanager.alertmanager_config(policy_for()), encoding="utf-8")
    done = subprocess.run(
        ["amtool", "config", "routes", "test", f"--config.file={path}", *labels.split()],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == receivers, done.stderr


@pytest.mark.parametrize(
    ("edits", "remark"),
    [
        ((), "enable email or Slack"),
        ((("[alerting.second_way]\nenabled = true", "[alerting.second_way]\nenabled = false"),),
         "alerting.second_way.enabled is false"),
    ],
)  # fmt: skip
def test_without_a_channel_there_is_no_second_way_and_the_file_says_so(
    edits: tuple[tuple[str, str], ...], remark: str, policy_with: Callable[..., Policy]
) -> None:
    text = risk_alertmanager.generate(policy_with(*edits))["alertmanager.yml"]
    assert remark in text
    assert [one["name"] for one in yaml.safe_load(text)["receivers"]] == ["riskwarden"]


def test_a_chat_without_a_number_is_none_that_alertmanager_knows() -> None:
    policy = policy_for(9, 25, ('chat_id = "${TELEGRAM_CHAT_ID}"', 'chat_id = "@desk"'))
    text = risk_alertmanager.alertmanager_config(policy, reveal=lambda _: BOT_TOKEN)
    assert "telegram_configs" not in text
    assert "a chat_id that is a number" in text


# -- in a real Alertmanager ----------------------------------------------------------------------


@dataclass
class Arrived:
    """What people got."""

    mail_port: int = 0
    web_port: int = 0
    mails: list[Any] = field(default_factory=list)
    posts: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def slack(self) -> list[str]:
        return [json.dumps(body) for path, body in list(self.posts) if path == SLACK_PATH]

    def telegram(self) -> list[dict[str, Any]]:
        path = f"/bot{BOT_TOKEN}/sendMessage"
        return [body for where, body in list(self.posts) if where == path]

    def texts(self) -> list[str]:
        return [mail.get_body(("plain",)).get_content() for mail in list(self.mails)]


@pytest.fixture
def arrived() -> Iterator[Arrived]:
    """A mail server, and a web server that stands in for Slack and Telegram."""
    found = Arrived()

    class Mail:
        async def handle_DATA(self, server: object, session: object, envelope: Any) -> str:  # noqa: N802 - its name
            del server, session
            found.mails.append(message_from_bytes(envelope.content, policy=mail_policy.default))
            return "250 taken"

    class Web(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            found.posts.append((self.path, json.loads(body)))
            answer = b"ok" if self.path == SLACK_PATH else (
                b'{"ok":true,"result":{"message_id":1,"date":1,"chat":{"id":-1001234}}}'
            )  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *arguments: object) -> None:
            """Say nothing."""

    found.mail_port = free_port()
    controller = Controller(Mail(), hostname="127.0.0.1", port=found.mail_port)
    web = ThreadingHTTPServer(("127.0.0.1", 0), Web)
    thread = threading.Thread(target=web.serve_forever, kwargs={"poll_interval": 0.05})
    controller.start()
    thread.start()
    found.web_port = web.server_port
    yield found
    controller.stop()
    web.shutdown()
    thread.join()
    web.server_close()


def test_dead_receivers_are_told_by_mail_slack_and_telegram_with_what_to_do(
    start: Callable[..., Any], until: Until, arrived: Arrived
) -> None:
    policy = policy_for(arrived.web_port, arrived.mail_port)
    alertmanager = start(
        policy,
        environ(arrived.web_port),
        dead=True,
    )
    # While they live, an emergency is theirs alone to tell; they just got no chance to.
    alertmanager.post(EMERGENCY, annotations=SAYS)
    alertmanager.post(DOWN, annotations=SAYS)
    until(lambda: arrived.mails and arrived.slack() and arrived.telegram(), "everybody is told")
    (mail,) = arrived.mails
    assert mail["To"] == "operator@example.com"
    assert mail["From"] == "alerts@riskwarden.local"
    assert mail["Subject"].startswith("[FIRING] RISK_RECEIVERS_DOWN: ")
    for text in (*arrived.texts(), arrived.slack()[0], arrived.telegram()[0]["text"]):
        assert "Sent by Alertmanager itself" in text
        assert "The receivers service cannot be scraped" in text
        assert "nobody_ knows*" in text
        assert "Start the receivers service." in text
        assert "DRAWDOWN" not in text
    assert arrived.telegram()[0]["chat_id"] == "-1001234"
    assert "<!channel>" in json.loads(arrived.slack()[0])["attachments"][0]["text"]

    # What nobody hears, of which Prometheus tells meanwhile.
    alertmanager.post(UNHEARD, annotations={"summary": "DRAWDOWN_EMERGENCY fires unheard"})
    until(lambda: len(arrived.mails) == 2, "and of what nobody hears")
    assert "DRAWDOWN_EMERGENCY fires unheard" in arrived.texts()[1]
    assert "Judge the account by hand" in arrived.texts()[1]

    alertmanager.resolve(DOWN, UNHEARD)
    everywhere = (lambda: arrived.mails, arrived.slack, arrived.telegram)
    until(lambda: all(len(told()) == 4 for told in everywhere), "that it is over")
    assert {mail["Subject"] for mail in arrived.mails[2:]} == {
        "[RESOLVED] RISK_RECEIVERS_DOWN", "[RESOLVED] RISK_ALERT_UNHEARD",
    }  # fmt: skip
    assert "<!channel>" not in arrived.slack()[3]


def test_the_committed_configuration_finds_slacks_secret_in_its_file(
    start: Callable[..., Any], until: Until, arrived: Arrived, tmp_path: Path
) -> None:
    folder = tmp_path / "of-alertmanager"
    folder.mkdir()
    secret = environ(arrived.web_port)["SLACK_WEBHOOK_URL"]
    (folder / "slack_webhook_url").write_text(f"{secret}\n", encoding="ascii")
    path = ('secrets_path = "secrets"', f'secrets_path = "{folder}"')
    alertmanager = start(policy_for(arrived.web_port, arrived.mail_port, path))
    alertmanager.post(DOWN, annotations=SAYS)
    until(arrived.slack, "Slack")
    until(lambda: arrived.mails, "and mail")


def test_while_the_receivers_work_nobody_is_told_twice(
    start: Callable[..., Any], until: Until, arrived: Arrived
) -> None:
    policy = policy_for(arrived.web_port, arrived.mail_port)
    alertmanager = start(policy, environ(arrived.web_port))
    alertmanager.post(EMERGENCY, annotations=SAYS)
    until(lambda: alertmanager.webhook.delivered(**EMERGENCY), "the receivers")
    # It comes after, by a way of the same length: what was to come before it has come.
    alertmanager.post(DOWN, annotations=SAYS)
    until(lambda: arrived.mails, "the second way works")
    assert all("DRAWDOWN" not in text for text in [*arrived.texts(), *arrived.slack()])
    until(lambda: alertmanager.webhook.delivered(**DOWN), "and nothing is taken from the receivers")
