"""What acts before the store does waits for no disk, whatever is kept aside meanwhile."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from writers import writing

from risk_policy import parse_policy
from risk_policy.contracts.gate import read_detail
from risk_policy.vocabulary import KillMode
from risk_receivers.channels.outbox import Outbox
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.kill.automatic import Automatic
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.spool import Spool
from risk_receivers.kill.trip import OperatorKill
from risk_receivers.ledger import Ledger
from risk_receivers.quiet.telling import Teller
from risk_receivers.quiet.terms import Terms
from risk_receivers.recorder import Received, Recorder, operator_trip
from risk_receivers.restrictions.held import InForce
from risk_receivers.restrictions.recording import Restricting
from risk_receivers.telemetry import Telemetry

#: As many as the spool has room for without asking the disk for any.
SLOTS = 16


def asked(mode: KillMode, reason: str = "a reason") -> OperatorKill:
    return OperatorKill(mode, reason, "ann")


@contextmanager
def recording(folder: Path) -> Iterator[tuple[Recorder, Spool]]:
    policy, outbox, automatic = (
        parse_policy(b"", environ={}), Outbox({}), Automatic(KillMode.PAUSE),
    )  # fmt: skip
    spool = Spool(folder / "spool")
    spool.open()
    gate = GatePublisher(
        folder / "gate",
        lease_seconds=30, renew_seconds=0.02, policy_digest="", may_renew=lambda: True,
    )  # fmt: skip
    with gate, writing(folder / "receivers.db") as writer:
        ledger = Ledger(
            Teller(outbox, Terms.from_policy(policy)), automatic, Restricting(policy, outbox)
        )
        recorder = Recorder(
            writer=writer, ledger=ledger, gate=gate, spool=spool, telemetry=Telemetry(),
            automatic=automatic, wake=lambda: None, wake_doubt=lambda: None,
        )  # fmt: skip
        recorder.know(KillBoard(), InForce(0, ()))
        gate.start()
        yield recorder, spool
        recorder.close()
        spool.close()


def test_a_disk_that_does_not_take_one_kill_holds_no_tighter_one_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait_until: Callable[..., Any]
) -> None:
    sync, goes_on = os.fsync, threading.Event()

    def hangs(descriptor: int) -> None:
        assert goes_on.wait(60)
        sync(descriptor)

    def modes() -> list[KillMode]:
        found = read_detail(tmp_path / "gate")
        return [kill.mode for kill in found.kills] if found else []

    with recording(tmp_path) as (recorder, spool):
        for number in range(SLOTS):
            spool.add(operator_trip(asked(KillMode.PAUSE, f"reason {number}"), Received()))
        monkeypatch.setattr(os, "fsync", hangs)
        try:
            first = recorder.act_first(
                [operator_trip(asked(KillMode.PAUSE), Received())], Received()
            )
            wait_until(lambda: modes() == [KillMode.PAUSE])
            tighter = operator_trip(asked(KillMode.IMMEDIATE), Received())
            second = recorder.act_first([tighter], Received())
            wait_until(lambda: modes() == [KillMode.IMMEDIATE], what="what is to be closed is told")
            assert not first.done()
            assert not second.done(), "neither is kept yet"
        finally:
            goes_on.set()
        second.result(30)
        assert len(spool.pending) == SLOTS + 2
        assert spool.complaint == ""
