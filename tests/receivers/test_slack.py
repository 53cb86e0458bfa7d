"""Slack messages: coloured, loud when it matters, and taken whatever they say."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from loopback_http import Reply
from owed_messages import as_told, owed, saying
from slack_stand_in import SlackStandIn

from risk_policy.vocabulary import Severity
from risk_receivers.channels.errors import RefusedDeliveryError, TemporaryDeliveryError
from risk_receivers.channels.message import Kind
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.slack import SlackChannel

Make = Callable[..., SlackChannel]


@pytest.fixture
def slack() -> Iterator[SlackStandIn]:
    with SlackStandIn() as server:
        yield server


@pytest.fixture
def make(slack: SlackStandIn) -> Make:
    def made(render: Render = as_told, mentions: tuple[str, ...] = ("@channel",)) -> SlackChannel:
        return SlackChannel(
            render=render,
            webhook_url=slack.webhook_url,
            channel="#risk-alerts",
            mention_on_critical=mentions,
            timeout_seconds=5,
        )

    return made


def test_a_message_is_its_subject_and_below_it_its_text_in_the_severitys_colour(
    slack: SlackStandIn, make: Make
) -> None:
    make().deliver(owed(text="drawdown is *12 %*"))
    (payload,) = slack.posted
    assert payload["channel"] == "#risk-alerts"
    assert payload["text"] == "WARNING DRAWDOWN_WARNING"
    (attachment,) = payload["attachments"]
    assert attachment["color"] == "#daa038"
    assert [block["text"] for block in attachment["blocks"]] == [
        {"type": "mrkdwn", "text": "drawdown is *12 %*"}
    ]


def test_every_severity_has_its_colour_and_what_is_over_is_green(
    slack: SlackStandIn, make: Make
) -> None:
    for severity in Severity:
        make().deliver(owed(severity=severity))
    make().deliver(owed(severity=Severity.EMERGENCY, kind=Kind.RESOLVED))
    colours = [payload["attachments"][0]["color"] for payload in slack.posted]
    assert len(set(colours)) == len(Severity) + 1
    assert colours[-1] == "#2eb886"


@pytest.mark.parametrize("severity", Severity)
def test_people_are_mentioned_from_critical_on(
    slack: SlackStandIn, make: Make, severity: Severity
) -> None:
    make(mentions=("@here", "U012AB3CD", "S012AB3CD")).deliver(owed(severity=severity))
    loud = severity in (Severity.CRITICAL, Severity.EMERGENCY)
    mentioned = slack.posted[0]["text"].startswith("<!here> <@U012AB3CD> <!subteam^S012AB3CD> ")
    assert mentioned is loud


def test_nobody_is_mentioned_for_what_is_over(slack: SlackStandIn, make: Make) -> None:
    make().deliver(owed(severity=Severity.CRITICAL, kind=Kind.RESOLVED))
    assert "<!channel>" not in slack.posted[0]["text"]


def test_a_subject_mentions_nobody_by_itself(slack: SlackStandIn, make: Make) -> None:
    make(saying("text", subject="A & B <!everyone>\nC")).deliver(owed())
    assert slack.posted[0]["text"] == "A &amp; B &lt;!everyone&gt;\nC"


def test_a_long_text_fills_several_sections_and_says_where_it_ends(
    slack: SlackStandIn, make: Make
) -> None:
    make(saying("5 &lt; 6 😀\n" * 800)).deliver(owed(1))
    make(saying("5 &lt; 6 😀\n" * 8000)).deliver(owed(2))
    shorter, longer = (payload["attachments"][0]["blocks"] for payload in slack.posted)
    assert "".join(block["text"]["text"] for block in shorter) == "5 &lt; 6 😀\n" * 800
    assert "does not fit" in longer[-1]["text"]["text"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)
@given(st.text(st.characters(), max_size=200), st.text(st.characters(), max_size=50))
def test_slack_takes_whatever_a_message_says(
    slack: SlackStandIn, make: Make, text: str, subject: str
) -> None:
    slack.posted.clear()
    make(saying(text, subject=subject)).deliver(owed())
    assert len(slack.posted) == 1


@pytest.mark.parametrize(
    "error", ["invalid_blocks", "invalid_blocks_format", "invalid_attachments"]
)
def test_what_slack_cannot_read_is_sent_without_blocks(
    slack: SlackStandIn, make: Make, error: str
) -> None:
    slack.next.append(Reply(400, error))
    make().deliver(owed(severity=Severity.CRITICAL))
    (payload,) = slack.posted
    assert payload["text"] == "<!channel> CRITICAL DRAWDOWN_WARNING\ndrawdown is 12 %"
    assert "attachments" not in payload


@pytest.mark.parametrize(
    ("status", "error", "whole_channel"),
    [
        (400, "invalid_payload", False),
        (400, "user_not_found", True),
        (403, "invalid_token", True),
        (403, "action_prohibited", True),
        (404, "channel_not_found", True),
        (404, "no_service", True),
        (410, "channel_is_archived", True),
        (302, "", True),
    ],
)
def test_what_slack_refuses(
    slack: SlackStandIn, make: Make, status: int, error: str, whole_channel: bool
) -> None:
    slack.next.append(Reply(status, error))
    with pytest.raises(RefusedDeliveryError, match=f"Slack answered {status}.*{error}") as caught:
        make().deliver(owed())
    assert caught.value.whole_channel is whole_channel


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503])
def test_what_slack_may_take_later(slack: SlackStandIn, make: Make, status: int) -> None:
    slack.next.append(Reply(status, "rollup_error", {"Retry-After": "30"}))
    with pytest.raises(TemporaryDeliveryError) as caught:
        make().deliver(owed())
    assert caught.value.retry_after_seconds == 30
    make().deliver(owed())
    assert len(slack.posted) == 1


@pytest.mark.parametrize("body", ["", "<html>Sign in to the hotel's network</html>"])
def test_an_answer_that_does_not_confirm_is_no_delivery(
    slack: SlackStandIn, make: Make, body: str
) -> None:
    slack.next.append(Reply(200, body))
    with pytest.raises(RefusedDeliveryError, match="without confirming") as caught:
        make().deliver(owed())
    assert caught.value.whole_channel


def test_a_check_tells_nobody(
    slack: SlackStandIn, make: Make, wait_until: Callable[..., Any]
) -> None:
    make().check()
    wait_until(lambda: slack.connections == 1)
    assert slack.received == []
