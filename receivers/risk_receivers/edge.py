"""What answers on the wire: the doors that the loop keeps open, and the API behind them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, cast

from a2wsgi import WSGIMiddleware

from risk_policy.contracts import high_water_mark
from risk_receivers.access import Access
from risk_receivers.api import Parts, create_app
from risk_receivers.body import BodyReader
from risk_receivers.config_changes import RulesWatch
from risk_receivers.core import Core
from risk_receivers.doors.door import Door
from risk_receivers.doors.drills import DrillDoor
from risk_receivers.doors.feeds import FeedDoor
from risk_receivers.doors.gate import GateDoor
from risk_receivers.doors.high_water_mark import HighWaterMarkDoor
from risk_receivers.doors.kill import KillDoor
from risk_receivers.doors.loosen import ArmDoor, LoosenDoor
from risk_receivers.doors.reports import ReportsDoor
from risk_receivers.front import Asgi, Front
from risk_receivers.health import Health
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.clearing import Codes, What
from risk_receivers.kill.loosening import Loosening
from risk_receivers.kill.mark_reset import MarkResets
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.people import People
from risk_receivers.reading import Reading
from risk_receivers.restrictions.resuming import Resuming
from risk_receivers.tokens.registry import Registry
from risk_receivers.tokens.views import TokenParts

_WSGI_THREADS: Final = 8


def parts_of(core: Core, people: People, access: Access) -> Parts:
    """What the API works with."""
    alerting = core.policy.alerting
    reading = Reading(
        core.database, core.verdict, validate=alerting.audit.integrity.validate_on_read
    )
    health = Health(
        writer=core.writer,
        proof=core.proof,
        gate=core.gate,
        signs=(core.pulse, core.heartbeat, core.order),
        workers=[*core.workers, *people.workers],
        reading=reading,
        verdict=core.verdict,
        channels=core.outbox.channels,
        spool=core.spool,
        data=core.data,
    )
    return Parts(
        policy=core.policy,
        access=access,
        recorder=core.recorder,
        gate=core.gate,
        writer=core.writer,
        signing=core.checkpointer,
        reading=reading,
        health=health,
        telemetry=core.telemetry,
        deadline_seconds=alerting.gate.lease_seconds,
        acks=people.acks,
        channels=people.channels,
        tokens=TokenParts(
            Registry(core.writer, access.tokens.book),
            days=alerting.auth.token_days,
            most_days=alerting.auth.most_token_days,
        ),
    )


@contextmanager
def open_front(core: Core, people: People, parts: Parts) -> Iterator[Front]:
    """The ASGI application; the API's threads end with it."""
    alerting = core.policy.alerting
    patience = alerting.gate.lease_seconds
    bodies = BodyReader(
        max_mib=alerting.intake.max_body_mib,
        timeout_seconds=alerting.intake.body_timeout_seconds,
    )
    parser = Parser(alerting.default_severity, lease_seconds=core.alert_lease_seconds)

    rules = RulesWatch(core.writer)

    def feed(which: Feed) -> Door:
        return FeedDoor(
            which,
            parser=parser,
            recorder=core.recorder,
            telemetry=core.telemetry,
            pulse=core.pulse,
            heard=people.feeds.hear,
            rules=rules,
            bodies=bodies,
            deadline_seconds=patience,
        )

    terms = alerting.kill_switch
    codes = Codes(terms.confirm_within_seconds, needs_second_person=terms.needs_second_person)
    time_codes = TimeCodes.from_policy(alerting.auth.totp_secret, needed=terms.needs_totp)
    loosening = Loosening(core.outbox, codes, time_codes)
    resuming = Resuming(core.outbox, codes, time_codes)
    how = (core.recorder, core.refusals.note, patience)

    def loosen(what: What) -> Door:
        decides = resuming if what is What.RESUME else loosening
        return LoosenDoor(
            what,
            decides,
            *how,
            blind=lambda: core.pulse.complaint,
            terms=terms,
            access=parts.access,
        )

    marks = HighWaterMarkDoor(
        MarkResets(core.outbox, codes, time_codes),
        *how,
        terms=terms,
        access=parts.access,
    )
    behind = WSGIMiddleware(cast("Any", create_app(parts)), workers=_WSGI_THREADS)
    try:
        yield Front(
            doors={
                "/api/v2/alerts": feed(Feed.ALERTS),
                "/api/v1/notifications": feed(Feed.NOTIFICATIONS),
                "/api/v1/kill": KillDoor(core.recorder, core.gate, patience),
                "/api/v1/kill/clear": loosen(What.CLEAR),
                "/api/v1/kill/disarm": loosen(What.DISARM),
                "/api/v1/kill/arm": ArmDoor(loosening, *how),
                "/api/v1/restrictions/{id}/resume": loosen(What.RESUME),
                high_water_mark.PATH: marks,
                "/api/v1/runtime/reports": ReportsDoor(core.recorder, patience),
                "/api/v1/drills": DrillDoor(core.writer, patience),
            },
            behind=cast("Asgi", behind),
            access=parts.access,
            telemetry=core.telemetry,
            bodies=bodies,
            refused=core.refusals.note,
            signed=people.signed,
            shown={"/api/v1/gate": GateDoor(core.gate, parts.health.lease_withheld)},
        )
    finally:
        _threads_of(behind).shutdown()


def _threads_of(behind: WSGIMiddleware) -> ThreadPoolExecutor:
    return behind.executor
