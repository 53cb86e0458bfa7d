"""The console channel: one line a message on standard output."""

from __future__ import annotations

import sys
from datetime import UTC
from pathlib import Path
from typing import Final, TextIO

import msgspec

from risk_policy import Policy
from risk_policy.visible import visible
from risk_receivers.channels.message import Kind, Owed
from risk_receivers.channels.rendered import Render

_QUOTED: Final = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r"})
#: What follows a name that was told before.
_SAID_BEFORE: Final = (Kind.EXPIRED, Kind.CONTINUED, Kind.RESOLVED)
_ONE_LINE: Final = str.maketrans({"\n": " ", "\r": " "})


class ConsoleChannel:
    """Writes for eyes (simple), for grep (structured) or for programs (json)."""

    def __init__(self, style: str, stream: TextIO | None = None) -> None:
        self._render = {"simple": _simple, "structured": _structured, "json": _json}[style]
        self._stream = stream

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> ConsoleChannel:
        """The channel as the policy wants it."""
        del data, render
        return cls(policy.alerting.channels.console.format)

    def deliver(self, owed: Owed) -> None:
        """Write one line, whatever the terminal can show. Raises OSError."""
        stream = self._stream or sys.stdout
        line = visible(self._render(owed)) + "\n"
        encoding = stream.encoding or "utf-8"
        stream.write(line.encode(encoding, "backslashreplace").decode(encoding))
        stream.flush()

    def check(self) -> None:
        """Whether anybody can still read. Raises OSError."""
        (self._stream or sys.stdout).flush()

    def close(self) -> None:
        """Nothing is held open."""


def _simple(owed: Owed) -> str:
    message = owed.message
    at = message.at.astimezone(UTC).strftime("%H:%M:%S")
    line = f"{at} {message.severity.value.upper():9} {message.title}"
    if message.kind in _SAID_BEFORE:
        line += f" {message.kind.value}"
    return f"{line}: {message.text}".translate(_ONE_LINE)


def _structured(owed: Owed) -> str:
    message = owed.message
    pairs = {
        "at": message.at.astimezone(UTC).isoformat(timespec="milliseconds"),
        "severity": message.severity.value,
        "kind": message.kind.value,
        "alert": message.title,
        "risk_id": message.risk_id,
        "text": message.text,
        "runbook": message.runbook_url,
        "audit_seq": str(message.audit_seq),
        "audit_head": owed.head,
        "message_id": owed.id,
        "attempt": str(owed.attempt) if owed.attempt > 1 else "",
    }
    return " ".join(f"{name}={_quoted(value)}" for name, value in pairs.items() if value)


def _quoted(value: str) -> str:
    plain = value.isprintable() and not any(character in value for character in ' "=\\')
    return value if plain else f'"{value.translate(_QUOTED)}"'


def _json(owed: Owed) -> str:
    return msgspec.json.encode(owed).decode()
