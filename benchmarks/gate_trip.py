"""From a trip until another process sees it at the gate, beside the least it could ever take.

In memory: a publisher closes the gate, and a reader in another process that asks before every order
(``TradeGate.check``), or that waits (``wait_change``), tells when it saw that. The baseline is one
bare word of shared memory, stored and seen by the very same two processes. By a person: ``POST
/api/v1/kill`` on real receivers, on record before the answer, until such a reader sees it; the
baseline is a bare ``GET /healthz`` on the same connection. All of it in turns in one run.
Takes about half a minute: ``python benchmarks/gate_trip.py [rounds]``.
"""

from __future__ import annotations

import http.client
import json
import mmap
import multiprocessing
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import Enum
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from fast_lane import receivers
from measure import watchdog

from risk_policy.clock import utc_now
from risk_policy.vocabulary import KillMode
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Trigger
from risk_runtime import GateState, Order, Side, TradeGate

_PATIENCE_SECONDS = 30.0
#: By then a reader that said it was ready is in its loop; it can tell of nothing from in there.
_SETTLED_SECONDS = 0.002
_OPERATOR = {"Authorization": "Bearer operator"}
_FEED = {"Authorization": "Bearer alert-feed"}


class Way(Enum):
    """How the reader looks."""

    CHECK = "TradeGate.check before every order"
    WAIT = "TradeGate.wait_change"
    WORD = "bare word of shared memory, baseline"


def read_for_ever(told: Connection) -> None:
    """In a process of its own: say when it is open, then when that has ended."""
    order = Order("AAPL", Side.BUY, 1, 100.0)
    while asked := told.recv():
        way, path = asked
        if way is Way.WORD:
            with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 8) as memory:
                words = memoryview(memory).cast("Q")
                told.send(0)
                while not words[0]:
                    pass
                told.send(time.monotonic_ns())
                words.release()
            continue
        gate = TradeGate(path)
        while not gate.check(order).allowed:
            gate.wait_change(0.1)
        told.send(0)
        if way is Way.CHECK:
            while gate.check(order).allowed:
                pass
        else:
            while gate.read().state is GateState.OPEN:
                gate.wait_change(1.0)
        seen = time.monotonic_ns()
        told.send(seen if gate.read().state is GateState.HALTED else 0)


class Reader:
    """The other process."""

    def __init__(self) -> None:
        self._pipe, theirs = multiprocessing.Pipe()
        self._process = multiprocessing.Process(target=read_for_ever, args=(theirs,), daemon=True)
        self._process.start()

    def microseconds(self, way: Way, path: Path, trip: Callable[[], object]) -> float:
        """From just before the trip until it is seen."""
        self._pipe.send((way, path))
        self._heard()
        time.sleep(_SETTLED_SECONDS)
        began = time.monotonic_ns()
        trip()
        return (self._heard() - began) / 1000

    def _heard(self) -> int:
        if not self._pipe.poll(_PATIENCE_SECONDS):
            raise SystemExit("the reader does not see the gate open, or close")
        heard: int = self._pipe.recv()
        return heard


def tripped() -> KillBoard:
    """What is published for a trip."""
    pull = Trigger("key", "kill", KillMode.IMMEDIATE, "DRAWDOWN_EMERGENCY", "emergency", utc_now())
    event = KillBoard().on_trigger(pull)
    assert event is not None
    return KillBoard().after(event)


@contextmanager
def open_gate(folder: Path) -> Iterator[GatePublisher]:
    """A publisher that has just opened its gate."""
    publisher = GatePublisher(
        folder, lease_seconds=3, renew_seconds=0.5, policy_digest="0" * 64, may_renew=lambda: True
    )
    with publisher:
        publisher.apply(KillBoard())
        publisher.start()
        yield publisher


