"""Channels that tell people. What a disabled channel refers to need not be set."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from risk_policy.environment import Secret
from risk_policy.model.base import Days, Section, SeverityName
from risk_policy.vocabulary import Severity


class Console(Section):
    """``[alerting.channels.console]``."""

    enabled: bool = True
    min_severity: SeverityName = Severity.DEBUG
    format: Literal["simple", "structured", "json"] = "structured"


class File(Section):
    """``[alerting.channels.file]``; ``path`` is relative to the data folder."""

    enabled: bool = True
    min_severity: SeverityName = Severity.INFO
    path: str = "logs/alerts/"
    format: Literal["jsonl", "csv"] = "jsonl"
    rotation: Literal["daily"] = "daily"
    retention_days: Days = 90


class Email(Section):
    """``[alerting.channels.email]``."""

    enabled: bool = False
    min_severity: SeverityName = Severity.CRITICAL
    smtp_host: str = "${SMTP_HOST}"
    smtp_port: Annotated[int, Field(ge=1, le=65535)] = 587
    from_address: str = "riskwarden@localhost"
    to_addresses: tuple[str, ...] = ()
    use_tls: bool = True


class Slack(Section):
    """``[alerting.channels.slack]``."""

    enabled: bool = False
    min_severity: SeverityName = Severity.WARNING
    webhook_url: Secret = Secret("${SLACK_WEBHOOK_URL}")
    channel: str = ""
    mention_on_critical: tuple[str, ...] = ("@channel",)


class Telegram(Section):
    """``[alerting.channels.telegram]``."""

    enabled: bool = False
    min_severity: SeverityName = Severity.CRITICAL
    bot_token: Secret = Secret("${TELEGRAM_BOT_TOKEN}")
    chat_id: str = "${TELEGRAM_CHAT_ID}"


class Channels(Section):
    """``[alerting.channels.*]``."""

    console: Console = Console()
    file: File = File()
    email: Email = Email()
    slack: Slack = Slack()
    telegram: Telegram = Telegram()
