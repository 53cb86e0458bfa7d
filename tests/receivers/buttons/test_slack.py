"""Acknowledging with a button in Slack: by what Slack signs, and whom the policy names."""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
from loopback_http import LoopbackServer, Reply
from owed_messages import as_told, owed, saying
from slack_stand_in import SIGNING_SECRET, SlackStandIn, signed

from risk_policy.clock import utc_now
from risk_policy.model.channels import Slack
from risk_policy.model.permissions import Permissions
from risk_receivers.access import Access
from risk_receivers.auth import Key, Tokens
from risk_receivers.body import BodyReader
from risk_receivers.buttons.slack import SlackButtons
from risk_receivers.buttons.slack_presses import SlackPresses
from risk_receivers.buttons.slack_signature import Signatures
from risk_receivers.channels.message import Kind
from risk_receivers.channels.rendered import Render
from risk_receivers.channels.slack import SlackChannel
from risk_receivers.doors.slack import SLACK_PATH, SlackDoor
from risk_receivers.front import Front
from risk_receivers.schema import to_text
from risk_receivers.streams.streams import Streams
from risk_receivers.streams.wire import Wire

OLGA = "slack:U0OLGA olga"
SETTINGS = Slack(allowed_users=("U0OLGA", "U0PAVEL"))
Answer = tuple[int, dict[str, Any]]


def presses(outcome: str) -> str:
    return f'risk_button_presses_total{{channel="slack",outcome="{outcome}"}}'


@dataclass
class Rig:
    """Slack, the front that its requests reach, and what is behind the buttons."""

    slack: SlackStandIn
    behind: Any
    buttons: SlackButtons = field(init=False)
    front: Front = field(init=False)

    def start(self) -> None:
        """The service that Slack reaches, on the same store as any before it."""
        desk, _ = self.behind.desk(SIGNING_SECRET, "Slack button")
        self.buttons = SlackButtons(
            desk,
            SlackPresses(self.behind.database, self.behind.writer),
            self.behind.telemetry,
            webhook_url=self.slack.webhook_url,
            signing_secret=SIGNING_SECRET,
            timeout_seconds=5,
        )
        door = SlackDoor(
            SETTINGS,
            Signatures(SIGNING_SECRET),
            self.buttons,
            telemetry=self.behind.telemetry,
            refused=self.behind.refusals.note,
            timeout_seconds=5,
        )
        telemetry, refused = self.behind.telemetry, self.behind.refusals.note
        tokens = Tokens({key: key.value for key in Key})
        self.front = Front(
            doors={},
            **dict.fromkeys(("behind", "probes"), _nothing),
            access=Access(tokens, Permissions(), telemetry, refused),
            telemetry=telemetry,
            bodies=BodyReader(max_mib=1, timeout_seconds=5),
            refused=refused,
            monitor=self.behind.monitor,
            is_somebodys=bool,
            signed={SLACK_PATH: door},
            shown={},
            streams=Wire(Streams({}, heartbeat_seconds=9, most=1, stopping=bool)),
            opened={},
        )

    def tell(self, render: Render = as_told, kind: Kind = Kind.FIRING) -> None:
        """People are told of the breach."""
        SlackChannel(
            render=render,
            webhook_url=self.slack.webhook_url,
            channel="",
            mention_on_critical=(),
            timeout_seconds=5,
            buttons=self.behind.desk(SIGNING_SECRET, "")[1],
        ).deliver(owed(kind=kind))

    def send(self, body: bytes, headers: Mapping[str, str], method: str = "POST") -> Answer:
        """A request to the front, and what it answers."""
        sent: list[MutableMapping[str, Any]] = []
        scope = {
            "type": "http",
            "method": method,
            "path": SLACK_PATH,
            "headers": [(n.lower().encode(), v.encode()) for n, v in headers.items()],
            "client": ("192.0.2.7", 1),
        }

        async def receive() -> MutableMapping[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: MutableMapping[str, Any]) -> None:
            sent.append(message)

        asyncio.run(self.front(scope, receive, send))
        return sent[0]["status"], json.loads(sent[1]["body"])

    def press(self, button: str, **more: Any) -> Answer:
        """Somebody presses, and it is taken."""
        answer = self.press_only(button, **more)
        self.buttons.round()
        return answer

    def press_only(self, button: str, **more: Any) -> Answer:
        """Somebody presses."""
        body = self.slack.press(button, **more)
        return self.send(body, signed(body))


