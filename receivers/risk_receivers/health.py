"""Whether the service can do its work, and why not; the same facts as gauges."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_policy.clock import utc_now
from risk_policy.contracts.operator import KILL_SCOPE_LABELS
from risk_policy.contracts.restriction import HELD_BY_ACTION, Kill
from risk_policy.disk import least_free_ratio
from risk_receivers.audit.errors import AuditError
from risk_receivers.chain_watch import ChainVerdict
from risk_receivers.database.connection import DATABASE_ERRORS
from risk_receivers.gate.heartbeat import Heartbeat
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.gate.pulse import Pulse
from risk_receivers.gate.store_proof import StoreProof
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.order_watch import StandingOrder
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.switch import Phase
from risk_receivers.kill.unconfirmed import unconfirmed_since
from risk_receivers.leadership.leader import Leadership
from risk_receivers.reading import Reading
from risk_receivers.store.database import may_pass
from risk_receivers.store.writer import Writer
from risk_receivers.telemetry import COMPONENT, Samples
from risk_receivers.workers import Worker

_EVERYTHING: Final = "everything"


class Health:
    """Looks at the parts of a running service.

    Attributes:
        not_yet: why a service that can record nothing does not begin anew yet.
    """

    def __init__(
        self,
        *,
        writer: Writer,
        proof: StoreProof,
        gate: GatePublisher,
        signs: Sequence[Pulse | Heartbeat | StandingOrder | Leadership],
        workers: Sequence[Worker],
        reading: Reading,
        verdict: ChainVerdict,
        channels: Sequence[str],
        spool: Spool,
        folders: Sequence[Path],
    ) -> None:
        self._writer = writer
        self._proof = proof
        self._gate = gate
        self._signs = signs
        self._workers = list(workers)
        self._reading = reading
        self._verdict = verdict
        self._channels = channels
        self._spool = spool
        self._folders = folders
        self.not_yet = ""
        self._recorded_kill = KillBoard()

    def watch(self, worker: Worker) -> None:
        """From now on a worker that stands beside the service, too."""
        self._workers.append(worker)

    def problems(self) -> list[str]:
        """Why the service is not ready; empty if it is."""
        found: list[str] = []
        if not self._writer.takes_work:
            found.append(f"the store does not accept durable writes; {self._way_out()}")
        if complaint := self._spool.complaint:
            found.append(complaint)
        if not self._gate.is_alive:
            found.append("the gate is not being published")
        found += [complaint for worker in self._workers if (complaint := worker.complaint)]
        return found

    def _way_out(self) -> str:
        failure = self._writer.failure
        if self.not_yet or (failure is not None and may_pass(failure)):
            return f"this service begins anew once it does ({self.not_yet or failure})"
        return "restart after mending it"

    def lease_withheld(self) -> list[str]:
        """Why the gate's lease is not renewed although nothing is tripped; empty if it is."""
        signs = (self._proof, *self._signs)
        return [complaint for sign in signs if (complaint := sign.complaint)]

    def chain_damage(self) -> str | None:
        """What was not as it had been written when the audit chain was read back."""
        return self._verdict.damage

    def gauges(self) -> Mapping[Metric, Samples]:
        """What a scrape sees; what the store cannot say is left out."""
        head = self._writer.tree_head  # once: its size and its root belong together
        gauges: dict[Metric, Samples] = {
            m.RECEIVERS_TIME: [((), utc_now().timestamp())],
            m.WRITER_HEALTHY: [((), float(self._proof.is_given))],
            m.AUDIT_EVENTS: [((), float(head.size))],
            m.AUDIT_HEAD: [((str(n),), float(word)) for n, word in enumerate(head.words)],
            m.AUDIT_INTACT: [((), float(self._verdict.is_intact))],
            **self._disk(),
            m.GATE_OPEN: [((), float(self._gate.is_open))],
            m.GATE_VERSION: [((), float(self._gate.version))],
            m.KILLS: _by_scope(self._gate.kills),
        }
        try:
            kill = self._recorded_kill = self._reading.kill_switch()
            incidents = self._reading.open_by_severity()
            pending = self._reading.pending_messages()
            dead = self._reading.dead_messages()
            held = Counter(one.kind for one in self._reading.restrictions())
        except (*DATABASE_ERRORS, AuditError):
            # The gate knows of a trip even when the store cannot be asked any more.
            return {
                **gauges,
                **_armed_or_tripped(tripped=self._gate.is_halted),
                **self._unconfirmed(),
            }
        everything = kill.everything
        tripped = everything.is_tripped or self._gate.is_halted
        is_disarmed = everything.phase is Phase.DISARMED
        gauges.update(_armed_or_tripped(tripped=tripped, is_disarmed=is_disarmed))
        gauges.update(self._unconfirmed())
        gauges[m.KILL_SWITCH_FLAT] = [((), float(everything.phase is Phase.FLAT_CONFIRMED))]
        gauges[m.RESTRICTIONS] = [
            ((kind.value,), float(held[kind])) for kind in dict.fromkeys(HELD_BY_ACTION.values())
        ]
        gauges[m.INCIDENTS_OPEN] = [
            ((severity,), float(count)) for severity, count in incidents.items()
        ]
        gauges[m.DEAD_LETTERS] = [
            ((channel,), float(dead.get(channel, 0)))
            for channel in dict.fromkeys((*self._channels, *dead))  # those that are off, too
        ]
        gauges[m.MESSAGES_PENDING] = [
            ((channel,), float(pending.get(channel, 0))) for channel in self._channels
        ]
        return gauges

    def _unconfirmed(self) -> Mapping[Metric, Samples]:
        since = unconfirmed_since(self._recorded_kill, self._gate.kills)
        return {m.KILL_SWITCH_UNCONFIRMED: [((), since.timestamp() if since else 0.0)]}

    def _disk(self) -> Mapping[Metric, Samples]:
        free = least_free_ratio(self._folders)
        return {} if free is None else {m.DISK_FREE: [((COMPONENT,), free)]}


def _by_scope(kills: Sequence[Kill]) -> Samples:
    """How many kills are in force, by the narrowest label that each scope names."""
    kinds = Counter([_EVERYTHING, *kill.scope.labels][-1] for kill in kills)
    return [((kind,), float(kinds[kind])) for kind in (_EVERYTHING, *KILL_SCOPE_LABELS)]


def _armed_or_tripped(*, tripped: bool, is_disarmed: bool = False) -> Mapping[Metric, Samples]:
    """One or the other, or neither while it is disarmed."""
    return {
        m.KILL_SWITCH_TRIPPED: [((), float(tripped))],
        m.KILL_SWITCH_ARMED: [((), float(not tripped and not is_disarmed))],
    }
