"""How fast the audit chain is verified, beside reading its store raw in the same run.

`audit verify` looks at the store, `riskwarden-verify` at an export, both in as many processes as
there are cores. The baselines do nothing but read: every row of the store by
SQLite, every byte of the export with its SHA-256. Beside the wall clock stands what a processor
does in a second of its own, which other users of the machine change least; the ratio is of those.

Run it with ``python benchmarks/audit_verify.py [--events 60000] [--folder DIR]``.
"""

from __future__ import annotations

import argparse
import os
import platform
import resource
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

from audit_append import BATCH, PATIENCE_SECONDS, append_one, running

from risk_receivers.audit import export, tables
from risk_receivers.audit.selection import Selection
from risk_receivers.audit.verify import verify_database
from riskwarden.auditor import riskwarden_verify

_READ = 1 << 20


def fill(path: Path, events: int) -> None:
    with running(path) as writer:
        for _ in range(events // BATCH):
            for future in [writer.submit(append_one) for _ in range(BATCH)]:
                future.result(PATIENCE_SECONDS)


def write_export(database: Path, path: Path) -> None:
    what = export.plan(database, Selection())
    with path.open("wb") as stream:
        for line in export.lines(
            database, what, datetime.now(UTC), export.Written(), lambda *_: None
        ):
            stream.write(line)


def read_store(path: Path) -> None:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
        for _ in tables.rows(connection):
            pass


def read_file(path: Path) -> None:
    digest = sha256()
    with path.open("rb") as stream:
        while chunk := stream.read(_READ):
            digest.update(chunk)


def verify_store(path: Path, processes: int) -> None:
    found = verify_database(path, processes=processes)
    if not found.ok:
        raise SystemExit(f"the benchmark's own chain does not verify: {found.problems[0]}")


def verify_export(path: Path, processes: int) -> None:
    program = [sys.executable, "-I", riskwarden_verify.__file__, str(path)]
    done = subprocess.run([*program, "--processes", str(processes)], capture_output=True, text=True)
    if done.returncode != riskwarden_verify.INCOMPLETE:  # no key is pinned here
        raise SystemExit(f"the benchmark's own export does not verify: {done.stdout}{done.stderr}")


def measured(step: Callable[[], None]) -> tuple[float, float]:
    """Seconds by the clock and of processors, children included; the best of three."""
    found = []
    for _ in range(3):
        wall, work = time.perf_counter(), _processor_seconds()
        step()
        found.append((time.perf_counter() - wall, _processor_seconds() - work))
    return min(wall for wall, _ in found), min(work for _, work in found)


def _processor_seconds() -> float:
    return sum(
        usage.ru_utime + usage.ru_stime
        for usage in map(resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--events", type=int, default=60_000)
    parser.add_argument("--folder", type=Path, default=None, help="where to write")
    arguments = parser.parse_args()
    cores = os.cpu_count() or 1
    with tempfile.TemporaryDirectory(dir=arguments.folder) as folder:
        database, exported = Path(folder, "chain.db"), Path(folder, "chain.jsonl")
        fill(database, arguments.events)
        write_export(database, exported)
        events = tables.read(database, tables.head).size
        store, file = measured(lambda: read_store(database)), measured(lambda: read_file(exported))
        rows = [
            ("audit verify, 1 process", measured(lambda: verify_store(database, 1)), store),
            (
                f"audit verify, {cores} processes",
                measured(lambda: verify_store(database, cores)),
                store,
            ),
            ("riskwarden-verify, 1 process", measured(lambda: verify_export(exported, 1)), file),
            (
                f"riskwarden-verify, {cores} processes",
                measured(lambda: verify_export(exported, cores)),
                file,
            ),
        ]
    print(
        f"{platform.machine()}, {cores} cores, Python {platform.python_version()}, "
        f"SQLite {sqlite3.sqlite_version}, {events} events"
    )
    print(f"{'':34}{'events/s':>10}{'a core':>10}{'raw reading, a core':>21}{'ratio':>8}")
    for name, (wall, work), (_, raw) in rows:
        print(
            f"{name:34}{events / wall:>10,.0f}{events / work:>10,.0f}{events / raw:>21,.0f}"
            f"{raw / work:>8.3f}"
        )


if __name__ == "__main__":
    main()