@pytest.fixture
def rig(behind: Any) -> Iterator[Rig]:
    with SlackStandIn() as slack:
        rig = Rig(slack, behind)
        rig.start()
        rig.tell()
        yield rig


async def _nothing(*_: Any) -> None:
    raise AssertionError


def shown(rig: Rig) -> str:
    return json.dumps(rig.slack.message)


def test_a_button_acknowledges_and_another_takes_it_back(rig: Rig) -> None:
    assert list(rig.slack.buttons) == ["Ack 1 h", "Ack 2 h"]
    assert rig.press("Ack 1 h") == (200, {})
    (silence,) = rig.behind.alertmanager.active
    assert (silence["createdBy"], silence["comment"]) == (OLGA, "by Slack button")
    (ack,) = rig.behind.acks()
    assert timedelta(minutes=59) < ack.ends_at - utc_now() < timedelta(minutes=61)
    (event,) = rig.behind.events("ALERT_ACKNOWLEDGED")
    assert (event.payload.actor_type, event.payload.actor_id) == ("USER", OLGA)
    assert f"Acknowledged by {OLGA} until" in shown(rig)
    assert "drawdown is 12 %" in shown(rig)
    assert list(rig.slack.buttons) == ["Un-ack"]
    assert rig.behind.metric(presses("acknowledged")) == 1

    rig.press("Un-ack", user="U0PAVEL")
    assert rig.behind.acks() == []
    assert "Taken back by slack:U0PAVEL olga" in shown(rig)
    assert f"Acknowledged by {OLGA}" not in shown(rig)
    assert list(rig.slack.buttons) == ["Ack 1 h", "Ack 2 h"]


def test_an_earlier_message_says_how_things_stand_when_its_old_button_is_pressed(rig: Rig) -> None:
    rig.behind.keeper.give("drawdown/main:warning:1", timedelta(hours=1), "pavel", "by hand")
    rig.press("Ack 1 h")
    assert "Acknowledged by pavel until" in shown(rig)
    assert (list(rig.slack.buttons), len(rig.behind.acks())) == (["Un-ack"], 1)
    rig.behind.keeper.take_back("drawdown/main", "warning", "pavel", "by hand")
    rig.behind.alert(firing=False)
    rig.press("Un-ack")
    assert "Over, and not acknowledged" in shown(rig)
    assert list(rig.slack.buttons) == []


def test_a_long_message_stays_whole_beside_what_became_of_it(rig: Rig) -> None:
    rig.tell(saying("\n".join(f"*line {n}*: 5 &lt; 6 <http://x|y>" for n in range(2000))))
    before = rig.slack.message["attachments"][0]["blocks"]
    rig.press("Ack 1 h")
    after = rig.slack.message["attachments"][0]["blocks"]
    assert after[:-2] == before[:-1]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (dict.clear, "no signature"),
        (lambda h: h.pop("X-Slack-Signature"), "no signature"),
        (lambda h: h.update(signed(b"", at=time.time() - 400)), "another time"),
        (lambda h: h.update(signed(b"another body")), "a wrong signature"),
        (lambda h: h.update({"X-Slack-Signature": "v0=" + "0" * 64}), "a wrong signature"),
    ],
)
def test_what_slack_did_not_sign_is_refused_and_on_record(
    rig: Rig, change: Callable[[dict[str, str]], object], why: str
) -> None:
    body = rig.slack.press("Ack 1 h")
    headers = signed(body)
    change(headers)
    for _ in range(20):
        code, answer = rig.send(body, headers)
        assert (code, why in answer["detail"]) == (403, True)
    rig.buttons.round()
    assert rig.behind.alertmanager.silences == {}
    assert rig.behind.metric('risk_security_events_total{kind="auth_failed"}') == 20
    rig.behind.refusals.stop()
    (event,) = rig.behind.events("ACCESS_REFUSED")
    assert event.payload.details["address"] == "192.0.2.7"
    assert why in event.payload.message


