"""While nothing can be recorded the gate must not stay open, and a busy store must not close it."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.gate.store_proof import StoreProof
from risk_receivers.kill.board import KillBoard
from risk_receivers.store.writer import Transaction, Writer

SECOND = 1_000_000_000


class Clock:
    """Time that a test lets pass."""

    def __init__(self) -> None:
        self.now = 0

    def __call__(self) -> int:
        return self.now

    def passes(self, seconds: float) -> None:
        self.now += round(seconds * SECOND)


def test_what_holds_the_writer_up_for_a_third_of_a_lease_withholds_the_proof(
    writer: Writer, gate: Any, wait_until: Callable[..., Any]
) -> None:
    clock = Clock()
    proof = StoreProof(writer, 3, clock)
    writer.submit(gate)
    assert gate.entered.wait(10)
    proof.ask()
    clock.passes(0.9)
    proof.ask()
    assert (proof.complaint, proof.is_given) == ("", True)
    clock.passes(0.2)
    assert proof.complaint == "the store could record nothing for 1.1 s"
    assert proof.is_given
    clock.passes(2)
    assert not proof.is_given
    gate.let_go.set()
    wait_until(lambda: not proof.complaint and proof.is_given)
    clock.passes(60)
    assert not proof.complaint, "nobody has asked since"


def test_a_question_that_was_refused_waits_for_its_answer_all_the_same(
    make_writer: Callable[..., Writer], path: Path, wait_until: Callable[..., Any]
) -> None:
    clock = Clock()
    writer = make_writer(busy_timeout_seconds=0.02)
    writer.start()
    proof = StoreProof(writer, 3, clock)
    with closing(sqlite3.connect(path, isolation_level=None)) as shell:
        shell.execute("BEGIN IMMEDIATE")
        for second in range(1, 5):
            proof.ask()
            asked = proof._asked
            assert asked is not None
            wait_until(asked.done)
            assert asked.exception() is not None
            clock.passes(1)
            assert bool(proof.complaint) is (second > 1)
        assert "for 4.0 s" in proof.complaint
    proof.ask()
    wait_until(lambda: not proof.complaint)
    assert writer.takes_work


def test_a_writer_that_stopped_for_good_proves_nothing(writer: Writer) -> None:
    proof = StoreProof(writer, 3, Clock())
    writer.stop(10)
    proof.ask()
    assert proof.complaint == "the store does not accept durable writes"
    assert not proof.is_given


def test_slow_commits_one_after_the_other_and_a_large_one_do_not_close_the_gate(
    writer: Writer, tmp_path: Path, wait_until: Callable[..., Any]
) -> None:
    lease_seconds = 1.0
    proof = StoreProof(writer, lease_seconds)

    def may_renew() -> bool:
        proof.ask()
        return not proof.complaint

    stop = threading.Event()
    commits: list[int] = []

    def slowly(seconds: float) -> Callable[[Transaction], None]:
        return lambda _: time.sleep(seconds)  # a commit that takes so long

    def keep_busy() -> None:
        while not stop.is_set():
            writer.submit(slowly(0.1)).result(10)
            commits.append(1)

    submitters = [threading.Thread(target=keep_busy) for _ in range(2)]
    publisher = GatePublisher(
        tmp_path / "gate",
        lease_seconds=lease_seconds,
        renew_seconds=lease_seconds / 6,
        policy_digest="abc",
        may_renew=may_renew,
    )
    with publisher:
        publisher.apply(KillBoard())
        publisher.start()
        wait_until(lambda: publisher.is_open)
        for thread in submitters:
            thread.start()
        large = [writer.submit(slowly(0.01)) for _ in range(50)]
        least = lease_seconds
        while len(commits) < 20 or not large[-1].done():
            least = min(least, publisher.lease_remaining_seconds)
            stop.wait(0.005)
        stop.set()
        for thread in submitters:
            thread.join()
        assert least > 0
