"""Every channel this version can deliver to, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from risk_policy import Policy
from risk_policy.vocabulary import Severity
from risk_receivers.channels.console import ConsoleChannel
from risk_receivers.channels.file import FileChannel
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.slack import SlackChannel
from risk_receivers.channels.sms import SmsChannel
from risk_receivers.channels.telegram import TelegramChannel
from risk_receivers.channels.webhook import WebhookChannel
from risk_receivers.errors import UndeliverableChannelError


class Channel(Protocol):
    """A way to people."""

    def deliver(self, owed: Owed) -> None:
        """Hand one message over; return once it has arrived. Raises DeliveryError or OSError."""

    def check(self) -> None:
        """See whether messages could be handed over, as far as that can be done unseen by people.

        Raises DeliveryError or OSError.
        """

    def close(self) -> None:
        """Let go of everything."""


#: Name in the policy -> how it is made.
CHANNELS: Final[Mapping[str, Callable[[Policy, Path, Render], Channel]]] = {
    "console": ConsoleChannel.from_policy,
    "file": FileChannel.from_policy,
    "slack": SlackChannel.from_policy,
    "telegram": TelegramChannel.from_policy,
    "webhook": WebhookChannel.from_policy,
    "sms": SmsChannel.from_policy,
}


def enabled_channels(policy: Policy) -> dict[str, Severity]:
    """The channels the policy enables, and from which severity on each is told.

    Raises:
        UndeliverableChannelError: one of them does not exist in this version. A channel that
            silently did nothing would be a missed alert.
    """
    enabled: dict[str, Severity] = {}
    for name in type(policy.alerting.channels).model_fields:
        settings = getattr(policy.alerting.channels, name)
        if not settings.enabled:
            continue
        if name not in CHANNELS:
            raise UndeliverableChannelError(
                f"alerting.channels.{name}.enabled = true: this version cannot deliver to "
                f"{name}; set it to false (available: {', '.join(CHANNELS)})"
            )
        enabled[name] = settings.min_severity
    return enabled
