"""``python -m risk_runtime.adapters.freqtrade``: the sidecar as a process.

Exit status: 0 when stopped by a signal, 2 when it cannot start. A bot that is down is no reason not
to start: it is locked, watched and closed as soon as it answers.
"""

from __future__ import annotations

import logging
import signal
import sys
import threading
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import timedelta

from risk_exporter import ExporterError, ExporterServer, FastLane, RiskExporter
from risk_exporter.fetch import Origin
from risk_policy import PolicyError, load_policy
from risk_policy.contracts.receivers import ReceiversUrl
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.keeper import Keeper
from risk_runtime.adapters.freqtrade.options import Options, parse
from risk_runtime.adapters.freqtrade.state import ClosingStore
from risk_runtime.adapters.freqtrade.watcher import Watcher
from risk_runtime.errors import RiskRuntimeError
from risk_runtime.gate import TradeGate
from risk_runtime.reporting.reporter import Reporter
from risk_runtime.reporting.spool import ReportSpool

_log = logging.getLogger(__name__)


def serve(options: Options, stop: threading.Event) -> None:
    """Run until stopped. Raises the error of the part that cannot start."""
    policy = load_policy(options.policy)
    alerting = policy.alerting
    api = BotApi(
        Origin.parse(options.bot, "the bot's URL (--bot)"),
        options.user.reveal(),
        options.password.reveal(),
        options.timeout_seconds,
    )
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
        keeper = Keeper(
            api,
            TradeGate(options.gate),
            reporter,
            ClosingStore(options.data),
            account=options.account,
            graceful_timeout=timedelta(minutes=alerting.kill_switch.graceful_timeout_minutes),
            is_guarded=options.is_guarded,
        )
        watcher = Watcher(
            api,
            exporter,
            account=options.account,
            poll_seconds=options.poll_seconds,
            stale_after=timedelta(seconds=alerting.system.snapshot_stale_seconds),
        )
        reporter.start()
        stack.callback(reporter.stop, drain_seconds=options.drain_seconds)
        server = stack.enter_context(ExporterServer(exporter, listen=options.listen))
        if lane is None:
            _log.warning("%s", FastLane.absence(policy))
        watching = threading.Thread(target=watcher.run, args=(stop,), name="watcher")
        watching.start()
        stack.callback(watching.join)
        stack.callback(stop.set)
        _log.info("listening on %s, policy %s", server.listen, policy.short_digest)
        keeper.run(stop)


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = parse(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(options, stop)
    except (RiskRuntimeError, ExporterError, PolicyError, OSError) as error:
        print(f"freqtrade sidecar: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
