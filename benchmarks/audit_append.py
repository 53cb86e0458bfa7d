"""How fast the audit chain is written and verified, beside SQLite alone in the same run.

The baseline inserts the same bytes into the same tables under the same pragmas, without
hashing, threads or locks: what is lost against it is the price of the chain.

Run it with ``python benchmarks/audit_append.py [--seconds 1.0] [--folder DIR]``; each of the
measurements takes about twice that long. The folder decides whose disk is measured.
"""

from __future__ import annotations

import argparse
import os
import platform
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from pathlib import Path
from statistics import median

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


@dataclass(frozen=True)
class Rate:
    """Events in a second of the clock, and in one of a processor, whatever else it does."""

    by_clock: float
    by_processor: float


@dataclass(frozen=True)
class Compared:
    """The chain, SQLite alone, and how they compare."""

    chained: Rate
    raw: Rate
    ratio: float


def compare(
    chained: Callable[[], int], raw: Callable[[], int], seconds: float, rounds: int = 9
) -> Compared:
    """Both in turns, so that whatever else the machine does slows both; medians of all turns."""
    chained()
    raw()
    pairs = [(rate(chained, seconds / rounds), rate(raw, seconds / rounds)) for _ in range(rounds)]
    return Compared(
        middle([one for one, _ in pairs]),
        middle([other for _, other in pairs]),
        median(one.by_clock / other.by_clock for one, other in pairs),
    )


def middle(rates: Sequence[Rate]) -> Rate:
    """The medians."""
    return Rate(median(one.by_clock for one in rates), median(one.by_processor for one in rates))


def rate(step: Callable[[], int], seconds: float) -> Rate:
    """How fast a step is that returns how many events it did."""
    done, start, worked = 0, time.perf_counter(), time.process_time()
    while (passed := time.perf_counter() - start) < seconds:
        done += step()
    return Rate(done / passed, done / (time.process_time() - worked))


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


def append_batch(transaction: Transaction) -> int:
    for _ in range(BATCH):
        append_one(transaction)
    return BATCH


class Chain:
    """The writer, asked in three ways."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer

    def alone(self) -> int:
        """One event, and wait until it is durable."""
        self._writer.run(append_one, PATIENCE_SECONDS)
        return 1

    def together(self) -> int:
        """A batch that one caller hands over, as the feeds do with a request of many alerts."""
        return self._writer.run(append_batch, PATIENCE_SECONDS)

    def in_flight(self) -> int:
        """As many callers, each with an event and a future of its own."""
        futures = [self._writer.submit(append_one) for _ in range(BATCH)]
        for future in futures:
            future.result(PATIENCE_SECONDS)
        return BATCH


class Raw:
    """SQLite under the same pragmas, without hashing, threads or locks."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        for pragma in (
            "journal_mode = WAL",
            "synchronous = FULL",
            "foreign_keys = ON",
            "secure_delete = ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        tables.prepare(connection)
        self._seqs = count(1)
        self._payload = an_event().payload

    def insert(self, events: int) -> int:
        """A commit of so many."""
        self._connection.execute("BEGIN IMMEDIATE")
        for _ in range(events):
            record = Record(next(self._seqs), b"h" * 360, b"c" * 32, b"s" * 16, self._payload)
            tables.insert(self._connection, record)
        self._connection.execute("COMMIT")
        return events


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
        database = Path(folder, "chain.db")
        with (
            running(database) as writer,
            closing(sqlite3.connect(Path(folder, "raw.db"), isolation_level=None)) as connection,
        ):
            chain, raw = Chain(writer), Raw(connection)
            rows = [
                (name, compare(chained, partial(raw.insert, events), arguments.seconds))
                for name, chained, events in (
                    ("append, waiting for each", chain.alone, 1),
                    (f"append, {BATCH} handed over at once", chain.together, BATCH),
                    (f"append, {BATCH} in flight", chain.in_flight, BATCH),
                )
            ]
        verified = verify_rate(database)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}"
    )
    print(f"{'':34}{'events/s':>10}{'SQLite alone':>14}{'ratio':>8}{'per CPU s':>12}{'alone':>10}")
    for name, row in rows:
        print(
            f"{name:34}{row.chained.by_clock:>10,.0f}{row.raw.by_clock:>14,.0f}{row.ratio:>8.2f}"
            f"{row.chained.by_processor:>12,.0f}{row.raw.by_processor:>10,.0f}"
        )
    print(f"{'verify':34}{verified:>10,.0f}")


if __name__ == "__main__":
    main()
