"""What answers on the wire: the doors that the loop keeps open, and the API behind them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, Final, cast

from a2wsgi import WSGIMiddleware

from risk_policy.clock import utc_now
from risk_policy.contracts import high_water_mark
from risk_receivers.access import Access
from risk_receivers.api import Parts, create_app
from risk_receivers.body import BodyReader
from risk_receivers.config_changes import RulesWatch
from risk_receivers.core import Core
from risk_receivers.database.place import path_of
from risk_receivers.doors.door import Door
from risk_receivers.doors.drills import DrillDoor
from risk_receivers.doors.feeds import FeedDoor
from risk_receivers.doors.gate import GateDoor, said
from risk_receivers.doors.golive import GoLiveDoor
from risk_receivers.doors.high_water_mark import HighWaterMarkDoor
from risk_receivers.doors.kill import KillDoor
from risk_receivers.doors.loosen import ArmDoor, LoosenDoor
from risk_receivers.doors.reports import ReportsDoor
from risk_receivers.doors.session import SessionDoor
from risk_receivers.doors.trip import PATH as TRIP_PATH
from risk_receivers.doors.trip import TripDoor
from risk_receivers.front import Asgi, Front
from risk_receivers.health import Health
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.clearing import Codes, What
from risk_receivers.kill.loosening import Loosening
from risk_receivers.kill.mark_reset import MarkResets
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.time_codes import TimeCodes
from risk_receivers.measures.views import Measures
from risk_receivers.people import People
from risk_receivers.perimeter import Perimeter
from risk_receivers.prometheus import PrometheusApi
from risk_receivers.reading import Reading
from risk_receivers.restrictions.resuming import Resuming
from risk_receivers.security.key_ages import KeyAges
from risk_receivers.sessions.log_ins import PATH
from risk_receivers.sign_in import SignIn
from risk_receivers.streams.broadcast import Broadcast
from risk_receivers.streams.gauges import Gauges
from risk_receivers.streams.streams import Stream, Streams
from risk_receivers.streams.tail import Tail
from risk_receivers.streams.wire import Wire
from risk_receivers.tokens.registry import Registry
from risk_receivers.tokens.views import TokenParts
from risk_receivers.users.fresh_code import FreshCode
from risk_receivers.users.own_password import OwnPassword
from risk_receivers.users.views import UserParts

_WSGI_THREADS: Final = 8
#: Of their own: whoever watches the service must not take one that waits for a sick store, or for
#: Alertmanager, for one that is dead.
_PROBE_THREADS: Final = 2


def parts_of(
    core: Core, people: People, access: Access, sign_in: SignIn, key_ages: KeyAges
) -> Parts:
    """What the API works with."""
    alerting = core.policy.alerting
    fresh_code = FreshCode(core.writer, sign_in.second_factor)
    reading = Reading(
        core.database, core.verdict, validate=alerting.audit.integrity.validate_on_read
    )
    health = Health(
        writer=core.writer,
        proof=core.proof,
        gate=core.gate,
        signs=(
            *(core.pulse, core.heartbeat, core.order),
            *(() if core.leadership is None else (core.leadership,)),
        ),
        workers=[*core.workers, *people.workers],
        reading=reading,
        verdict=core.verdict,
        channels=core.outbox.channels,
        spool=core.spool,
        folders=(core.data, path_of(core.database).parent),
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
            fresh_code=fresh_code,
        ),
        users=UserParts(
            registry=sign_in.registry,
            users=sign_in.users,
            authenticators=sign_in.authenticators,
            sessions=sign_in.sessions,
            hasher=sign_in.hasher,
            writer=core.writer,
            fresh_code=fresh_code,
            own_password=OwnPassword(
                users=sign_in.users,
                registry=sign_in.registry,
                sessions=sign_in.sessions,
                hasher=sign_in.hasher,
                lock_out=sign_in.lock_out,
                fresh_code=fresh_code,
                cookie=sign_in.cookie,
                refused=core.refusals.note,
                telemetry=core.telemetry,
            ),
        ),
        monitor=core.monitor,
        key_ages=key_ages,
        reports=core.data / alerting.reports.path,
        measures=Measures(
            core.policy,
            PrometheusApi(f"http://{alerting.endpoints.prometheus}"),
            reading.open_risk_ids,
        ),
    )


@contextmanager
def open_front(core: Core, people: People, parts: Parts, sign_in: SignIn) -> Iterator[Asgi]:
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
    second_factor = sign_in.second_factor
    loosening = Loosening(core.outbox, codes, second_factor)
    resuming = Resuming(core.outbox, codes, second_factor)
    kill = KillDoor(core.recorder, core.gate, patience)
    trip = TripDoor(
        kill,
        Codes(terms.confirm_within_seconds),  # of its own: who stops needs no second person
        SecondFactor(
            TimeCodes.from_policy(alerting.auth.totp_secret, needed=terms.needs_totp),
            sign_in.authenticators,
        ),
        parts.measures.prometheus,
        core.refusals.note,
        terms=terms,
        stale_seconds=alerting.system.snapshot_stale_seconds,
        clock=utc_now,
    )
    how = (core.recorder, core.refusals.note, patience)

    def loosen(what: What) -> Door:
        decides = resuming if what is What.RESUME else loosening
        return LoosenDoor(
            what,
            decides,
            *how,
            blind=lambda: core.pulse.complaint,
            terms=terms,
            second_factor=second_factor,
            access=parts.access,
        )

    marks = HighWaterMarkDoor(
        MarkResets(core.outbox, codes, second_factor),
        *how,
        terms=terms,
        second_factor=second_factor,
        access=parts.access,
    )
    streams = open_streams(core, parts)
    app = cast("Any", create_app(parts))
    behind = WSGIMiddleware(app, workers=_WSGI_THREADS)
    probes = WSGIMiddleware(app, workers=_PROBE_THREADS)
    try:
        front = Front(
            doors={
                "/api/v2/alerts": feed(Feed.ALERTS),
                "/api/v1/notifications": feed(Feed.NOTIFICATIONS),
                "/api/v1/kill": kill,
                TRIP_PATH: trip,
                "/api/v1/system/kill-switch/clear": loosen(What.CLEAR),
                "/api/v1/system/kill-switch/disarm": loosen(What.DISARM),
                "/api/v1/system/kill-switch/arm": ArmDoor(loosening, *how),
                "/api/v1/restrictions/{id}/resume": loosen(What.RESUME),
                high_water_mark.PATH: marks,
                "/api/v1/runtime/reports": ReportsDoor(core.recorder, patience),
                "/api/v1/drills": DrillDoor(core.writer, patience),
                "/api/v1/golive": GoLiveDoor(core.writer, patience),
            },
            behind=cast("Asgi", behind),
            probes=cast("Asgi", probes),
            access=parts.access,
            telemetry=core.telemetry,
            bodies=bodies,
            refused=core.refusals.note,
            monitor=core.monitor,
            is_somebodys=sign_in.lock_out.is_somebodys,
            signed=people.signed,
            streams=Wire(streams),
            shown={"/api/v1/gate": GateDoor(core.gate, parts.health.lease_withheld)},
            opened={
                PATH: SessionDoor(
                    access=parts.access,
                    users=sign_in.users,
                    log_ins=sign_in.log_ins,
                    second_factor=second_factor,
                )
            },
        )
        yield Perimeter(front, alerting.dashboard, refused=core.refusals.note, signed=people.signed)
    finally:
        for application in (behind, probes):
            _threads_of(application).shutdown()
        parts.measures.prometheus.close()


def open_streams(core: Core, parts: Parts) -> Streams:
    """What is told to whoever keeps a connection open."""
    settings = core.policy.alerting.dashboard
    most = settings.websocket.max_connections
    alerts, gauges = Broadcast(most), Broadcast(most)
    tail = Tail(parts.reading, lambda: core.writer.head.size, alerts)
    core.growth.tell(tail.grown)

    def summary() -> dict[str, Any]:
        switch = core.recorder.known.everything
        return {
            "kill_switch": switch.phase.value,
            "gate": said(core.gate, parts.health.lease_withheld()),
        }

    every = core.policy.alerting.prometheus.scrape_interval_seconds
    measured = Stream(gauges, Gauges(parts.measures, summary, gauges, every))
    told = Stream(alerts, tail, tail)
    return Streams(
        {
            "/ws/alerts": told,
            "/api/v1/stream/alerts": told,
            "/ws/metrics": measured,
            "/api/v1/stream/metrics": measured,
        }
        if settings.websocket.enabled
        else {},
        heartbeat_seconds=settings.websocket.heartbeat_seconds,
        most=most,
        stopping=lambda: core.gate.is_withdrawn,
    )


def _threads_of(behind: WSGIMiddleware) -> ThreadPoolExecutor:
    return behind.executor
