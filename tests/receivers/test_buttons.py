"""What a button is known by: short, ours alone, and about one incident under one message."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from owed_messages import as_told, owed
from slack_stand_in import SlackStandIn
from telegram_stand_in import TOKEN, TelegramStandIn

from risk_policy import parse_policy
from risk_policy.model.escalation import Acknowledgement
from risk_receivers.channels import CHANNELS, Channel
from risk_receivers.channels.buttons import (
    Ask,
    Buttons,
    Pressed,
    digest_of_incident,
    digest_of_message,
)
from risk_receivers.channels.message import Kind

TERMS = Acknowledgement(default_minutes=90)
BUTTONS = Buttons("123:secret", TERMS)
INCIDENTS = st.text(st.characters(), min_size=1, max_size=300)


@given(st.sampled_from(Ask), INCIDENTS, st.text(max_size=40))
def test_what_goes_out_comes_back_and_fits(ask: Ask, incident: str, message_id: str) -> None:
    message = digest_of_message(message_id)
    (button,) = BUTTONS.made([ask], incident, message)
    assert len(button.data.encode()) <= 64
    assert BUTTONS.read(button.data) == Pressed(ask, digest_of_incident(incident), message)
    # Another run of the same service knows it; a service with another secret does not.
    assert Buttons("123:secret", Acknowledgement()).read(button.data) is not None
    assert Buttons("123:Secret", TERMS).read(button.data) is None


@given(st.text(st.characters(), max_size=80))
@example("")
@example("rw1h")
@example("rw1h====")
@example("rw1" + "A" * 49)
@example("rw1hé")
@example("rw1h" + "\ud800" * 48)
def test_what_nobody_sealed_means_nothing(data: str) -> None:
    assert BUTTONS.read(data) is None


@given(st.sampled_from(Ask), INCIDENTS, st.data())
def test_no_change_of_a_genuine_one_is_genuine(
    ask: Ask, incident: str, data: st.DataObject
) -> None:
    (button,) = BUTTONS.made([ask], incident, digest_of_message("m"))
    place = data.draw(st.integers(0, len(button.data) - 1))
    put = data.draw(st.characters(codec="ascii"))
    changed = button.data[:place] + put + button.data[place + 1 :]
    assert changed == button.data or BUTTONS.read(changed) is None
    assert BUTTONS.read(button.data + put) is None
    assert BUTTONS.read(button.data[:place]) is None


def test_the_parts_of_two_buttons_make_no_third() -> None:
    (one,) = BUTTONS.made([Ask.HOUR], "drawdown/main:warning:1", digest_of_message("a"))
    (other,) = BUTTONS.made([Ask.BACK], "drawdown/main:critical:1", digest_of_message("b"))
    for at in range(1, len(one.data)):
        for mixed in (one.data[:at] + other.data[at:], other.data[:at] + one.data[at:]):
            assert mixed in (one.data, other.data) or BUTTONS.read(mixed) is None


@pytest.mark.parametrize("kind", Kind)
def test_only_what_goes_on_can_be_acknowledged(kind: Kind) -> None:
    found = BUTTONS.under(owed(kind=kind))
    assert bool(found) == (kind in (Kind.FIRING, Kind.ESCALATED, Kind.CONTINUED, Kind.ACK_LOST))


@pytest.mark.parametrize(
    ("default", "longest", "labels"),
    [
        (90, 480, ["Ack 1 h", "Ack 90 min"]),
        (120, 480, ["Ack 1 h", "Ack 2 h"]),
        (60, 480, ["Ack 1 h"]),
        (30, 45, ["Ack 30 min"]),
        (0.05, 0.1, ["Ack 3 s"]),
    ],
)
def test_each_way_to_acknowledge_that_the_policy_leaves_has_one_button(
    default: float, longest: float, labels: list[str]
) -> None:
    buttons = Buttons("s", Acknowledgement(default_minutes=default, max_minutes=longest))
    assert [button.label for button in buttons.under(owed())] == labels


def from_policy(
    channel: str, lines: str, monkeypatch: pytest.MonkeyPatch, **environ: str
) -> Channel:
    environ = {
        "TELEGRAM_BOT_TOKEN": TOKEN,
        "TELEGRAM_CHAT_ID": "7",
        "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/x",
        **environ,
    }
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    text = f"[alerting.channels.{channel}]\nenabled = true\n{lines}"
    return CHANNELS[channel](parse_policy(text.encode(), environ=environ), Path(), as_told)


@pytest.mark.parametrize(
    ("channel", "lines", "buttons"),
    [
        ("slack", "", 0),
        (
            "slack",
            'allowed_users = ["U012AB3CD"]\nsigning_secret = "${SLACK_SIGNING_SECRET}"',
            1,
        ),
        ("telegram", "", 0),
        ("telegram", 'allowed_users = [42]\nallowed_chats = ["${TELEGRAM_CHAT_ID}"]', 1),
    ],
)
def test_messages_carry_buttons_only_if_somebody_may_press_them(
    channel: str, lines: str, buttons: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    with TelegramStandIn() as telegram, SlackStandIn() as slack:
        telegram.chats.add("7")
        more = f'api_url = "{telegram.url}"\n' if channel == "telegram" else ""
        environ = {"SLACK_WEBHOOK_URL": slack.webhook_url, "SLACK_SIGNING_SECRET": "s"}
        from_policy(channel, more + lines, monkeypatch, **environ).deliver(owed())
        found = telegram.labels() if channel == "telegram" else slack.buttons
    assert len(found) == buttons