def test_whoever_may_not_is_told_so_and_on_record_once(rig: Rig) -> None:
    for number in range(8):
        rig.press("Ack 1 h", user="U0MALLORY", trigger_id=str(number))
    assert rig.behind.alertmanager.silences == {}
    assert "You may not acknowledge here" in rig.slack.responses[-1]["text"]
    assert rig.slack.responses[-1]["response_type"] == "ephemeral"
    assert rig.behind.metric(presses("refused")) == 8
    rig.behind.refusals.stop()
    (event,) = rig.behind.events("ACCESS_REFUSED")
    assert event.payload.details["address"] == "slack:U0MALLORY"
    assert event.payload.details["count"] == 8


def test_a_request_that_is_sent_again_changes_nothing(rig: Rig) -> None:
    body = rig.slack.press("Ack 1 h")
    headers = signed(body)
    assert rig.send(body, headers)[0] == 200
    rig.buttons.round()
    rig.press("Un-ack")
    assert rig.send(body, headers) == (200, {})
    rig.buttons.round()
    assert rig.behind.acks() == []


def test_a_press_is_answered_to_nobody_but_slack(rig: Rig) -> None:
    with LoopbackServer() as elsewhere:
        rig.press("Ack 1 h", response_url=elsewhere.url + "/actions/x")
        assert elsewhere.connections == 0
    assert len(rig.behind.acks()) == 1


def test_a_redirect_is_not_followed(rig: Rig) -> None:
    with LoopbackServer() as elsewhere:
        rig.slack.failing = [Reply(302, "", {"Location": elsewhere.url})] * 2
        rig.press("Ack 1 h")
        assert elsewhere.connections == 0


def test_a_message_that_cannot_be_replaced_is_answered_beside_it(rig: Rig) -> None:
    rig.slack.failing = [Reply(400, "invalid_blocks")]
    rig.press("Ack 1 h")
    assert rig.slack.responses[-1]["response_type"] == "in_channel"
    assert f"Acknowledged by {OLGA} until" in rig.slack.responses[-1]["text"]
    rig.press("Ack 1 h", message={}, trigger_id="2")
    assert f"Acknowledged by {OLGA} until" in rig.slack.responses[-1]["text"]


def test_who_acknowledges_while_alertmanager_is_away_is_told_to_try_again(rig: Rig) -> None:
    rig.behind.alertmanager.down = True
    rig.press("Ack 1 h")
    assert "may not be acknowledged" in rig.slack.responses[-1]["text"]
    assert rig.slack.responses[-1]["replace_original"] is False
    assert rig.behind.acks() == []


def test_who_acknowledges_while_the_store_cannot_record_is_told_so(rig: Rig) -> None:
    rig.behind.writer.stop()
    assert rig.press("Ack 1 h")[0] == 503
    assert "The store cannot record it now" in rig.slack.responses[-1]["text"]
    assert rig.behind.metric(presses("failed")) == 1


def test_a_press_that_was_answered_is_done_by_the_next_service_and_once(rig: Rig) -> None:
    assert rig.press_only("Ack 1 h") == (200, {})
    assert rig.behind.acks() == [], "the service dies before it is done"
    rig.behind.restart()
    rig.start()
    rig.buttons.round()
    assert [ack.author for ack in rig.behind.acks()] == [OLGA]
    rig.behind.keeper.take_back("drawdown/main", "warning", "pavel", "by hand")
    rig.behind.restart()
    rig.start()
    rig.buttons.round()
    assert rig.behind.acks() == [], "what was done is not done again"


