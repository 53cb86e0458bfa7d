"""Deletes what is due of a chain, as a process of its own that somebody kills.

    python pruning_process.py DATABASE NOW

Says after each step how many payloads are gone by it, waits for a line until it goes on, and says
at last that it is done.
"""

from __future__ import annotations

import sys
from datetime import datetime
from pathlib import Path

from risk_policy.model.audit import AuditRetention
from risk_receivers.retention.pruner import Pruner
from risk_receivers.store.writer import Writer


def main(path: Path, now: datetime) -> None:
    """Delete."""
    writer = Writer(
        path,
        origin="pruning",
        retention=AuditRetention(),
        batch=10,
        queue_depth=10,
        clock=lambda: now,
    )
    writer.start()
    pruner = Pruner(path, writer, rest=lambda _: False)
    pruner.prune(now, now, deleted=_told)
    print("done", flush=True)
    writer.stop()


def _told(count: int) -> None:
    print(count, flush=True)
    sys.stdin.readline()


if __name__ == "__main__":
    main(Path(sys.argv[1]), datetime.fromisoformat(sys.argv[2]))
