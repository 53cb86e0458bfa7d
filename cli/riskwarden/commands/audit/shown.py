"""How records are shown: as a table, a line, JSON or CSV."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, TextIO

from rich.markup import escape
from rich.table import Column, Table

from risk_policy.visible import visible
from risk_receivers.audit.browse import Browsed
from risk_receivers.audit.query import StoredEvent, as_json
from risk_receivers.audit.selection import accounts_of
from riskwarden.commands.common import err

CSV_COLUMNS: Final = (
    "seq", "recorded_at", "event_type", "severity", "category", "account", "alert_id", "trade_id",
    "position_id", "actor_type", "actor_id", "message", "action_taken", "action_reason", "details",
    "origin", "expires_at", "checksum",
)  # fmt: skip
_COLUMNS: Final = ("time (UTC)", "type", "severity", "account", "by", "message")
_STYLES: Final = {"warning": "yellow", "critical": "red", "emergency": "bold red"}
#: Where a spreadsheet takes a formula to begin, full-width signs included: at the beginning of a
#: cell, and since it may split a line at something else than a comma and then sees no quotes, also
#: behind whatever else ends a cell or a line.
_FORMULA: Final = re.compile(r"(^|[;|\t\r\n])(?=[\s\"']*[=+\-@\uff1d\uff0b\uff0d\uff20])")
_STRIPPED: Final = ("\t", "\r")
_PRUNED: Final = "(deleted by retention)"


def folded(name: str) -> Column:
    """A column of which nothing is cut off, however narrow the terminal is."""
    return Column(name, overflow="fold")


def table(events: Iterable[StoredEvent]) -> Table:
    """Events one a row."""
    shown = Table(Column("seq", no_wrap=True), *map(folded, _COLUMNS))
    for event in events:
        payload = event.payload
        severity = (payload and payload.severity) or ""
        style = _STYLES.get(severity, "")
        shown.add_row(
            str(event.seq),
            _time(event.recorded_at),
            escape(str(event.event_type)),
            f"[{style}]{severity}[/]" if style else severity,
            escape(_accounts(event)),
            escape(_actor(event)),
            escape(payload.message) if payload else _PRUNED,
        )
    return shown


def line(event: StoredEvent) -> str:
    """An event in one line, with nothing in it that steers a terminal."""
    payload = event.payload
    severity = (payload and payload.severity) or "-"
    message = payload.message if payload else _PRUNED
    told = f"{_time(event.recorded_at)} {event.seq} {event.event_type} {severity} {message}"
    return visible(told.replace("\n", " ").replace("\t", " "))


def json_line(event: StoredEvent) -> str:
    """An event as one line of JSON, of the same shape as the API gives it."""
    told = json.dumps(as_json(event), ensure_ascii=False, separators=(",", ":"), default=_plain)
    return visible(told)  # which JSON reads back


def write_csv(stream: TextIO, events: Iterable[StoredEvent]) -> None:
    """Events as CSV, for people: neither a spreadsheet nor a terminal obeys what stands in it."""
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(CSV_COLUMNS)
    for event in events:
        writer.writerow(csv_row(event))


def csv_row(event: StoredEvent) -> list[str]:
    """An event's cells."""
    payload = event.payload
    cells: dict[str, object] = {
        "seq": event.seq,
        "recorded_at": _exact(event.recorded_at),
        "event_type": str(event.event_type),
        "account": _accounts(event),
        "origin": event.origin,
        "expires_at": _exact(event.expires_at) if event.expires_at else "",
        "checksum": event.checksum,
    }
    if payload is not None:
        for name in CSV_COLUMNS:
            if name not in cells and name != "details":
                cells[name] = getattr(payload, name)
        cells["details"] = json.dumps(payload.details, ensure_ascii=False, default=_plain)
    else:
        cells["message"] = _PRUNED
    return [_cell(cells.get(name)) for name in CSV_COLUMNS]


def damaged(one: Browsed) -> None:
    """Name a record that is not shown, and why not."""
    err.print(f"record {one.seq} is NOT what was written: {'; '.join(one.problems)}", markup=False)


def _cell(value: object) -> str:
    text = _FORMULA.sub(r"\1'", visible("" if value is None else str(value)))
    return f"'{text}" if text.startswith(_STRIPPED) else text


def _accounts(event: StoredEvent) -> str:
    return ", ".join(sorted(accounts_of(event.payload.details))) if event.payload else ""


def _actor(event: StoredEvent) -> str:
    payload = event.payload
    if payload is None:
        return ""
    return payload.actor_id or payload.actor_type.lower()


def _time(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S")


def _exact(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat(timespec="microseconds")


def _plain(value: Any) -> object:
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is not JSON")
