"""The security monitor put together, as the policy wants it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.contracts.audit import EventType
from risk_receivers.auth import Identity
from risk_receivers.database.place import Place
from risk_receivers.refusals import Refusals
from risk_receivers.security.exports import Exports, ExportWatch
from risk_receivers.security.monitor import Monitor
from risk_receivers.security.places import Places
from risk_receivers.security.score import Scores
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import Samples, Telemetry
from risk_receivers.workers import Worker

_MINUTE = 60.0


@dataclass(frozen=True, slots=True)
class Watching:
    """The monitor, and what it needs to be run."""

    monitor: Monitor
    workers: tuple[Worker, ...]


def open_monitor(
    policy: Policy, database: Place, writer: Writer, telemetry: Telemetry, refusals: Refusals
) -> Watching:
    """Not started yet; it hears of what is refused from now on. Raises StoreError."""
    settings = policy.alerting.security
    blocking = settings.blocking
    places = Places(database, writer, telemetry)
    exports = Exports(
        most=settings.bulk_export_records, window_seconds=settings.window_minutes * _MINUTE
    )
    hours = policy.alerting.business_hours.intervals() if settings.after_hours else None
    monitor = Monitor(
        scores=Scores(
            half_life_seconds=blocking.half_life_minutes * _MINUTE,
            block_at=blocking.at_score,
            block_seconds=blocking.minutes * _MINUTE,
            never=blocking.never,
        )
        if blocking.enabled
        else None,
        places=places,
        exports=exports,
        business_hours=hours,
        telemetry=telemetry,
        record=refusals.keep,
    )
    refusals.tell(monitor.refused)

    def gauges() -> Mapping[Metric, Samples]:
        return {m.SECURITY_BLOCKED: [((), float(monitor.blocks()))]}

    def exported(who: str, records: int) -> None:
        monitor.exported(Identity(who), "", EventType.AUDIT_EXPORTED.value, records)

    telemetry.add_source(gauges)
    watch = ExportWatch(database, telemetry, writer.head.size, exported)
    return Watching(monitor, (places, watch))
