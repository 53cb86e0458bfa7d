"""A running service tells people over HTTP, and keeps to itself what it needs for that."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import telegram_stand_in
import twilio_stand_in
from loopback_http import LoopbackServer, Reply
from owed_messages import as_told, owed
from slack_stand_in import SlackStandIn
from telegram_stand_in import TelegramStandIn
from twilio_stand_in import TwilioStandIn

from risk_policy import Policy, parse_policy
from risk_policy.vocabulary import Severity
from risk_receivers.channels import CHANNELS, Channel
from risk_receivers.channels.errors import DeliveryError

WEBHOOK_PATH = "/hooks/planted-webhook-path?key=planted-webhook-key"
HMAC_SECRET = "planted-hmac-secret"
PLANTED = re.compile(
    "planted|" + re.escape(telegram_stand_in.TOKEN.partition(":")[2]) + "|QUMwMTIzNDU2Nzg5"
)


@dataclass(frozen=True)
class Services:
    """All the services people are told by."""

    slack: SlackStandIn
    telegram: TelegramStandIn
    twilio: TwilioStandIn
    webhook: LoopbackServer

    @property
    def all(self) -> dict[str, LoopbackServer]:
        return {
            "slack": self.slack,
            "telegram": self.telegram,
            "sms": self.twilio,
            "webhook": self.webhook,
        }

    @property
    def environ(self) -> dict[str, str]:
        return {
            "SLACK_WEBHOOK_URL": self.slack.webhook_url,
            "TELEGRAM_BOT_TOKEN": telegram_stand_in.TOKEN,
            "TELEGRAM_CHAT_ID": telegram_stand_in.CHAT,
            "WEBHOOK_URL": self.webhook.url + WEBHOOK_PATH,
            "WEBHOOK_HMAC_SECRET": HMAC_SECRET,
            "TWILIO_ACCOUNT_SID": twilio_stand_in.ACCOUNT,
            "TWILIO_AUTH_TOKEN": twilio_stand_in.TOKEN,
            "TWILIO_FROM_NUMBER": twilio_stand_in.FROM,
            "ON_CALL_PHONE": "+15005550011",
        }

    @property
    def policy_text(self) -> str:
        return f"""
[alerting.channels.slack]
enabled = true
timeout_seconds = 1
[alerting.channels.telegram]
enabled = true
api_url = "{self.telegram.url}"
timeout_seconds = 1
[alerting.channels.webhook]
enabled = true
timeout_seconds = 1
[alerting.channels.sms]
enabled = true
min_severity = "CRITICAL"
to_numbers = ["${{ON_CALL_PHONE}}"]
api_url = "{self.twilio.url}"
timeout_seconds = 1
"""


@pytest.fixture
def services() -> Iterator[Services]:
    with ExitStack() as stack:
        yield Services(
            stack.enter_context(SlackStandIn()),
            stack.enter_context(TelegramStandIn()),
            stack.enter_context(TwilioStandIn()),
            stack.enter_context(LoopbackServer()),
        )


@pytest.fixture
def channels(
    services: Services, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> dict[str, Channel]:
    for name, value in services.environ.items():
        monkeypatch.setenv(name, value)
    policy: Policy = parse_policy(services.policy_text.encode(), environ=services.environ)
    return {name: CHANNELS[name](policy, tmp_path, as_told) for name in services.all}


WEB_CHANNELS = ["slack", "telegram", "sms", "webhook"]
FAILURES = {
    "a bad answer": Reply(404, "no such thing here: {asked}"),
    "a server's error": Reply(500, "<html>error at {asked}</html>"),
    "a flood": Reply(429, "{asked}", {"Retry-After": "5"}),
    "a redirect": Reply(302, "{asked}", {"Location": "http://127.0.0.1:1{asked}"}),
    "silence": Reply(manner="never"),
    "a trickle": Reply(manner="head"),
    "a broken connection": Reply(manner="cut"),
}


@pytest.mark.parametrize("name", WEB_CHANNELS)
@pytest.mark.parametrize("failure", FAILURES)
def test_no_error_and_no_log_holds_a_secret(
    services: Services,
    channels: dict[str, Channel],
    name: str,
    failure: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    server, how = services.all[name], FAILURES[failure]

    def misbehave(received: Any) -> Reply:
        asked = f"{received.path} {received.headers} {received.body!r}"
        headers = {key: value.format(asked=received.path) for key, value in how.headers.items()}
        return Reply(how.status, str(how.body).format(asked=asked), headers, how.manner)

    server.instead = misbehave
    with pytest.raises(DeliveryError) as caught:
        channels[name].deliver(owed(severity=Severity.CRITICAL))
    errors: list[BaseException | None] = [caught.value]
    while error := errors[-1]:
        errors.append(error.__cause__ or error.__context__)
    shown = "".join(traceback.format_exception(caught.value))
    said = [*map(repr, errors), *map(str, errors), shown, caplog.text, *capfd.readouterr()]
    assert server.received, "the secrets went to the server and came back in its answer"
    assert not PLANTED.search("\n".join(said))
    assert not PLANTED.search(repr(vars(caught.value)))


def test_a_service_with_every_channel_tells_by_all_of_them(
    services: Services, stopped: Any, words: Any, wait_until: Any
) -> None:
    stopped.environ.update(services.environ)
    stopped.policy.write_text(stopped.policy.read_text() + services.policy_text)
    for server in services.all.values():
        server.next.extend([Reply(503, "not now")] * 2)  # one of them to the check at the start
    stopped.start()
    said = "drawdown is 16 % & <rising>"
    text = {"description": said, "summary": said}
    alert = words.alert(name="DRAWDOWN_CRITICAL", tier="critical", severity="critical")
    notification = words.webhook({**alert, "annotations": text})
    assert stopped.send("notifications", notification).status_code == 200
    wait_until(lambda: services.slack.posted, what="Slack was told")
    wait_until(lambda: services.telegram.sent, what="Telegram was told")
    wait_until(lambda: services.twilio.sent, what="somebody was texted")
    wait_until(lambda: len(services.webhook.received) > 1, what="the webhook was called")
    assert "drawdown is 16 % & <rising>" in services.telegram.sent[0][1]
    assert "drawdown is 16 % & <rising>" in services.twilio.sent[0][1]
    (block,) = services.slack.posted[0]["attachments"][0]["blocks"]
    assert "drawdown is 16 % &amp; &lt;rising&gt;" in block["text"]["text"]
    assert services.webhook.received[1].json["text"] == "drawdown is 16 % & <rising>"
    metrics = stopped.client.get(f"{stopped.url}/metrics").text
    status = stopped.call("GET", "/api/v1/system/status").text
    assert stopped.stop() == 0
    kept = [path.read_bytes().decode(errors="replace") for path in files(stopped.data)]
    assert len(kept) > 2
    assert not PLANTED.search("\n".join([stopped.log, metrics, status, *kept]))


def files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]