def test_a_press_from_long_ago_is_not_done_and_told_in_the_log(
    rig: Rig, caplog: pytest.LogCaptureFixture
) -> None:
    rig.press_only("Ack 1 h")
    rig.behind.writer.run(
        lambda transaction: transaction.connection.execute(
            "UPDATE slack_press SET at = ?", (to_text(utc_now() - timedelta(minutes=6)),)
        ),
        10,
    )
    for _ in range(2):
        rig.behind.restart()
        rig.start()
        rig.buttons.round()
    assert rig.behind.acks() == []
    assert caplog.text.count(f"a press in Slack by {OLGA} is too old to be done") == 1


def test_a_press_that_makes_no_sense_is_taken_and_means_nothing(rig: Rig) -> None:
    for body in (b"", b"payload={}", rig.slack.press("Ack 1 h", type="view_submission")):
        assert rig.send(body, signed(body)) == (200, {})
    rig.press("rw1h" + "A" * 48)
    rig.buttons.round()
    assert rig.behind.alertmanager.silences == {}
    assert rig.behind.metric(presses("stale")) == 1


def test_the_door_takes_presses_and_nothing_else(rig: Rig) -> None:
    assert rig.send(b"", {}, "GET")[0] == 405
    body = b"x" * 2**20
    assert rig.send(body, signed(body))[0] == 413


def test_strangers_cannot_fill_the_memory_with_bodies_that_never_end(rig: Rig) -> None:
    headers = [(n.lower().encode(), v.encode()) for n, v in signed(b"").items()]
    scope = {"type": "http", "method": "POST", "path": SLACK_PATH, "headers": headers}
    never = asyncio.Event()
    codes: list[int] = []

    async def receive() -> MutableMapping[str, Any]:
        await never.wait()
        return {"type": "http.disconnect"}

    async def send(message: MutableMapping[str, Any]) -> None:
        codes.append(message.get("status", 503))

    async def forty() -> None:
        tasks = [asyncio.create_task(rig.front(scope, receive, send)) for _ in range(40)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        assert set(codes) == {503}
        never.set()
        await asyncio.gather(*tasks)

    asyncio.run(forty())
    rig.press("Ack 1 h")
    assert len(rig.behind.acks()) == 1


def test_nobody_waits_for_a_slack_that_does_not_listen(
    rig: Rig, wait_until: Callable[..., Any]
) -> None:
    rig.slack.failing = [Reply(manner="never")] * 9
    rig.buttons.start()
    rig.press_only("Ack 1 h", user="U0MALLORY")
    wait_until(lambda: len(rig.slack.received) > 1, what="the first is being told")
    for number in range(80):
        if rig.press_only("Ack 1 h", user="U0MALLORY", trigger_id=str(number))[0] == 503:
            break
    else:
        raise AssertionError("only so many may wait")
    begun = time.monotonic()
    rig.buttons.stop()
    assert time.monotonic() - begun < 4
    assert not rig.buttons.is_alive


def test_the_next_is_acknowledged_before_the_last_is_told(rig: Rig) -> None:
    rig.press_only("Ack 1 h", user="U0MALLORY")
    rig.press_only("Ack 1 h")
    told: list[int] = []
    answer = rig.slack.answer

    def look(received: Any) -> Reply:
        told.append(len(rig.behind.acks()))
        return answer(received)

    rig.slack.instead = look
    rig.buttons.round()
    assert told == [1, 1]


def test_no_secret_is_told(rig: Rig, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    url = rig.slack.url + "/actions/T0AAAAAAA/0001/plantedresponsesecret"
    rig.slack.failing = [Reply(500, f"error at {url}")] * 2
    rig.press("Ack 1 h", response_url=url)
    said = caplog.text + rig.behind.telemetry.exposition().decode()
    assert "who pressed is not told: Slack answered 500: error at" in said
    assert "planted" not in said
    assert b"planted" not in rig.behind.database.read_bytes()


def test_what_cannot_be_acknowledged_has_no_buttons(rig: Rig) -> None:
    rig.tell(kind=Kind.RESOLVED)
    assert rig.slack.buttons == {}
