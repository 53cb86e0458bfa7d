"""The service put together: the core, the people's side, the wire; stopped in reverse.

Nothing is served before the recorded state of the kill switch is published: whatever was
tripped when the service last ran, or was spooled when it could not record, holds the gate
from the first moment on.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from risk_policy import Policy
from risk_receivers.access import Access
from risk_receivers.acks.reconciler import ack_gauges
from risk_receivers.api import Parts
from risk_receivers.auth import Tokens
from risk_receivers.core import open_core
from risk_receivers.edge import open_front, parts_of
from risk_receivers.errors import StartError
from risk_receivers.front import Front
from risk_receivers.gate.heartbeat import Heartbeat
from risk_receivers.people import open_channels, open_people
from risk_receivers.telemetry import Telemetry, policy_info
from risk_receivers.tokens.registry import Uses, load_book


@dataclass(frozen=True, slots=True)
class Service:
    """What is running."""

    front: Front
    parts: Parts
    heartbeat: Heartbeat


@contextmanager
def running(
    policy: Policy, data: Path, alertmanager: str = "", *, own_store: bool = False
) -> Iterator[Service]:
    """Everything but the server, running on a data folder. Raises StartError or StoreError.

    ``alertmanager`` is where it listens, if that is not where the policy says; with ``own_store``
    the record is kept in the folder, whatever the policy says.
    """
    alerting = policy.alerting
    if not alerting.enabled:
        raise StartError("alerting.enabled = false: there is nothing to receive; set it to true")
    telemetry = Telemetry()
    telemetry.add_source(lambda: policy_info(policy.digest))
    with ExitStack() as stack:
        channels = stack.enter_context(open_channels(policy, data, telemetry))
        tokens = Tokens.from_policy(policy)
        core = stack.enter_context(open_core(policy, data, telemetry, own_store=own_store))
        load_book(core.database, tokens.book)
        access = Access(tokens, alerting.permissions, telemetry, core.refusals.note)
        people = stack.enter_context(
            open_people(core, channels, alertmanager or alerting.endpoints.alertmanager)
        )
        uses = Uses(core.writer, tokens.book, telemetry)
        for worker in (*people.workers, *core.workers, uses):
            worker.start()
            stack.callback(worker.stop)
        parts = parts_of(core, people, access)
        telemetry.add_source(parts.health.gauges)
        telemetry.add_source(lambda: ack_gauges(core.database))
        front = stack.enter_context(open_front(core, people, parts))
        stack.callback(core.gate.withdraw)  # the first thing once nobody listens any more
        yield Service(front, parts, core.heartbeat)
