"""``python -m risk_exporter --policy P --data DIR [--listen host:port] [--closes FILE]
[--receivers URL] [--poll URL ...]``.

The sidecar: takes snapshots over HTTP from whoever shows the token of
``alerting.auth.snapshot_token``, and so it does daily closes, the history of value at risk. With
``--poll`` it fetches snapshots itself from runtimes that serve them, and shows them the same token.
Closes are a fact of the market and hold for every account. Those sent are remembered; those of
``--closes`` are read at every start and go before them.

Runtimes that tell nothing of their gates have those that RISKWARDEN_TRADING_MODE and its sisters
name, if that is set (docs/generic.md).
Exit status: 0 after SIGTERM or SIGINT, 2 when it cannot start.
"""

from __future__ import annotations

import argparse
import logging
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

from risk_exporter.closes_file import load_closes
from risk_exporter.errors import ExporterError
from risk_exporter.exporter import RiskExporter
from risk_exporter.fast_lane import FastLane
from risk_exporter.poll import SnapshotPoller
from risk_exporter.server import ExporterServer
from risk_policy import PolicyError, load_policy
from risk_policy.contracts.gating import GatingVariableError, gating_of_environment

_log = logging.getLogger("risk_exporter")


def serve(
    policy_file: Path,
    data: Path,
    listen: str | None,
    closes_file: Path | None,
    receivers: str | None,
    polled: Sequence[str],
    stop: threading.Event,
) -> None:
    """Run until stopped. Raises PolicyError or ExporterError if it cannot start."""
    policy = load_policy(policy_file)
    token = policy.alerting.auth.snapshot_token.reveal_token()
    closes = load_closes(closes_file) if closes_file else {}
    lane = FastLane.from_policy(policy, receivers)
    gating = gating_of_environment(os.environ)
    with RiskExporter(policy, data, fast_lane=lane, gating=gating) as exporter:
        exporter.seed_market_closes(closes)
        server = ExporterServer(exporter, listen=listen, snapshot_token=token)
        pollers = [SnapshotPoller(exporter, url, token) for url in polled]
        with server:
            for poller in pollers:
                poller.start()
            _log.info("listening on %s, policy %s", server.listen, policy.short_digest)
            if lane is None:
                _log.warning("%s", FastLane.absence(policy))
            stop.wait()
            for poller in pollers:
                poller.stop()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    parser = argparse.ArgumentParser(
        prog="risk_exporter", description="Take snapshots in, serve risk measures to Prometheus."
    )
    parser.add_argument("--policy", type=Path, required=True, help="the policy file")
    parser.add_argument("--data", type=Path, required=True, help="folder of what it remembers")
    parser.add_argument("--listen", help="host:port; alerting.endpoints.exporter unless given")
    parser.add_argument(
        "--closes",
        type=Path,
        metavar="FILE",
        help="CSV of daily closes for every account, with the columns date, symbol and close",
    )
    parser.add_argument(
        "--receivers",
        metavar="URL",
        help="whom to tell of what trips the kill switch; the policy's endpoint unless given",
    )
    parser.add_argument(
        "--poll",
        metavar="URL",
        action="append",
        default=[],
        help="where a runtime serves its snapshot; once for each of them",
    )
    options = parser.parse_args(arguments)
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s"
    )
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve(
            options.policy,
            options.data,
            options.listen,
            options.closes,
            options.receivers,
            options.poll,
            stop,
        )
    except (PolicyError, ExporterError, GatingVariableError) as error:
        print(f"risk_exporter: {error}", file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
