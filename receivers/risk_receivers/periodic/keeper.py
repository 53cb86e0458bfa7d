"""The thread that has reports written when they are due, and people told of them.

Invariant: that a report was written, that people are owed the news and that its period is done with
stand in one transaction. A service that dies before it writes the report again, over the same
file; one that dies after it never does.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import closing
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.clock import utc_now
from risk_policy.contracts.audit import EventType
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.tables import open_read_only
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.place import Place
from risk_receivers.facts import fact, keep_fact
from risk_receivers.periodic.order import Answer, Order
from risk_receivers.periodic.period import Period
from risk_receivers.periodic.schedule import latest_due, next_due, period_end, period_of
from risk_receivers.periodic.shelf import FILE_NAME
from risk_receivers.periodic.writing import write_report
from risk_receivers.schema import from_text, to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

_FACT: Final = "reported:"
_LAST_MOMENT: Final = timedelta(microseconds=1)
#: A clock may be set; nobody needs a report to the minute.
_LONGEST_PAUSE_SECONDS: Final = 60.0
_RETRY_SECONDS: Final = 60.0
#: One try that fails and succeeds when it is repeated is nobody's business.
_TRIES_BEFORE_TOLD: Final = 3
#: What was recorded before a period's end may still be on its way to the disk right after it.
_SETTLING: Final = timedelta(seconds=5)
_log = logging.getLogger(__name__)


class ReportKeeper(Worker):
    """Writes what the policy asks for; nothing at the first start, since nothing was missed."""

    def __init__(
        self,
        policy: Policy,
        data: Path,
        database: Place,
        writer: Writer,
        outbox: Outbox,
        telemetry: Telemetry,
        *,
        wake_couriers: Callable[[], None],
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        super().__init__("reports", telemetry)
        self._policy = policy
        self._settings = policy.alerting.reports
        self._folder = data / self._settings.path
        self._data = data
        self._database = database
        self._writer = writer
        self._outbox = outbox
        self._wake_couriers = wake_couriers
        self._clock = clock
        self._failed_tries = 0

    def round(self) -> float | None:
        """Write what is due; in how many seconds to look again."""
        if not self._settings.enabled:
            return None
        failed = False
        for kind in self._settings.kinds:
            try:
                self._look(kind)
            except ROUND_ERRORS as error:
                failed = True
                _log.error("the %s report is not written yet, trying again: %s", kind, error)
        self._failed_tries = self._failed_tries + 1 if failed else 0
        is_told = self._failed_tries >= _TRIES_BEFORE_TOLD
        self._telemetry.set(m.REPORTS_FAILING, value=float(is_told))
        if failed:
            return _RETRY_SECONDS
        now = self._clock()
        settled = now - _SETTLING
        due = min(next_due(kind, self._settings, settled) for kind in self._settings.kinds)
        return min(max((due - settled).total_seconds(), 0.1), _LONGEST_PAUSE_SECONDS)

    def _look(self, kind: str) -> None:
        now, settings = self._clock(), self._settings
        due = latest_due(kind, settings, now - _SETTLING)
        with closing(open_read_only(self._database)) as connection:
            kept = fact(connection, _FACT + kind)
        if kept is None:
            end = to_text(period_end(kind, settings, due))
            self._writer.submit(
                lambda transaction: keep_fact(transaction.connection, _FACT + kind, end)
            ).result()
            return
        period = period_of(kind, settings, due, from_text(kept))
        if period is not None and not self._stopping.is_set():
            self._write(kind, period, now)

    def _write(self, kind: str, period: Period, now: datetime) -> None:
        order = Order.of(
            self._policy,
            kind=kind,
            database=self._database,
            signing_key=self._data / self._policy.alerting.audit.signing.key_path,
            period=period,
            made_at=now,
            folder=str(self._folder),
            name=file_name(kind, period),
        )
        answer = write_report(order, self._stopping.wait)
        for problem in answer.problems:
            _log.error("the %s report: %s", kind, problem)
        told = self._writer.submit(partial(self._record, kind, period, answer)).result()
        if told:
            self._wake_couriers()
        self._tidy(now)

    def _record(self, kind: str, period: Period, answer: Answer, transaction: Transaction) -> int:
        """Put it on record, and owe people the news; how many messages."""
        connection = transaction.connection
        end = to_text(period.end)
        kept = fact(connection, _FACT + kind)
        if kept is not None and from_text(kept) >= period.end:
            return 0  # another service on the same store was faster
        where = [str(Path(self._settings.path) / one.name) for one in answer.files]
        seq = transaction.append(
            AuditEvent(
                EventType.REPORT_WRITTEN,
                f"{answer.title} on {period} was written: {', '.join(where)}",
                severity=Severity.INFO,
                category=Category.SYSTEM,
                details={
                    "kind": kind,
                    "start": to_text(period.start),
                    "end": end,
                    "zone": period.zone,
                    "head": answer.head,
                    "chain_is_intact": answer.is_trustworthy,
                    "files": [
                        {"path": path, "size": one.size, "sha256": one.sha256}
                        for path, one in zip(where, answer.files, strict=True)
                    ],
                    "problems": list(answer.problems),
                },
                action_taken="written",
            )
        )
        keep_fact(connection, _FACT + kind, end)
        return self._tell(transaction, kind, end, answer, where, seq)

    def _tell(
        self,
        transaction: Transaction,
        kind: str,
        end: str,
        answer: Answer,
        where: list[str],
        seq: int,
    ) -> int:
        lies = [f"File: {(self._data / path).resolve()}" for path in where]
        message = Message(
            subject=f"report:{kind}:{end}",
            kind=Kind.REPORT,
            severity=Severity.INFO,
            title=answer.title,
            text="\n".join((*answer.lines, *answer.problems, *lies)),
            at=transaction.now,
            audit_seq=seq,
            summary=answer.lines[0],
            attachment=where[0],
        )
        if named := self._settings.channels:
            return self._outbox.owe_to(transaction.connection, message, named)
        return self._outbox.owe(transaction.connection, message)

    def _tidy(self, now: datetime) -> None:
        """Remove what is older than the policy keeps."""
        before = f"{now - timedelta(days=self._settings.keep_days):%Y%m%d}"
        for path in self._folder.iterdir():
            if (name := FILE_NAME.fullmatch(path.name)) and name["last"] < before:
                path.unlink(missing_ok=True)


def file_name(kind: str, period: Period) -> str:
    """A report's name without its ending: what it is, from which day to which."""
    last = period.local(period.end - _LAST_MOMENT)
    return f"{kind}-{period.local(period.start):%Y%m%d}-{last:%Y%m%d}"
