"""What Slack says of a press, and the message with what became of it. Pure.

A genuine request still holds what somebody chose: names, and the URL for the answer. Only one
of Slack's own is answered to; any other would have this service call whomever it is told to.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qs

import msgspec

from risk_receivers.channels.buttons import Button
from risk_receivers.channels.cutting import clean, cut
from risk_receivers.channels.slack import ACTIONS, actions, escaped

_STATUS: Final = "riskwarden_status"
_SLACK: Final = "https://hooks.slack.com"
#: So plain that nobody reads another host in it than somebody else.
_PLAIN_URL: Final = re.compile(r"(https?://[a-z0-9.-]+(?::[0-9]{1,5})?)/[A-Za-z0-9_/.-]*")
_COLOUR: Final = re.compile(r"[0-9a-fA-F]{6}")
_LONGEST_STATUS: Final = 600


class _User(msgspec.Struct, frozen=True):
    id: str
    name: str = ""
    username: str = ""


class _Action(msgspec.Struct, frozen=True):
    block_id: str = ""
    value: str = ""


class Attachment(msgspec.Struct, frozen=True):
    """What has a colour, and the text in it."""

    color: str = ""
    fallback: str = ""
    blocks: list[dict[str, Any]] = []


class SlackMessage(msgspec.Struct, frozen=True):
    """A message as it stands in a channel."""

    text: str = ""
    attachments: list[Attachment] = []

    @property
    def buttons(self) -> list[str]:
        """What the buttons under it are known by."""
        return [
            str(element.get("value", ""))
            for attachment in self.attachments
            for block in attachment.blocks
            if block.get("block_id") == ACTIONS
            for element in _list(block.get("elements"))
            if isinstance(element, dict)
        ]


class SlackPress(msgspec.Struct, frozen=True):
    """Somebody pressed one of the buttons."""

    user: str
    name: str
    data: str
    response_url: str
    message: SlackMessage


class _Payload(msgspec.Struct, frozen=True):
    type: str
    user: _User
    actions: list[_Action] = []
    response_url: str = ""
    message: SlackMessage = SlackMessage()


_decode = msgspec.json.Decoder(_Payload).decode


def press_of(body: bytes) -> SlackPress | None:
    """The press that a request tells of; None if it is something else, or makes no sense."""
    try:
        fields = parse_qs(body.decode("ascii"), max_num_fields=10)
        payload = _decode(fields.get("payload", [""])[0])
    except (ValueError, msgspec.DecodeError, RecursionError):
        return None
    action = next((one for one in payload.actions if one.block_id == ACTIONS), None)
    if payload.type != "block_actions" or action is None:
        return None
    user = payload.user
    return SlackPress(
        user.id, user.name or user.username, action.value, payload.response_url, payload.message
    )


def origin_of(url: str) -> str:
    """Where a URL leads; empty unless it is a plain one."""
    found = _PLAIN_URL.fullmatch(url)
    return found[1] if found else ""


def may_be_answered(response_url: str, webhook_url: str) -> bool:
    """Whether a URL leads to Slack, or to wherever this channel's messages go."""
    origin = origin_of(response_url)
    return bool(origin) and origin in (_SLACK, origin_of(webhook_url))


def with_status(
    message: SlackMessage, status: str, buttons: Sequence[Button]
) -> dict[str, Any] | None:
    """A message to replace one: the same, with what became of it; None if there is nothing to."""
    attachments = [one for one in message.attachments if one.blocks]
    if not attachments:
        return None
    shown = [
        {
            "color": f"#{one.color}" if _COLOUR.fullmatch(one.color) else one.color,
            "fallback": one.fallback,
            "blocks": [b for b in one.blocks if b.get("block_id") not in (ACTIONS, _STATUS)],
        }
        for one in attachments
    ]
    said = escaped(cut(clean(status), _LONGEST_STATUS))
    below: list[dict[str, Any]] = [
        {
            "type": "context",
            "block_id": _STATUS,
            "elements": [{"type": "mrkdwn", "text": said}],
        }
    ]
    shown[-1]["blocks"] = [*shown[-1]["blocks"], *below, *actions(buttons)]
    return {"replace_original": True, "text": message.text, "attachments": shown}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
