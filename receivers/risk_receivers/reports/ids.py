"""The ids of reports: each stands for one content, and keeps standing for it."""

from __future__ import annotations

import hashlib
from datetime import datetime
from enum import Enum, auto

from risk_policy.contracts.reports import Report
from risk_receivers.database.connection import Connection
from risk_receivers.schema import to_text


class Claim(Enum):
    """What an id is to a report that comes with it."""

    NEW = auto()
    KNOWN = auto()  # this very report was taken before
    REUSED = auto()  # another one was
    REUSED_AGAIN = auto()  # and that was noticed before


def digest(report: Report) -> str:
    """What tells contents apart."""
    return hashlib.sha256(report.model_dump_json().encode()).hexdigest()


def claim(connection: Connection, report: Report, now: datetime) -> Claim:
    """Take an id for a report, or say why it is not to be had."""
    content = digest(report)
    new = connection.execute(
        "INSERT INTO report (id, kind) VALUES (?, ?) ON CONFLICT DO NOTHING",
        (report.id, report.kind),
    ).rowcount
    if new:
        connection.execute("INSERT INTO report_content VALUES (?, ?, 1)", (report.id, content))
        connection.execute("INSERT INTO report_at VALUES (?, ?)", (report.id, to_text(now)))
        return Claim.NEW
    contents = dict(
        connection.execute("SELECT digest, accepted FROM report_content WHERE id = ?", (report.id,))
    )
    if not contents:  # taken by a version that kept ids only
        return Claim.KNOWN
    if content in contents:
        return Claim.KNOWN if contents[content] else Claim.REUSED_AGAIN
    connection.execute("INSERT INTO report_content VALUES (?, ?, 0)", (report.id, content))
    return Claim.REUSED


def release(connection: Connection, report: Report) -> None:
    """Give back an id whose report could not be recorded after all."""
    connection.execute("DELETE FROM report WHERE id = ?", (report.id,))
    connection.execute("DELETE FROM report_content WHERE id = ?", (report.id,))
    connection.execute("DELETE FROM report_at WHERE id = ?", (report.id,))