def in_memory(reader: Reader, folder: Path, rounds: int) -> dict[Way, list[float]]:
    """Microseconds of every way, in turns."""
    took: dict[Way, list[float]] = {way: [] for way in Way}
    for number in range(rounds):
        for way in (Way.CHECK, Way.WAIT):
            with open_gate(folder / f"gate-{number}-{way.name}") as publisher:
                path = folder / f"gate-{number}-{way.name}"
                trip = partial(publisher.apply, tripped())
                took[way].append(reader.microseconds(way, path, trip))
        path = folder / f"word-{number}"
        path.write_bytes(bytes(8))
        with path.open("r+b") as stream, mmap.mmap(stream.fileno(), 8) as memory:
            words = memoryview(memory).cast("Q")
            store = _storing(words)
            took[Way.WORD].append(reader.microseconds(Way.WORD, path, store))
            words.release()
    return took


def _storing(words: memoryview[int]) -> Callable[[], None]:
    def store() -> None:
        words[0] = 1

    return store


class Operator:
    """One connection to the receivers."""

    def __init__(self, url: str) -> None:
        self._connection = http.client.HTTPConnection(
            url.removeprefix("http://"), timeout=_PATIENCE_SECONDS
        )

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Any:
        """The answer; leaves the benchmark unless it is a good one."""
        data = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", **headers}
        self._connection.request(method, path, data, headers)
        answer = self._connection.getresponse()
        content = answer.read()
        if answer.status != http.client.OK:
            raise SystemExit(f"{method} {path}: {answer.status} {content.decode()}")
        return json.loads(content) if content.startswith((b"{", b"[")) else None

    def kill(self) -> None:
        """Trip."""
        order = {"mode": "immediate", "reason": "to be measured", "actor": "benchmark"}
        self.ask("POST", "/api/v1/kill", order, **_OPERATOR)

    def clear(self) -> None:
        """Make the gate open again, in two steps."""
        kill_id = self.ask("GET", "/api/v1/system/status", **_OPERATOR)["kill_switch"]["kill_id"]
        order = {"kill_id": kill_id, "reason": "was measured", "actor": "benchmark"}
        code = self.ask("POST", "/api/v1/system/kill-switch/clear", order, **_OPERATOR)[
            "confirmation"
        ]
        self.ask(
            "POST", "/api/v1/system/kill-switch/clear", {**order, "confirmation": code}, **_OPERATOR
        )


def by_a_person(
    reader: Reader, folder: Path, rounds: int
) -> tuple[list[float], list[float], list[float]]:
    """Microseconds until a reader sees it, until the answer, and of a bare request."""
    seen, answered, bare = [], [], []
    with receivers(folder) as url:
        operator = Operator(url)
        for _ in range(rounds):
            operator.ask("POST", "/api/v2/alerts", [watchdog()], **_FEED)
            began = time.perf_counter_ns()
            operator.ask("GET", "/healthz")
            bare.append((time.perf_counter_ns() - began) / 1000)

            def trip() -> None:
                began = time.perf_counter_ns()
                operator.kill()
                answered.append((time.perf_counter_ns() - began) / 1000)

            seen.append(reader.microseconds(Way.CHECK, folder / "data" / "gate", trip))
            operator.clear()
    return seen, answered, bare


def _show(name: str, took: list[float]) -> None:
    p99 = statistics.quantiles(took, n=100, method="inclusive")[98]
    print(
        f"{name:42} {len(took):5} times: median {statistics.median(took):8.1f} µs, "
        f"p99 {p99:8.1f} µs, worst {max(took):8.1f} µs"
    )


def _show_ratio(what: str, took: list[float], baseline: list[float]) -> None:
    print(f"ratio of {what:33} {statistics.median(took) / statistics.median(baseline):8.1f}")


def main(rounds: int = 300) -> None:
    """Measure and print."""
    reader = Reader()
    with tempfile.TemporaryDirectory() as name:
        took = in_memory(reader, Path(name), max(rounds, 2))
    with tempfile.TemporaryDirectory() as name:
        seen, answered, bare = by_a_person(reader, Path(name), max(rounds // 3, 2))

    for way, list_of_one in took.items():
        _show(way.value, list_of_one)
    _show_ratio("check to the bare word", took[Way.CHECK], took[Way.WORD])
    _show_ratio("wait_change to the bare word", took[Way.WAIT], took[Way.WORD])
    _show("POST /api/v1/kill until check says HALT", seen)
    _show("POST /api/v1/kill until its answer", answered)
    _show("GET /healthz, baseline", bare)
    _show_ratio("HALT to GET /healthz", seen, bare)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 300)
