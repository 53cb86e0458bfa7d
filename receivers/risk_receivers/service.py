"""The service put together: store, gate, workers, server, in this order; stopped in reverse.

Nothing is served before the recorded state of the kill switch is published: whatever was
tripped when the service last ran, or was spooled when it could not record, holds the gate
from the first moment on.
"""

from __future__ import annotations

import logging
import signal
import socket
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final, cast

import uvicorn
from a2wsgi import WSGIMiddleware

from risk_policy import Policy
from risk_receivers.api import Parts, create_app
from risk_receivers.auth import Tokens
from risk_receivers.chain_watch import ChainVerdict, ChainWatch
from risk_receivers.channels import CHANNELS, enabled_channels
from risk_receivers.channels.outbox import Outbox
from risk_receivers.doubt_watch import DoubtWatch
from risk_receivers.errors import StartError
from risk_receivers.feed_watch import FeedWatch
from risk_receivers.front import Asgi, Front
from risk_receivers.gate import GatePublisher
from risk_receivers.health import Health
from risk_receivers.intake.parse import Parser
from risk_receivers.ledger import Ledger
from risk_receivers.pulse import Pulse
from risk_receivers.reading import Reading
from risk_receivers.recorder import Recorder
from risk_receivers.recovery import recover
from risk_receivers.schema import SCHEMA
from risk_receivers.spool import Spool
from risk_receivers.spool_keeper import SpoolKeeper
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import AUTH_FAILED, COMPONENT, Telemetry, policy_info
from risk_receivers.workers import Clock, Courier, Worker

#: How long a stop waits for requests that are being answered.
_STOP_SECONDS: Final = 5
#: Prometheus lets a firing alert end this many resend delays ahead.
_RESENDS_UNTIL_END: Final = 4
#: The alert feed repeats a firing alert after one; by the second it has had its chance.
_REPEATS_UNTIL_DOUBT: Final = 2
_WSGI_THREADS: Final = 8
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Service:
    """What is running."""

    front: Front
    parts: Parts


@contextmanager
def running(policy: Policy, data: Path) -> Iterator[Service]:
    """Everything but the server, running on a data folder. Raises StartError or StoreError."""
    alerting = policy.alerting
    if not alerting.enabled:
        raise StartError("alerting.enabled = false: there is nothing to receive; set it to true")
    channels = enabled_channels(policy)
    telemetry = Telemetry()
    tokens = Tokens.from_policy(policy, refused=lambda: telemetry.count(*AUTH_FAILED))
    database = data / alerting.audit.database_path
    telemetry.add_source(lambda: policy_info(policy.digest))
    pulse = Pulse(alerting.gate.feed_silence_seconds)

    with ExitStack() as stack:
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
                may_renew=lambda: writer.healthy and pulse.is_felt,
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
            Courier(name, CHANNELS[name](policy, data), database, writer, telemetry)
            for name in channels
        ]
        clock = Clock(
            database,
            writer,
            recorder,
            telemetry,
            interval_seconds=prometheus.evaluation_interval_seconds,
            grace_seconds=_RESENDS_UNTIL_END * repeat_seconds,
        )
        watch = ChainWatch(
            database,
            writer,
            verdict,
            telemetry,
            interval_seconds=prometheus.evaluation_interval_seconds,
        )
        feeds = FeedWatch(writer, outbox, telemetry, policy=policy, wake_couriers=wake_couriers)
        workers = [*couriers, clock, doubts, SpoolKeeper(spool, telemetry), watch, feeds]
        for worker in workers:
            worker.start()
            stack.callback(worker.stop)

        reading = Reading(database, verdict, validate=alerting.audit.integrity.validate_on_read)
        health = Health(
            writer=writer,
            gate=gate,
            pulse=pulse,
            workers=workers,
            reading=reading,
            verdict=verdict,
            channels=tuple(channels),
            spool=spool,
            data=data,
        )
        telemetry.add_source(health.gauges)
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
        )
        behind = WSGIMiddleware(cast("Any", create_app(parts)), workers=_WSGI_THREADS)
        stack.callback(_threads_of(behind).shutdown)
        front = Front(
            behind=cast("Asgi", behind),
            tokens=tokens,
            parser=Parser(alerting.default_severity),
            recorder=recorder,
            telemetry=telemetry,
            pulse=pulse,
            heard=feeds.hear,
            max_body_mib=alerting.intake.max_body_mib,
            deadline_seconds=alerting.gate.lease_seconds,
        )
        stack.callback(gate.withdraw)  # the first thing to happen once nobody listens any more
        yield Service(front, parts)


def serve(policy: Policy, data: Path, host: str, port: int) -> None:
    """Run until a signal asks to stop. Raises StartError or StoreError."""
    stopping = _StopRequest()
    with ExitStack() as stack:
        listener = stack.enter_context(_bound(host, port))
        service = stack.enter_context(running(policy, data))
        server = uvicorn.Server(
            uvicorn.Config(
                cast("Any", service.front),
                loop="uvloop",
                http="httptools",
                ws="none",
                lifespan="off",
                access_log=False,
                server_header=False,
                log_config=None,
                timeout_graceful_shutdown=_STOP_SECONDS,
            )
        )
        if not stopping.asked:
            _log.info("serving on %s:%d", host, port)
            server.run(sockets=[listener])


class _StopRequest:
    """Notes SIGTERM and SIGINT; uvicorn raises them once more after it has stopped."""

    def __init__(self) -> None:
        self.asked = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._note)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self.asked = True


@contextmanager
def _bound(host: str, port: int) -> Iterator[socket.socket]:
    """A bound socket that does not listen yet. Raises StartError."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            raise StartError(
                f"{host}:{port} cannot be used: {error.strerror}; choose another --listen"
            ) from error
        yield listener


def _threads_of(behind: WSGIMiddleware) -> ThreadPoolExecutor:
    return behind.executor
