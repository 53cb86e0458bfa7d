"""Holds the chain, once at every start, against what Prometheus saw of it before.

While the service runs, its writer notices if records that it knows of are gone or changed. What
was done while nothing ran is seen here: a chain that was written anew, with every checkpoint, by
somebody who has the signing key, an old copy that was put back, one that was emptied. Rules cannot
see it, for the service records its start at once, and a head that moved on is what they expect.

Fails open: without a Prometheus nothing is held against anything, and recording waits for nobody.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from contextlib import closing
from typing import Final

from risk_receivers.audit.tables import checksums, open_read_only
from risk_receivers.audit.witness import contradicted
from risk_receivers.chain_watch import ChainVerdict
from risk_receivers.database.place import Place
from risk_receivers.prometheus_witness import WitnessUnreachableError, seen_heads
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import ROUND_ERRORS, Worker

#: Prometheus is started together with the service, or after it.
_AGAIN_SECONDS: Final = 5.0
#: Some milliseconds of work, after which others get their turn.
_STRETCH: Final = 5000
_REST_SECONDS: Final = 0.05
_log = logging.getLogger(__name__)


class WitnessWatch(Worker):
    """Asks until Prometheus has answered once."""

    def __init__(
        self,
        database: Place,
        writer: Writer,
        verdict: ChainVerdict,
        telemetry: Telemetry,
        *,
        url: str,
        instance: str,
        hours: float,
    ) -> None:
        """``instance`` is what Prometheus calls this service, whose heads count alone."""
        super().__init__("witness-watch", telemetry)
        self._database = database
        self._writer = writer
        self._verdict = verdict
        self._url = url
        self._instance = instance
        self._hours = hours
        self._began = time.time()

    def round(self) -> float | None:
        """Ask, and compare."""
        try:
            self._compare()
        except WitnessUnreachableError as error:
            _log.debug("no witness of the audit chain yet: %s", error)
            return _AGAIN_SECONDS
        except ROUND_ERRORS as error:
            _log.warning("the audit chain was not held against its witness yet: %s", error)
            return _AGAIN_SECONDS
        return None

    def _compare(self) -> None:
        seen = seen_heads(self._url, hours=self._hours, now=self._began, instance=self._instance)
        if not seen:
            return
        with closing(open_read_only(self._database)) as connection:
            known = checksums(connection, 0, self._writer.head.size)
            wrong = contradicted(self._with_rests(known), seen)
        if wrong is not None and not self._stopping.is_set():
            self._verdict.damaged(
                f"Prometheus saw this chain with the head {wrong}, which it does not pass through: "
                "it was cut off, rewritten, or an old copy was put in its place"
            )

    def _with_rests(self, known: Iterator[bytes]) -> Iterator[bytes]:
        for number, checksum in enumerate(known, 1):
            yield checksum
            if number % _STRETCH == 0 and self._stopping.wait(_REST_SECONDS):
                return
