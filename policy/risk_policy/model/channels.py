"""Channels that tell people. What a disabled channel refers to need not be set."""

from __future__ import annotations

from typing import Annotated, Literal

from risk_policy.environment import Secret
from risk_policy.model.base import (
    ApiUrl,
    AtMost,
    ChannelHost,
    ChannelName,
    Days,
    MailAddress,
    MailAddresses,
    Members,
    Mentions,
    PhoneNumbers,
    Port,
    PositiveSeconds,
    Section,
    SeverityName,
    SmsSender,
    Switch,
    TelegramChats,
    TelegramUsers,
)
from risk_policy.model.names import Mark, OtherChannel
from risk_policy.vocabulary import Severity

#: For one request, from the look-up of the name to the last byte of the answer.
RequestSeconds = Annotated[
    PositiveSeconds, AtMost(60, "meanwhile the channel's next messages wait behind this one")
]
#: From the moment a message is due until the channel has confirmed it.
DeadlineSeconds = Annotated[
    PositiveSeconds, AtMost(3600, "until then nobody else is asked to tell people")
]


class _Channel(Section):
    """What every channel has.

    Attributes:
        fallback: who takes over, in this order, what this channel refuses for good or does not
            confirm by its deadline.
        deadline_seconds: how long a message may take. Without anybody who takes over, it is
            tried on all the same for as long as the channel confirms nothing else either.
    """

    fallback: tuple[OtherChannel, ...] = ()
    deadline_seconds: DeadlineSeconds = 60


class Console(_Channel):
    """``[alerting.channels.console]``."""

    enabled: Switch = True
    min_severity: SeverityName = Severity.DEBUG
    format: Literal["simple", "structured", "json"] = "structured"


class File(_Channel):
    """``[alerting.channels.file]``; ``path`` is relative to the data folder."""

    enabled: Switch = True
    min_severity: SeverityName = Severity.INFO
    path: str = "logs/alerts/"
    format: Literal["jsonl", "csv"] = "jsonl"
    rotation: Literal["daily"] = "daily"
    retention_days: Days = 90


class Email(_Channel):
    """``[alerting.channels.email]``; without a username nobody logs in.

    Its deadline is longer: servers put off a sender whom they do not know yet.
    """

    enabled: Switch = False
    min_severity: SeverityName = Severity.CRITICAL
    deadline_seconds: DeadlineSeconds = 300
    smtp_host: ChannelHost = "${SMTP_HOST}"
    smtp_port: Port = 587
    from_address: MailAddress = "riskwarden@localhost"
    to_addresses: MailAddresses = ()
    use_tls: Switch = True
    username: ChannelName = ""
    password: Secret | None = None
    timeout_seconds: RequestSeconds = 30


class Slack(_Channel):
    """``[alerting.channels.slack]``.

    Attributes:
        allowed_users: who may acknowledge by the buttons under messages; nobody: no buttons.
        signing_secret: what Slack signs their presses with.
    """

    enabled: Switch = False
    min_severity: SeverityName = Severity.WARNING
    webhook_url: Secret = Secret("${SLACK_WEBHOOK_URL}")
    channel: ChannelName = ""
    mention_on_critical: Mentions = ("@channel",)
    timeout_seconds: RequestSeconds = 10
    allowed_users: Members = ()
    signing_secret: Secret | None = None


class Telegram(_Channel):
    """``[alerting.channels.telegram]``.

    Attributes:
        allowed_chats: where the buttons under messages work.
        allowed_users: who may acknowledge by them there. Nobody, or nowhere: no buttons.
        kill_command: whether they may trip the kill switch there, by ``/kill``.
    """

    enabled: Switch = False
    min_severity: SeverityName = Severity.CRITICAL
    bot_token: Secret = Secret("${TELEGRAM_BOT_TOKEN}")
    chat_id: ChannelName = "${TELEGRAM_CHAT_ID}"
    api_url: ApiUrl = "https://api.telegram.org"
    timeout_seconds: RequestSeconds = 10
    allowed_chats: TelegramChats = ()
    allowed_users: TelegramUsers = ()
    kill_command: Switch = False


class Webhook(_Channel):
    """``[alerting.channels.webhook]``; a user or a token may stand in the URL, which is secret."""

    enabled: Switch = False
    min_severity: SeverityName = Severity.WARNING
    url: Secret = Secret("${WEBHOOK_URL}")
    hmac_secret: Secret = Secret("${WEBHOOK_HMAC_SECRET}")
    timeout_seconds: RequestSeconds = 10


class Sms(_Channel):
    """``[alerting.channels.sms]``, by Twilio."""

    enabled: Switch = False
    min_severity: SeverityName = Severity.EMERGENCY
    account_sid: ChannelName = "${TWILIO_ACCOUNT_SID}"
    auth_token: Secret = Secret("${TWILIO_AUTH_TOKEN}")
    from_number: SmsSender = "${TWILIO_FROM_NUMBER}"
    to_numbers: PhoneNumbers = ()
    api_url: ApiUrl = "https://api.twilio.com"
    timeout_seconds: RequestSeconds = 10


class Apprise(_Channel):
    """``[alerting.channels.apprise]``; a URL holds tokens, so each is a secret as a whole."""

    enabled: Switch = False
    min_severity: SeverityName = Severity.CRITICAL
    urls: tuple[Secret, ...] = ()


class Channels(Section):
    """``[alerting.channels.*]``; ``templates_path`` is relative to the policy file.

    Attributes:
        mark: what every message begins with, in brackets, so that nobody takes it for one of
            another installation; what only plays has one of its own.
    """

    templates_path: str = ""
    mark: Mark = ""

    console: Console = Console()
    file: File = File()
    email: Email = Email()
    slack: Slack = Slack()
    telegram: Telegram = Telegram()
    webhook: Webhook = Webhook()
    sms: Sms = Sms()
    apprise: Apprise = Apprise()

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Every channel, in the order of the policy."""
        return tuple(
            name for name, field in cls.model_fields.items() if isinstance(field.default, Section)
        )
