"""The service reads its chain back while it runs, and by no other's help."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from tampering import story
from tampering.ends import CASES
from tampering.forger import Forger

from risk_policy.contracts.audit import EventType
from risk_receivers import chain_watch
from risk_receivers.chain_watch import ChainVerdict, ChainWatch
from risk_receivers.telemetry import Telemetry

(RELINK,) = [case for case in CASES if case.name == "relink"]


@contextmanager
def watched(data: Path) -> Iterator[tuple[story.Desk, ChainWatch, ChainVerdict]]:
    """The service's writer at a chain, started a month later, and what reads it back."""
    verdict = ChainVerdict()
    with story.Desk(data, story.Clock(story.BEGAN + timedelta(days=30))) as desk:
        place = data / "audit" / "audit.db"
        watch = ChainWatch(place, desk.writer, verdict, Telemetry(), interval_seconds=1)
        yield desk, watch, verdict


@pytest.fixture(autouse=True)
def _short_stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Several of them make up the story."""
    monkeypatch.setattr(chain_watch, "_STRETCH", 7)


def test_an_honest_chain_that_goes_on_is_never_blamed(forger: Forger) -> None:
    with watched(forger.data) as (desk, watch, verdict):
        for number in range(20):
            desk.record(EventType.ALERT_CREATED, f"alert {number}")
            desk.sign()
            watch.round()
            assert verdict.is_intact, verdict.damage


def test_a_chain_whose_every_hash_was_made_anew_while_nothing_ran_is_noticed(
    forger: Forger,
) -> None:
    RELINK.attack(forger)
    with watched(forger.data) as (desk, watch, verdict):
        desk.record(EventType.SERVICE_STARTED, "the receivers are up")
        for _ in range(4):  # once through all of it
            watch.round()
        assert "the chain was rewritten" in (verdict.damage or "")


def test_what_was_changed_while_it_ran_is_not_what_a_signer_without_memory_begins_with(
    forger: Forger,
) -> None:
    with watched(forger.data) as (desk, _, _):
        desk.record(EventType.ALERT_CREATED, "honest")
        forger.forget()
        forger.run("DELETE FROM audit_checkpoint")
        forger.run("UPDATE audit_header SET checksum = zeroblob(32) WHERE seq = 5")
        desk.sign()
        assert "is not what this process has recorded" in desk.checkpointer.problem
        assert not forger.memory.exists(), "nothing was signed"
