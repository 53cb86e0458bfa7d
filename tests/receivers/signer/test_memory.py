"""What the signer remembers is not what it should be: it is said, with what to do."""

from __future__ import annotations

import shutil
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
