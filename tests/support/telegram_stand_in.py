"""Telegram's Bot API on loopback, as far as it is used: messages, buttons, long polling, errors."""

from __future__ import annotations

import json
import threading
from html.parser import HTMLParser
from typing import Any

from loopback_http import LoopbackServer, Received, Reply

TOKEN = "123456789:AAplantedTelegramSecretToken-_0123456"
CHAT = "-1001234567890"
BOT = "RiskwardenBot"
_LONGEST = 4096
_TAGS = {"b", "strong", "i", "em", "u", "s", "code", "pre", "a", "blockquote", "tg-spoiler"}


class TelegramStandIn(LoopbackServer):
    """One bot.

    Attributes:
        chats: the ids of the chats it may write to.
        moved: groups that became supergroups: old id -> new id.
        sent: (chat, text as people read it) of every message taken.
        asked: parameters of every sendMessage, taken or not.
        messages: every message as it stands now, by its id.
        polls: parameters of every getUpdates; ``holding`` how many of them are held just now.
        answers: parameters of every answerCallbackQuery.
        edited: messages whose buttons were to be changed, in order.
        failing: what is answered to a method, instead of doing it.
    """

    def __init__(self) -> None:
        super().__init__()
        self.chats = {CHAT}
        self.moved: dict[str, int] = {}
        self.sent: list[tuple[str, str]] = []
        self.asked: list[dict[str, Any]] = []
        self.messages: dict[int, dict[str, Any]] = {}
        self.polls: list[dict[str, Any]] = []
        self.holding = 0
        self.answers: list[dict[str, Any]] = []
        self.failing: dict[str, Reply] = {}
        self.edited: list[int] = []
        self._updates: list[dict[str, Any]] = []
        self._happened = threading.Condition()
        self._numbers = 700_000_000

    def happen(self, **what: Any) -> int:
        """Something happens; its update's id."""
        with self._happened:
            self._numbers += 1
            self._updates.append({"update_id": self._numbers, **what})
            self._happened.notify_all()
            return self._numbers

    def press(
        self,
        button: str,
        *,
        user: int = 42,
        name: str = "Olga Petrova",
        message: int | None = None,
        chat: int | None = None,
        as_it_was: dict[str, Any] | None = None,
    ) -> int:
        """Somebody presses a button, by what stands on it, or sends something as its data."""
        shown = as_it_was or dict(self.messages[message or max(self.messages)])
        if chat is not None:
            shown["chat"] = {"id": chat}
        first, _, last = name.partition(" ")
        return self.happen(
            callback_query={
                "id": f"q{self._numbers + 1}",
                "from": {"id": user, "is_bot": False, "first_name": first, "last_name": last},
                "message": shown,
                "chat_instance": "1",
                "data": self.labels(shown).get(button, button),
            }
        )

    def say(
        self,
        text: str,
        *,
        user: int = 42,
        name: str = "Olga Petrova",
        chat: str = CHAT,
        number: int = 9001,
        **more: Any,
    ) -> int:
        """Somebody writes something."""
        first, _, last = name.partition(" ")
        return self.happen(
            message={
                "message_id": number,
                "date": 1_700_000_000,
                "chat": {"id": int(chat), "type": "supergroup"},
                "from": {"id": user, "is_bot": False, "first_name": first, "last_name": last},
                "text": text,
                **more,
            }
        )

    def labels(self, message: dict[str, Any] | None = None) -> dict[str, str]:
        """The buttons under a message, the last one unless told otherwise."""
        shown = message or self.messages[max(self.messages)]
        rows = shown.get("reply_markup", {}).get("inline_keyboard", [])
        return {key["text"]: key["callback_data"] for row in rows for key in row}

    @property
    def text(self) -> str:
        """The last message as it stands now."""
        return str(self.messages[max(self.messages)]["text"])

    @property
    def said(self) -> str:
        """What was answered last to who pressed."""
        return str(self.answers[-1]["text"])

    def answer(self, received: Received) -> Reply:
        prefix, _, method = received.path.removeprefix("/bot").partition("/")
        if not received.path.startswith("/bot") or ":" not in prefix:
            return failure(404, "Not Found")
        if prefix != TOKEN:
            return failure(401, "Unauthorized")
        parameters = json.loads(received.body or b"{}")
        if method == "getMe":
            return success(
                {"id": 123456789, "is_bot": True, "first_name": "Riskwarden", "username": BOT}
            )
        if method in self.failing:
            return self.failing[method]
        if method == "getUpdates":
            return self._poll(parameters)
        if method == "answerCallbackQuery":
            assert len(parameters["text"]) <= 200
            self.answers.append(parameters)
            return success(True)
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
        if method == "editMessageText":
            return self._edit(parameters)
        if method == "editMessageReplyMarkup":
            return self._edit_markup(parameters)
        return failure(404, "Not Found: method not found")

    def _send(self, chat: str, parameters: dict[str, Any]) -> Reply:
        text = parameters["text"]
        if parameters.get("parse_mode") == "HTML":
            reader = _Reader()
            reader.feed(text)
            if reader.rawdata.startswith("<"):  # what Python makes of it depends on its version
                reader.problem = reader.problem or "unclosed start tag"
            reader.close()
            if reader.problem or reader.opened:
                problem = reader.problem or f"can't find end tag corresponding to {reader.opened}"
                return failure(400, f"Bad Request: can't parse entities: {problem}")
            text = reader.text
        if not text.strip():
            return failure(400, "Bad Request: message text is empty")
        if len(text.encode("utf-16-le")) // 2 > _LONGEST:
            return failure(400, "Bad Request: message is too long")
        if problem := _wrong_with(parameters.get("reply_markup")):
            return failure(400, f"Bad Request: {problem}")
        self.sent.append((chat, text))
        number = len(self.sent)
        self.messages[number] = {
            "message_id": number,
            "date": 1_700_000_000,
            "chat": {"id": int(chat)},
            "text": text,
            "entities": [{"type": "bold", "offset": 0, "length": 4}],
            **({"reply_markup": markup} if (markup := parameters.get("reply_markup")) else {}),
        }
        return success(self.messages[number])

    def _edit(self, parameters: dict[str, Any]) -> Reply:
        message, text = self.messages[parameters["message_id"]], parameters["text"]
        size = len(text.encode("utf-16-le")) // 2
        if not 0 < size <= _LONGEST:
            return failure(400, "Bad Request: message is too long")
        if any(one["offset"] + one["length"] > size for one in parameters["entities"]):
            return failure(400, "Bad Request: entity is out of the text")
        if problem := _wrong_with(parameters.get("reply_markup")):
            return failure(400, f"Bad Request: {problem}")
        changed = {key: parameters[key] for key in ("text", "entities", "reply_markup")}
        if changed == {key: message.get(key) for key in changed}:
            return failure(400, "Bad Request: message is not modified")
        message.update(changed)
        return success(message)

    def _edit_markup(self, parameters: dict[str, Any]) -> Reply:
        self.edited.append(parameters["message_id"])
        message = self.messages.get(parameters["message_id"])
        if message is None:
            return failure(400, "Bad Request: message to edit not found")
        if problem := _wrong_with(parameters["reply_markup"]):
            return failure(400, f"Bad Request: {problem}")
        if self.labels(message) == self.labels(parameters):
            return failure(400, "Bad Request: message is not modified")
        message["reply_markup"] = parameters["reply_markup"]
        return success(message)

    def _poll(self, parameters: dict[str, Any]) -> Reply:
        """What happened since, held back until something does."""
        self.polls.append(parameters)
        offset = parameters.get("offset", 0)
        with self._happened:
            self._updates = [one for one in self._updates if one["update_id"] >= offset]
            self.holding += 1
            self._happened.wait_for(
                lambda: self._updates or self._closing.is_set(), parameters["timeout"]
            )
            self.holding -= 1
            return success(self._updates[: parameters["limit"]])

    def __exit__(self, *problem: Any) -> None:
        self._closing.set()
        with self._happened:
            self._happened.notify_all()
        super().__exit__(*problem)


def _wrong_with(markup: dict[str, Any] | None) -> str:
    for row in (markup or {}).get("inline_keyboard", []):
        for key in row:
            if not key["text"]:
                return "text buttons are unallowed in the inline keyboard"
            if not 1 <= len(key["callback_data"].encode()) <= 64:
                return "BUTTON_DATA_INVALID"
    return ""


def success(result: Any) -> Reply:
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
