"""A message that may have come before says so wherever people or programs can read it."""

from __future__ import annotations

from pathlib import Path

import pytest
from owed_messages import as_told, owed

from risk_policy import parse_policy
from risk_receivers.channels.attempts import Attempts
from risk_receivers.channels.mail import compose
from risk_receivers.channels.message import Owed
from risk_receivers.schema import SCHEMA
from risk_receivers.store.writer import Writer
from risk_receivers.templating.parts import PARTS
from risk_receivers.templating.renderer import Renderer


def tried(attempt: int) -> Owed:
    first = owed()
    return Owed(first.id, first.message, first.head, attempt)


@pytest.mark.parametrize("channel", sorted(PARTS))
def test_the_words_say_that_a_message_may_have_come_before(channel: str) -> None:
    renderer = Renderer()
    try:
        first, second = (renderer.render_for(channel)(tried(n)) for n in (1, 2))
    finally:
        renderer.close()
    assert "again" not in first.text
    assert "before" not in first.text
    assert "may have come before" in second.text or "(again)" in second.text
    assert first.subject == second.subject


def test_a_mail_that_is_sent_again_is_the_same_mail_and_says_so() -> None:
    first, second = (
        compose(tried(n), as_told(tried(n)), "a@example.com", ["b@example.com"]) for n in (1, 2)
    )
    assert first["Message-ID"] == second["Message-ID"]
    assert first["X-Riskwarden-Attempt"] is None
    assert second["X-Riskwarden-Attempt"] == "2"


def test_tries_are_counted_across_restarts_and_when_nothing_can_be_kept(tmp_path: Path) -> None:
    policy = parse_policy(b"").alerting
    for expected in (1, 2):
        writer = Writer(
            tmp_path / "audit.db",
            origin="test",
            retention=policy.audit.retention,
            schema=SCHEMA,
            batch=policy.intake.commit_batch,
            queue_depth=policy.intake.queue_depth,
        )
        writer.start()
        attempts = Attempts(writer)
        assert attempts.begin(7) == expected
        writer.stop()
    assert attempts.begin(7) == 3, "nobody waits for a store that keeps nothing"
    assert attempts.begin(8) == 1
    attempts.confirmed(7)
    assert attempts.begin(7) == 1
