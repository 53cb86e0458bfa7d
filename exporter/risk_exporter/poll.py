"""Poll mode: snapshots are fetched from a runtime that serves them, as often as Prometheus scrapes.

The same JSON as in ``POST /api/v1/snapshot``, with the same token. What cannot be fetched or read
is counted in ``risk_snapshots_rejected_total``, and the latest figures grow old, which raises an
alert. A runtime that hangs holds up its own thread alone, and that no longer than a snapshot counts
as fresh.
"""

from __future__ import annotations

import logging
import threading
import time
from http import HTTPStatus
from typing import Final

from pydantic import ValidationError
from pydantic_core import from_json

from risk_exporter.answers import FieldProblem, boolean_problems, validation_problems
from risk_exporter.errors import ExporterError, Refusal, SnapshotRefusedError
from risk_exporter.exporter import RiskExporter
from risk_exporter.fetch import FetchError, Origin, fetch
from risk_exporter.intake import most_body_bytes
from risk_policy.contracts.snapshot import Snapshot

_DENIED: Final = (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)

_log = logging.getLogger(__name__)


class PollError(ExporterError):
    """What was fetched is no snapshot.

    Attributes:
        reason: as what it is counted.
    """

    def __init__(self, reason: Refusal, message: str) -> None:
        self.reason = reason
        super().__init__(message)


class SnapshotPoller:
    """Polls one runtime from a thread of its own while it is open.

    Args:
        url: where the runtime serves its snapshot.
        token: shown to the runtime as a bearer token.

    Raises:
        StartError: the URL cannot be used.
    """

    def __init__(self, exporter: RiskExporter, url: str, token: str) -> None:
        alerting = exporter.policy.alerting
        self._exporter = exporter
        self._origin = Origin.parse(url, "the URL to poll")
        self._headers = {"Authorization": f"Bearer {token}", "Accept": "application/json"}
        self._interval_seconds = alerting.prometheus.scrape_interval_seconds
        # What takes longer brings nothing fresh any more.
        self._timeout_seconds = alerting.system.snapshot_stale_seconds
        self._most_bytes = most_body_bytes(exporter.policy)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="poll", daemon=True)
        self._trouble = ""

    def start(self) -> None:
        """Begin to poll."""
        self._thread.start()

    def stop(self) -> None:
        """Begin nothing more. A request that is under way is left to itself."""
        self._stopping.set()

    def poll(self) -> bool:
        """Fetch once; whether the exporter took what came."""
        try:
            self._exporter.observe(self._fetched())
        except PollError as error:
            self._exporter.count_refusal(error.reason)
            self._troubled(str(error))
            return False
        except SnapshotRefusedError as error:  # counted and logged by the exporter
            self._troubled(str(error))
            return False
        except ExporterError as error:
            self._troubled(str(error))
            return False
        self._troubled("")
        return True

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stopping.wait(max(0.0, due - time.monotonic())):
            due = max(due + self._interval_seconds, time.monotonic())
            try:
                self.poll()
            except Exception as error:  # noqa: BLE001  a defect must not end the watch
                self._exporter.count_unexpected(error)
                _log.exception("polling %s failed", self._origin)

    def _fetched(self) -> Snapshot:
        try:
            answered = fetch(
                self._origin,
                "GET",
                self._origin.path,
                headers=self._headers,
                timeout_seconds=self._timeout_seconds,
                most_bytes=self._most_bytes,
            )
        except FetchError as error:
            raise PollError(Refusal.UNREACHABLE, str(error)) from error
        if answered.status in _DENIED:
            message = f"{self._origin} does not accept the snapshot token ({answered.status})"
            raise PollError(Refusal.UNAUTHORIZED, message)
        if answered.status != HTTPStatus.OK:
            raise PollError(Refusal.UNREACHABLE, f"{self._origin} answered {answered.status}")
        return self._understood(answered.body)

    def _understood(self, body: bytes) -> Snapshot:
        try:
            content = from_json(body, allow_inf_nan=False)
        except ValueError as error:
            raise PollError(Refusal.MALFORMED, f"{self._origin}: no JSON: {error}") from error
        problems = boolean_problems(content)
        if not problems:
            try:
                return Snapshot.model_validate(content)
            except ValidationError as error:
                problems = validation_problems(error)
        raise PollError(Refusal.MALFORMED, f"{self._origin}: no snapshot: {_told(problems)}")

    def _troubled(self, trouble: str) -> None:
        """Say what is wrong once, and when it is over."""
        if trouble and trouble != self._trouble:
            _log.error("poll: %s", trouble)
        elif self._trouble and not trouble:
            _log.warning("poll: %s answers with snapshots again", self._origin)
        self._trouble = trouble


def _told(problems: list[FieldProblem]) -> str:
    first, *more = problems
    rest = f", and {len(more)} more" if more else ""
    return f"{first.path}: {first.message}{rest}"
