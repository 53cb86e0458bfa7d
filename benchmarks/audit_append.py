"""How fast the audit chain is written and verified, beside SQLite alone in the same run.

The baseline inserts the same bytes into the same tables under the same pragmas, without
hashing, threads or locks: what is lost against it is the price of the chain.

Run it with ``python benchmarks/audit_append.py [--seconds 1.0] [--folder DIR]``; each of the
measurements takes about that long. The folder decides whose disk is measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from itertools import count
from pathlib import Path

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention, Signing
from risk_policy.vocabulary import Category, Severity
from risk_receivers.audit import tables
from risk_receivers.audit.chain import Record
from risk_receivers.audit.event import AuditEvent
from risk_receivers.audit.verify import verify_database
from risk_receivers.schema import SCHEMA
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.connect import connect
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry

BATCH = 500
PATIENCE_SECONDS = 60.0


def an_event() -> AuditEvent:
    """About what one alert of the feed leaves behind."""
    return AuditEvent(
        EventType.ALERT_CREATED,
        "Drawdown of account main is 10.31 %, beyond the warning at 10 %",
        severity=Severity.WARNING,
        category=Category.DRAWDOWN,
        alert_id="drawdown/main",
        details={"value": "0.1031", "threshold": "0.1", "tier": "warning", "episode": 17},
        action_taken="notify",
    )


def append_one(transaction: Transaction) -> int:
    return transaction.append(an_event())


def rate(step: Callable[[], int], seconds: float) -> float:
    """Events per second of a step that returns how many it did."""
    step()
    done, start = 0, time.perf_counter()
    while (passed := time.perf_counter() - start) < seconds:
        done += step()
    return done / passed


@contextmanager
def running(path: Path) -> Iterator[Writer]:
    """A writer whose chain is signed as it grows, as that of the service is."""
    signing = Signing()
    writer = Writer(
        path,
        origin="benchmark",
        retention=AuditRetention(),
        schema=SCHEMA,
        batch=BATCH,
        queue_depth=10 * BATCH,
        recorded=lambda types: checkpointer.recorded(types),
    )
    checkpointer = Checkpointer(
        path,
        writer,
        partial(connect, signing, path.parent),
        Telemetry(),
        every_seconds=signing.checkpoint_seconds,
    )
    writer.start()
    checkpointer.start()
    try:
        yield writer
    finally:
        checkpointer.stop()
        writer.stop()


def chain_rates(path: Path, seconds: float) -> tuple[float, float]:
    """The writer's, waiting for each event, and with a batch in flight at a time."""
    with running(path) as writer:

        def alone() -> int:
            writer.run(append_one, PATIENCE_SECONDS)
            return 1

        def batched() -> int:
            futures = [writer.submit(append_one) for _ in range(BATCH)]
            for future in futures:
                future.result(PATIENCE_SECONDS)
            return BATCH

        return rate(alone, seconds), rate(batched, seconds)


def raw_rates(path: Path, seconds: float) -> tuple[float, float]:
    """SQLite's own, one insert a commit and a batch a commit."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        tables.prepare(connection)
        seqs = count(1)
        sample = an_event().payload

        def insert(events: int) -> int:
            connection.execute("BEGIN IMMEDIATE")
            for _ in range(events):
                record = Record(next(seqs), b"h" * 360, b"c" * 32, b"s" * 16, sample)
                tables.insert(connection, record)
            connection.execute("COMMIT")
            return events

        return rate(lambda: insert(1), seconds), rate(lambda: insert(BATCH), seconds)


def verify_rate(path: Path) -> float:
    start = time.perf_counter()
    found = verify_database(path)
    if not found.ok or found.signed != found.events:
        raise SystemExit(f"the benchmark's own chain does not verify: {found.problems}")
    return found.events / (time.perf_counter() - start)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--seconds", type=float, default=1.0, help="per measurement")
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        raw_alone, raw_batched = raw_rates(Path(folder, "raw.db"), arguments.seconds)
        alone, batched = chain_rates(Path(folder, "chain.db"), arguments.seconds)
        verified = verify_rate(Path(folder, "chain.db"))
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
    print(f"{'':34}{'events/s':>10}{'SQLite alone':>14}{'ratio':>8}")
    for name, chained, raw in (
        ("append, waiting for each", alone, raw_alone),
        (f"append, {BATCH} in flight", batched, raw_batched),
        (f"verify (beside inserts by {BATCH})", verified, raw_batched),
    ):
        print(f"{name:34}{chained:>10,.0f}{raw:>14,.0f}{chained / raw:>8.2f}")


if __name__ == "__main__":
    main()
