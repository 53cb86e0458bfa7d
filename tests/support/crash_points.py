"""A writer that is killed, or refused a system call, at a chosen moment of its work.

That is a write, sync or truncation of its thread. Run as a program it reads tries, one JSON object
a line, and answers each with one line.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Final

from traced_child import ENDINGS, traced

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import AuditRetention
from risk_receivers.audit.event import AuditEvent
from risk_receivers.database.place import Segmented
from risk_receivers.store.errors import StoreError
from risk_receivers.store.writer import Transaction, Writer

#: Whatever makes bytes or names durable, or is to.
CALLS: Final = ("pwrite64", "write", "fdatasync", "fsync", "ftruncate", "unlink", "rename")
#: Beside the chain, to see that both are written or neither.
NOTES: Final = "CREATE TABLE IF NOT EXISTS note(number INTEGER PRIMARY KEY) STRICT"
_ALONE: Final = 3
_TOGETHER: Final = 4
#: More than a page of the database.
_LONG: Final = "x" * 9000
_PATIENCE: Final = 30.0


@dataclass(frozen=True)
class Try:
    """One try.

    Attributes:
        begin: the folder with the files that are there before; empty for none.
        number: which call of the writer's thread, from 1; 0 lets all of them be.
        in_files: whether the chain is kept in segment files.
        noted: whether the trace says what was written, as it does without an ending.
        abrupt: whether the process dies once it is done, while somebody reads the database: so
            nothing is moved out of the log.
        first: the number of the first work; as it comes if it is 0.
    """

    folder: str
    begin: str
    call: str
    number: int
    ending: str
    in_files: bool = False
    noted: bool = False
    abrupt: bool = False
    first: int = 0


@dataclass(frozen=True)
class Outcome:
    """What came of it.

    Attributes:
        acknowledged: the works that were told to be durable.
        calls: how often the writer's thread made each call, if nothing was done to it.
    """

    acknowledged: tuple[int, ...]
    ended: bool
    calls: dict[str, int]


def work_of(number: int) -> Callable[[Transaction], int]:
    """An event and a row of another table, which belong together."""

    def work(transaction: Transaction) -> int:
        words = _LONG if number % 5 == 0 else f"event {number}"
        event = AuditEvent(EventType.ALERT_CREATED, words, details={"number": number})
        transaction.append(event)
        transaction.connection.execute("INSERT INTO note(number) VALUES (?)", (number,))
        return number

    return work


def make_writer(database: Path, *, in_files: bool = False) -> Writer:
    """As the service has one."""
    return Writer(
        Segmented(database) if in_files else database,
        origin="crash",
        retention=AuditRetention(),
        schema=[NOTES],
        batch=50,
        queue_depth=50,
    )


def labour(writer: Writer, begin: int, acknowledge: Callable[[int], None]) -> None:
    """Write some events one by one and some in one commit. Raises StoreError."""
    writer.start()
    try:
        for number in range(begin, begin + _ALONE):
            acknowledge(writer.run(work_of(number), _PATIENCE))
        held = threading.Event()
        writer.submit(partial(_wait, held))
        rest = range(begin + _ALONE, begin + _ALONE + _TOGETHER)
        futures = [writer.submit(work_of(number)) for number in rest]
        held.set()
        for future in futures:
            acknowledge(future.result(_PATIENCE))
    finally:
        writer.stop(_PATIENCE)


def _wait(held: threading.Event, _: Transaction) -> None:
    """Let the others come into one commit."""
    held.wait(_PATIENCE)


def attempt(one: Try) -> Outcome:
    """Do it. For a process without threads."""
    options = [f"--trace={','.join(CALLS)}"]
    if one.ending == "nothing" or one.noted:
        options = ["-y", "-xx", "-s", "100000", f"--trace={','.join((*CALLS, 'writev'))}"]
    if one.ending != "nothing":
        options.append(f"--inject={one.call}:{ENDINGS[one.ending]}:when={one.number}")
    folder = Path(one.folder)
    if one.begin:
        shutil.copytree(one.begin, folder)
    else:
        folder.mkdir()
    log = folder / "strace"

    def work(tell: Callable[[bytes], None]) -> int:
        writer = make_writer(folder / "audit.db", in_files=one.in_files)
        first = one.first or (100 if one.begin else 0)
        reader = sqlite3.connect(folder / "audit.db") if one.abrupt else None
        if reader is not None:
            reader.execute("SELECT count(*) FROM note").fetchall()
        with suppress(StoreError):
            labour(writer, first, lambda number: tell(b"%d" % number))
        if one.abrupt:
            os.kill(os.getpid(), signal.SIGKILL)
        return 0

    ended = traced(log, options, work)
    return Outcome(tuple(map(int, ended.told)), ended.was_killed, _counted(log, ended.child))


def _counted(log: Path, child: int) -> dict[str, int]:
    """How often the busiest thread but the first made each call."""
    lines = re.findall(r"^(\d+) +(\w+)\(", log.read_text(), re.MULTILINE)
    by_thread: dict[str, Counter[str]] = {}
    for thread, call in lines:
        if int(thread) != child:
            by_thread.setdefault(thread, Counter())[call] += 1
    busiest: Counter[str] = Counter()
    for calls in by_thread.values():
        if calls.total() > busiest.total():
            busiest = calls
    return dict(busiest)


def main() -> None:
    """Answer each try."""
    for line in sys.stdin:
        outcome = attempt(Try(**json.loads(line)))
        print(json.dumps(asdict(outcome)), flush=True)


if __name__ == "__main__":
    main()
