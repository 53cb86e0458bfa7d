"""Every channel, in one table."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final, Protocol

from risk_policy import Policy
from risk_policy.vocabulary import Severity
from risk_receivers.channels.apprise import AppriseChannel
from risk_receivers.channels.console import ConsoleChannel
from risk_receivers.channels.failover import Fallbacks
from risk_receivers.channels.file import FileChannel
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.slack import SlackChannel
from risk_receivers.channels.sms import SmsChannel
from risk_receivers.channels.telegram import TelegramChannel
from risk_receivers.channels.webhook import WebhookChannel


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


def _email(policy: Policy, data: Path, render: Render) -> Channel:
    # What Python has for mail takes a megabyte, which only who sends mail should pay.
    from risk_receivers.channels.email import EmailChannel

    return EmailChannel.from_policy(policy, data, render)


#: Name in the policy -> how it is made.
CHANNELS: Final[Mapping[str, Callable[[Policy, Path, Render], Channel]]] = {
    "console": ConsoleChannel.from_policy,
    "file": FileChannel.from_policy,
    "slack": SlackChannel.from_policy,
    "telegram": TelegramChannel.from_policy,
    "webhook": WebhookChannel.from_policy,
    "sms": SmsChannel.from_policy,
    "email": _email,
    "apprise": AppriseChannel.from_policy,
}


def fallbacks(policy: Policy) -> Fallbacks:
    """Who takes over from each channel, be it off; only those that are enabled themselves."""
    channels = policy.alerting.channels
    enabled = enabled_channels(policy)
    return {
        name: [other for other in getattr(channels, name).fallback if other in enabled]
        for name in channels.names()
    }


def enabled_channels(policy: Policy) -> dict[str, Severity]:
    """The channels the policy enables, and from which severity on each is told."""
    channels = policy.alerting.channels
    settings = {name: getattr(channels, name) for name in channels.names()}
    return {name: one.min_severity for name, one in settings.items() if one.enabled}
