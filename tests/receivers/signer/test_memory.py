"""What the signer remembers is not what it should be: it is said, with what to do."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tampering import story

from risk_policy.contracts.audit import EventType
from risk_receivers.audit.note import VerifierKey
from risk_receivers.tokens.registry import Doing
from risk_receivers.verification import verify_store


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """A signed chain at rest."""
    story.tell(tmp_path / "data")
    return tmp_path / "data"


def test_what_a_former_leader_signed_and_could_not_store_is_not_put_in_between_later(
    data: Path,
) -> None:
    database, memory = data / "audit" / "audit.db", data / "audit" / "signing.key.state"
    before = shutil.copy(memory, data / "before")
    with story.Desk(data, story.Clock()) as desk:
        desk.record(EventType.ALERT_CREATED, "signed, and the connection was lost")
    lost = shutil.copy(memory, data / "lost")
    with closing(sqlite3.connect(database, isolation_level=None)) as connection:
        connection.execute(
            "DELETE FROM audit_checkpoint WHERE size = (SELECT max(size) FROM audit_checkpoint)"
        )
    shutil.copy(before, memory)  # that of the other machine
    with story.Desk(data, story.Clock()) as desk:
        desk.record(EventType.ALERT_CREATED, "signed by who led next")
    shutil.copy(lost, memory)
    with story.Desk(data, story.Clock()) as desk:
        for text in ("and by the first again", "and on"):
            desk.record(EventType.ALERT_CREATED, text)
            desk.sign()
            assert desk.checkpointer.problem == ""
    found = verify_store(database, signing_key=data / "audit" / "signing.key")
    assert (found.ok, found.signed) == (True, found.events), found.problems


def test_a_memory_from_before_a_rotation_is_told_and_not_needed(data: Path) -> None:
    memory, public = (data / "audit" / f"signing.key.{end}" for end in ("state", "pub"))
    first = VerifierKey.parse(public.read_text())
    older = shutil.copy(memory, data / "older")
    with story.Desk(data, story.Clock()) as desk:
        desk.checkpointer.rotate(Doing("ann", "admin", "127.0.0.1", "once a year"))
        desk.record(EventType.ALERT_CREATED, "signed with the new key")
    shutil.copy(older, memory)
    with story.Desk(data, story.Clock()) as desk:
        desk.sign()
        assert "from before a rotation; move it away" in desk.checkpointer.problem
        memory.unlink()
        desk.record(EventType.ALERT_CREATED, "and so is this")
    found = verify_store(data / "audit" / "audit.db", pinned=[first])
    assert (found.ok, found.signed) == (True, found.events), found.problems
