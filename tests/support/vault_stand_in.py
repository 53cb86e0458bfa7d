"""Vault's KV engine, version 2, as its HTTP API is documented; on loopback."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

from loopback_http import LoopbackServer, Received, Reply

TOKEN = "hvs.the-vault-token"


class VaultStandIn(LoopbackServer):
    """Holds the secrets of one mount."""

    def __init__(
        self,
        secrets: Mapping[str, Mapping[str, object]],
        mount: str = "secret",
        certificate: Path | None = None,
    ) -> None:
        super().__init__(certificate)
        self.secrets = secrets
        self.deleted: set[str] = set()
        self.is_sealed = False
        self._prefix = f"/v1/{mount}/data/"

    def answer(self, received: Received) -> Reply:
        if self.is_sealed:
            return _errors(503, "Vault is sealed")
        if received.headers.get("X-Vault-Token") != TOKEN:
            return _errors(403, "permission denied")
        path = received.path.partition("?")[0].removeprefix(self._prefix)
        found = self.secrets.get(path)
        if found is None or not received.path.startswith(self._prefix):
            return _errors(404)
        gone = path in self.deleted
        metadata = {
            "created_time": "2026-03-02T15:00:00Z",
            "deletion_time": "2026-03-03T15:00:00Z" if gone else "",
            "destroyed": False,
            "version": 3,
        }
        content = {"data": {"data": None if gone else found, "metadata": metadata}}
        return Reply(404 if gone else 200, json.dumps(content))


def _errors(status: int, *messages: str) -> Reply:
    return Reply(status, json.dumps({"errors": [*messages]}))
