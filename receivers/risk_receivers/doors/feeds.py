"""The two feeds. A request gets its 2xx once everything that it held is on record.

What a sender could not send again is kept before it is refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Final

from msgspec.structs import replace

from risk_policy.catalogue import metrics as m
from risk_receivers.body import Body, BodyReader, End
from risk_receivers.config_changes import RulesWatch
from risk_receivers.doors.door import Reply, problem, read, recorded, recorded_or_acted
from risk_receivers.gate.pulse import Pulse
from risk_receivers.intake.alert import Batch, Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.trip import SpooledTrip
from risk_receivers.latencies import took_in
from risk_receivers.ledger import Outcome
from risk_receivers.recorder import Received, Recorder, trips_of
from risk_receivers.store.errors import StoreError
from risk_receivers.telemetry import Telemetry

#: Alerts of one commit: others get their turn in between.
_COMMIT_ALERTS: Final = 500
_RECORDED: Final = Reply(200, {"status": "recorded"})
_log = logging.getLogger(__name__)


class FeedDoor:
    """Takes what one feed delivers."""

    def __init__(
        self,
        feed: Feed,
        *,
        parser: Parser,
        recorder: Recorder,
        telemetry: Telemetry,
        pulse: Pulse,
        heard: Callable[[Feed], None],
        rules: RulesWatch,
        bodies: BodyReader,
        deadline_seconds: float,
    ) -> None:
        self._feed = feed
        self._parser = parser
        self._recorder = recorder
        self._telemetry = telemetry
        self._pulse = pulse
        self._heard = heard
        self._rules = rules
        self._bodies = bodies
        self._deadline_seconds = deadline_seconds

    @property
    def takes_parts(self) -> bool:
        """What of an alert has arrived is kept."""
        return True

    def answered(self, code: int) -> None:
        """Count the answer."""
        self._telemetry.count(m.FEED_REQUESTS, self._feed.value, str(code))

    async def take(self, body: Body) -> Reply:
        """Record it."""
        received = Received()
        # A sender does not repeat what got a 4xx: keep what has arrived.
        complaint = "" if body.end is End.COMPLETE else self._bodies.complaints[body.end]
        if body.data or not complaint:
            batch = await read(
                body.data,
                lambda: self._parser.parse(self._feed, body.data, received.at, complaint),
            )
            if refusal := await self._record(batch, received):
                return refusal
            if batch.left_out:
                return problem(413, f"{batch.left_out}; what came before was recorded")
        if complaint:
            return problem(body.code, f"{complaint}; what came before that was recorded")
        return _RECORDED

    async def _record(self, batch: Batch, received: Received) -> Reply | None:
        """Put a batch on record; the answer if that failed."""
        counts: dict[str, int] = {}
        trips = trips_of(batch, received)
        for part in _parts(batch):
            try:
                # Each part has its time: what is large must not fail for ever.
                outcome = await self._recorded(part, received, trips)
            except TimeoutError:
                return self._not_recorded("the store is too slow; nothing was promised")
            except StoreError as error:
                _log.error("not recorded: %s", error)
                return self._not_recorded("the store cannot record this now")
            except Exception:  # noqa: BLE001 - a mistake must end as "send it again", never as 2xx
                _log.exception("not recorded")
                self._telemetry.unexpected()
                return problem(503, "this could not be recorded; see the service's log")
            trips = ()  # all of them are in the first part
            for became, number in outcome.counts.items():
                counts[became] = counts.get(became, 0) + number
            acted = outcome.tripped or outcome.restricted
            took_in(self._telemetry, part, outcome.began, received_at=received.at, acted=acted)
        self._count(batch, counts, received)
        return None

    async def _recorded(
        self, part: Batch, received: Received, trips: Sequence[SpooledTrip]
    ) -> Outcome:
        future = self._recorder.take_batch(part, received, trips)
        if not trips:
            return await recorded(future, self._deadline_seconds)
        return await recorded_or_acted(
            future, self._deadline_seconds, lambda: self._recorder.act_first(trips, received)
        )

    def _not_recorded(self, why: str) -> Reply:
        complaint = self._recorder.complaint
        # Some of it may be on record, or come to be: repeats of an alert are one incident.
        return problem(503, f"{why}, send it again{complaint and '; '}{complaint}")

    def _count(self, batch: Batch, counts: Mapping[str, int], received: Received) -> None:
        feed = batch.feed.value
        for outcome, number in counts.items():
            self._telemetry.count(m.FEED_ALERTS, feed, outcome, by=number)
        if batch.ignored:
            self._telemetry.count(m.FEED_ALERTS, feed, "ignored", by=batch.ignored)
        if batch.malformed:
            unread = len(batch.malformed) + batch.more_malformed
            self._telemetry.count(m.FEED_QUARANTINED, feed, by=unread)
        if batch.watchdog:
            if batch.feed is Feed.ALERTS:
                self._pulse.beat()
                self._rules.hear(batch.rules_digest)
            self._heard(batch.feed)
            self._telemetry.set(m.WATCHDOG_TIMESTAMP, feed, value=received.at.timestamp())


def _parts(batch: Batch) -> Iterator[Batch]:
    """A batch in pieces for one commit each; what trips the kill switch comes first."""
    if len(batch.alerts) <= _COMMIT_ALERTS:
        if not batch.is_empty:
            yield batch
        return
    tripping = batch.tripping
    others = [alert for alert in batch.alerts if not alert.may_trip]
    yield replace(batch, alerts=tripping)
    for begin in range(0, len(others), _COMMIT_ALERTS):
        yield Batch(batch.feed, tuple(others[begin : begin + _COMMIT_ALERTS]))
