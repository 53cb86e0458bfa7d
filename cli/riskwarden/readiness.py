"""Whether the parts would start on a policy, asked of the parts themselves.

A policy can be right in itself and still be refused by this version, for example because it
enables a channel that cannot be delivered to yet. Tokens are not asked for: they belong to
the environment of the parts and not to the policy.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from risk_policy import Policy, Problem
from risk_receivers.channels import enabled_channels
from risk_receivers.errors import UndeliverableChannelError


def start_problems(policy: Policy, lines: Mapping[str, int]) -> Iterator[Problem]:
    """Why the receivers would refuse to start; ``lines`` says where each key is written."""
    if not policy.alerting.enabled:
        key = "alerting.enabled"
        message = "the receivers refuse to start with nothing to receive; set it to true"
        yield Problem(key, "false", message, lines.get(key, 0))
    for name in policy.alerting.channels.names():
        key = f"alerting.channels.{name}.enabled"
        try:
            enabled_channels(_with_only(policy, name))
        except UndeliverableChannelError as error:
            message = str(error).removeprefix(f"{key} = true: ")
            yield Problem(key, "true", message, lines.get(key, 0))


def _with_only(policy: Policy, name: str) -> Policy:
    """The policy with every channel but one disabled, so that each can be asked about."""
    channels = policy.alerting.channels
    others = {
        other: getattr(channels, other).model_copy(update={"enabled": False})
        for other in channels.names()
        if other != name
    }
    alone = channels.model_copy(update=others)
    alerting = policy.alerting.model_copy(update={"channels": alone})
    return policy.model_copy(update={"alerting": alerting})
