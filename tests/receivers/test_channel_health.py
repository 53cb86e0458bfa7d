"""Slack is dead: people hear of it otherwise, see it, mend it and prove that it is mended."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from mail_servers import mail_server
from owed_messages import NOON, owed
from slack_stand_in import SlackStandIn
from typer.testing import CliRunner, Result

from risk_receivers.channels.attended import Attended
from risk_receivers.channels.console import ConsoleChannel
from risk_receivers.channels.errors import TemporaryDeliveryError
from risk_receivers.channels.message import Owed
from risk_receivers.channels.standing import Standing
from riskwarden.commands.channels import app

Wait = Callable[..., Any]
POLICY = """
[alerting.channels.slack]
enabled = true
min_severity = "INFO"
timeout_seconds = 1
fallback = ["email"]
deadline_seconds = 0.5
[alerting.channels.email]
enabled = true
min_severity = "EMERGENCY"
smtp_host = "127.0.0.1"
smtp_port = {smtp}
use_tls = false
to_addresses = ["desk@example.com"]
"""


def call(receivers: Any, *arguments: str) -> Result:
    where = ("--policy", str(receivers.policy), "--receivers", receivers.url)
    return CliRunner().invoke(
        app, [*arguments, *where], env=receivers.environ, catch_exceptions=False
    )


def test_mail_takes_over_from_a_slack_that_does_not_answer_until_it_is_mended(
    stopped: Any, words: Any, wait_until: Wait
) -> None:
    slack = SlackStandIn()  # it takes connections, and answers nothing before it is entered
    stopped.environ["SLACK_WEBHOOK_URL"] = slack.webhook_url
    with mail_server() as postbox:
        stopped.policy.write_text(stopped.policy.read_text() + POLICY.format(smtp=postbox.port))
        receivers = stopped.start()
        receivers.send("notifications", words.webhook(words.alert()))
        wait_until(lambda: len(postbox.mails) == 1, what="the mail took over")
        assert "drawdown is 12.3 %" in str(postbox.mails[0][1])
        wait_until(lambda: receivers.metric('risk_channel_up{channel="email"}') == 1)

        over = [e for e in receivers.chain() if e.event_type == "NOTIFICATION_FAILED_OVER"]
        assert [e.payload.details["to"] for e in over] == ["email"]
        failovers = 'risk_channel_failovers_total{channel="slack",to="email"}'
        wait_until(lambda: receivers.metric(failovers) == 1)
        wait_until(lambda: receivers.metric('risk_channel_up{channel="slack"}') == 0)
        assert receivers.metric('risk_channel_breakdowns_total{channel="slack"}') == 1
        assert receivers.metric('risk_messages_dead{channel="slack"}') == 0, "people were told"

        failing = words.alert(name="RISK_CHANNEL_FAILING", risk_id="channel_failing/slack")
        receivers.send("notifications", words.webhook(failing))
        wait_until(lambda: len(postbox.mails) == 2, what="not only Slack is told that Slack fails")
        assert "RISK_CHANNEL_FAILING" in postbox.mails[1][1]["Subject"]

        sick = call(receivers, "health")
        assert sick.exit_code == 1
        assert "fails; email takes over" in sick.output
        assert "Slack did not answer within 1 s" in sick.output
        assert "not well: slack" in sick.output
        dead = call(receivers, "dead-letters")
        assert "delivered by email" in dead.output
        again = call(receivers, "dead-letters", "resend", "3")
        assert again.exit_code == 1
        assert "was confirmed by email; people have it" in again.output
        nothing = call(receivers, "dead-letters", "resend", "--all")
        assert "nothing that nobody was told of" in nothing.output
        kept = call(receivers, "dead-letters", "dismiss", "3", "--comment", "old")
        assert "message 3 is delivered and waits for nobody" in kept.output
        tried = call(receivers, "test", "slack", "--author", "olga")
        assert tried.exit_code == 1
        assert "slack: Slack did not answer within 1 s" in tried.output

        with slack:
            mended = call(receivers, "test", "--author", "olga")
            assert (mended.exit_code, mended.output.count("confirmed")) == (0, 4)
            assert "[TEST] THIS IS A TEST of channel slack" in str(slack.posted)
            assert "TEST" in postbox.mails[-1][1]["Subject"]
            wait_until(lambda: receivers.metric('risk_channel_up{channel="slack"}') == 1)
            wait_until(lambda: call(receivers, "health").exit_code == 0, what="all is well")
            wrong = call(receivers, "test", "sms")
            assert "sms: not enabled; enabled are: console, file, email, slack" in wrong.output
            assert receivers.stop() == 0
    tests = [e.payload for e in receivers.chain() if e.event_type == "CHANNEL_TESTED"]
    assert {payload.actor_id for payload in tests} == {"olga"}
    assert tests[-1].details["results"] == dict.fromkeys(
        ("console", "file", "email", "slack"), "confirmed"
    )


def test_a_channel_that_hangs_is_seen_to_be_down(wait_until: Wait) -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, "rb") as reader, os.fdopen(writing, "w") as stream:
        channel = Attended("console", ConsoleChannel("simple", stream), longest_seconds=0.05)
        huge = owed(text="x" * 1_000_000)  # more than a pipe holds
        thread = threading.Thread(target=channel.deliver, args=(huge,))
        thread.start()
        wait_until(lambda: channel.standing.up is False)
        assert channel.standing.error.startswith("hangs")
        wait_until(lambda: reader.read1(1_000_000) and not thread.is_alive())
    assert channel.standing.up is True


class _Moody:
    """A channel that does what it is told to."""

    def __init__(self) -> None:
        self.fails = False

    def deliver(self, owed: Owed) -> None:
        del owed
        self.check()

    def check(self) -> None:
        if self.fails:
            raise TemporaryDeliveryError("not now")

    def close(self) -> None:
        """Nothing is held open."""


@given(st.lists(st.sampled_from(["delivered", "failed", "checked"])))
def test_each_time_that_a_channel_begins_to_fail_is_counted_however_often_it_is_tried_then(
    steps: list[str],
) -> None:
    moody, broke = _Moody(), []
    channel = Attended("moody", moody, broke=lambda: broke.append(True))
    began = 0
    for step in steps:
        moody.fails, before = step == "failed", channel.standing.up
        if step == "checked":
            channel.look_after()
        else:
            with suppress(TemporaryDeliveryError):
                channel.deliver(owed())
        began += before is not False and channel.standing.up is False
    assert len(broke) == began


STEPS = st.lists(st.sampled_from(["delivered", "failed", "check_failed", "check_passed"]))


@given(STEPS)
def test_a_channel_is_believed_dead_until_what_saw_it_dead_sees_it_alive(steps: list[str]) -> None:
    standing = Standing()
    assert standing.up is None, "nobody knows yet"
    seen_dead_by: set[str] = set()
    for step in steps:
        match step:
            case "delivered":
                standing, seen_dead_by = standing.delivered(NOON), set()
            case "failed":
                standing = standing.failed(NOON, "no answer")
                seen_dead_by.add("delivery")
            case "check_failed":
                standing = standing.check_failed(NOON, "no answer")
                seen_dead_by.add("check")
            case _:
                standing = standing.check_passed()
                if "check" in seen_dead_by:
                    seen_dead_by = set()
        assert standing.up is not bool(seen_dead_by)


def test_only_operators_see_and_try_channels(shared: Any) -> None:
    for method, path in (
        ("GET", "/api/v1/channels"),
        ("POST", "/api/v1/channels/test"),
        ("GET", "/api/v1/dead-letters"),
        ("POST", "/api/v1/dead-letters/resend"),
        ("POST", "/api/v1/dead-letters/dismiss"),
    ):
        assert shared.call(method, path, token="runtime-secret").status_code == 403
    answer = shared.call("POST", "/api/v1/dead-letters/resend", json={"author": "x", "all": True})
    assert answer.status_code == 400
    listed = {one["name"]: one for one in shared.call("GET", "/api/v1/channels").json()["channels"]}
    assert listed["sms"] == {"name": "sms", "enabled": False, "dead_letters": 0}
    assert listed["console"]["enabled"] is True
