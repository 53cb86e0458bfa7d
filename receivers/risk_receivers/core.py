"""What records, and what holds the gate: the part of the service that waits for nobody.

It is complete, and the recorded state of the kill switch published, before anything is served.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from risk_policy import Policy
from risk_policy.catalogue.system import ALERT_STORM
from risk_policy.contracts.limit_alert import REPEATS_UNTIL_END, repeat_seconds
from risk_receivers.chain_watch import ChainVerdict, ChainWatch
from risk_receivers.channels import enabled_channels, fallbacks
from risk_receivers.channels.outbox import Outbox
from risk_receivers.database.idle import kept_open
from risk_receivers.database.place import Place
from risk_receivers.gate.heartbeat import Heartbeat
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.gate.pulse import Pulse
from risk_receivers.gate.store_proof import StoreProof
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.countdown_watch import CountdownWatch
from risk_receivers.kill.doubt_watch import DoubtWatch
from risk_receivers.kill.order_watch import OrderWatch, StandingOrder
from risk_receivers.kill.silence_watch import SilenceWatch
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.spool_keeper import SpoolKeeper
from risk_receivers.leadership.leader import Leadership
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.recorder import Recorder
from risk_receivers.recovery import recover
from risk_receivers.refusals import Refusals
from risk_receivers.restrictions.patience import Patience, patience_seconds
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.restrictions.watch import RestrictionWatch
from risk_receivers.retention.keeper import RetentionKeeper
from risk_receivers.retention.payload_keeper import PayloadKeeper
from risk_receivers.schema import SCHEMA
from risk_receivers.security.monitor import Monitor
from risk_receivers.security.opening import open_monitor
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.connect import connect
from risk_receivers.store.places import place_of
from risk_receivers.store.writer import Writer
from risk_receivers.streams.growth import Growth
from risk_receivers.telemetry import COMPONENT, Telemetry
from risk_receivers.witness_watch import WitnessWatch
from risk_receivers.workers import Bell, Clock, Worker

#: The alert feed repeats a firing alert after one; by the second it has had its chance.
_REPEATS_UNTIL_DOUBT: Final = 2


@dataclass(frozen=True, slots=True)
class Core:
    """What the rest of the service stands on.

    Attributes:
        alert_lease_seconds: how long a firing alert holds that is not repeated.
        leadership: where several share the store, what says that this one leads.
        workers: what keeps record and gate in order, not started yet.
    """

    policy: Policy
    data: Path
    database: Place
    telemetry: Telemetry
    bell: Bell
    pulse: Pulse
    heartbeat: Heartbeat
    writer: Writer
    proof: StoreProof
    order: StandingOrder
    gate: GatePublisher
    spool: Spool
    outbox: Outbox
    teller: Teller
    recorder: Recorder
    verdict: ChainVerdict
    checkpointer: Checkpointer
    refusals: Refusals
    monitor: Monitor
    growth: Growth
    alert_lease_seconds: float
    leadership: Leadership | None
    workers: tuple[Worker, ...]


@contextmanager
def open_core(
    policy: Policy,
    data: Path,
    telemetry: Telemetry,
    *,
    leadership: Leadership | None = None,
) -> Iterator[Core]:
    """Store, gate and recorder on a data folder. Raises StartError or StoreError."""
    alerting = policy.alerting
    interval_seconds = alerting.prometheus.evaluation_interval_seconds
    repeated_after = repeat_seconds(policy)
    alert_lease_seconds = REPEATS_UNTIL_END * repeated_after
    database = place_of(alerting.audit, data)
    pulse = Pulse(alerting.dead_man.prometheus_seconds)
    heartbeat = Heartbeat(alerting.gate.renew_seconds)
    bell = Bell()

    with ExitStack() as stack:
        stack.enter_context(kept_open(database))
        verdict = ChainVerdict()
        growth = Growth()

        def recorded(types: Sequence[str]) -> None:
            telemetry.recorded(types)
            checkpointer.recorded(types)
            growth.happened()

        writer = Writer(
            database,
            origin=COMPONENT,
            retention=alerting.audit.retention,
            schema=SCHEMA,
            batch=alerting.intake.commit_batch,
            queue_depth=alerting.intake.queue_depth,
            recorded=recorded,
            term=None if leadership is None else leadership.term,
        )
        signing = alerting.audit.signing
        checkpointer = Checkpointer(
            database,
            writer,
            partial(connect, signing, data),
            telemetry,
            every_seconds=signing.checkpoint_seconds,
            damaged=verdict.damaged,
        )
        telemetry.add_source(checkpointer.gauges)
        proof = StoreProof(writer, alerting.gate.lease_seconds)

        order = StandingOrder(data / "gate")
        leads = () if leadership is None else (leadership,)
        signs = (proof, pulse, heartbeat, order, *leads)

        def may_renew() -> bool:
            proof.ask()
            return not any(sign.complaint for sign in signs)

        gate = stack.enter_context(
            GatePublisher(
                data / "gate",
                lease_seconds=alerting.gate.lease_seconds,
                renew_seconds=alerting.gate.renew_seconds,
                policy_digest=policy.digest,
                may_renew=may_renew,
            )
        )
        writer.start()
        stack.callback(writer.stop)
        stack.callback(checkpointer.stop)  # after whoever records anything, before the writer
        spool = Spool(data / "spool")
        stack.callback(spool.close)
        outbox = Outbox(enabled_channels(policy), fallbacks(policy))
        runbook = f"{alerting.runbooks.base_url}{ALERT_STORM.name}"
        teller = Teller(outbox, Terms.from_policy(policy, runbook))
        automatic = Automatic(alerting.kill_switch.mode, alerting.kill_switch.automatic_scope)
        ledger = Ledger(teller, automatic, Restricting(policy, outbox))
        recovered = recover(
            *(policy, data, writer, ledger, spool),
            found_halted=gate.found_halted,
            signing_key=checkpointer.key(),
        )
        checkpointer.start()
        for problem in recovered.problems:
            verdict.damaged(problem)
        doubts = DoubtWatch(
            database,
            writer,
            outbox,
            telemetry,
            patience_seconds=_REPEATS_UNTIL_DOUBT * repeated_after,
            wake_couriers=bell.ring,
        )
        recorder = Recorder(
            writer=writer,
            ledger=ledger,
            gate=gate,
            spool=spool,
            telemetry=telemetry,
            automatic=automatic,
            wake=bell.ring,
            wake_doubt=doubts.wake,
        )
        stack.callback(recorder.close)
        recorder.know(recovered.state, recovered.held)
        gate.start()

        clock = Clock(
            database,
            recorder,
            telemetry,
            interval_seconds=interval_seconds,
            grace_seconds=alert_lease_seconds,
        )
        restrictions = RestrictionWatch(
            database,
            recorder,
            pulse,
            telemetry,
            interval_seconds=interval_seconds,
            patience=Patience(patience_seconds(policy, alert_lease_seconds)),
        )
        countdown = CountdownWatch(
            database,
            writer,
            recorder,
            telemetry,
            timeout_seconds=alerting.kill_switch.graceful_timeout_minutes * 60,
        )
        orders = OrderWatch(data / "gate", recorder, telemetry, alerting.kill_switch.mode)
        silence = SilenceWatch(pulse, recorder, telemetry, alerting.dead_man.prometheus_action)
        watch = ChainWatch(database, writer, verdict, telemetry, interval_seconds=interval_seconds)
        witness = WitnessWatch(
            *(database, writer, verdict, telemetry),
            url=f"http://{alerting.endpoints.prometheus}",
            instance=alerting.endpoints.receivers,
            hours=alerting.system.audit_witness_hours,
        )
        refusals = Refusals(writer, telemetry)
        watching = open_monitor(policy, database, writer, telemetry, refusals)
        retention = RetentionKeeper(database, writer, telemetry, alerting.retention)
        payloads = PayloadKeeper(database, writer, telemetry, alerting.audit.retention)
        yield Core(
            policy=policy,
            data=data,
            database=database,
            telemetry=telemetry,
            bell=bell,
            pulse=pulse,
            heartbeat=heartbeat,
            writer=writer,
            proof=proof,
            order=order,
            gate=gate,
            spool=spool,
            outbox=outbox,
            teller=teller,
            recorder=recorder,
            verdict=verdict,
            checkpointer=checkpointer,
            refusals=refusals,
            monitor=watching.monitor,
            growth=growth,
            alert_lease_seconds=alert_lease_seconds,
            leadership=leadership,
            workers=(
                *(clock, restrictions, countdown, silence, doubts, orders),
                SpoolKeeper(spool, recorder, telemetry),
                *(watch, witness, refusals, retention, payloads, *watching.workers),
            ),
        )
