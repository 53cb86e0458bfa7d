"""Slack's incoming webhooks on loopback, with their rules for payloads and their errors."""

from __future__ import annotations

import json
from typing import Any

from loopback_http import LoopbackServer, Received, Reply

PATH = "/services/T0AAAAAAA/B0BBBBBBB/plantedslacksecret24char"
_SECTION_CHARACTERS = 3000
_BLOCKS = 50


class SlackStandIn(LoopbackServer):
    """One webhook.

    Attributes:
        posted: payloads that were taken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []

    @property
    def webhook_url(self) -> str:
        return self.url + PATH

    def answer(self, received: Received) -> Reply:
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


def _takes(blocks: list[dict[str, Any]]) -> bool:
    texts = [block["text"]["text"] for block in blocks]
    return len(blocks) <= _BLOCKS and all(
        0 < len(text.encode("utf-16-le")) // 2 <= _SECTION_CHARACTERS for text in texts
    )
