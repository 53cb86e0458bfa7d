"""Slack on loopback: an incoming webhook, its buttons, and the errors of both."""

from __future__ import annotations

import hmac
import json
import time
from typing import Any
from urllib.parse import urlencode

from loopback_http import LoopbackServer, Received, Reply

PATH = "/services/T0AAAAAAA/B0BBBBBBB/plantedslacksecret24char"
_SECTION_CHARACTERS = 3000
_BLOCKS = 50
_RESPONSES = "/actions/T0AAAAAAA/0001/plantedresponsesecret"
SIGNING_SECRET = "planted-signing-secret-0123456789"


class SlackStandIn(LoopbackServer):
    """One webhook.

    Attributes:
        posted: payloads that were taken.
        responses: what a press was answered with, by its response_url.
        failing: what is answered to such an answer, as often as it says.
    """

    def __init__(self, port: int = 0) -> None:
        super().__init__(port=port)
        self.posted: list[dict[str, Any]] = []
        self.responses: list[dict[str, Any]] = []
        self.failing: list[Reply] = []

    @property
    def webhook_url(self) -> str:
        return self.url + PATH

    @property
    def message(self) -> dict[str, Any]:
        """The last message as it stands now."""
        replaced = [one for one in self.responses if one["replace_original"]]
        return (replaced or self.posted)[-1]

    @property
    def buttons(self) -> dict[str, str]:
        """The buttons under it: label -> value."""
        return {
            element["text"]["text"]: element["value"]
            for attachment in self.message.get("attachments", [])
            for block in attachment["blocks"]
            if block["type"] == "actions"
            for element in block["elements"]
        }

    def press(self, button: str, *, user: str = "U0OLGA", **more: Any) -> bytes:
        """The body of the request that tells of somebody who presses."""
        payload = {
            "type": "block_actions",
            "user": {"id": user, "username": "olga", "name": "olga", "team_id": "T0AAAAAAA"},
            "channel": {"id": "C0CCCCCCC", "name": "risk-alerts"},
            "message": self.message,
            "response_url": self.url + _RESPONSES,
            "actions": [
                {
                    "type": "button",
                    "block_id": "riskwarden_actions",
                    "value": self.buttons.get(button, button),
                    "action_ts": "1700000000.1",
                }
            ],
            **more,
        }
        return urlencode({"payload": json.dumps(payload)}).encode()

    def answer(self, received: Received) -> Reply:
        if received.path == _RESPONSES:
            return self._respond(received.json)
        if received.path != PATH:
            return Reply(404, "no_service")
        if received.method != "POST":
            return Reply(405, "method_not_allowed")
        try:
            payload = json.loads(received.body)
        except ValueError:
            return Reply(400, "invalid_payload")
        if not payload.get("text") and not payload.get("attachments"):
            return Reply(400, "no_text")
        for attachment in payload.get("attachments", ()):
            if not _takes(attachment.get("blocks", [])):
                return Reply(400, "invalid_blocks")
        self.posted.append(payload)
        return Reply(200, "ok")

    def _respond(self, content: dict[str, Any]) -> Reply:
        if self.failing:
            return self.failing.pop()
        if not all(_takes(one["blocks"]) for one in content.get("attachments", [])):
            return Reply(400, "invalid_blocks")
        self.responses.append(content)
        return Reply(200, "ok")


def _takes(blocks: list[dict[str, Any]]) -> bool:
    return len(blocks) <= _BLOCKS and all(map(_takes_block, blocks))


def _takes_block(block: dict[str, Any]) -> bool:
    if block["type"] == "actions":
        return 0 < len(block["elements"]) <= 25 and all(
            0 < len(element["text"]["text"]) <= 75 and len(element["value"]) <= 2000
            for element in block["elements"]
        )
    text = block["elements"][0]["text"] if block["type"] == "context" else block["text"]["text"]
    return 0 < len(text.encode("utf-16-le")) // 2 <= _SECTION_CHARACTERS


def signed(body: bytes, secret: str = SIGNING_SECRET, at: float | None = None) -> dict[str, str]:
    """The headers that Slack signs a request with."""
    timestamp = str(int(time.time() if at is None else at))
    text = b"v0:" + timestamp.encode() + b":" + body
    return {
        "X-Slack-Request-Timestamp": timestamp,
        "X-Slack-Signature": "v0=" + hmac.new(secret.encode(), text, "sha256").hexdigest(),
        "Content-Type": "application/x-www-form-urlencoded",
    }
