"""Many restrictions in little time: taken in together, published once, told even without a disk."""

from __future__ import annotations

import json
import os
import sqlite3
import threading
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from risk_policy import default_policy_path, load_policy
from risk_policy.contracts import gate as contract
from risk_policy.contracts.restriction import Restriction, RestrictionKind
from risk_policy.contracts.scope import EVERYTHING, Scope
from risk_policy.vocabulary import KillMode, Severity
from risk_receivers.audit.query import events
from risk_receivers.core import Core, open_core
from risk_receivers.database.place import path_of
from risk_receivers.gate.publisher import GatePublisher
from risk_receivers.intake.alert import Batch, Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.switch import Trigger
from risk_receivers.recorder import Received
from risk_receivers.store.writer import Transaction
from risk_receivers.telemetry import Telemetry
from risk_runtime import Order, Side, TradeGate

MANY = 60


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(load_policy(default_policy_path(), {}), tmp_path / "data", Telemetry()) as core:
        yield core


def breach(number: int) -> Batch:
    now = datetime.now(UTC)
    names = {
        "alertname": "POSITION_SIZE_BREACH",
        "risk_id": f"position_size/main/S{number}",
        "severity": "critical",
        "tier": "critical",
        "action": "block_trade",
        "account": "main",
        "symbol": f"S{number}",
    }
    times = {"startsAt": now.isoformat(), "endsAt": (now + timedelta(minutes=1)).isoformat()}
    body = json.dumps([{"labels": names, "annotations": {}, **times}]).encode()
    return Parser(Severity.WARNING, lease_seconds=60).parse(Feed.ALERTS, body, now)


def test_what_one_commit_restricts_is_at_the_gate_before_any_answer_and_published_once(
    core: Core,
) -> None:
    waits, let_go = threading.Event(), threading.Event()

    def hold_up(_: Transaction) -> None:
        waits.set()
        assert let_go.wait(30)

    before = core.gate.version
    core.writer.submit(hold_up)
    assert waits.wait(30)
    held: list[int] = []

    def count(_: object) -> None:
        held.append(len(core.gate.detail.restrictions) if core.gate.detail else 0)

    answers = []
    for number in range(MANY):
        answers.append(core.recorder.take_batch(breach(number), Received(), ()))
        answers[-1].add_done_callback(count)
    let_go.set()
    for answer in answers:
        answer.result(30)
    assert held == [MANY] * MANY
    assert core.gate.version == before + 1, "each would cost a file, and the kill behind it waits"


def test_a_row_that_somebody_deleted_is_held_again_at_the_next_start_and_told(
    tmp_path: Path,
) -> None:
    policy, data = load_policy(default_policy_path(), {}), tmp_path / "data"
    with open_core(policy, data, Telemetry()) as core:
        core.recorder.take_batch(breach(1), Received(), ()).result(30)
        database = core.database
    with sqlite3.connect(path_of(database)) as connection:
        connection.execute("DELETE FROM restriction")
    connection.close()
    for _ in range(2):
        with open_core(policy, data, Telemetry()) as core:
            assert core.gate.detail is not None
            (held,) = core.gate.detail.known
            assert held.scope == Scope(account="main", symbol="S1")
    told = [e for e in events(database, 0, 100) if e.event_type == "RESTRICTION_RESTORED"]
    assert len(told) == 1
    assert told[0].payload is not None
    assert "was removed from the table of restrictions" in told[0].payload.message
    with closing(sqlite3.connect(path_of(database))) as connection:
        (body,) = connection.execute(
            "SELECT body FROM message WHERE kind LIKE 'tampered%'"
        ).fetchone()
    assert "RESTRICTION TAMPERED WITH" in str(body)


@pytest.mark.parametrize("scope", [EVERYTHING, Scope(account="main")])
def test_what_is_to_be_closed_is_told_on_a_full_disk_however_much_is_held(
    tmp_path: Path, scope: Scope
) -> None:
    held = [
        Restriction(
            kind=RestrictionKind.BLOCK_TRADE,
            id=f"r{number}",
            scope=Scope(account="main", symbol=f"S{number}"),
            cause="POSITION_SIZE_BREACH",
            level="critical",
            since=datetime.now(UTC),
        )
        for number in range(MANY)
    ]
    with GatePublisher(
        tmp_path,
        lease_seconds=50.0,
        renew_seconds=40.0,
        policy_digest="abc",
        may_renew=lambda: True,
    ) as publisher:
        publisher.apply(KillBoard())
        publisher.hold(held)
        staging = tmp_path / f".{contract.DETAIL_FILE}.{os.getpid()}"
        staging.mkdir()  # as a full disk, it takes no file
        subject = Order("S1", Side.BUY, 1.0, 1.0, account="main")
        board = KillBoard()
        for mode in (KillMode.PAUSE, KillMode.IMMEDIATE):
            event = board.on_trigger(
                Trigger(
                    *(f"request:{mode}", "kill", mode, "why", "operator", datetime.now(UTC)),
                    scope=scope,
                )
            )
            assert event is not None
            board = board.after(event)
            publisher.apply(board)
            gate = TradeGate(tmp_path)
            kill = gate.directive(subject)
            assert kill is not None, "the runtime has to know what to close"
            assert kill.mode is mode
            assert not gate.check(subject).allowed
            assert not publisher.is_open, "what alerts hold is told to nobody now"
        staging.rmdir()
        publisher.start()
        publisher.hold(held)
        assert publisher.detail is not None
        assert len(publisher.detail.restrictions) == MANY + 1
