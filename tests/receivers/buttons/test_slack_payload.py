"""What is believed of a genuine request: not where it wants to be answered."""

from __future__ import annotations

import json
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk_receivers.buttons.slack_payload import may_be_answered, press_of

WEBHOOK = "https://hooks.slack.com/services/T0/B0/x"


@pytest.mark.parametrize(
    ("url", "webhook"),
    [
        ("https://hooks.slack.com/actions/T0/1/aB_c-9", WEBHOOK),
        ("https://hooks.slack.com/actions/T0/1/aB", "http://127.0.0.1:9/services/x"),
        ("http://127.0.0.1:9/actions/x", "http://127.0.0.1:9/services/x"),
        ("https://hooks.slack-gov.com/actions/x", "https://hooks.slack-gov.com/services/x"),
    ],
)
def test_slack_is_answered_where_it_says(url: str, webhook: str) -> None:
    assert may_be_answered(url, webhook)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://hooks.slack.com/actions/x",
        "https://hooks.slack.com",
        "https://hooks.slack.com:8443/actions/x",
        "https://hooks.slack.com.evil.example/actions/x",
        "https://evil.example/hooks.slack.com/",
        "https://evil.example/#https://hooks.slack.com/",
        "https://hooks.slack.com@evil.example/actions/x",
        "https://hooks.slack.com:x@evil.example/actions/x",
        "https://hooks.slack.com\\@evil.example/x",
        "https://hooks.slack.com/\\@evil.example/x",
        "https://hooks.slack.com/actions/x\nHost: evil.example",
        "https://hooks.slack.com/actions/x\n",
        "HTTPS://HOOKS.SLACK.COM/actions/x",
        "//hooks.slack.com/actions/x",
        "http://127.0.0.1:9465/api/v1/kill",
        "http://169.254.169.254/latest/meta-data/",
        "http://[::1]:9465/api/v1/kill",
        "file:///etc/passwd",
        "https://hооks.slack.com/actions/x",  # two letters of another alphabet
    ],
)
def test_nobody_else_is_called(url: str) -> None:
    assert not may_be_answered(url, WEBHOOK)


@given(st.text(st.sampled_from("htps:/.@#?\\hooks.slack.com%0a evil[]"), max_size=40))
def test_whatever_is_answered_to_begins_with_slack(tail: str) -> None:
    for url in (tail, "https://" + tail, "https://hooks.slack.com" + tail):
        assert not may_be_answered(url, WEBHOOK) or url.startswith("https://hooks.slack.com/")


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(max_size=8),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(
                    ["type", "user", "id", "actions", "block_id", "message", "attachments"]
                ),
                inner,
                max_size=5,
            )
        ),
        max_leaves=20,
    )
)
def test_nonsense_is_no_press(payload: object) -> None:
    assert press_of(urlencode({"payload": json.dumps(payload)}).encode()) is None


@pytest.mark.parametrize(
    "body",
    [b"", b"payload", b"payload=%ff", b"\xff", b"payload=" + b"[" * 100_000, b"a=1&" * 1000],
)
def test_what_is_no_form_is_no_press(body: bytes) -> None:
    assert press_of(body) is None
