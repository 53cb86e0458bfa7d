"""The channels of a running service in process, with Slack, mail and a webhook on loopback."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Collection, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from loopback_http import LoopbackServer, Received, Reply
from mail_servers import Postbox, mail_server
from owed_messages import as_told
from slack_stand_in import SlackStandIn
from writers import started

from risk_policy import parse_policy
from risk_policy.vocabulary import Severity
from risk_receivers.audit.query import events
from risk_receivers.channels import CHANNELS, enabled_channels, fallbacks
from risk_receivers.channels.dead_letters import Fate, dead_letters, lost_by_channel
from risk_receivers.channels.message import Kind, Message
from risk_receivers.channels.outbox import Outbox
from risk_receivers.courier import Courier, Terms, channel_gauges
from risk_receivers.overdue import Overdue
from risk_receivers.store.writer import Transaction, Writer
from risk_receivers.telemetry import Telemetry
from risk_receivers.workers import Worker

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
to_addresses = [{to}]
{email}
[alerting.channels.webhook]
enabled = true
min_severity = "EMERGENCY"
"""
DESK = "desk@example.com"
SOON = "deadline_seconds = 1.5\n"
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

    def open(self, slack: str, email: str = "", to: tuple[str, ...] = (DESK,)) -> Desk:
        """The store and the channels, which do nothing yet."""
        addresses = ", ".join(f'"{address}"' for address in to)
        text = POLICY.format(slack=slack, email=email, to=addresses, smtp=self.postbox.port)
        policy = parse_policy(text.encode())
        channels = enabled_channels(policy)
        self.outbox = Outbox(channels, fallbacks(policy))
        self.writer = writer = started(self.database, retention=policy.alerting.audit.retention)
        self.stack.callback(writer.stop)
        terms = Terms.of_channels(policy, self.wake)
        made = {name: CHANNELS[name](policy, self.folder, as_told) for name in channels}
        couriers = [
            Courier(name, channel, self.database, writer, self.telemetry, terms[name])
            for name, channel in made.items()
        ]
        self.telemetry.add_source(lambda: channel_gauges(couriers))
        self.workers += couriers
        by_name = {courier.channel_name: courier for courier in couriers}
        overdue = Overdue(
            terms,
            self.database,
            writer,
            self.telemetry,
            lambda channel, number: by_name[channel].has_confirmed(number),
        )
        self.workers.append(overdue)
        return self

    def start(self) -> Desk:
        for worker in self.workers:
            worker.start()
            self.stack.callback(worker.stop)
        return self

    def breaks(self, status: int, body: str, about: str = "") -> None:
        """Slack answers so whatever holds a text, and takes the rest."""

        def answer(received: Received) -> Reply:
            wrong = about.encode() in received.body
            return Reply(status, body) if wrong else self.slack.answer(received)

        self.slack.instead = answer

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
        only: Collection[str] | None = None,
    ) -> None:
        at = datetime.now(UTC) - age
        message = Message(subject or text, kind, severity, "A_TITLE", text, at, 1, risk_id)
        self.run(lambda transaction: self.outbox.owe(transaction.connection, message, only))
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

    def rows(self, query: str) -> list[Any]:
        with closing(self.connected()) as connection:
            return connection.execute(query).fetchall()

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


@contextmanager
def desk_in(folder: Path, environ: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk where nobody works yet; whoever starts there has stopped in the end."""
    with ExitStack() as stack:
        slack = stack.enter_context(SlackStandIn())
        webhook = stack.enter_context(LoopbackServer())
        postbox = stack.enter_context(mail_server())
        environ.setenv("SLACK_WEBHOOK_URL", slack.webhook_url)
        environ.setenv("WEBHOOK_URL", f"{webhook.url}/hook")
        environ.setenv("WEBHOOK_HMAC_SECRET", "secret")
        made = Desk(folder, slack, postbox, webhook)
        stack.enter_context(made.stack)
        yield made
