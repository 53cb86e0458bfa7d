"""Twilio's Messages and Accounts resources on loopback, with their errors."""

from __future__ import annotations

import json
from base64 import b64decode
from typing import Any
from urllib.parse import parse_qs

from loopback_http import LoopbackServer, Received, Reply

ACCOUNT = "AC0123456789abcdef0123456789abcdef"
TOKEN = "plantedtwiliosecret0123456789abc"
FROM = "+15005550006"
_LONGEST = 1600


class TwilioStandIn(LoopbackServer):
    """One account.

    Attributes:
        status: of the account.
        errors: what a number gets: (HTTP status, Twilio's code, message).
        sent: (number, body) of every message taken.
    """

    def __init__(self) -> None:
        super().__init__()
        self.status = "active"
        self.errors: dict[str, tuple[int, int, str]] = {}
        self.sent: list[tuple[str, str]] = []

    def answer(self, received: Received) -> Reply:
        given = received.headers.get("Authorization", "").removeprefix("Basic ")
        account, _, token = b64decode(given).decode().partition(":")
        if (account, token) != (ACCOUNT, TOKEN):
            return failure(401, 20003, "Authenticate")
        if received.path == f"/2010-04-01/Accounts/{ACCOUNT}.json":
            return Reply(200, json.dumps({"sid": ACCOUNT, "status": self.status}))
        if received.path != f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            return failure(404, 20404, f"The requested resource {received.path} was not found")
        fields = {name: values[0] for name, values in parse_qs(received.body.decode()).items()}
        return self._send(fields)

    def _send(self, fields: dict[str, str]) -> Reply:
        number = fields.get("To", "")
        if number in self.errors:
            return failure(*self.errors[number])
        if fields.get("From") != FROM:
            text = f"The 'From' phone number {fields.get('From')} is not a valid number"
            return failure(400, 21212, text)
        if not fields.get("Body"):
            return failure(400, 21602, "Message body is required")
        if len(fields["Body"].encode("utf-16-le")) // 2 > _LONGEST:
            return failure(400, 21617, "The concatenated message body exceeds 1600 characters")
        self.sent.append((number, fields["Body"]))
        resource: dict[str, Any] = {
            "sid": f"SM{len(self.sent):032x}",
            "status": "queued",
            "to": number,
            "error_code": None,
            "error_message": None,
        }
        return Reply(201, json.dumps(resource))


def failure(status: int, code: int, message: str) -> Reply:
    body = {
        "code": code,
        "message": message,
        "more_info": f"https://www.twilio.com/docs/errors/{code}",
        "status": status,
    }
    return Reply(status, json.dumps(body))
