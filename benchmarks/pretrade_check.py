"""Nanoseconds per full pre-trade check of an ordinary order, beside a bare attribute read.

The order adds to a position, names a stop and an expected profit, and passes: every limit is
looked at, the order is counted, and each is a new one. All are timed in the same run, in turns, by
the thread's own processor time; the medians and their ratio are printed. ``judge`` is the same
without lock, clock and memory.
Takes about two seconds: ``python benchmarks/pretrade_check.py [seconds]``.
"""

from __future__ import annotations

import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import replace

from risk_policy import default_policy_path, load_policy
from risk_runtime import Book, Instrument, PreTradeChecks, PreTradeLimits, Side, TradeOrder
from risk_runtime.pretrade import judge

_BATCH = 2_000
_SYMBOLS = 20


class _Bare:
    """The baseline: what asking could never be cheaper than."""

    allowed = True


def _nanoseconds(repeat: Callable[[], None]) -> float:
    began = time.thread_time_ns()
    repeat()
    return (time.thread_time_ns() - began) / _BATCH


def main(seconds: float = 2.0) -> None:
    """Measure and print."""
    limits = replace(
        PreTradeLimits.of(load_policy(default_policy_path(), {})), orders_max=50 * _BATCH
    )
    orders = [
        TradeOrder("main", "S7", Side.BUY, 20.0 + 0.001 * number, 100.0, 97.0, 0.01)
        for number in range(_BATCH)
    ]
    bare = _Bare()
    checks, judgements, reads = [], [], []
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        guard = PreTradeChecks(limits)
        now = guard.now()
        book = Book(
            "main",
            equity=1e9,
            taken_at=now,
            instruments=[
                Instrument(f"S{i}", mark=100.0, priced_at=now, quantity=100.0, sector=f"X{i % 3}")
                for i in range(_SYMBOLS)
            ],
        )

        def loop() -> None:
            for _ in orders:
                pass

        def check(guard: PreTradeChecks = guard, book: Book = book) -> None:
            ask = guard.check
            for order in orders:
                ask(order, book)

        def ponder(book: Book = book, now: float = now) -> None:
            for order in orders:
                judge(order, book, limits, now)

        def read() -> None:
            for _ in orders:
                bare.allowed  # noqa: B018 - the read is what is timed

        if not judge(orders[-1], book, limits, now).allowed:
            raise SystemExit("the order does not pass, so there is nothing to measure")
        empty = _nanoseconds(loop)
        judgements.append(_nanoseconds(ponder) - empty)
        checks.append(_nanoseconds(check) - empty)
        reads.append(_nanoseconds(read) - empty)
        if guard.check(orders[0], book).reason.startswith("the same order") is False:
            raise SystemExit("the orders were not counted, so it was not the full check")
    checked, judged, bare_read = map(statistics.median, (checks, judgements, reads))
    print(f"{platform.machine()}, Python {platform.python_version()}, {len(checks)} rounds")
    print(f"PreTradeChecks.check    {checked:7.0f} ns   best {min(checks):.0f}")
    print(f"judge alone             {judged:7.0f} ns   best {min(judgements):.0f}")
    print(f"bare attribute read     {bare_read:7.1f} ns   best {min(reads):.1f}")
    print(f"ratio                   {checked / max(bare_read, 0.1):7.0f}")


if __name__ == "__main__":
    main(float(sys.argv[1]) if len(sys.argv) > 1 else 2.0)
