"""Alertmanager's silences on loopback, for tests that need no alerts of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from loopback_http import LoopbackServer, Received, Reply

_SILENCES = "/api/v2/silences"
_SILENCE = "/api/v2/silence/"


class AlertmanagerStandIn(LoopbackServer):
    """Makes, lists and ends silences.

    Attributes:
        silences: every one that was made, by id.
        forgetful: whether what was asked for is done and the answer lost.
        down: whether it answers 503 to everything.
    """

    def __init__(self) -> None:
        super().__init__()
        self.silences: dict[str, dict[str, Any]] = {}
        self.forgetful = False
        self.down = False

    @property
    def endpoint(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def active(self) -> list[dict[str, Any]]:
        return [one for one in self.silences.values() if one["status"]["state"] == "active"]

    def answer(self, received: Received) -> Reply:
        if self.down:
            return Reply(503, "not now")
        if received.path == _SILENCES and received.method == "POST":
            return self._make(received.json)
        if received.path == _SILENCES:
            return Reply(200, json.dumps(list(self.silences.values())))
        found = self.silences.get(received.path.removeprefix(_SILENCE))
        if found is None:
            return Reply(404, '"not found"')
        if received.method == "DELETE":
            found["status"]["state"] = "expired"
            found["endsAt"] = datetime.now(UTC).isoformat()
            return Reply(200, "")
        return Reply(200, json.dumps(found))

    def _make(self, wanted: dict[str, Any]) -> Reply:
        silence_id = wanted.get("id") or str(uuid4())
        self.silences[silence_id] = {**wanted, "id": silence_id, "status": {"state": "active"}}
        if self.forgetful:
            return Reply(manner="cut")
        return Reply(200, json.dumps({"silenceID": silence_id}))
