"""The service put together: the core, the people's side, the wire; stopped in reverse.

Nothing is served before the recorded state of the kill switch is published: whatever was
tripped when the service last ran, or was spooled when it could not record, holds the gate
from the first moment on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from argon2 import Parameters

from risk_policy import Policy
from risk_policy.catalogue import metrics as m
from risk_policy.catalogue.metrics import Metric
from risk_receivers import latencies
from risk_receivers.access import Access
from risk_receivers.acks.reconciler import ack_gauges
from risk_receivers.api import Parts
from risk_receivers.auth import Tokens
from risk_receivers.core import open_core
from risk_receivers.database.place import Place
from risk_receivers.edge import open_front, parts_of
from risk_receivers.errors import StartError
from risk_receivers.front import Asgi
from risk_receivers.gate.heartbeat import Heartbeat
from risk_receivers.leadership.leader import Leadership
from risk_receivers.people import open_channels, open_people
from risk_receivers.security.key_ages import KeyAges
from risk_receivers.sign_in import open_sign_in
from risk_receivers.telemetry import Samples, Telemetry, policy_info
from risk_receivers.tokens.registry import Uses, load_book
from risk_receivers.users.hasher import PARAMETERS


@dataclass(frozen=True, slots=True)
class Service:
    """What is running.

    Attributes:
        database: where it records.
        unkept: what only this process knows, and a new one would not; empty if nothing.
    """

    front: Asgi
    parts: Parts
    heartbeat: Heartbeat
    database: Place
    unkept: Callable[[], str]


@contextmanager
def running(
    policy: Policy,
    data: Path,
    alertmanager: str = "",
    *,
    leadership: Leadership | None = None,
    hashing: Parameters = PARAMETERS,
) -> Iterator[Service]:
    """Everything but the server, running on a data folder. Raises StartError or StoreError.

    ``alertmanager`` is where it listens, if that is not where the policy says. ``leadership`` is
    what others on the same store are kept out by. ``hashing`` is how passwords are hashed.
    """
    alerting = policy.alerting
    if not alerting.enabled:
        raise StartError("alerting.enabled = false: there is nothing to receive; set it to true")
    telemetry = Telemetry(latencies.bounds(alerting.reports.objectives))
    latencies.expect(telemetry)
    telemetry.add_source(lambda: policy_info(policy.digest))

    def leads() -> Mapping[Metric, Samples]:
        return {m.RECEIVERS_LEADER: [((), float(leadership is None or not leadership.complaint))]}

    telemetry.add_source(leads)
    with ExitStack() as stack:
        channels = stack.enter_context(open_channels(policy, data, telemetry))
        tokens = Tokens.from_policy(policy)
        core = stack.enter_context(open_core(policy, data, telemetry, leadership=leadership))
        load_book(core.database, tokens.book)
        sign_in = stack.enter_context(open_sign_in(core, hashing))
        access = Access(
            *(tokens, alerting.permissions, telemetry, core.refusals.note),
            *(sign_in.sessions, sign_in.cookie, alerting.dashboard.api.cors_origins),
            watch=core.monitor,
        )
        people = stack.enter_context(
            open_people(core, channels, alertmanager or alerting.endpoints.alertmanager)
        )
        uses = Uses(core.writer, tokens.book, telemetry)
        key_ages = KeyAges(policy, data, tokens.book, telemetry)
        for worker in (*people.workers, *core.workers, uses, key_ages):
            worker.start()
            stack.callback(worker.stop)
        parts = parts_of(core, people, access, sign_in, key_ages)
        for worker in (core.checkpointer, uses, key_ages):
            parts.health.watch(worker)
        telemetry.add_source(parts.health.gauges)
        telemetry.add_source(lambda: ack_gauges(core.database))
        front = stack.enter_context(open_front(core, people, parts, sign_in))
        stack.callback(core.gate.withdraw)  # the first thing once nobody listens any more
        yield Service(front, parts, core.heartbeat, core.database, lambda: core.spool.complaint)
