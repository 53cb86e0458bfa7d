"""Reports to the receivers: durable first, sent when it can be, never in trading's way.

Invariants: ``submit`` neither raises nor waits for the network; a report is offered to the
receivers again and again, under the same id, until they have said what became of it, across
restarts of both.
"""

from __future__ import annotations

import http.client
import json
import logging
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from risk_policy.contracts.receivers import ReceiversUrl
from risk_policy.contracts.reports import Report
from risk_runtime.errors import SpoolError
from risk_runtime.reporting.spool import ReportSpool

REPORTS_PATH: Final = "/api/v1/runtime/reports"
#: What one request may carry, as the contract bounds it.
MOST_PER_REQUEST: Final = 500
#: Nothing of the request could be recorded, and never will be.
_REFUSED: Final = (http.client.BAD_REQUEST, http.client.CONFLICT)

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Backoff:
    """How long to wait after a failed attempt: doubled each time, up to the longest."""

    first_seconds: float = 0.1
    longest_seconds: float = 5.0

    def after(self, failures: int) -> float:
        """The pause after so many failures in a row."""
        return min(self.first_seconds * 2.0 ** min(failures - 1, 30), self.longest_seconds)


class Reporter:
    """Spools reports and, once started, sends them from a thread of its own."""

    def __init__(
        self,
        spool: ReportSpool,
        receivers: ReceiversUrl,
        token: str,
        *,
        timeout_seconds: float = 2.0,
        backoff: Backoff = Backoff(),
    ) -> None:
        self._spool = spool
        self._receivers = receivers
        self._token = token
        self._timeout_seconds = timeout_seconds
        self._backoff = backoff
        self._changed = threading.Condition()
        self._unspooled: list[bytes] = []  # what the disk did not take
        self._stopping = False
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to send."""
        self._thread = threading.Thread(target=self._run, name="reports", daemon=True)
        self._thread.start()

    def submit(self, reports: Sequence[Report]) -> None:
        """Take reports in. They are on disk when this returns, if the disk takes them."""
        if not reports:
            return
        lines = [report.model_dump_json().encode() for report in reports]
        with self._changed:
            self._unspooled += lines
            self._spool_the_rest()
            self._changed.notify_all()

    def wait_until_sent(self, timeout: float) -> bool:
        """Wait until nothing is owed any more; whether that came true."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._owed, timeout)

    def stop(self, drain_seconds: float = 0.0) -> None:
        """Stop sending, after trying so long to send what is still owed."""
        if self._thread is None:
            return
        self.wait_until_sent(drain_seconds)
        with self._changed:
            self._stopping = True
            self._changed.notify_all()
        self._thread.join()
        self._thread = None

    @property
    def _owed(self) -> bool:
        return bool(self._unspooled) or self._spool.pending

    def _spool_the_rest(self) -> None:
        try:
            self._spool.append(self._unspooled)
        except SpoolError as error:
            _log.error("reports: kept in memory only: %s", error)
        else:
            self._unspooled.clear()

    def _run(self) -> None:
        failures = 0
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._stopping or self._owed)
                if self._stopping:
                    return
                if self._unspooled:
                    self._spool_the_rest()
                lines, end = self._front()
            if lines:
                problem = self._post(lines)
            else:
                problem = "the spool cannot be read" if end is None else None
            with self._changed:
                if problem is None:
                    failures = 0
                    self._arrived(lines, end)
                    self._changed.notify_all()
                    continue
                failures += 1
                _log.warning("reports: %s; %d wait, trying again", problem, len(lines))
                self._changed.wait_for(lambda: self._stopping, self._backoff.after(failures))

    def _front(self) -> tuple[tuple[bytes, ...], int | None]:
        """What to send next; without an end if it is from memory."""
        try:
            batch = self._spool.front(MOST_PER_REQUEST)
        except SpoolError as error:
            _log.error("reports: %s", error)
            batch = None
        if batch is not None:
            return batch.lines, batch.end
        return tuple(self._unspooled[:MOST_PER_REQUEST]), None

    def _arrived(self, lines: tuple[bytes, ...], end: int | None) -> None:
        if end is None:
            arrived = set(lines)
            self._unspooled = [line for line in self._unspooled if line not in arrived]
            return
        try:
            self._spool.mark_sent(end)
        except SpoolError as error:
            _log.error("reports: sent, but may be sent again: %s", error)

    def _post(self, lines: tuple[bytes, ...]) -> str | None:
        """Send one request; what went wrong, None if it was taken."""
        connection = self._receivers.connection(self._timeout_seconds)
        headers = {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}
        try:
            body = b'{"reports":[' + b",".join(lines) + b"]}"
            connection.request("POST", self._receivers.prefix + REPORTS_PATH, body, headers)
            with connection.getresponse() as response:
                answer = response.read()
        except (OSError, http.client.HTTPException) as error:
            return f"receivers cannot be reached ({type(error).__name__})"
        finally:
            connection.close()
        rejected = _rejected(answer)
        # A refusal that names reports is the last word about them, and stands in nobody's way.
        if response.status != http.client.OK and not (response.status in _REFUSED and rejected):
            return f"receivers said {response.status}"
        if rejected:
            _log.error("reports: the receivers rejected some: %s", rejected)
        return None


def _rejected(answer: bytes) -> list[object]:
    """What the receivers took note of but could not record; sending that again is no use."""
    try:
        rejected = json.loads(answer)["rejected"]
    except (ValueError, LookupError, TypeError):
        return []
    return rejected if isinstance(rejected, list) else []
