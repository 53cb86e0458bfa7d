"""Keeps this service, Alertmanager and what people were told in agreement.

Looks again and again: at every silence, whoever made it, and at what fires without people
having been told. Alertmanager may be away at any time. Then nothing is forgotten, what was
acknowledged runs out at its own end, and what fires is told all the same.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import cache, partial
from typing import Final, TypeVar

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.clock import utc_now
from risk_policy.quiet import is_muted
from risk_policy.vocabulary import Category, Severity
from risk_receivers.acks import table
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.ended import settle, unsettled
from risk_receivers.acks.errors import AlertmanagerError
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.state import Standing
from risk_receivers.acks.untold import Untold, Waiting, candidates, held_back_by, tell
from risk_receivers.audit.errors import AuditError
from risk_receivers.audit.tables import open_read_only
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.database.place import Place
from risk_receivers.errors import ReceiversError
from risk_receivers.quiet.telling import Teller
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.workers import Worker

_OPEN: Final = (
    "SELECT risk_id, tier, severity FROM incident WHERE state IN ('CREATED', 'DISPATCHED')"
)
#: So many times as long as a look kept a processor busy passes until the next. With thousands of
#: incidents open it takes a tenth of one at most, which is not there for what comes in.
_REST: Final = 9
#: Whatever it took: an acknowledgement is prolonged half a minute before its end, and one that
#: mutes something worse by now is ended here.
_LONGEST_REST_SECONDS: Final = 10.0
#: Incidents of one transaction: some ten milliseconds, which is what a kill may have to wait.
_AT_ONCE: Final = 50
_log = logging.getLogger(__name__)
T = TypeVar("T")


class Reconciler(Worker):
    """One look per round."""

    def __init__(
        self,
        *,
        keeper: AckKeeper,
        client: AlertmanagerClient,
        database: Place,
        writer: Writer,
        teller: Teller,
        policy: Policy,
        telemetry: Telemetry,
        wake: Callable[[], None],
        interval_seconds: float,
    ) -> None:
        super().__init__("reconciler", telemetry)
        self._keeper = keeper
        self._client = client
        self._database = database
        self._writer = writer
        self._teller = teller
        self._wake_couriers = wake
        self._interval_seconds = interval_seconds
        self._policy = policy
        self._routing = policy.alerting.routing
        self._waiting = Waiting(self._routing)
        self._settled_at: datetime | None = None

    def round(self) -> float | None:
        """Look once."""
        began = time.thread_time()
        try:
            answers = self._keeper.synchronise()
            self._tell_what_fires(answers)
            self._tell_what_is_over()
        except (OSError, *DATABASE_ERRORS, ReceiversError) as error:
            _log.error("silences could not be reconciled, trying again: %s", error)
        rest = min(_REST * (time.thread_time() - began), _LONGEST_REST_SECONDS)
        return max(self._interval_seconds, rest)

    def _tell_what_fires(self, answers: bool) -> None:  # noqa: FBT001 - private, one caller
        with closing(open_read_only(self._database)) as connection:
            owed = candidates(connection)
            if owed:
                silences = [
                    one.matchers
                    for one in table.standing(connection)
                    if one.standing is Standing.ACTIVE
                ]
                beside = [
                    (risk_id, tier, Severity(severity))
                    for risk_id, tier, severity in connection.execute(_OPEN)
                ]
        if not owed:
            self._waiting.due((), time.monotonic())
            return
        alertmanager = None
        if answers:
            try:
                alertmanager = self._client.alerts()
            except AlertmanagerError as error:
                _log.warning("which alerts are kept from people is unknown: %s", error)
        is_held_back = held_back_by(alertmanager, silences, beside)
        # Alertmanager does not say of what it mutes for the time being that it does.
        is_silent = self._mutes(utc_now())
        loud = [one for one in owed if not is_held_back(one) and not is_silent(one)]
        due = self._waiting.due(loud, time.monotonic())
        if due:
            self._tell(due)

    def _mutes(self, at: datetime) -> Callable[[Untold], bool]:
        """Whether the policy has people not told of something at a time."""

        @cache
        def of_kind(severity: Severity, category: Category | None, action: str) -> bool:
            return is_muted(self._policy, severity, category, action, at)

        def mutes(one: Untold) -> bool:
            return of_kind(one.alert.severity, one.incident.category, one.incident.action)

        return mutes

    def _tell_what_is_over(self) -> None:
        now = utc_now()
        with closing(open_read_only(self._database)) as connection:
            ended = unsettled(connection, self._routing, now, self._settled_at)
        for some in _few(ended):
            self._write(partial(settle, teller=self._teller, ended=some))
        self._settled_at = now

    def _tell(self, due: list[Untold]) -> None:
        now = utc_now()
        for one in due:
            _log.warning("%s fires and Alertmanager did not hand it over", one.incident.id)
        for some in _few(due):
            self._write(partial(tell, teller=self._teller, due=some, received_at=now))

    def _write(self, work: Callable[[Transaction], int]) -> None:
        """Have something written; wake the couriers if it made messages due."""
        if self._writer.submit(work).result():
            self._wake_couriers()


def _few(every: Sequence[T]) -> Iterator[Sequence[T]]:
    """As many at a time as one transaction takes, so that others get their turn in between."""
    return (every[begin : begin + _AT_ONCE] for begin in range(0, len(every), _AT_ONCE))


def ack_gauges(database: Place) -> Mapping[Metric, Samples]:
    """What a scrape sees of acknowledgements; nothing if the store cannot say."""
    try:
        with closing(open_read_only(database)) as connection:
            ends = table.held_until(connection, utc_now())
            broad = [one.id for one in table.standing(connection) if one.excess]
    except (OSError, *DATABASE_ERRORS, AuditError):
        return {}
    return {
        m.ACK_UNTIL: [(key, end.timestamp()) for key, end in sorted(ends.items())],
        m.SILENCE_TOO_BROAD: [((silence_id,), 1.0) for silence_id in sorted(broad)],
    }
