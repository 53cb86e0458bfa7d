"""What every adapter needs of the risk layer: exporter, fast lane, reports and gate, as one.

Invariant: reports survive on disk until the receivers have them; leaving the ``with`` block stores
everything.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from risk_exporter import ExporterServer, FastLane, RiskExporter
from risk_policy import Policy, PolicyError
from risk_policy.contracts.receivers import ReceiversUrl
from risk_runtime.gate import TradeGate
from risk_runtime.pretrade import PreTradeLimits
from risk_runtime.reporting.reporter import Reporter
from risk_runtime.reporting.spool import ReportSpool

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RiskLayer:
    """The parts of the risk layer that live in a trading runtime's process.

    Attributes:
        policy: what they run on.
        gate: asked before every order.
        exporter: takes snapshots.
        reporter: takes reports.
        limits: of the pre-trade checks.
        lane: what tells the receivers of a breach at once; None without its token.
    """

    policy: Policy
    gate: TradeGate
    exporter: RiskExporter
    reporter: Reporter
    limits: PreTradeLimits
    lane: FastLane | None

    @property
    def graceful_timeout(self) -> timedelta:
        """How long a graceful kill leaves positions to their targets."""
        return timedelta(minutes=self.policy.alerting.kill_switch.graceful_timeout_minutes)


def mark_token(policy: Policy) -> str | None:
    """Whoever shows it may have a high-water mark reset; nobody may where it is not set."""
    try:
        return policy.alerting.auth.snapshot_token.reveal_token()
    except PolicyError:
        return None


@contextmanager
def risk_layer(
    policy: Policy,
    *,
    data: Path,
    gate: Path,
    receivers: str | None = None,
    listen: str | None = None,
    serve: bool = True,
    drain_seconds: float = 2.0,
) -> Iterator[RiskLayer]:
    """Start the parts, and stop them at the end.

    Args:
        policy: limits, tokens and addresses.
        data: a folder for what must survive a restart, of this runtime alone.
        gate: where the receivers publish the gate.
        receivers: their URL; the policy's unless given.
        listen: where Prometheus scrapes, HOST:PORT; the policy's unless given.
        serve: whether Prometheus can scrape at all. A backtest without it is watched by the fast
            lane alone.
        drain_seconds: how long to go on sending reports at the end; unsent ones are kept.

    Raises:
        RiskRuntimeError, ExporterError, PolicyError, OSError: of the part that cannot start.
    """
    lane = FastLane.from_policy(policy, receivers)
    if lane is None:
        _log.warning("%s", FastLane.absence(policy))
    address = ReceiversUrl.parse(receivers or f"http://{policy.alerting.endpoints.receivers}")
    token = policy.alerting.auth.runtime_token.reveal_token()
    with ExitStack() as stack:
        exporter = stack.enter_context(RiskExporter(policy, data / "exporter", fast_lane=lane))
        reporter = Reporter(ReportSpool(data), address, token)
        reporter.start()
        stack.callback(reporter.stop, drain_seconds=drain_seconds)
        if serve:
            server = ExporterServer(exporter, listen=listen, mark_token=mark_token(policy))
            stack.enter_context(server)
            _log.info("listening on %s, policy %s", server.listen, policy.short_digest)
        yield RiskLayer(
            policy, TradeGate(gate), exporter, reporter, PreTradeLimits.of(policy), lane
        )
