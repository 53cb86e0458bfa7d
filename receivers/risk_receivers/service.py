"""The service put together: store, gate, workers, front, in this order; stopped in reverse.

Nothing is served before the recorded state of the kill switch is published: whatever was
tripped when the service last ran, or was spooled when it could not record, holds the gate
from the first moment on.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

from a2wsgi import WSGIMiddleware

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_receivers.acks.client import AlertmanagerClient
from risk_receivers.acks.keeper import AckKeeper
from risk_receivers.acks.reconciler import Reconciler, ack_gauges
from risk_receivers.acks.views import AckParts
from risk_receivers.api import Parts, create_app
from risk_receivers.auth import Role, Tokens
from risk_receivers.body import BodyReader
from risk_receivers.chain_watch import ChainVerdict, ChainWatch
from risk_receivers.channels import CHANNELS, enabled_channels
from risk_receivers.channels.outbox import Outbox
from risk_receivers.courier import Courier
from risk_receivers.doors.door import Door
from risk_receivers.doors.feeds import FeedDoor
from risk_receivers.doors.kill import KillDoor
from risk_receivers.doors.reports import ReportsDoor
from risk_receivers.doubt_watch import DoubtWatch
from risk_receivers.errors import StartError
from risk_receivers.feed_watch import FeedWatch
from risk_receivers.front import Asgi, Front
from risk_receivers.gate import GatePublisher
from risk_receivers.health import Health
from risk_receivers.heartbeat import Heartbeat
from risk_receivers.intake.alert import Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.ledger import Ledger
from risk_receivers.pulse import Pulse
from risk_receivers.reading import Reading
from risk_receivers.recorder import Recorder
from risk_receivers.recovery import recover
from risk_receivers.refusals import Refusals
from risk_receivers.schema import SCHEMA
from risk_receivers.spool import Spool
from risk_receivers.spool_keeper import SpoolKeeper
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import AUTH_FAILED, COMPONENT, Telemetry, policy_info
from risk_receivers.templating.renderer import Renderer
from risk_receivers.workers import Clock, Worker

#: Prometheus lets a firing alert end this many resend delays ahead.
_RESENDS_UNTIL_END: Final = 4
#: The alert feed repeats a firing alert after one; by the second it has had its chance.
_REPEATS_UNTIL_DOUBT: Final = 2
_WSGI_THREADS: Final = 8


@dataclass(frozen=True, slots=True)
class Service:
    """What is running."""

    front: Front
    parts: Parts
    heartbeat: Heartbeat


@contextmanager
def running(policy: Policy, data: Path, alertmanager: str = "") -> Iterator[Service]:
    """Everything but the server, running on a data folder. Raises StartError or StoreError.

    ``alertmanager`` is where it listens, if that is not where the policy says.
    """
    alerting = policy.alerting
    if not alerting.enabled:
        raise StartError("alerting.enabled = false: there is nothing to receive; set it to true")
    channels = enabled_channels(policy)
    telemetry = Telemetry()
    for name in channels:
        telemetry.count(m.TEMPLATE_FAILURES, name, by=0)
    renderer = Renderer.from_policy(
        policy, broken=lambda name: telemetry.count(m.TEMPLATE_FAILURES, name)
    )
    made = {name: CHANNELS[name](policy, data, renderer.render_for(name)) for name in channels}
    tokens = Tokens.from_policy(policy, refused=lambda: telemetry.count(*AUTH_FAILED))
    database = data / alerting.audit.database_path
    telemetry.add_source(lambda: policy_info(policy.digest))
    pulse = Pulse(alerting.gate.feed_silence_seconds)
    heartbeat = Heartbeat(alerting.gate.renew_seconds)
    signs = (pulse, heartbeat)

    with ExitStack() as stack:
        stack.callback(renderer.close)
        writer = Writer(
            database,
            origin=COMPONENT,
            retention=alerting.audit.retention,
            schema=SCHEMA,
            batch=alerting.intake.commit_batch,
            queue_depth=alerting.intake.queue_depth,
        )
        gate = stack.enter_context(
            GatePublisher(
                data / "gate",
                lease_seconds=alerting.gate.lease_seconds,
                renew_seconds=alerting.gate.renew_seconds,
                policy_digest=policy.digest,
                may_renew=lambda: writer.healthy and not any(sign.complaint for sign in signs),
            )
        )
        writer.start()
        stack.callback(writer.stop)
        spool = Spool(data / "spool")
        stack.callback(spool.close)
        outbox = Outbox(channels)
        ledger = Ledger(outbox, alerting.kill_switch.mode)
        recovered = recover(policy, data, writer, ledger, spool, found_halted=gate.found_halted)
        verdict = ChainVerdict()
        for problem in recovered.problems:
            verdict.damaged(problem)

        couriers: list[Worker] = []

        def wake_couriers() -> None:
            for courier in couriers:
                courier.wake()

        prometheus = alerting.prometheus
        repeat_seconds = max(
            prometheus.resend_delay_seconds, prometheus.evaluation_interval_seconds
        )
        alert_lease_seconds = _RESENDS_UNTIL_END * repeat_seconds
        doubts = DoubtWatch(
            database,
            writer,
            outbox,
            telemetry,
            patience_seconds=_REPEATS_UNTIL_DOUBT * repeat_seconds,
            wake_couriers=wake_couriers,
        )
        recorder = Recorder(
            writer=writer,
            ledger=ledger,
            gate=gate,
            spool=spool,
            telemetry=telemetry,
            automatic_mode=alerting.kill_switch.mode,
            wake=wake_couriers,
            wake_doubt=doubts.wake,
        )
        stack.callback(recorder.close)
        recorder.know(recovered.state)
        gate.start()

        couriers += [
            Courier(name, channel, database, writer, telemetry) for name, channel in made.items()
        ]
        clock = Clock(
            database,
            recorder,
            telemetry,
            interval_seconds=prometheus.evaluation_interval_seconds,
            grace_seconds=alert_lease_seconds,
        )
        watch = ChainWatch(
            database,
            writer,
            verdict,
            telemetry,
            interval_seconds=prometheus.evaluation_interval_seconds,
        )
        refusals = Refusals(writer, telemetry)
        client = AlertmanagerClient(alertmanager or alerting.endpoints.alertmanager)
        stack.callback(client.close)
        keeper = AckKeeper(
            client=client,
            database=database,
            writer=writer,
            outbox=outbox,
            terms=alerting.acknowledgement,
            telemetry=telemetry,
            wake=wake_couriers,
        )
        reconciler = Reconciler(
            keeper=keeper,
            client=client,
            database=database,
            writer=writer,
            outbox=outbox,
            policy=policy,
            telemetry=telemetry,
            wake=wake_couriers,
            interval_seconds=prometheus.evaluation_interval_seconds,
        )
        feeds = FeedWatch(writer, outbox, telemetry, policy=policy, wake_couriers=wake_couriers)
        workers = [
            *couriers,
            clock,
            doubts,
            SpoolKeeper(spool, telemetry),
            watch,
            refusals,
            reconciler,
            feeds,
        ]
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)

        reading = Reading(database, verdict, validate=alerting.audit.integrity.validate_on_read)
        health = Health(
            writer=writer,
            gate=gate,
            signs=signs,
            workers=workers,
            reading=reading,
            verdict=verdict,
            channels=tuple(channels),
            spool=spool,
            data=data,
        )
        telemetry.add_source(health.gauges)
        telemetry.add_source(lambda: ack_gauges(database))
        parts = Parts(
            policy=policy,
            tokens=tokens,
            recorder=recorder,
            gate=gate,
            writer=writer,
            reading=reading,
            health=health,
            telemetry=telemetry,
            deadline_seconds=alerting.gate.lease_seconds,
            acks=AckParts(keeper, database, alerting.acknowledgement),
        )
        behind = WSGIMiddleware(cast("Any", create_app(parts)), workers=_WSGI_THREADS)
        stack.callback(_threads_of(behind).shutdown)
        bodies = BodyReader(
            max_mib=alerting.intake.max_body_mib,
            timeout_seconds=alerting.intake.body_timeout_seconds,
        )

        parser = Parser(alerting.default_severity, lease_seconds=alert_lease_seconds)

        def feed(which: Feed, role: Role) -> Door:
            return FeedDoor(
                which,
                role,
                parser=parser,
                recorder=recorder,
                telemetry=telemetry,
                pulse=pulse,
                heard=feeds.hear,
                bodies=bodies,
                deadline_seconds=alerting.gate.lease_seconds,
            )

        front = Front(
            doors={
                "/api/v2/alerts": feed(Feed.ALERTS, Role.ALERT_FEED),
                "/api/v1/notifications": feed(Feed.NOTIFICATIONS, Role.NOTIFICATION_FEED),
                "/api/v1/kill": KillDoor(recorder, gate, alerting.gate.lease_seconds),
                "/api/v1/runtime/reports": ReportsDoor(recorder, alerting.gate.lease_seconds),
            },
            behind=cast("Asgi", behind),
            tokens=tokens,
            telemetry=telemetry,
            bodies=bodies,
            refused=refusals.note,
        )
        stack.callback(gate.withdraw)  # the first thing to happen once nobody listens any more
        yield Service(front, parts, heartbeat)


def _threads_of(behind: WSGIMiddleware) -> ThreadPoolExecutor:
    return behind.executor
