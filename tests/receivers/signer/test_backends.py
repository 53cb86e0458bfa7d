"""A chain is signed, and read back while it is, wherever it is kept."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
import stores

from risk_policy.contracts.audit import EventType
from risk_policy.model.audit import Audit
from risk_receivers import chain_watch
from risk_receivers.audit.event import AuditEvent
from risk_receivers.chain_watch import ChainVerdict, ChainWatch
from risk_receivers.database.place import Place
from risk_receivers.schema import SCHEMA
from risk_receivers.signer.checkpointer import Checkpointer
from risk_receivers.signer.connect import connect
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.tokens.registry import Doing
from risk_receivers.verification import verify_store


@pytest.fixture
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """Where the store is to be."""
    with stores.kept(
        request.param, tmp_path / "audit.db", lambda: request.getfixturevalue("postgres")
    ) as place:
        yield place


@stores.in_every_backend("place")
def test_a_chain_is_signed_and_read_back_wherever_it_is_kept(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(chain_watch, "_STRETCH", 7)
    audit, verdict = Audit(), ChainVerdict()
    for life in range(3):
        writer = Writer(
            place,
            origin="desk",
            retention=audit.retention,
            schema=SCHEMA,
            batch=9,
            queue_depth=9,
        )
        writer.start()
        signing = Checkpointer(
            place,
            writer,
            partial(connect, audit.signing, tmp_path),
            Telemetry(),
            every_seconds=0.0,
            damaged=verdict.damaged,
        )
        watch = ChainWatch(place, writer, verdict, Telemetry(), interval_seconds=1)
        for number in range(12):
            event = AuditEvent(EventType.ALERT_CREATED, f"{life}.{number}")
            writer.run(partial(Transaction.append, event=event), 30)
            if number % 3 == 0:
                signing.round()
            if number == 7:
                signing.rotate(Doing("ann", "admin", "127.0.0.1", "a test"))
            watch.round()
        signing.stop()
        writer.stop()
        assert (signing.problem, verdict.damage) == ("", None)
    found = verify_store(place, signing_key=tmp_path / audit.signing.key_path)
    assert (found.ok, found.events, found.signed) == (True, 40, 40), found.problems


def test_what_a_leader_signed_and_could_not_store_its_followers_go_on_without(
    tmp_path: Path,
) -> None:
    place, audit, verdict = tmp_path / "audit.db", Audit(), ChainVerdict()
    homes = [tmp_path / "one", tmp_path / "other"]

    def lead(home: Path, events: int, *, dies: bool = False) -> None:
        writer = Writer(
            place, origin="desk", retention=audit.retention, schema=SCHEMA, batch=9, queue_depth=9
        )
        writer.start()
        signing = Checkpointer(
            place,
            writer,
            partial(connect, audit.signing, home),
            Telemetry(),
            every_seconds=0.0,
            damaged=verdict.damaged,
        )
        for number in range(events):
            event = AuditEvent(EventType.ALERT_CREATED, f"{home.name}.{number}")
            writer.run(partial(Transaction.append, event=event), 30)
            if number < events - 1:
                signing.round()
        if dies:
            writer.stop()  # so what is signed last is with the signer alone
            signing.stop()
            assert signing.problem
            return
        signing.stop()
        writer.stop()
        assert signing.problem == ""

    lead(homes[0], 3)
    key = homes[0] / audit.signing.key_path
    (homes[1] / audit.signing.key_path).parent.mkdir(parents=True)
    shutil.copy2(key, homes[1] / audit.signing.key_path)
    lead(homes[0], 3, dies=True)
    lead(homes[1], 4)
    for home in homes:
        found = verify_store(place, signing_key=home / audit.signing.key_path)
        assert (found.ok, found.signed) == (True, found.events), (home, found.problems)
    lead(homes[0], 4, dies=True)
    lead(homes[1], 1)
    lead(homes[0], 2)
    for home in homes:
        found = verify_store(place, signing_key=home / audit.signing.key_path)
        assert (found.ok, found.signed) == (True, found.events), (home, found.problems)
    assert verdict.damage is None
