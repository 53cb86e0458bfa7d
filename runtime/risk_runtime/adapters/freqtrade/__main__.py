"""``python -m risk_runtime.adapters.freqtrade``: the sidecar as a process.

Exit status: 0 when stopped by a signal, 2 when it cannot start. A bot that is down is no reason not
to start: it is locked, watched and closed as soon as it answers.
"""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Sequence
from datetime import timedelta

from risk_exporter.fetch import Origin
from risk_policy import load_policy
from risk_runtime.adapters.freqtrade.api import BotApi
from risk_runtime.adapters.freqtrade.keeper import Keeper
from risk_runtime.adapters.freqtrade.options import Options, parse
from risk_runtime.adapters.freqtrade.state import ClosingStore
from risk_runtime.adapters.freqtrade.watcher import Watcher
from risk_runtime.adapters.layer import risk_layer
from risk_runtime.process import run

_log = logging.getLogger(__name__)


def serve(options: Options, stop: threading.Event) -> None:
    """Run until stopped. Raises the error of the part that cannot start."""
    policy = load_policy(options.policy)
    api = BotApi(
        Origin.parse(options.bot, "the bot's URL (--bot)"),
        options.user.reveal(),
        options.password.reveal(),
        options.timeout_seconds,
    )
    options.data.mkdir(parents=True, exist_ok=True)
    stale_seconds = policy.alerting.system.snapshot_stale_seconds
    with risk_layer(
        policy,
        data=options.data,
        gate=options.gate,
        receivers=options.receivers,
        listen=options.listen,
        drain_seconds=options.drain_seconds,
    ) as layer:
        keeper = Keeper(
            api,
            layer.gate,
            layer.reporter,
            ClosingStore(options.data),
            account=options.account,
            graceful_timeout=layer.graceful_timeout,
            is_guarded=options.is_guarded,
        )
        watcher = Watcher(
            api,
            layer.exporter,
            account=options.account,
            poll_seconds=options.poll_seconds,
            stale_after=timedelta(seconds=stale_seconds),
        )
        watching = threading.Thread(target=watcher.run, args=(stop,), name="watcher")
        watching.start()
        try:
            keeper.run(stop)
        finally:
            stop.set()
            watching.join()


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point; returns the exit status."""
    options = parse(arguments)
    return run("freqtrade sidecar", lambda stop: serve(options, stop))


if __name__ == "__main__":
    sys.exit(main())
