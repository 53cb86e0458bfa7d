"""Many restrictions in little time: taken in together, published once, told even without a disk."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from risk_policy import default_policy_path, load_policy
from risk_policy.vocabulary import Severity
from risk_receivers.core import Core, open_core
from risk_receivers.intake.alert import Batch, Feed
from risk_receivers.intake.parse import Parser
from risk_receivers.recorder import Received
from risk_receivers.store.writer import Transaction
from risk_receivers.telemetry import Telemetry

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
