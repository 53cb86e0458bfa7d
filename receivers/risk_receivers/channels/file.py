"""The file channel: a file a day, by the UTC date of delivery, synced before it counts.

A message whose delivery was confirmed by the disk but not by the store, because the service
died in between, is recognised by its id and not written again.
"""

from __future__ import annotations

import csv
import io
import os
import re
import tempfile
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Final

import msgspec

from risk_policy import Policy
from risk_policy.clock import utc_now
from risk_policy.visible import visible
from risk_receivers.channels.message import Owed
from risk_receivers.channels.rendered import Render

_NAME: Final = re.compile(r"alerts-(\d{4}-\d{2}-\d{2})\.(?:jsonl|csv)")
_ID: Final = r'^\{"message_id":"([^"]+)",'
_COLUMNS: Final = (
    "message_id", "at", "severity", "kind", "title", "risk_id", "subject", "text",
    "starts_at", "runbook_url", "audit_seq", "audit_head",
)  # fmt: skip


class FileChannel:
    """Appends to ``alerts-YYYY-MM-DD.jsonl`` or ``.csv`` and removes what is too old."""

    def __init__(
        self,
        folder: Path,
        style: str,
        retention_days: int,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self._folder = folder
        self._style = style
        self._retention = timedelta(days=retention_days)
        self._clock = clock
        self._day: date | None = None
        self._written: set[str] = set()

    @classmethod
    def from_policy(cls, policy: Policy, data: Path, render: Render) -> FileChannel:
        """The channel as the policy wants it."""
        del render
        settings = policy.alerting.channels.file
        return cls(data / settings.path, settings.format, settings.retention_days)

    def deliver(self, owed: Owed) -> None:
        """Append one record and sync it. Raises OSError."""
        today = self._clock().astimezone(UTC).date()
        if today != self._day:
            self._turn_to(today)
        if owed.id in self._written:
            return
        try:
            self._append(self._path(today), visible(self._render(owed)))
        except OSError:
            self._day = None  # half a line may stand there: look again before the next one
            raise
        self._written.add(owed.id)

    def check(self) -> None:
        """Create and remove a file where the messages go. Raises OSError."""
        self._folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=self._folder):
            pass

    def close(self) -> None:
        """Nothing is held open."""

    def _append(self, path: Path, text: str) -> None:
        with path.open("a", encoding="utf-8", newline="") as stream:
            if self._style == "csv" and stream.tell() == 0:
                stream.write(_csv_line(_COLUMNS))
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())

    def _path(self, day: date) -> Path:
        return self._folder / f"alerts-{day.isoformat()}.{self._style}"

    def _turn_to(self, today: date) -> None:
        """Start a day: remove what is too old, remember what today and yesterday hold."""
        self._folder.mkdir(parents=True, exist_ok=True)
        for path in self._folder.iterdir():
            if (name := _NAME.fullmatch(path.name)) and (
                today - date.fromisoformat(name[1]) > self._retention
            ):
                path.unlink(missing_ok=True)
        written: set[str] = set()
        for day in (today - timedelta(days=1), today):
            written |= self._ids_in(self._path(day))
        self._written = written
        self._day = today

    def _ids_in(self, path: Path) -> set[str]:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return set()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) != len(data):  # the service died in the middle of a line: it counts as none
            os.truncate(path, len(whole))
        text = whole.decode("utf-8", "replace")
        if self._style == "csv":
            return {row[0] for row in csv.reader(io.StringIO(text)) if row}
        return {found[1] for found in re.finditer(_ID, text, re.MULTILINE)}

    def _render(self, owed: Owed) -> str:
        message = owed.message
        if self._style == "jsonl":
            said = msgspec.to_builtins(message)
            del said["id"]
            fields = {"message_id": owed.id, **said, "audit_head": owed.head}
            return msgspec.json.encode(fields).decode() + "\n"
        return _csv_line(
            (
                owed.id,
                message.at.astimezone(UTC).isoformat(),
                message.severity.value,
                message.kind.value,
                message.title,
                message.risk_id,
                message.subject,
                message.text,
                message.starts_at.astimezone(UTC).isoformat() if message.starts_at else "",
                message.runbook_url,
                str(message.audit_seq),
                owed.head,
            )
        )


def _csv_line(values: tuple[str, ...]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([_harmless(value) for value in values])
    return line.getvalue()


def _harmless(value: str) -> str:
    """A cell on one line that a spreadsheet will not run as a formula."""
    line = " ".join(value.splitlines()) if value else value
    return f"'{line}" if line[:1] in ("=", "+", "-", "@", "\t") else line
