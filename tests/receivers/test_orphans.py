"""What a channel owes when it is switched off is moved or shown, never left lying."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec import structs
from owed_messages import owed
from typer.testing import CliRunner
from writers import started

from risk_policy import Policy, parse_policy
from risk_policy.clock import utc_now
from risk_receivers.audit.query import events
from risk_receivers.channels import enabled_channels, fallbacks
from risk_receivers.channels.orphans import move_orphans
from risk_receivers.channels.outbox import Outbox
from risk_receivers.store.writer import Transaction
from riskwarden.commands.channels import app

Wait = Callable[..., Any]
SLACK = """
[alerting.channels.slack]
enabled = {slack}
min_severity = "INFO"
timeout_seconds = 1
deadline_seconds = 3600
fallback = ["webhook"]
[alerting.channels.webhook]
enabled = true
min_severity = "EMERGENCY"
"""


def policy(*, slack: bool) -> Policy:
    environ = {
        "SLACK_WEBHOOK_URL": "http://127.0.0.1:9/nobody",
        "WEBHOOK_URL": "http://127.0.0.1:9/nobody",
        "WEBHOOK_HMAC_SECRET": "secret",
    }
    return parse_policy(SLACK.format(slack=str(slack).lower()).encode(), environ=environ)


def test_what_is_in_time_is_taken_over_and_the_rest_is_a_dead_letter(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    before, after = policy(slack=True), policy(slack=False)
    writer = started(tmp_path / "audit.db", retention=after.alerting.audit.retention)

    def owe(transaction: Transaction) -> None:
        outbox = Outbox(enabled_channels(before), fallbacks(before))
        for subject, age in (("lately", 30), ("long ago", 90)):
            at = utc_now() - timedelta(minutes=age)
            message = structs.replace(owed().message, subject=subject, at=at)
            outbox.owe(transaction.connection, message)
        transaction.connection.execute(
            "INSERT INTO message (subject, channel, kind, body, created_at) "
            "VALUES ('nonsense', 'pigeons', 'firing', 'no message', '')"
        )

    def left(transaction: Transaction) -> list[Any]:
        return transaction.connection.execute(
            "SELECT subject, channel, reason FROM message LEFT JOIN dead_message USING (id) "
            "WHERE channel NOT IN ('console', 'file') ORDER BY message.id"
        ).fetchall()

    writer.run(owe, 10)
    assert [one.letter.channel for one in move_orphans(before, writer)] == ["pigeons"]
    moved = {one.letter.subject: one.taker for one in move_orphans(after, writer)}
    found = writer.run(left, 10)
    again = list(move_orphans(after, writer))
    writer.stop()
    assert moved == {"lately": "webhook", "long ago": ""}
    assert again == []
    off = "channel slack is not enabled any more"
    late = "and it was due too long ago for another one"
    assert found == [
        ("lately", "slack", off),
        ("long ago", "slack", f"{off}, {late}"),
        ("nonsense", "pigeons", f"channel pigeons is not enabled any more, {late}"),
        ("lately", "webhook", None),
    ]
    assert "firing of lately: channel slack is not enabled any more; webhook takes" in caplog.text
    assert f"firing of long ago: {off}, {late}; it is among the dead letters" in caplog.text
    kinds = [str(event.event_type) for event in events(tmp_path / "audit.db", 0, 99)]
    assert kinds.count("NOTIFICATION_FAILED") == 3
    assert kinds.count("NOTIFICATION_FAILED_OVER") == 1


def test_a_channel_that_is_switched_off_leaves_its_debts_in_sight(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    as_it_was = stopped.policy.read_text()
    stopped.environ["SLACK_WEBHOOK_URL"] = "http://127.0.0.1:9/nobody"
    slack = SLACK.partition("fallback")[0]
    stopped.policy.write_text(as_it_was + slack.format(slack="true"))
    receivers = stopped.start()
    receivers.send("notifications", words.webhook(words.alert()))
    wait_until(lambda: receivers.metric('risk_messages_pending{channel="slack"}') == 1)
    receivers.stop()
    stopped.policy.write_text(as_it_was)
    receivers = stopped.start()
    assert receivers.metric('risk_messages_dead{channel="slack"}') == 1
    assert "firing of drawdown/main:warning:1: channel slack is not enabled" in receivers.log
    where = ("--policy", str(receivers.policy), "--receivers", receivers.url)
    health = CliRunner().invoke(app, ["health", *where], env=receivers.environ)
    assert (health.exit_code, "not well: slack" in health.output) == (1, True)
