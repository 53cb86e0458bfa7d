"""Telegram's Bot API on loopback: getMe, getChat and sendMessage, with their errors."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import Any

from loopback_http import LoopbackServer, Received, Reply

TOKEN = "123456789:AAplantedTelegramSecretToken-_0123456"
CHAT = "-1001234567890"
_LONGEST = 4096
_TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}


class TelegramStandIn(LoopbackServer):
    """One bot.

    Attributes:
        chats: the ids of the chats it may write to.
        moved: groups that became supergroups: old id -> new id.
        sent: (chat, text as people read it) of every message taken.
        asked: parameters of every sendMessage, taken or not.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chats = {CHAT}
        self.moved: dict[str, int] = {}
        self.sent: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []

    def answer(self, received: Received) -> Reply:
        prefix, _, method = received.path.removeprefix("/bot").partition("/")
        if not received.path.startswith("/bot") or ":" not in prefix:
            return failure(404, "Not Found")
        if prefix != TOKEN:
            return failure(401, "Unauthorized")
        parameters = json.loads(received.body or b"{}")
        if method == "getMe":
            return success({"id": 123456789, "is_bot": True, "first_name": "Riskwarden"})
        if method == "sendMessage":
            self.asked.append(parameters)
        chat = str(parameters.get("chat_id", ""))
        if chat in self.moved:
            return failure(
                400,
                "Bad Request: group chat was upgraded to a supergroup chat",
                migrate_to_chat_id=self.moved[chat],
            )
        if chat not in self.chats:
            return failure(400, "Bad Request: chat not found")
        if method == "getChat":
            return success({"id": int(chat), "type": "supergroup"})
        if method == "sendMessage":
            return self._send(chat, parameters)
        return failure(404, "Not Found: method not found")

    def _send(self, chat: str, parameters: dict[str, Any]) -> Reply:
        text = parameters["text"]
        if parameters.get("parse_mode") == "HTML":
            reader = _Reader()
            reader.feed(text)
            reader.close()
            if reader.problem or reader.opened:
                problem = reader.problem or f"can't find end tag corresponding to {reader.opened}"
                return failure(400, f"Bad Request: can't parse entities: {problem}")
            text = reader.text
        if not text.strip():
            return failure(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > _LONGEST:
            return failure(400, "Bad Request: message is too long")
        self.sent.append((chat, text))
        return success({"message_id": len(self.sent), "text": text})


def success(result: dict[str, Any]) -> Reply:
    return Reply(200, json.dumps({"ok": True, "result": result}))


def failure(status: int, description: str, **parameters: Any) -> Reply:
    body: dict[str, Any] = {"ok": False, "error_code": status, "description": description}
    if parameters:
        body["parameters"] = parameters
    return Reply(status, json.dumps(body))


class _Reader(HTMLParser):
    """As strict as Telegram's: known tags only, each closed in its turn."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.text = ""
        self.opened: list[str] = []
        self.problem = ""

    def handle_starttag(self, tag: str, _: Any) -> None:
        if tag not in _TAGS:
            self.problem = f'Unsupported start tag "{tag}"'
        self.opened.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.opened or self.opened.pop() != tag:
            self.problem = f'Unexpected end tag "{tag}"'

    def handle_data(self, data: str) -> None:
        self.text += data
