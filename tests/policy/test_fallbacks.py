"""Who takes over from a channel: only one that can."""

from __future__ import annotations

import pytest

from risk_policy import InvalidPolicyError, Policy, Problem, parse_policy
from risk_policy.model.channels import Channels
from risk_policy.model.names import CHANNELS

ENVIRON = {"SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/T/B/x"}
SLACK = "[alerting.channels.slack]\nenabled = true\n"


def refused(text: str) -> tuple[Problem, ...]:
    with pytest.raises(InvalidPolicyError) as caught:
        parse_policy(text.encode(), environ=ENVIRON)
    return caught.value.problems


def test_every_channel_may_take_over_and_has_a_deadline() -> None:
    assert set(CHANNELS) == set(Channels.names())
    channels = Policy().alerting.channels
    for name in Channels.names():
        assert getattr(channels, name).fallback == ()
        assert getattr(channels, name).deadline_seconds >= 60


def test_two_channels_may_take_over_from_each_other() -> None:
    text = SLACK + 'fallback = ["file"]\n[alerting.channels.file]\nfallback = ["slack"]'
    assert parse_policy(text.encode(), environ=ENVIRON).alerting.channels.slack.fallback == (
        "file",
    )


@pytest.mark.parametrize(
    ("listed", "said"),
    [
        ('"slack"', "is the channel itself"),
        ('"email"', "set alerting.channels.email.enabled = true"),
        ('"file", "file"', "is listed more than once"),
        ('"e-mail"', "did you mean email?"),
        ('"pager"', "is no channel; known are console, file"),
    ],
)
def test_who_cannot_take_over_is_refused_with_the_remedy(listed: str, said: str) -> None:
    (problem,) = refused(SLACK + f"fallback = [{listed}]")
    assert problem.key.startswith("alerting.channels.slack.fallback")
    assert problem.line == 3
    assert said in problem.render("alerting.toml")


def test_a_disabled_channel_may_keep_its_list() -> None:
    parse_policy(b'[alerting.channels.slack]\nfallback = ["email"]', environ={})


def test_a_deadline_beyond_an_hour_is_refused() -> None:
    (problem,) = refused(SLACK + "deadline_seconds = 3601")
    assert "nobody else is asked" in problem.render("alerting.toml")
