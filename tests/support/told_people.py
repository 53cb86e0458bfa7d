"""Everybody who can be told of something, on loopback: a mail server, Slack and Telegram."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from email.message import EmailMessage

import pytest
import telegram_stand_in
from mail_servers import Postbox, mail_server
from slack_stand_in import SlackStandIn
from stack_under_test import mails_to
from telegram_stand_in import TelegramStandIn


@dataclass
class Told:
    """What reaches them; a stack reaches them with ``edits`` of its policy."""

    postbox: Postbox
    telegram: TelegramStandIn
    slack: SlackStandIn = field(default_factory=SlackStandIn)
    life_of_slack: ExitStack = field(default_factory=ExitStack)

    @property
    def edits(self) -> Iterator[tuple[str, str]]:
        yield from mails_to(self.postbox.port)
        for name in ("slack", "telegram"):
            head = f"[alerting.channels.{name}]\nenabled = "
            yield f"{head}false", f"{head}true"
        yield 'api_url = "https://api.telegram.org"', f'api_url = "{self.telegram.url}"'

    def slack_goes(self) -> None:
        """From now on nobody listens there."""
        self.life_of_slack.close()

    def slack_returns(self) -> None:
        """The same address is answered again, and knows what was posted before."""
        returned = SlackStandIn(self.slack.port)
        returned.posted, returned.received = self.slack.posted, self.slack.received
        self.slack = self.life_of_slack.enter_context(returned)

    def by_slack(self, text: str) -> list[str]:
        """The posts that say something."""
        return [said for one in list(self.slack.posted) if text in (said := json.dumps(one))]

    def by_telegram(self, text: str) -> list[str]:
        return [said for _, said in list(self.telegram.sent) if text in said]

    def by_mail(self, subject: str) -> list[EmailMessage]:
        return [mail for _, mail in list(self.postbox.mails) if subject in str(mail["Subject"])]


@contextmanager
def told_people() -> Iterator[Told]:
    """All of them; their addresses stand in the environment meanwhile."""
    with ExitStack() as stack:
        told = Told(stack.enter_context(mail_server()), stack.enter_context(TelegramStandIn()))
        stack.callback(told.slack_goes)
        told.life_of_slack.enter_context(told.slack)
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setenv("SLACK_WEBHOOK_URL", told.slack.webhook_url)
        patch.setenv("TELEGRAM_BOT_TOKEN", telegram_stand_in.TOKEN)
        patch.setenv("TELEGRAM_CHAT_ID", telegram_stand_in.CHAT)
        yield told
