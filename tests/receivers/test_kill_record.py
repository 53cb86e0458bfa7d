"""What is on record, read back: the table and the chain lead to the same switch."""

from __future__ import annotations

import random
from pathlib import Path

import pytest
from writers import started

from risk_policy.contracts.scope import Scope
from risk_policy.vocabulary import KillMode
from risk_receivers.channels.outbox import Outbox
from risk_receivers.kill import chain, journal
from risk_receivers.kill.board import KillBoard
from risk_receivers.kill.clearing import Codes, Request, What
from risk_receivers.kill.journal import Witness
from risk_receivers.kill.loosening import Loosening, Step
from risk_receivers.kill.second_factor import SecondFactor
from risk_receivers.kill.switch import Trigger
from risk_receivers.store.writer import Transaction

STEPS = 120


SCOPES = [Scope(), Scope(account="main"), Scope(symbol="BTC-EUR")]


def essentials(board: KillBoard) -> list[tuple[object, ...]]:
    return [
        (
            *(state.scope, state.phase, state.mode, state.kill_id, state.cause, state.epoch),
            *(state.cleared, state.seen, state.settled),
        )
        for state in map(board.of, SCOPES)
    ]


@pytest.mark.parametrize("seed", range(6))
def test_the_chain_leads_to_the_same_switch_as_the_table(tmp_path: Path, seed: int) -> None:
    chance = random.Random(seed)
    writer = started(tmp_path / "audit.db")
    loosening = Loosening(Outbox({}), Codes(60), SecondFactor())

    def something(transaction: Transaction) -> None:
        state = journal.load(transaction.connection)
        act = chance.choice(["pull", "pull", "pull", "clear", "disarm", "arm", "timeout"])
        what = What.DISARM if act == "disarm" else What.CLEAR
        kill_id = (
            chance.choice([*(one.kill_id for one in state.in_force), "other"])
            if act == "clear"
            else ""
        )
        step = Step(Request(what, kill_id, "ann", "why"), "", "here")
        if act == "pull":
            scope = chance.choice(SCOPES)
            trigger = Trigger(
                f"incident:{chance.randrange(8)} {scope}",
                f"kill-{transaction.head.size}",
                chance.choice(list(KillMode)),
                *("cause", "emergency", transaction.now),
                holds=chance.random() < 0.5,
                by_person=chance.random() < 0.3,
                scope=scope,
            )
            journal.pull(transaction, trigger, Witness())
        elif act == "timeout":
            for one in state.in_force:
                if over := one.on_timeout(transaction.now):
                    journal.pull(transaction, over, Witness())
        elif act == "arm":
            loosening.arm(transaction, step)
        else:
            _, code = loosening.ask(transaction, step, blind="", unrecorded=False)
            again = Step(step.request, code, "here")
            loosening.confirm(transaction, again, blind="", unrecorded=False)

    def restored(transaction: Transaction) -> tuple[KillBoard, KillBoard]:
        before = journal.load(transaction.connection)
        assert chain.disagreements(transaction.connection) == []
        transaction.connection.execute("DELETE FROM kill_event")
        found = chain.restore(transaction)
        assert found is not None
        return before, journal.load(transaction.connection)

    try:
        for _ in range(STEPS):
            writer.run(something, 10)
        before, after = writer.run(restored, 10)
        assert essentials(after) == essentials(before)
        assert before.cleared, "otherwise little was shown"
    finally:
        writer.stop()
