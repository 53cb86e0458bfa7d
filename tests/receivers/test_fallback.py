"""What a channel does not deliver the next one takes over, on record, and nobody is told twice."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import msgspec
import pytest
from loopback_http import LoopbackServer, Received, Reply
from mail_servers import Postbox, mail_server
from owed_messages import as_told
from slack_stand_in import SlackStandIn

from risk_policy import parse_policy
from risk_policy.vocabulary import Severity
from risk_receivers.audit.query import events
from risk_receivers.channels import CHANNELS, enabled_channels, fallbacks
from risk_receivers.channels.dead_letters import (
    Fate,
    ResendError,
    dead_letters,
    dismiss,
    lost_by_channel,
    resend,
    resend_all,
)
from risk_receivers.channels.failover import give_up
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox, mark_delivered
from risk_receivers.courier import Courier, Terms, channel_gauges
from risk_receivers.overdue import Overdue
from risk_receivers.schema import SCHEMA, to_text
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

Wait = Callable[..., Any]

POLICY = """
[alerting.channels.console]
enabled = false
[alerting.channels.file]
enabled = false
[alerting.channels.slack]
enabled = true
min_severity = "INFO"
timeout_seconds = 3
{slack}
[alerting.channels.email]
enabled = true
min_severity = "EMERGENCY"
smtp_host = "127.0.0.1"
smtp_port = {smtp}
use_tls = false
to_addresses = ["desk@example.com"]
{email}
[alerting.channels.webhook]
enabled = true
min_severity = "EMERGENCY"
"""
SOON = "deadline_seconds = 0.5\n"
LATE = "deadline_seconds = 600\n"
TO_MAIL = 'fallback = ["email"]\n'


@dataclass
class Desk:
    """The channels of a running service, and everything on the other side of them."""

    folder: Path
    slack: SlackStandIn
    postbox: Postbox
    webhook: LoopbackServer
    telemetry: Telemetry = field(default_factory=Telemetry)
    stack: ExitStack = field(default_factory=ExitStack)
    outbox: Outbox = field(default_factory=lambda: Outbox({}))
    writer: Writer | None = None
    workers: list[Worker] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "audit.db"

    def open(self, slack: str, email: str = "") -> Desk:
        """The store and the channels, which do nothing yet."""
        text = POLICY.format(slack=slack, email=email, smtp=self.postbox.port)
        policy = parse_policy(text.encode())
        channels = enabled_channels(policy)
        self.outbox = Outbox(channels, fallbacks(policy))
        self.writer = writer = Writer(
            self.database,
            origin="test",
            retention=policy.alerting.audit.retention,
            schema=SCHEMA,
            batch=100,
            queue_depth=1000,
        )
        writer.start()
        self.stack.callback(writer.stop)
        terms = Terms.of_channels(policy, self.wake)
        made = {name: CHANNELS[name](policy, self.folder, as_told) for name in channels}
        couriers = [
            Courier(name, channel, self.database, writer, self.telemetry, terms[name])
            for name, channel in made.items()
        ]
        self.telemetry.add_source(lambda: channel_gauges(couriers))
        self.workers += couriers
        self.workers.append(Overdue(terms, self.database, writer, self.telemetry))
        return self

    def start(self) -> Desk:
        for worker in self.workers:
            worker.start()
            self.stack.callback(worker.stop)
        return self

    def wake(self) -> None:
        for worker in self.workers:
            worker.wake()

    def owe(
        self,
        text: str,
        *,
        subject: str = "",
        severity: Severity = Severity.WARNING,
        kind: Kind = Kind.FIRING,
        age: timedelta = timedelta(),
        risk_id: str = "",
    ) -> None:
        at = datetime.now(UTC) - age
        message = Message(subject or text, kind, severity, "A_TITLE", text, at, 1, risk_id)
        self.run(lambda transaction: self.outbox.owe(transaction.connection, message))
        self.wake()

    def run(self, work: Callable[[Transaction], Any]) -> Any:
        assert self.writer is not None
        return self.writer.run(work, 10)

    def connected(self) -> sqlite3.Connection:
        return sqlite3.connect(self.database)

    def dead(self) -> list[tuple[str, Fate, str]]:
        with closing(self.connected()) as connection:
            return [(one.channel, one.fate, one.by) for one in dead_letters(connection, 100)]

    def lost(self) -> dict[str, int]:
        with closing(self.connected()) as connection:
            return lost_by_channel(connection)

    def mails(self) -> list[str]:
        return [str(mail.get_content()) for _, mail in self.postbox.mails]

    def slacked(self) -> list[str]:
        return [one["attachments"][0]["fallback"] for one in self.slack.posted]

    def history(self) -> list[str]:
        return [str(event.event_type) for event in events(self.database, 0, 1000)]

    def metric(self, series: str) -> float | None:
        for line in self.telemetry.exposition().decode().splitlines():
            if line.startswith(series + " "):
                return float(line.rpartition(" ")[2])
        return None


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    with ExitStack() as stack:
        slack = stack.enter_context(SlackStandIn())
        webhook = stack.enter_context(LoopbackServer())
        postbox = stack.enter_context(mail_server())
        monkeypatch.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        monkeypatch.setenv("WEBHOOK_URL", f"{webhook.url}/hook")
        monkeypatch.setenv("WEBHOOK_HMAC_SECRET", "secret")
        made = Desk(tmp_path, slack, postbox, webhook)
        stack.enter_context(made.stack)
        yield made


def breaks(desk: Desk, status: int, body: str, about: str = "") -> None:
    """Slack answers so whatever holds a text, and takes the rest."""

    def answer(received: Received) -> Reply:
        wrong = about.encode() in received.body
        return Reply(status, body) if wrong else desk.slack.answer(received)

    desk.slack.instead = answer


def test_what_slack_does_not_confirm_in_time_arrives_by_mail_and_stays_visible(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 503, "down")
    desk.open(SOON + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    wait_until(desk.mails, what="the mail took over")
    assert "drawdown is 12 %" in desk.mails()[0]
    wait_until(lambda: desk.dead() == [("slack", Fate.DELIVERED, "email")])
    assert desk.lost() == {}
    assert desk.history() == ["NOTIFICATION_FAILED", "NOTIFICATION_FAILED_OVER"]
    (_, over) = events(desk.database, 0, 10)
    assert over.payload is not None
    details = over.payload.details
    assert (details["channel"], details["to"]) == ("slack", "email")
    assert "not confirmed within 0.5 s" in str(details["reason"])
    failovers = 'risk_channel_failovers_total{channel="slack",to="email"}'
    wait_until(lambda: desk.metric(failovers) == 1)
    assert desk.metric('risk_channel_up{channel="slack"}') == 0
    wait_until(lambda: desk.metric('risk_channel_up{channel="email"}') == 1)

    desk.slack.instead = None
    desk.owe("leverage is 4")
    wait_until(desk.slacked, what="Slack is back")
    assert "drawdown" not in str(desk.slack.posted), "the mail has said that"
    assert desk.metric('risk_channel_up{channel="slack"}') == 1


def test_a_channel_that_hangs_holds_back_nothing_from_the_next(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open(SOON + TO_MAIL).start()
    desk.slack.next.append(Reply(manner="never"))
    desk.owe("drawdown is 12 %")
    wait_until(desk.mails, seconds=2.5, what="before Slack's request is over")


def test_what_slack_refuses_goes_on_at_once_from_channel_to_channel(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 400, "no_text")
    desk.postbox.recipients["desk@example.com"] = "550 nobody here"
    desk.open(LATE + 'fallback = ["email", "webhook"]').start()
    desk.owe("drawdown is 12 %")
    wait_until(lambda: desk.webhook.received, what="the last in the list has it")
    wait_until(lambda: [one[1] for one in desk.dead()] == [Fate.DELIVERED] * 2)
    assert [one[0] for one in desk.dead()] == ["email", "slack"]
    assert desk.history() == ["NOTIFICATION_FAILED", "NOTIFICATION_FAILED_OVER"] * 2


def test_a_wrong_address_hands_everything_over_and_the_channel_counts_as_down(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 404, "no_service")
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    desk.owe("leverage is 4")
    wait_until(lambda: len(desk.mails()) == 2)
    assert desk.metric('risk_channel_up{channel="slack"}') == 0
    assert desk.metric('risk_messages_total{channel="slack",outcome="failed"}') == 2


def test_an_emergency_goes_to_all_at_once_and_a_dead_channel_catches_up(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 503, "down")
    desk.open(SOON + TO_MAIL).start()
    desk.owe("KILL", severity=Severity.EMERGENCY)
    wait_until(lambda: desk.mails() and desk.webhook.received)
    wait_until(lambda: len(desk.slack.received) > 2, what="it is tried past its deadline")
    assert desk.dead() == [], "all of them were told already: there is nothing to take over"
    desk.slack.instead = None
    wait_until(desk.slacked, seconds=30)
    assert (len(desk.mails()), len(desk.webhook.received)) == (1, 1)


def test_an_emergency_overtakes_all_but_what_was_said_before_about_the_same(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open(LATE)
    desk.owe("b fires", subject="b")
    desk.owe("a fires", subject="a")
    desk.owe(
        "a counts as an emergency", subject="a", severity=Severity.EMERGENCY, kind=Kind.ESCALATED
    )
    desk.start()
    wait_until(lambda: len(desk.slacked()) == 3)
    said = [str(one) for one in desk.slack.posted]
    assert ["a fires" in said[0], "a counts" in said[1], "b fires" in said[2]] == [True] * 3


def test_one_message_that_always_fails_lets_the_others_pass_and_is_given_up_in_the_end(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 503, "overloaded", about="poison")
    desk.open(SOON)
    desk.owe("poison", subject="a")
    desk.owe("a is over", subject="a", kind=Kind.RESOLVED)
    desk.owe("b fires", subject="b")
    desk.owe("c fires", subject="c")
    desk.start()
    wait_until(lambda: len(desk.slacked()) == 2)
    assert "a is over" not in str(desk.slack.posted), "not before it was said that it fires"
    wait_until(lambda: len(desk.slacked()) == 3, seconds=30)
    assert "a is over" in str(desk.slack.posted[2])
    assert desk.dead() == [("slack", Fate.LOST, "")]
    assert desk.lost() == {"slack": 1}
    assert desk.history() == ["NOTIFICATION_FAILED"]


def test_what_was_due_before_the_start_is_tried_first_and_not_handed_over(
    desk: Desk, wait_until: Wait
) -> None:
    desk.open("deadline_seconds = 2\n" + TO_MAIL)
    desk.owe("from an hour ago", age=timedelta(hours=1))
    desk.start()
    wait_until(desk.slacked)
    assert (desk.dead(), desk.mails()) == ([], [])


def test_a_late_confirmation_is_one(desk: Desk, wait_until: Wait) -> None:
    desk.open(SOON + TO_MAIL)
    desk.owe("drawdown is 12 %")
    at = to_text(datetime.now(UTC))
    desk.run(
        lambda transaction: transaction.connection.execute(
            "INSERT INTO dead_message VALUES (1, ?, 'late')", (at,)
        )
    )
    assert desk.lost() == {"slack": 1}
    desk.run(lambda transaction: mark_delivered(transaction.connection, 1, transaction.now))
    assert desk.dead() == []


@pytest.mark.parametrize("limit", ["channel_failing", "dead_letters"])
def test_that_a_channel_fails_is_told_by_another_whatever_it_takes_otherwise(
    desk: Desk, wait_until: Wait, limit: str
) -> None:
    breaks(desk, 503, "down")
    desk.open(LATE + 'fallback = ["webhook"]').start()
    desk.owe("Messages through channel slack fail", risk_id=f"{limit}/slack")
    wait_until(lambda: desk.webhook.received, what="the first to take over tells of it")
    assert desk.webhook.received[0].json["text"] == "Messages through channel slack fail"
    desk.owe("Messages through channel email fail", risk_id=f"{limit}/email")
    with closing(desk.connected()) as connection:
        told = connection.execute("SELECT channel, subject FROM message").fetchall()
    assert len(told) == 3, "Slack takes warnings, so nobody else has to tell that mail fails"
    assert desk.mails() == []


def test_without_fallbacks_whoever_hears_most_is_told_that_a_channel_fails() -> None:
    levels = {"console": Severity.DEBUG, "slack": Severity.WARNING, "sms": Severity.EMERGENCY}
    levels["email"] = Severity.CRITICAL
    with closing(sqlite3.connect(":memory:")) as connection:
        for statement in SCHEMA:
            connection.execute(statement)
        message = Message("s", Kind.FIRING, Severity.WARNING, "T", "x", datetime.now(UTC), 1)
        message = msgspec.structs.replace(message, risk_id="channel_failing/slack")
        Outbox(levels).owe(connection, message)
        told = connection.execute("SELECT channel FROM message ORDER BY channel").fetchall()
    assert [channel for (channel,) in told] == ["console", "email", "slack"]


def test_what_is_lost_is_sent_again_once_on_record_and_nothing_that_people_have(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 400, "no_text")
    desk.postbox.to_mail = "554 it looks like spam"
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    wait_until(lambda: desk.lost() == {"slack": 1, "email": 1}, what="both refused it")

    desk.slack.instead = None
    (one,) = desk.run(lambda it: resend_all(it, ["slack", "email"], actor="olga"))
    assert (one.number, one.channel) == (1, "slack"), "the same news goes out once"
    desk.wake()
    wait_until(desk.slacked, what="it is delivered")
    wait_until(lambda: desk.dead() == [("email", Fate.DELIVERED, "slack")])
    assert desk.lost() == {}
    assert desk.run(lambda it: resend_all(it, ["slack", "email"], actor="olga")) == []
    again = [e for e in events(desk.database, 0, 99) if e.event_type == "NOTIFICATION_RESENT"]
    assert [e.payload and e.payload.actor_id for e in again] == ["olga"]

    for number, said in ((2, "confirmed by slack; people have it"), (3, "was not given up")):
        with pytest.raises(ResendError, match=said):
            desk.run(partial(resend, number=number, channels=["email"], actor="olga"))
    assert len(desk.slack.posted) == 1


def test_what_is_on_its_way_elsewhere_or_has_no_channel_any_more_is_not_sent_again(
    desk: Desk, wait_until: Wait
) -> None:
    breaks(desk, 400, "no_text")
    desk.postbox.to_mail = "451 later"
    desk.open(LATE + TO_MAIL).start()
    desk.owe("drawdown is 12 %")
    wait_until(lambda: desk.dead() == [("slack", Fate.TAKEN_OVER, "email")])
    with pytest.raises(ResendError, match="on its way"):
        desk.run(partial(resend, number=1, channels=["slack"], actor="olga"))
    assert desk.lost() == {}
    desk.run(lambda it: give_up(it, {}, 2, "by hand"))
    with pytest.raises(ResendError, match="slack of message 1 is not enabled"):
        desk.run(partial(resend, number=1, channels=["email"], actor="olga"))

    assert desk.lost() == {"slack": 1, "email": 1}
    desk.run(partial(dismiss, number=1, actor="olga", comment="yesterday's news"))
    assert desk.lost() == {"email": 1}
    assert desk.dead()[1] == ("slack", Fate.DISMISSED, "")
    with pytest.raises(ResendError, match="dismissed"):
        desk.run(partial(dismiss, number=1, actor="olga", comment="again"))
    last = events(desk.database, 0, 99)[-1]
    assert last.event_type == "NOTIFICATION_DISMISSED"
    assert last.payload is not None
    assert last.payload.action_reason == "yesterday's news"
