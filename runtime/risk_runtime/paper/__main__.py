"""``python -m risk_runtime.paper``: the paper runtime as a process.

Exit status: 0 when stopped by a signal or at the end of data, 2 when it cannot start.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta

from risk_exporter import ExporterServer, FastLane, RiskExporter
from risk_policy import load_policy
from risk_policy.contracts.receivers import ReceiversUrl
from risk_runtime.adapters.layer import mark_token
from risk_runtime.gate import TradeGate
from risk_runtime.paper.account import AccountStore
from risk_runtime.paper.journal import Journal
from risk_runtime.paper.options import Options, parse
from risk_runtime.paper.replay import Replay
from risk_runtime.paper.runtime import Pace, PaperRuntime, Terms
from risk_runtime.pretrade import PreTradeLimits
from risk_runtime.prices import load_prices
from risk_runtime.process import run
from risk_runtime.reporting.reporter import Reporter
from risk_runtime.reporting.spool import ReportSpool

_log = logging.getLogger(__name__)


def serve(options: Options, stop: threading.Event) -> None:
    """Run until stopped. Raises the error of the part that cannot start."""
    policy = load_policy(options.policy)
    alerting = policy.alerting
    prices = load_prices(options.prices)
    options.data.mkdir(parents=True, exist_ok=True)
    lane = FastLane.from_policy(policy, options.receivers)
    reporter = Reporter(
        ReportSpool(options.data),
        ReceiversUrl.parse(options.receivers or f"http://{alerting.endpoints.receivers}"),
        alerting.auth.runtime_token.reveal_token(),
    )
    with ExitStack() as stack:
        exporter = stack.enter_context(
            RiskExporter(policy, options.data / "exporter", fast_lane=lane)
        )
        journal_file = stack.enter_context(Journal(options.journal))
        runtime = PaperRuntime(
            Terms(
                account=options.account,
                starting_cash=options.cash,
                graceful_timeout=timedelta(minutes=alerting.kill_switch.graceful_timeout_minutes),
                limits=replace(
                    PreTradeLimits.of(policy), exposure_max_ratio=options.exposure_max_ratio
                ),
                cancel_all_after_seconds=alerting.dead_man.cancel_all_after_seconds,
            ),
            gate=TradeGate(options.gate),
            exporter=exporter,
            reporter=reporter,
            journal_file=journal_file,
            store=AccountStore(options.data),
            replay=Replay(prices, options.start, options.end or prices.days[-1].date),
            pace=Pace(
                days_per_second=options.days_per_second,
                days_per_second_after_kill=options.speed_after_kill,
                exit_at_end=options.exit_at_end,
            ),
        )
        runtime.prepare()
        reporter.start()
        stack.callback(reporter.stop, drain_seconds=options.drain_seconds)
        server = stack.enter_context(
            ExporterServer(
                exporter,
                listen=options.listen,
                mark_token=mark_token(policy),
            )
        )
        if lane is None:
            _log.warning("%s", FastLane.absence(policy))
        runtime.run(stop, scraped=server.wait_for_scrape, readiness_seconds=options.wait_for_scrape)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = parse(arguments)
    return run("paper runtime", lambda stop: serve(options, stop))


if __name__ == "__main__":
    sys.exit(main())
